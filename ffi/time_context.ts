/** The bare engine, timed. */

import { callLong } from "./call.ts";
import type { Device } from "./cuda.ts";
import { TimeFlag } from "./enums.ts";
import type { ExecutionContext } from "./runtime.ts";

/** Options of {@link timeContext}. */
export interface TimeOptions {
  /** 1 to 1,000,000. */
  readonly runs: number;
  /** Launch a CUDA graph of the run instead of enqueueing it. */
  readonly graph: boolean;
  /**
   * `latency`: each run is waited for, and timed on the GPU from its begin to its end. `clock`: the same by the host's
   * clock, launch and waiting included. `throughput`: runs follow each other without a wait, and each is timed on the
   * GPU from the end of the one before.
   * @default "latency"
   */
  readonly mode?: "latency" | "clock" | "throughput";
}

/**
 * Runs of the engine alone, in a loop inside libtrtd after two that do not count. Shapes of dynamic inputs must be set; memory
 * of all tensors (zeros) is allocated for the call. A pipeline of this context sets its own again.
 * @returns milliseconds of each run
 * @throws {ShimError} `UNSUPPORTED` when the graph is refused, `EXECUTION_FAILED`, `OUT_OF_MEMORY`, `CUDA_ERROR`
 */
export async function timeContext(
  context: ExecutionContext,
  device: Device,
  options: TimeOptions,
): Promise<Float64Array<ArrayBuffer>> {
  const ms = new Float64Array(options.runs);
  const out = new Uint8Array(ms.buffer);
  const mode = { latency: 0, clock: TimeFlag.CLOCK, throughput: TimeFlag.THROUGHPUT }[options.mode ?? "latency"];
  const flags = mode | (options.graph ? TimeFlag.GRAPH : 0);
  await callLong(
    [out],
    (symbols, error) => symbols.trtd_context_time(context.handle, device.handle, options.runs, flags, out, error),
  );
  return ms;
}
