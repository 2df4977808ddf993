/** Execution contexts. */
import type { Engine, ExecutionContext } from "../../../ffi/runtime.ts";
import { ShimError } from "../../../ffi/shim_error.ts";

/**
 * The first context of an engine.
 * @param kernels those of before, empty for none; null where there is no runtime cache
 * @throws {ShimError}
 */
export async function firstContext(engine: Engine, kernels: Uint8Array<ArrayBuffer> | null): Promise<ExecutionContext> {
  if (kernels === null) return await engine.createContext();
  try {
    return await rtxContext(engine, kernels);
  } catch (error) {
    if (kernels.length === 0 || !(error instanceof ShimError) || error.statusName !== "REFUSED") throw error;
    return await rtxContext(engine, new Uint8Array(0));
  }
}

/**
 * A context of TensorRT-RTX. Kernels of a dynamic shape are waited for: a graph that is recorded before they are compiled
 * would keep the slow ones.
 * @param kernels those that are compiled already, empty for none
 */
export const rtxContext = (engine: Engine, kernels: Uint8Array<ArrayBuffer>): Promise<ExecutionContext> =>
  engine.createContext({ runtimeCache: kernels, specialize: true });
