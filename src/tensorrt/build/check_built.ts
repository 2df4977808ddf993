/** The first load of a new engine, with TensorRT-RTX's cache of compiled kernels. */
import type { EngineCache } from "../../cache/store.ts";
import { checkEngine } from "../load/check_engine.ts";
import { keepKernels, kernelFile, kernelPart } from "../load/kernel_cache.ts";
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
 * per engine, GPU and driver, so that the next load need not compile them.
 * @throws {TrtdError} the failure of the load
 */
export async function checkBuilt(engine: UncheckedEngine, options: CheckOptions): Promise<LoadRecord> {
  const { cache, machine, shim, signal, load = checkEngine } = options;
  const { path, sha256, plan } = engine;
  const kernels = await kernelFile(cache, { engine: sha256, owner: sideFileOwner(plan, machine) });
  const kept = kernels?.path ?? null;
  const part = kept === null ? null : kernelPart(kept);
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
