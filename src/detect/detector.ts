/** From picture files to detections: decode, letterbox, run, decode the head, suppress, map back. */
import type { Backend, BackendInfo, Tensor } from "../backends/backend.ts";
import { TrtdError, trtdErrorFrom } from "../errors.ts";
import type { Model } from "../models/model.ts";
import type { ModelFacts } from "../onnx/model_facts.ts";
import { annotatePicture } from "./annotate/annotate.ts";
import { Candidates } from "./heads/candidates.ts";
import { outputThreshold, reportedScore } from "./heads/cut_nms.ts";
import { decodePicture, MAX_PIXELS, warmUpDecoder } from "./picture/decode.ts";
import type { Detection, DetectionResult, DetectOptions } from "./detection.ts";
import { detectHead, type Head, outputsOf } from "./heads/heads.ts";
import { boxOnPicture, Letterbox, type Picture, type Placement } from "./letterbox/letterbox.ts";
import { CANDIDATES_MAX, nms, ranked } from "./nms.ts";
import { type CheckedOptions, checkOptions } from "./options.ts";

export interface DetectorSettings {
  /** Most pixels of a picture, checked before it is decoded. @default 40,000,000 */
  readonly maxPixels?: number;
}

/** One picture of a batch. */
export interface DetectRequest {
  /** A JPEG, PNG or WebP file. */
  readonly bytes: Uint8Array;
  readonly options?: DetectOptions;
}

interface Job {
  readonly picture: Picture;
  readonly options: CheckedOptions;
  readonly started: number;
  readonly decodeMs: number;
}

/** A loaded detector. Calls may overlap: pictures are decoded side by side, the model runs them one after the other. */
export class Detector {
  readonly head: Head;
  readonly #model: Model;
  readonly #backend: Backend;
  readonly #maxPixels: number;
  readonly #letterbox: Letterbox;
  readonly #candidates = new Candidates();
  #input: Float32Array<ArrayBuffer> | Uint16Array<ArrayBuffer>;
  /** Ends when the model is free. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(model: Model, head: Head, backend: Backend, settings: DetectorSettings) {
    this.head = head;
    this.#model = model;
    this.#backend = backend;
    this.#maxPixels = settings.maxPixels ?? MAX_PIXELS;
    this.#letterbox = new Letterbox(head.input, head.row.preprocess);
    this.#input = this.#newInput(head.input.batch ?? 1);
  }

  /**
   * Make a detector of a loaded backend and run it once. The detector owns the backend, also when this fails.
   * @throws {TrtdError} `MODEL_NOT_A_DETECTOR`, `MANIFEST_INVALID`, `INFERENCE_FAILED`, `NATIVE_LOAD_FAILED`
   */
  static async open(
    model: Model,
    facts: ModelFacts,
    backend: Backend,
    settings: DetectorSettings = {},
  ): Promise<Detector> {
    try {
      const detector = new Detector(model, detectHead(facts, model.manifest), backend, settings);
      const { batch, height, width } = detector.head.input;
      await Promise.all([
        warmUpDecoder(),
        detector.head.sizeInput === null
          ? backend.warmUp([batch ?? 1, 3, height, width])
          : detector.#run(batch ?? 1).then(() => {}),
      ]);
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
    return this.#backend.info;
  }

  /**
   * Detect on one picture.
   * @throws {TrtdError} `PARAMETER_INVALID`; those of `decodePicture`; `INFERENCE_FAILED`
   */
  async detect(bytes: Uint8Array, options: DetectOptions = {}): Promise<DetectionResult> {
    const [result] = await this.detectBatch([{ bytes, options }]);
    if (result instanceof TrtdError) throw result;
    return result!;
  }

  /**
   * Detect on several pictures, as many in one run as the model takes. One bad picture does not spoil the others.
   * `timings_ms.inference` of each is that of the whole run.
   * @returns a result or an error for each request, in their order; never rejects
   */
  async detectBatch(requests: readonly DetectRequest[]): Promise<(DetectionResult | TrtdError)[]> {
    const jobs = await Promise.all(requests.map((request) => this.#prepare(request).catch(trtdErrorFrom)));
    const good = jobs.filter((job): job is Job => !(job instanceof TrtdError));
    const results = new Map<Job, DetectionResult | TrtdError>();
    const most = this.head.input.batch ?? Math.max(1, good.length);
    for (let from = 0; from < good.length; from += most) {
      const part = good.slice(from, from + most);
      const answered = await this.#inTurn(() => this.#runJobs(part)).catch((thrown) => {
        const error = trtdErrorFrom(thrown);
        return part.map(() => error);
      });
      part.forEach((job, i) => results.set(job, answered[i]!));
    }
    return jobs.map((job) => job instanceof TrtdError ? job : results.get(job)!);
  }

  /**
   * Draw a result on its picture.
   * @param bytes the picture that `result` is about
   * @returns a JPEG file
   * @throws {TrtdError} those of `decodePicture`
   */
  async annotate(bytes: Uint8Array, result: DetectionResult): Promise<Uint8Array> {
    const picture = await decodePicture(bytes, { maxPixels: this.#maxPixels });
    return await annotatePicture(picture, result.detections);
  }

  /** Free the backend after the runs that are under way. Calling it twice is harmless. */
  async close(): Promise<void> {
    await this.#inTurn(() => this.#backend.close());
  }

  async #prepare({ bytes, options }: DetectRequest): Promise<Job> {
    const started = performance.now();
    const checked = checkOptions(options ?? {}, {
      manifest: this.#model.manifest,
      labels: this.head.labels,
      cut: this.head.cut,
    });
    const picture = await decodePicture(bytes, { maxPixels: this.#maxPixels });
    return { picture, options: checked, started, decodeMs: performance.now() - started };
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => {});
    return mine;
  }

  #newInput(batch: number): Float32Array<ArrayBuffer> | Uint16Array<ArrayBuffer> {
    const { type, height, width } = this.head.input;
    const length = batch * 3 * height * width;
    return type === "float16" ? new Uint16Array(length) : new Float32Array(length);
  }

  async #runJobs(jobs: readonly Job[]): Promise<DetectionResult[]> {
    const { height, width } = this.head.input;
    const batch = this.head.input.batch ?? jobs.length;
    const pixels = 3 * height * width;
    if (this.#input.length < batch * pixels) this.#input = this.#newInput(batch);
    const placed = jobs.map(({ picture }, i) => {
      const started = performance.now();
      const placement = this.#letterbox.fill(picture, this.#input, i * pixels);
      return { placement, preprocessMs: performance.now() - started };
    });
    const started = performance.now();
    const outputs = await this.#run(batch);
    const inferenceMs = performance.now() - started;
    return jobs.map((job, image) => {
      const { placement, preprocessMs } = placed[image]!;
      const started = performance.now();
      const detections = this.#detections(outputs, image, job.options, placement);
      const ended = performance.now();
      return {
        image: { width: job.picture.width, height: job.picture.height },
        model: this.#model.name,
        backend: this.#backend.info,
        detections,
        timings_ms: {
          decode: micro(job.decodeMs),
          preprocess: micro(preprocessMs),
          inference: micro(inferenceMs),
          postprocess: micro(ended - started),
          total: micro(ended - job.started),
        },
      };
    });
  }

  /** Run the first `batch` pictures of the input buffer. */
  async #run(batch: number): Promise<Tensor[]> {
    const { name, type, height, width } = this.head.input;
    const dims = [batch, 3, height, width];
    const inputs: Record<string, Tensor> = {
      [name]: { type, dims, data: this.#input.subarray(0, batch * 3 * height * width) },
    };
    if (this.head.sizeInput !== null) {
      const sizes = Array.from({ length: 2 * batch }, (_, i) => BigInt(i % 2 === 0 ? width : height));
      inputs[this.head.sizeInput] = { type: "int64", dims: [batch, 2], data: BigInt64Array.from(sizes) };
    }
    return outputsOf(this.head, await this.#backend.run(inputs), batch);
  }

  #detections(
    outputs: readonly Tensor[],
    image: number,
    options: CheckedOptions,
    placement: Placement,
  ): Detection[] {
    const { row, classes, strides, cut, input: { width, height } } = this.head;
    const { max, wanted } = options;
    const score = outputThreshold(options.score, cut);
    const candidates = this.#candidates;
    candidates.clear();
    row.decode({ outputs, image, classes: classes ?? 0, score, wanted, width, height, strides, cut }, candidates);
    const slots = this.#kept(options, max);
    const detections = this.#onPicture(slots, placement);
    if (detections.length === slots.length || slots.length < max) return detections;
    // Boxes beside the picture took places of weaker ones on it.
    return this.#onPicture(this.#kept(options, CANDIDATES_MAX), placement).slice(0, max);
  }

  #kept(options: CheckedOptions, max: number): Uint32Array {
    const { row, cut } = this.head;
    const score = outputThreshold(options.score, cut);
    if (!row.nms) return ranked(this.#candidates, score).subarray(0, max);
    const classAgnostic = this.#model.manifest.class_agnostic ?? cut?.classAgnostic ?? false;
    return nms(this.#candidates, { score, iou: options.iou, max, classAgnostic });
  }

  #onPicture(slots: Uint32Array, placement: Placement): Detection[] {
    const { boxes, classes, scores } = this.#candidates;
    const detections: Detection[] = [];
    for (const slot of slots) {
      const box = boxOnPicture(boxes, 4 * slot, placement);
      const classId = classes[slot]!;
      const label = this.head.labels[classId] ?? `class_${classId}`;
      const score = reportedScore(scores[slot]!, this.head.cut);
      if (box !== null) detections.push({ label, class_id: classId, score, box });
    }
    return detections;
  }
}

/** Milliseconds with three decimals. */
const micro = (ms: number): number => Math.round(ms * 1000) / 1000;
