/** The first load of a new engine, with TensorRT-RTX's cache of compiled kernels. */
import { createHash } from "node:crypto";
import type { EngineCache } from "../../cache/store.ts";
import { TrtdError } from "../../errors.ts";
import { checkEngine } from "../load/check_engine.ts";
import { LoadFailure } from "../load/load_failure.ts";
import type { PlanMachine } from "../plan/plan.ts";
import type { LoadRecord } from "./engine_metadata.ts";
import { sideFileOwner, type UncheckedEngine } from "./obtain_engine.ts";

export interface CheckOptions {
  readonly cache: Pick<EngineCache, "sideFile">;
  readonly machine: PlanMachine;
  /** Path of libtrtd, null for where it usually is. */
  readonly shim: string | null;
  readonly signal?: AbortSignal;
  /** @default that of `src/tensorrt/load` */
  readonly load?: typeof checkEngine;
}

/**
 * Loads an engine on the GPU of its plan, in a child process. The kernels that TensorRT-RTX compiles for it are kept
 * per GPU and driver, so that the next load need not compile them.
 * @throws {TrtdError} the failure of the load
 */
export async function checkBuilt(engine: UncheckedEngine, options: CheckOptions): Promise<LoadRecord> {
  const { cache, machine, shim, signal, load = checkEngine } = options;
  const { path, sha256, plan } = engine;
  const kernels = await kernelsOf(engine, { cache, machine });
  const kept = kernels?.path ?? null;
  const part = kept === null ? null : `${kept}.${crypto.randomUUID()}.part`;
  try {
    const loaded = await load(
      {
        engine: { path, sha256 },
        plan,
        shim,
        ...part === null ? {} : { runtimeCache: { read: kernels?.read ?? null, write: part } },
      },
      signal === undefined ? {} : { signal },
    );
    if (kept !== null && part !== null && (loaded.runtime_cache?.written_bytes ?? 0) > 0) await keepKernels(part, kept);
    return { ...loaded, timings_ms: { ...loaded.timings_ms }, remarks: [...kernels?.remarks ?? [], ...loaded.remarks] };
  } catch (failure) {
    if (failure instanceof LoadFailure) await addToLog(engine.log, failure);
    throw failure;
  } finally {
    if (part !== null) await Deno.remove(part).catch(() => {});
  }
}

/** What TensorRT said follows the log of the build, so that both can be read in one place. */
async function addToLog(log: string, { code, message, lines }: LoadFailure): Promise<void> {
  const text = [...lines, `# load: ${code}: ${message}`, ""].join("\n");
  await Deno.writeTextFile(log, text, { append: true }).catch(() => {});
}

interface Kernels {
  /** Null where no folder takes it. */
  readonly path: string | null;
  readonly read: { readonly path: string; readonly sha256: string } | null;
  readonly remarks: readonly string[];
}

/** Where compiled kernels are kept, and what is there; null for a TensorRT that has none. */
async function kernelsOf(
  { plan }: UncheckedEngine,
  { cache, machine }: Pick<CheckOptions, "cache" | "machine">,
): Promise<Kernels | null> {
  const owner = sideFileOwner(plan, machine);
  if (owner === null || owner.product !== "tensorrt-rtx") return null;
  try {
    const path = await cache.sideFile("runtime", owner);
    const sha256 = await Deno.readTextFile(digestPath(path)).then((text) => text.trim(), () => "");
    return { path, read: /^[0-9a-f]{64}$/.test(sha256) ? { path, sha256 } : null, remarks: [] };
  } catch (error) {
    if (!(error instanceof TrtdError)) throw error;
    return { path: null, read: null, remarks: [`Compiled kernels are not kept: ${error.message}`] };
  }
}

/** The digest of the kernels that were kept: without it they are not read again. */
const digestPath = (path: string): string => `${path}.sha256`;

/** Where the digest is lost between the two renames, the kernels are compiled once more. */
async function keepKernels(part: string, path: string): Promise<void> {
  const digest = createHash("sha256").update(await Deno.readFile(part)).digest("hex");
  const digestPart = `${part}.sha256`;
  await Deno.writeTextFile(digestPart, `${digest}\n`, { mode: 0o600 });
  await Deno.chmod(part, 0o600);
  await Deno.rename(part, path);
  await Deno.rename(digestPart, digestPath(path));
}
