/** From pictures to detections: decode, letterbox, run, decode the head, suppress, map back. */
import type { Backend, BackendInfo, FramePipeline, Tensor } from "../backends/backend.ts";
import { Lanes } from "../backends/lanes.ts";
import { TrtdError, trtdErrorFrom } from "../errors.ts";
import type { Model } from "../models/model.ts";
import type { ModelFacts } from "../onnx/model_facts.ts";
import { annotatePicture } from "./annotate/annotate.ts";
import type { DetectionResult, DetectOptions } from "./detection.ts";
import { DeviceRun } from "./device_run.ts";
import { fittedHead } from "./fitted_head.ts";
import { detectHead, type Head } from "./heads/heads.ts";
import { HostRun } from "./host_run.ts";
import { type Found, type Job, resultOf } from "./job.ts";
import type { Picture } from "./letterbox/letterbox.ts";
import { checkOptions } from "./options.ts";
import { decodePicture, MAX_PIXELS, warmUpDecoder } from "./picture/decode.ts";
import { deviceJpeg } from "./picture/device_jpeg.ts";

export interface DetectorSettings {
  /** Most pixels of a picture, checked before it is decoded. @default 40,000,000 */
  readonly maxPixels?: number;
}

/** Packed RGB u8, `[height, width, 3]`. */
export interface RawFrame {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** A JPEG, PNG or WebP file, or pixels. */
export type DetectPicture = { readonly bytes: Uint8Array } | { readonly frame: RawFrame };

/** One picture of a batch. */
export type DetectRequest = DetectPicture & { readonly options?: DetectOptions };

/**
 * A loaded detector. Calls may overlap: pictures are decoded side by side, and as many runs are under way as the backend
 * has lanes.
 *
 * `timings_ms` of a result, in milliseconds: on the CPU `decode` is the picture file, `preprocess` its letterbox,
 * `inference` the run of the model, `postprocess` decoding, suppression and mapping. Where a GPU does all of it, `decode`
 * is the picture file on the CPU or in nvJPEG; `preprocess` its way to the GPU; `inference` one CUDA graph of letterbox,
 * model, decoding, suppression and the boxes' way back; `postprocess` the mapping of boxes. Those of a run count for each of
 * its pictures. `total` is from the request to the answer, waiting for a lane included.
 */
export class Detector {
  /** With the backend's own type, batch and size of the input. */
  readonly head: Head;
  /** Resolves, if ever, with the `GPU_FAULT` after which nothing is answered any more: the process must end. */
  readonly fault: Promise<TrtdError>;
  readonly #model: Model;
  readonly #backend: Backend;
  readonly #maxPixels: number;
  readonly #hosts: Lanes<HostRun>;
  #device: DeviceRun | null = null;
  #pipeline: FramePipeline | null = null;
  #degraded: string | null = null;
  /** Runs on the CPU's side that are under way or wait. */
  #asked = 0;

  private constructor(model: Model, head: Head, backend: Backend, settings: DetectorSettings) {
    this.head = head;
    this.fault = backend.fault ?? new Promise(() => {});
    this.#model = model;
    this.#backend = backend;
    this.#maxPixels = settings.maxPixels ?? MAX_PIXELS;
    const hosts = Array.from({ length: backend.lanes ?? 1 }, () => new HostRun(head, backend, model.manifest));
    this.#hosts = new Lanes(hosts);
  }

  /**
   * Make a detector of a loaded backend and run it once. The detector owns the backend, also when this fails.
   * @throws {TrtdError} `MODEL_NOT_A_DETECTOR`, `MANIFEST_INVALID`, `INFERENCE_FAILED`, `NATIVE_LOAD_FAILED`, and on a
   * GPU `LOAD_FAILED`, `OUT_OF_GPU_MEMORY`, `GPU_FAULT`
   */
  static async open(
    model: Model,
    facts: ModelFacts,
    backend: Backend,
    settings: DetectorSettings = {},
  ): Promise<Detector> {
    try {
      const head = fittedHead(detectHead(facts, model.manifest), backend);
      const detector = new Detector(model, head, backend, settings);
      await Promise.all([warmUpDecoder(), detector.#warmUp()]);
      return detector;
    } catch (error) {
      await backend.close();
      throw error;
    }
  }

  /** By class index. */
  get labels(): readonly string[] {
    return this.head.labels;
  }

  get info(): BackendInfo {
    const { info } = this.#backend;
    if (this.#degraded === null) return info;
    return { ...info, degraded: info.degraded === null ? this.#degraded : `${this.#degraded}. ${info.degraded}` };
  }

  /** Most pictures of one run that are worth it. */
  get batchMax(): number {
    const { info, batchMax = 1 } = this.#backend;
    return this.#pipeline?.batchMax ?? this.head.input.batch ?? (info.name === "tensorrt" ? batchMax : 1);
  }

  /** Runs that may be under way at once. */
  get lanes(): number {
    return this.#pipeline?.lanes ?? this.#hosts.size;
  }

  /** Say with every answer from now on why something better does not answer. */
  degrade(reason: string): void {
    this.#degraded = reason;
  }

  /**
   * Detect on one picture.
   * @throws {TrtdError} `PARAMETER_INVALID`; those of `decodePicture`; `INFERENCE_FAILED`, `OUT_OF_GPU_MEMORY`, `GPU_FAULT`
   */
  async detect(bytes: Uint8Array, options: DetectOptions = {}): Promise<DetectionResult> {
    const [result] = await this.detectBatch([{ bytes, options }]);
    if (result instanceof TrtdError) throw result;
    return result!;
  }

  /**
   * Detect on several pictures, as many in one run as the model takes. One bad picture does not spoil the others.
   * @returns a result or an error for each request, in their order; never rejects
   */
  async detectBatch(requests: readonly DetectRequest[]): Promise<(DetectionResult | TrtdError)[]> {
    const jobs = await Promise.all(requests.map((request) => this.#prepare(request).catch(trtdErrorFrom)));
    const good = jobs.filter((job): job is Job => !(job instanceof TrtdError));
    const results = new Map<Job, DetectionResult | TrtdError>();
    const most = this.#mostInRun(good.length);
    const parts = Array.from({ length: Math.ceil(good.length / most) }, (_, i) => good.slice(i * most, (i + 1) * most));
    await Promise.all(parts.map(async (part) => {
      const answered = await this.#runJobs(part).catch((thrown) => {
        const error = trtdErrorFrom(thrown);
        return part.map(() => error);
      });
      part.forEach((job, i) => results.set(job, answered[i]!));
    }));
    return jobs.map((job) => job instanceof TrtdError ? job : results.get(job)!);
  }

  /**
   * The model's outputs for one picture in the head's order, letterboxed on the CPU, whatever answers otherwise.
   * @throws {TrtdError} as {@link detect}
   */
  async outputs(bytes: Uint8Array): Promise<readonly Tensor[]> {
    const picture = await this.#decoded({ bytes });
    return await this.#onHost((host) => host.outputs(picture));
  }

  /**
   * Draw a result on its picture.
   * @param picture the one that `result` is about; bytes are a file
   * @returns a JPEG file
   * @throws {TrtdError} those of `decodePicture`
   */
  async annotate(picture: DetectPicture | Uint8Array, result: DetectionResult): Promise<Uint8Array> {
    const decoded = await this.#decoded(picture instanceof Uint8Array ? { bytes: picture } : picture);
    return await annotatePicture(decoded, result.detections);
  }

  /** Free the backend after the runs that are under way. Calling it twice is harmless. */
  async close(): Promise<void> {
    await this.#hosts.idle();
    await this.#backend.close();
  }

  async #warmUp(): Promise<void> {
    const { head } = this;
    const { manifest } = this.#model;
    const pipeline = await this.#backend.openPipeline?.(head) ?? null;
    if (pipeline !== null) {
      this.#pipeline = pipeline;
      const decode = async (job: Job): Promise<Job> => {
        const started = performance.now();
        const picture = "file" in job.content ? await this.#decoded(job.content.file) : job.content.picture;
        return { ...job, content: { picture }, decodeMs: job.decodeMs + performance.now() - started };
      };
      this.#device = new DeviceRun({ head, pipeline, manifest, decode });
      return;
    }
    const { batch, height, width } = head.input;
    if (head.sizeInput === null) return await this.#backend.warmUp([batch ?? 1, 3, height, width]);
    await this.#onHost((host) => host.warmUp());
  }

  async #prepare(request: DetectRequest): Promise<Job> {
    const started = performance.now();
    const { labels, cut } = this.head;
    const options = checkOptions(request.options ?? {}, { manifest: this.#model.manifest, labels, cut });
    const file = "bytes" in request ? this.#fileForDevice(request.bytes) : null;
    if (file !== null) return { content: { file }, options, started, decodeMs: 0 };
    const picture = await this.#decoded(request);
    return { content: { picture }, options, started, decodeMs: performance.now() - started };
  }

  #fileForDevice(
    bytes: Uint8Array,
  ): { bytes: Uint8Array<ArrayBuffer>; size: { width: number; height: number } } | null {
    if (this.#pipeline?.jpeg !== true || !(bytes.buffer instanceof ArrayBuffer)) return null;
    const size = deviceJpeg(bytes);
    if (size === null || size.width * size.height > this.#maxPixels) return null;
    return { bytes: (bytes as Uint8Array<ArrayBuffer>).subarray(0, size.length), size };
  }

  async #decoded(picture: DetectPicture): Promise<Picture> {
    if ("bytes" in picture) return await decodePicture(picture.bytes, { maxPixels: this.#maxPixels });
    return checkedFrame(picture.frame, this.#maxPixels);
  }

  #mostInRun(waiting: number): number {
    if (this.#pipeline !== null) return this.#pipeline.batchMax;
    return this.head.input.batch ?? Math.min(Math.max(1, waiting), this.#backend.batchMax ?? Infinity);
  }

  async #runJobs(jobs: readonly Job[]): Promise<(DetectionResult | TrtdError)[]> {
    const answers = this.#device === null ? await this.#runOnHost(jobs) : await this.#device.run(jobs);
    const by = { model: this.#model.name, info: this.info };
    return answers.map(({ job, found }) => found instanceof TrtdError ? found : resultOf(job, found, by));
  }

  async #runOnHost(jobs: readonly Job[]): Promise<{ job: Job; found: Found }[]> {
    const pictures = jobs.map(({ content, options }) => ({
      picture: (content as { picture: Picture }).picture,
      options,
    }));
    const found = await this.#onHost((host) => host.run(pictures));
    return jobs.map((job, i) => ({ job, found: found[i]! }));
  }

  /** A run may block the thread, so an answer that is ready goes out before the next one begins. */
  async #onHost<R>(work: (host: HostRun) => Promise<R>): Promise<R> {
    const waits = this.#asked++ >= this.#hosts.size;
    try {
      return await this.#hosts.use(async (host) => {
        if (waits) await new Promise((resolve) => setTimeout(resolve, 0));
        return await work(host);
      });
    } finally {
      this.#asked--;
    }
  }
}

/** @throws {TrtdError} `IMAGE_DIMENSIONS_INVALID`, `IMAGE_TOO_MANY_PIXELS` */
function checkedFrame({ data, width, height }: RawFrame, maxPixels: number): Picture {
  const isSide = (side: number) => Number.isInteger(side) && side >= 1 && side <= 65_535;
  if (!isSide(width) || !isSide(height) || data.length !== 3 * width * height) {
    throw new TrtdError(
      "IMAGE_DIMENSIONS_INVALID",
      `A frame of ${width} x ${height} pixels cannot have ${data.length} bytes`,
    );
  }
  if (width * height > maxPixels) {
    throw new TrtdError(
      "IMAGE_TOO_MANY_PIXELS",
      `The frame has ${width} x ${height} = ${width * height} pixels; at most ${maxPixels} are allowed`,
    );
  }
  return { data, width, height };
}
