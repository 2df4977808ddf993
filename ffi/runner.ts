/** Tensors in host memory to tensors in host memory: each run is one call on another thread. */

import { callLong, cText, outU64Long } from "./call.ts";
import type { Device } from "./cuda.ts";
import { PipelineFlag } from "./enums.ts";
import { Owned } from "./handle.ts";
import { hostTensors, readTensors } from "./host_records.ts";
import { type PipelineFacts, pipelineFacts } from "./pipeline_facts.ts";
import type { ExecutionContext } from "./runtime.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A tensor of the engine and the most bytes that it takes. */
export interface RunnerTensor {
  readonly name: string;
  readonly bytesMax: number;
}

/** What a runner is made of. */
export interface RunnerSpec {
  /** Used by this runner alone. */
  readonly context: ExecutionContext;
  readonly device: Device;
  /** Every input of the engine. */
  readonly inputs: readonly RunnerTensor[];
  /** Outputs that are wanted; the engine may have others. */
  readonly outputs: readonly RunnerTensor[];
  readonly cudaGraph: boolean;
  /** As `spinUs` of a pipeline. @default 1500 */
  readonly spinUs?: number;
}

/** Bytes of a tensor in the engine's element type, and its shape. */
export interface HostTensor {
  readonly data: Bytes;
  readonly dims: readonly number[];
}

/**
 * The host path: tensors in, tensors out, over pinned memory and a CUDA graph. It needs no kernels of trtd, and is what
 * the parity check compares with.
 */
export class Runner extends Owned {
  readonly #spec: RunnerSpec;
  readonly #outputs: readonly Bytes[];
  #running = false;

  private constructor(handle: bigint, spec: RunnerSpec) {
    super(handle);
    this.#spec = spec;
    this.#outputs = spec.outputs.map(({ bytesMax }) => new Uint8Array(bytesMax));
  }

  /** @throws {ShimError} `INVALID_ARGUMENT` for names that the engine does not have, `OUT_OF_MEMORY`, `CUDA_ERROR` */
  static async create(spec: RunnerSpec): Promise<Runner> {
    const names = [spec.inputs, spec.outputs].map((tensors) => cText(tensors.map(({ name }) => name).join("\n")));
    const sizes = [spec.inputs, spec.outputs].map((tensors) =>
      new Uint8Array(BigUint64Array.from(tensors, ({ bytesMax }) => BigInt(bytesMax)).buffer)
    );
    const flags = spec.cudaGraph ? PipelineFlag.CUDA_GRAPH : 0;
    const handle = await outU64Long((out) =>
      callLong([...names, ...sizes, out], (symbols, error) =>
        symbols.trtd_runner_create(
          spec.context.handle,
          spec.device.handle,
          names[0]!,
          sizes[0]!,
          names[1]!,
          sizes[1]!,
          flags,
          spec.spinUs ?? 1500,
          out,
          error,
        ))
    );
    return new Runner(handle, spec);
  }

  /**
   * One run.
   * @param inputs in the order of the spec; read during the call only
   * @returns outputs in the order of the spec, whose memory is valid until the next run, and the time of the call
   * @throws {RangeError} while another run of this runner is under way
   * @throws {ShimError} `INVALID_ARGUMENT` for bytes that are not those of the shape or do not fit, `EXECUTION_FAILED`
   * outside the profile, `CUDA_ERROR`
   */
  async run(inputs: readonly HostTensor[]): Promise<{ readonly outputs: readonly HostTensor[]; readonly ms: number }> {
    if (this.#running) throw new RangeError("A run of this runner is under way");
    if (inputs.length !== this.#spec.inputs.length) throw new RangeError("Each input of the runner has one tensor");
    const given = hostTensors(inputs);
    const taken = hostTensors(this.#outputs.map((data) => ({ data, dims: [] })));
    const ms = new Float64Array(1);
    const out = new Uint8Array(ms.buffer);
    this.#running = true;
    try {
      await callLong(
        [given, taken, out, ...inputs.map(({ data }) => data), ...this.#outputs],
        (symbols, error) => symbols.trtd_runner_run(this.handle, given, taken, out, error),
      );
    } finally {
      this.#running = false;
    }
    return { outputs: readTensors(taken, this.#outputs), ms: ms[0]! };
  }

  /** Never waits for a run. */
  facts(): PipelineFacts {
    return pipelineFacts((symbols, out, error) => symbols.trtd_runner_facts(this.handle, out, error));
  }
}
