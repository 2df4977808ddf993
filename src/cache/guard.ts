/** What an upgrade of TensorRT, driver or JetPack will cost, said before any traffic. Pure. */
import type { Entry } from "./entry.ts";
import { type AnyKey, branchOf, type Difference, type Json } from "./key.ts";

/** The machine that would use the engines. */
export interface GuardMachine {
  readonly tensorrt: {
    readonly product: "tensorrt" | "tensorrt-rtx";
    readonly family: string;
    readonly version: string;
    readonly cuda: string | null;
  };
  readonly gpu: { readonly name: string; readonly computeCapability: string } | null;
  /** Release of the driver. */
  readonly driver: string | null;
  /** L4T release of a Jetson, which JetPack installs; null elsewhere. */
  readonly jetpack: string | null;
  readonly platform: string;
  /** Version of libtrtd. */
  readonly shim: string;
}

/** An engine of the cache. */
export interface GuardEngine {
  /** What tells places apart: engines of one place are for the same model, precision and batch. */
  readonly place: string;
  readonly model: string;
  readonly path: string;
  /** Whether it is the one in its place, not kept apart. */
  readonly current: boolean;
  readonly entry: Pick<Entry, "key" | "facts">;
}

export interface Rebuild {
  readonly place: string;
  readonly model: string;
  /** In what the engine that is there does not fit the machine. */
  readonly differences: readonly Difference[];
  /** Seconds that its last build took, null when unknown. */
  readonly expected_s: number | null;
}

export interface UpgradeReport {
  /** What changed since the engines were built: fields of the key, and `driver` and `jetpack`; each once. */
  readonly changes: readonly Difference[];
  /** Places without an engine that fits the machine. */
  readonly rebuilt: readonly Rebuild[];
  /** Engines that fit the machine. */
  readonly kept: readonly string[];
}

/**
 * Compares the engines of a cache with a machine. An engine that fits may still be a miss for another reason, such as a
 * model that changed; one that does not fit is one for sure.
 */
export function upgradeReport(engines: readonly GuardEngine[], machine: GuardMachine): UpgradeReport {
  const places = Map.groupBy(engines, ({ place }) => place);
  const kept: string[] = [];
  const rebuilt: Rebuild[] = [];
  for (const [place, there] of places) {
    const fitting = there.filter(({ entry }) => machineDifferences(entry.key, machine).length === 0);
    kept.push(...fitting.map(({ path }) => path));
    const first = there.find(({ current }) => current) ?? there[0]!;
    if (fitting.length > 0) continue;
    const { model, entry } = first;
    const duration = entry.facts["duration_s"];
    rebuilt.push({
      place,
      model,
      differences: machineDifferences(entry.key, machine),
      expected_s: typeof duration === "number" ? duration : null,
    });
  }
  const all = engines.filter(({ current }) => current).flatMap(({ entry }) => [
    ...machineDifferences(entry.key, machine),
    ...systemDifferences(entry.facts, machine),
  ]);
  const changes = [...new Map(all.map((one) => [JSON.stringify(one), one])).values()];
  return { changes, rebuilt, kept };
}

/** Fields of a key that a machine decides, where the engine depends on them. */
export function machineDifferences(key: AnyKey, machine: GuardMachine): Difference[] {
  const { tensorrt, gpu, driver, platform, shim } = machine;
  const cudaMajor = /^\d+/.exec(tensorrt.cuda ?? "")?.[0];
  const exact: Record<string, Json> = {
    tensorrt_product: tensorrt.product,
    tensorrt_family: tensorrt.family,
    tensorrt_version: tensorrt.version,
    platform,
    shim,
  };
  const whereTied: Record<string, Json> = {
    gpu_name: gpu?.name ?? null,
    compute_capability: gpu?.computeCapability ?? null,
    cuda_major: cudaMajor === undefined ? null : Number(cudaMajor),
    driver_branch: branchOf(driver),
  };
  const differing = (fields: Record<string, Json>, tiedOnly: boolean) =>
    Object.entries(fields).flatMap(([field, now]): Difference[] => {
      const old = key[field] ?? null;
      return old === now || tiedOnly && old === null ? [] : [{ field, old, new: now }];
    });
  return [...differing(exact, false), ...differing(whereTied, true), ...targetDifference(key, machine)];
}

/** An engine that names the GPUs it runs on must name this one. */
function targetDifference(key: AnyKey, { gpu }: GuardMachine): Difference[] {
  const targets = key["targets"];
  if (key["gpu_name"] !== null || key["hardware_compatibility"] !== "none" || gpu === null) return [];
  const own = Number(gpu.computeCapability.replace(/\D/g, ""));
  if (!Array.isArray(targets) || targets.length === 0 || targets.includes(own)) return [];
  return [{ field: "targets", old: targets, new: [own] }];
}

/** What the builder wrote down of its machine, for people; keys hold less of it. */
function systemDifferences(facts: Entry["facts"], { driver, jetpack }: GuardMachine): Difference[] {
  const before = facts["machine"];
  if (typeof before !== "object" || before === null || Array.isArray(before)) return [];
  const { driver: oldDriver = null, jetpack: oldJetpack = null } = before as Record<string, Json>;
  return [
    ...oldDriver === null || oldDriver === driver ? [] : [{ field: "driver", old: oldDriver, new: driver }],
    ...oldJetpack === null || oldJetpack === jetpack ? [] : [{ field: "jetpack", old: oldJetpack, new: jetpack }],
  ];
}
