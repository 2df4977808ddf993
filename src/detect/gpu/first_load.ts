/**
 * The first load of an engine with a GPU and its driver: in a process of its own, since what TensorRT does with an engine that
 * it never saw may be a crash, which would end a worker again and again without a word about the engine. A build loads its
 * engine so too; what remains are engines that were built without a GPU or elsewhere, and those of before a new driver.
 */
import { getLogger } from "@logtape/logtape";
import type { Json } from "../../cache/key.ts";
import type { EngineCache, Hit } from "../../cache/store.ts";
import { checkEngine } from "../../tensorrt/load/check_engine.ts";
import { keepKernels, kernelFile, kernelPart } from "../../tensorrt/load/kernel_cache.ts";
import type { LoadPlan } from "../../tensorrt/load/load_messages.ts";
import { recordFor, verificationsOf } from "../../verify/record.ts";
import type { GateMachine } from "../../verify/report.ts";
import type { SideFileOwner } from "../../cache/place.ts";

const log = getLogger(["trtd", "tensorrt"]);

/** Name of the field in the metadata: machines that loaded the engine, newest first. */
const LOADED_ON = "loaded_on";

/** Machines that one engine's metadata remember. */
const MACHINES_KEPT = 8;

export interface FirstLoad {
  readonly hit: Hit;
  readonly cache: Pick<EngineCache, "amend" | "sideFile">;
  readonly machine: GateMachine;
  /** Whose compiled kernels TensorRT-RTX keeps, null for nobody's. */
  readonly owner: SideFileOwner | null;
  readonly plan: LoadPlan;
  /** Path of libtrtd, null for where it usually is. */
  readonly shim: string | null;
  /** @default that of `src/tensorrt/load` */
  readonly load?: typeof checkEngine;
}

/**
 * Loads an engine in a child process, unless it is known to load here. The kernels that TensorRT-RTX compiles are kept.
 * Where the process may start no other, nothing is tried.
 * @throws {LoadFailure} by the child's end; a crash is `LOAD_CRASHED` with the signal and TensorRT's last words
 */
export async function loadFirst(
  { hit, cache, machine, owner, plan, shim, load = checkEngine }: FirstLoad,
): Promise<void> {
  const { sha256 } = hit.entry.engine;
  if (wasLoaded(hit.entry.facts, { sha256, machine })) return;
  const kernels = await kernelFile(cache, { engine: sha256, owner });
  if (kernels !== null && kernels.read !== null) return;
  if ((await Deno.permissions.query({ name: "run" })).state !== "granted") return;
  log.info("{engine} is loaded in a process of its own first: it is not known to load on this GPU with this driver", {
    engine: hit.path,
  });
  const kept = kernels?.path ?? null;
  const part = kept === null ? null : kernelPart(kept);
  try {
    const { runtime_cache: written } = await load({
      engine: { path: hit.path, sha256 },
      plan,
      shim,
      ...part === null ? {} : { runtimeCache: { read: null, write: part } },
    });
    if (kept !== null && part !== null && (written?.written_bytes ?? 0) > 0) await keepKernels(part, kept);
  } finally {
    if (part !== null) await Deno.remove(part).catch(() => {});
  }
  const problem = await cache.amend(hit, (facts) => ({
    ...facts,
    [LOADED_ON]: [machine, ...machinesOf(facts).filter((one) => !isSame(one, machine))]
      .slice(0, MACHINES_KEPT) as unknown as Json,
  }));
  if (problem !== null) log.debug("That {engine} loads is not remembered: {problem}", { engine: hit.path, problem });
}

type Facts = Readonly<Record<string, unknown>>;

/** Whether metadata tell of a load of this very engine on this GPU with this driver and TensorRT. */
export function wasLoaded(
  facts: Facts,
  { sha256, machine }: { readonly sha256: string; readonly machine: GateMachine },
): boolean {
  return isBuiltOn(facts, machine) || machinesOf(facts).some((one) => isSame(one, machine)) ||
    recordFor(verificationsOf(facts), { sha256, machine, set: null }) !== null;
}

/** The build loaded it, and the TensorRT of a build is in the key. */
function isBuiltOn({ loaded, gpu, driver }: Facts, machine: GateMachine): boolean {
  return typeof loaded === "object" && loaded !== null && driver === machine.driver &&
    (gpu as { readonly name?: unknown } | null | undefined)?.name === machine.gpu;
}

const machinesOf = (facts: Facts): readonly GateMachine[] => {
  const all = facts[LOADED_ON];
  return Array.isArray(all) ? all.filter((one) => typeof one === "object" && one !== null) : [];
};

const isSame = (a: GateMachine, b: GateMachine): boolean =>
  a.gpu === b.gpu && a.compute_capability === b.compute_capability && a.driver === b.driver &&
  a.tensorrt === b.tensorrt;
