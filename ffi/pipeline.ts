/** Frames in host memory to boxes, and tensors in to tensors out: each run is one call on another thread. */

import { setImmediate } from "node:timers";
import { call, callLong, cText, outRecord, outU64Long } from "./call.ts";
import type { Device } from "./cuda.ts";
import { PipelineFlag, RunFlag, TimeFlag } from "./enums.ts";
import { Owned } from "./handle.ts";
import { loadShim } from "./load.ts";
import { check, errorRecord } from "./shim_error.ts";
import { hostFrames, hostTensors, readTensors } from "./host_records.ts";
import type { JpegDecoder } from "./jpeg.ts";
import {
  type Boxes,
  BoxReader,
  detectionsRecord,
  type DetectionsSpec,
  type Kernels,
  letterboxRecord,
  type LetterboxSpec,
  type Question,
  questionArrays,
} from "./kernels.ts";
import type { ExecutionContext } from "./runtime.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What a pipeline is made of. */
export interface PipelineSpec {
  /** Used by this pipeline alone: it sets shapes and addresses. Made without `cudaGraph` when `cudaGraph` is set here. */
  readonly context: ExecutionContext;
  readonly kernels: Kernels;
  /** Name of the input for pictures, `[N, 3, H, W]` with the letterbox's type. */
  readonly input: string;
  /** Names of the outputs in the order of the layout; the engine may have others. */
  readonly outputs: readonly string[];
  /** Name of an int64 or int32 input `[N, 2]` (width, height of the model's input; D-FINE, RT-DETR). @default none */
  readonly sizeInput?: string | null;
  /** `framesMax` is the largest batch, 1..32, and at most that of the engine. */
  readonly letterbox: LetterboxSpec;
  /** `imagesMax` is the letterbox's `framesMax`. */
  readonly detections: DetectionsSpec;
  /** Without one all frames are RGB. @default null */
  readonly jpeg?: JpegDecoder | null;
  /** Record a CUDA graph once a batch size has run; where that is refused, runs are enqueued plainly. */
  readonly cudaGraph: boolean;
  /** Microseconds of asking the GPU again and again before the thread sleeps: short waits end sooner. @default 1500 */
  readonly spinUs?: number;
  /**
   * Let up to three threads of the process help to copy frames of 1 MiB and more into pinned memory. On an H100 with 16
   * idle cores nothing is won: the device then fetches slower what lies in several cores' caches. @default false
   */
  readonly sharedCopies?: boolean;
}

/** A picture in host memory. */
export interface HostFrame {
  /** Packed RGB u8 `[height, width, 3]`, or a JPEG file. */
  readonly kind: "rgb" | "jpeg";
  readonly data: Bytes;
  /** Of the picture as it is stored, in pixels. */
  readonly width: number;
  readonly height: number;
  /** Where the scaled picture lies in the model's input, in pixels. */
  readonly placement: { readonly left: number; readonly top: number; readonly width: number; readonly height: number };
}

/**
 * Milliseconds of one run. With `timed` each stage is measured on the GPU, from the second time on inside a graph where the
 * driver can do that. Without, `inference` is all that follows the upload (letterbox, model, decoding and suppression,
 * download, waiting), and those are 0.
 */
export interface PipelineTimes {
  /** JPEG files to RGB; in `upload` of RGB frames there is none of it. */
  readonly decode: number;
  readonly upload: number;
  readonly letterbox: number;
  readonly inference: number;
  readonly postprocess: number;
  readonly download: number;
  /** Of the whole call, by the clock. */
  readonly total: number;
}

/** What a pipeline or runner holds. */
export interface PipelineFacts {
  /** Graphs that are ready to be launched. */
  readonly graphs: number;
  /** Why there is none and will be none; null while there is no such reason. */
  readonly graphRefusal: string | null;
  /** Memory of its own, in bytes; the context's is not in it. */
  readonly deviceBytes: number;
  readonly pinnedBytes: number;
  /** Pictures of every run of an engine with a fixed batch; 0 for a dynamic one. */
  readonly batch: number;
  /** Runs that ended well. */
  readonly runs: number;
}

function factsOf(record: ReturnType<typeof outRecord<"trtd_pipeline_info">>): PipelineFacts {
  return {
    graphs: record.graphs,
    graphRefusal: record.refusal === "" ? null : record.refusal,
    deviceBytes: record.device_bytes,
    pinnedBytes: record.pinned_bytes,
    batch: record.batch,
    runs: record.runs,
  };
}

/**
 * One execution context with its stream, buffers and graphs. Pipelines run side by side; one takes one run at a time.
 * Memory grows with the frames and then stays: a run with frames no larger than before allocates nothing on the device.
 */
export class Pipeline extends Owned {
  readonly #spec: PipelineSpec;
  readonly #boxes: BoxReader;
  readonly #times = new Float64Array(7);
  readonly #timesOut = new Uint8Array(this.#times.buffer);
  readonly #started = new Int32Array(1);
  readonly #startedOut = new Uint8Array(this.#started.buffer);
  #running = false;

  private constructor(handle: bigint, spec: PipelineSpec) {
    super(handle);
    this.#spec = spec;
    this.#boxes = new BoxReader(spec.detections.boxesMax);
  }

  /**
   * @throws {ShimError} `INVALID_ARGUMENT` when the engine's tensors are not those of the spec; `OUT_OF_MEMORY`,
   * `EXECUTION_FAILED`, `CUDA_ERROR`
   */
  static async create(spec: PipelineSpec): Promise<Pipeline> {
    const input = cText(spec.input);
    const outputs = cText(spec.outputs.join("\n"));
    const sizes = spec.sizeInput === undefined || spec.sizeInput === null ? null : cText(spec.sizeInput);
    const letterbox = letterboxRecord(spec.letterbox);
    const detections = detectionsRecord(spec.detections);
    const flags = (spec.cudaGraph ? PipelineFlag.CUDA_GRAPH : 0) |
      (spec.sharedCopies === true ? PipelineFlag.SHARED_COPIES : 0);
    const buffers = [input, outputs, letterbox, detections, ...(sizes === null ? [] : [sizes])];
    const handle = await outU64Long((out) =>
      callLong([...buffers, out], (symbols, error) =>
        symbols.trtd_pipeline_create(
          spec.context.handle,
          spec.kernels.handle,
          spec.jpeg?.handle ?? 0n,
          input,
          outputs,
          sizes,
          letterbox,
          detections,
          flags,
          spec.spinUs ?? 1500,
          out,
          error,
        ))
    );
    return new Pipeline(handle, spec);
  }

  /**
   * One run of `frames.length` pictures, 1 to `framesMax`. The bytes of the frames are read during the call only.
   * @param questions one of each frame
   * @param options.timed measure each stage; slower. @default false
   * @param options.here copy RGB frames of up to 4 MiB and launch the graph on the calling thread, some 0.2 ms, and ask
   * for their end between turns of the event loop: no other thread is woken, unless the run takes longer than `spinUs`.
   * For runs that nothing else competes with. @default false
   * @throws {RangeError} while another run of this pipeline is under way
   * @throws {ShimError} `PICTURE_REFUSED` for a JPEG file that the GPU does not take (`code` is the frame's index);
   * `OUT_OF_MEMORY` (smaller frames still run); `EXECUTION_FAILED` with TensorRT's words; `CUDA_ERROR`, where `code`
   * tells whether the process must end; `INVALID_ARGUMENT`
   */
  async run(
    frames: readonly HostFrame[],
    questions: readonly Question[],
    options: { timed?: boolean; here?: boolean } = {},
  ): Promise<PipelineTimes> {
    if (this.#running) throw new RangeError("A run of this pipeline is under way");
    if (questions.length !== frames.length) throw new RangeError("Each frame has one question");
    const records = hostFrames(frames);
    const { scores, ious, limits, placements, wanted } = questionArrays(questions, this.#spec.detections.labels);
    const out = this.#timesOut;
    this.#running = true;
    try {
      if (options.here === true && options.timed !== true) {
        call((symbols, error) =>
          symbols.trtd_pipeline_start(
            this.handle,
            records,
            frames.length,
            scores,
            ious,
            limits,
            placements,
            wanted,
            this.#startedOut,
            error,
          )
        );
        if (this.#started[0] === 1) return await this.#finish(out);
      }
      const flags = options.timed === true ? RunFlag.TIMED : 0;
      const buffers = [records, scores, ious, limits, placements, wanted, out].filter((buffer) => buffer !== null);
      await callLong(
        [...buffers, ...frames.map(({ data }) => data)],
        (symbols, error) =>
          symbols.trtd_pipeline_run(
            this.handle,
            records,
            frames.length,
            scores,
            ious,
            limits,
            placements,
            wanted,
            flags,
            out,
            error,
          ),
      );
      return this.#timesNow();
    } finally {
      this.#running = false;
    }
  }

  /** Asks between turns of the event loop, since being woken by another thread takes some 0.1 ms; then that waits. */
  async #finish(out: Bytes): Promise<PipelineTimes> {
    const done = new Int32Array(1);
    const doneOut = new Uint8Array(done.buffer);
    const until = performance.now() + (this.#spec.spinUs ?? 1500) / 1000;
    const { symbols } = loadShim();
    const error = errorRecord();
    do {
      check(symbols.trtd_pipeline_poll(this.handle, doneOut, out, error), error);
      if (done[0] === 1) return this.#timesNow();
      await new Promise<void>((resolve) => setImmediate(resolve));
    } while (performance.now() < until);
    await callLong([out], (symbols, error) => symbols.trtd_pipeline_finish(this.handle, out, error));
    return this.#timesNow();
  }

  #timesNow(): PipelineTimes {
    const [decode, upload, letterbox, inference, postprocess, download, total] = this.#times as unknown as number[];
    return {
      decode: decode!,
      upload: upload!,
      letterbox: letterbox!,
      inference: inference!,
      postprocess: postprocess!,
      download: download!,
      total: total!,
    };
  }

  /**
   * Boxes of picture `image` of the last run.
   * @throws {RangeError} while a run is under way
   * @throws {ShimError} `INVALID_ARGUMENT` when the last run had no such picture or failed
   */
  read(image: number): Boxes {
    if (this.#running) throw new RangeError("A run of this pipeline is under way");
    return this.#boxes.read((...places) =>
      call((symbols, error) => symbols.trtd_pipeline_read(this.handle, image, ...places, error))
    );
  }

  /** Never waits for a run. */
  facts(): PipelineFacts {
    return factsOf(outRecord(
      "trtd_pipeline_info",
      (out) => call((symbols, error) => symbols.trtd_pipeline_facts(this.handle, out, error)),
    ));
  }
}

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
  /** As {@link PipelineSpec.spinUs}. @default 1500 */
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
    return factsOf(outRecord(
      "trtd_pipeline_info",
      (out) => call((symbols, error) => symbols.trtd_runner_facts(this.handle, out, error)),
    ));
  }
}

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
 * The bare engine: runs in a loop inside libtrtd after two that do not count. Shapes of dynamic inputs must be set; memory
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
