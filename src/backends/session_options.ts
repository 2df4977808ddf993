/** How ONNX Runtime is set up for one inference at a time on a small machine. */
import type { InferenceSession } from "onnxruntime-node";

/**
 * How long an idle thread of a run looks for its next piece of work before it sleeps. ONNX Runtime's own default is
 * about a millisecond, and then every core that something else needs as well (decoding, HTTP, another program) is
 * fought over. Measured with YOLOv8n on two cores: 47.6 ms a run and 89 ms of CPU instead of 48.3 and 103 on a quiet
 * machine; 125 ms instead of 220 beside one busy process. Without any spinning: 53 and 105 ms.
 */
const SPIN_US = 50;

/**
 * Session options for `threads` threads.
 *
 * - `intraOpNumThreads` is always given: left to itself ONNX Runtime counts the cores of the host, not of the cgroup,
 *   and pins its threads to them.
 * - `sequential` with one inter-op thread: a detector is one chain of heavy convolutions; `parallel` is not faster.
 * - All graph optimizations: only the last level has the blocked convolution layout, without which a run takes 1.4
 *   times as long.
 * - Arena and memory pattern: buffers are laid out once for the one input shape and then reused.
 * - Nothing is logged but what ends the process: all else that matters is thrown too.
 */
export function sessionOptions(threads: number): InferenceSession.SessionOptions {
  return {
    executionProviders: ["cpu"],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    graphOptimizationLevel: "all",
    enableCpuMemArena: true,
    enableMemPattern: true,
    logSeverityLevel: 4,
    extra: { session: { intra_op: { spin_duration_us: String(SPIN_US) } } },
  };
}
