/** Frames in host memory to boxes: each run is one call on another thread. */

import { setImmediate } from "node:timers";
import { call, callLong, cText, outU64Long } from "./call.ts";
import { PipelineFlag, RunFlag } from "./enums.ts";
import { Owned } from "./handle.ts";
import { loadShim } from "./load.ts";
import { check, errorRecord } from "./shim_error.ts";
import { hostFrames } from "./host_records.ts";
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
import { type PipelineFacts, pipelineFacts } from "./pipeline_facts.ts";
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
   * Anchors of a layout with `BoxFlag.ANCHORS` that are no output of the engine: `[1, A, 4]`, or `[N, A, 4]` for the
   * largest batch with `OWN_ANCHORS`. @default null
   */
  readonly anchors?: Float32Array | null;
  /** How RGB frames get into pinned memory. @default those of {@link CopyOptions} */
  readonly copies?: CopyOptions;
}

/** Ways to copy frames into pinned memory; the boxes are the same. */
export interface CopyOptions {
  /**
   * Let up to three threads of the process help where a run has more than 512 KiB of frames.
   * @default true
   */
  readonly shared?: boolean;
  /** Store past the caches, from which the device fetches slower when they are several cores'. @default true */
  readonly streamed?: boolean;
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
    const flags = (spec.cudaGraph ? PipelineFlag.CUDA_GRAPH : 0) | copyFlags(spec.copies ?? {});
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
    const pipeline = new Pipeline(handle, spec);
    try {
      if (spec.anchors !== undefined && spec.anchors !== null) pipeline.#setAnchors(spec.anchors);
    } catch (error) {
      pipeline.close();
      throw error;
    }
    return pipeline;
  }

  #setAnchors(anchors: Float32Array): void {
    const bytes = new Uint8Array(new Float32Array(anchors).buffer);
    call((symbols, error) => symbols.trtd_pipeline_set_anchors(this.handle, bytes, BigInt(anchors.length), error));
  }

  /**
   * One run of `frames.length` pictures, 1 to `framesMax`. The bytes of the frames are read during the call only.
   * @param questions one of each frame
   * @param options.timed measure each stage; slower. @default false
   * @param options.here copy RGB frames of up to 24 MiB and launch the graph on the calling thread, some 0.1 ms, and ask
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

  /**
   * The stages of the last run again, on frames that are on the device already, in a loop inside libtrtd. The last two runs
   * must have been timed ones of as many frames.
   * @param runs 1 to 1,000,000
   * @returns milliseconds of the model in each run, by events inside the graph
   * @throws {RangeError} while a run is under way
   * @throws {ShimError} `UNSUPPORTED` without such a graph, `CUDA_ERROR`, `INVALID_ARGUMENT` without a run
   */
  async timeAgain(runs: number): Promise<Float64Array<ArrayBuffer>> {
    if (this.#running) throw new RangeError("A run of this pipeline is under way");
    const ms = new Float64Array(runs);
    const out = new Uint8Array(ms.buffer);
    this.#running = true;
    try {
      await callLong([out], (symbols, error) => symbols.trtd_pipeline_time(this.handle, runs, out, error));
    } finally {
      this.#running = false;
    }
    return ms;
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
    return pipelineFacts((symbols, out, error) => symbols.trtd_pipeline_facts(this.handle, out, error));
  }
}

const copyFlags = ({ shared = true, streamed = true }: CopyOptions): number =>
  (shared ? PipelineFlag.SHARED_COPIES : 0) | (streamed ? PipelineFlag.STREAMED_COPIES : 0);
