/** Pictures to boxes with letterbox and suppression on the CPU, whatever runs the model. */
import type { Backend, Tensor } from "../backends/backend.ts";
import type { Manifest } from "../models/model.ts";
import type { Detection } from "./detection.ts";
import { Candidates } from "./heads/candidates.ts";
import { outputThreshold, reportedScore } from "./heads/cut_nms.ts";
import { type Head, outputsOf } from "./heads/heads.ts";
import type { Found } from "./job.ts";
import { boxOnPicture, Letterbox, type Picture, type Placement } from "./letterbox/letterbox.ts";
import { CANDIDATES_MAX, nms, ranked } from "./nms.ts";
import type { CheckedOptions } from "./options.ts";

/** Whether a box drops boxes of other classes too, unless the caller says. */
export const isClassAgnostic = (manifest: Manifest, { cut }: Head): boolean =>
  manifest.class_agnostic ?? cut?.classAgnostic ?? false;

/** A picture and what is asked of it. */
export interface HostJob {
  readonly picture: Picture;
  readonly options: CheckedOptions;
}

/** Buffers of one run at a time. */
export class HostRun {
  readonly #head: Head;
  readonly #backend: Backend;
  readonly #classAgnostic: boolean;
  readonly #letterbox: Letterbox;
  readonly #candidates = new Candidates();
  #input: Float32Array<ArrayBuffer> | Uint16Array<ArrayBuffer>;

  constructor(head: Head, backend: Backend, manifest: Manifest) {
    this.#head = head;
    this.#backend = backend;
    this.#classAgnostic = isClassAgnostic(manifest, head);
    this.#letterbox = new Letterbox(head.input, head.row.preprocess);
    this.#input = this.#newInput(head.input.batch ?? 1);
  }

  /** @throws {TrtdError} those of the backend */
  async run(jobs: readonly HostJob[]): Promise<Found[]> {
    const { placed, outputs, inferenceMs } = await this.#through(jobs.map(({ picture }) => picture));
    return jobs.map(({ options }, image) => {
      const { placement, preprocessMs } = placed[image]!;
      const started = performance.now();
      const detections = this.#detections(outputs, image, options, placement);
      const postprocess = performance.now() - started;
      return { detections, timings: { decode: 0, preprocess: preprocessMs, inference: inferenceMs, postprocess } };
    });
  }

  /** The model's outputs for one picture, in the head's order. */
  async outputs(picture: Picture): Promise<readonly Tensor[]> {
    return (await this.#through([picture])).outputs;
  }

  /** Run the model once on what the buffer holds. */
  async warmUp(): Promise<void> {
    const batch = this.#head.input.batch ?? this.#backend.batchMin ?? 1;
    this.#input = this.#newInput(batch);
    await this.#run(batch);
  }

  #newInput(batch: number): Float32Array<ArrayBuffer> | Uint16Array<ArrayBuffer> {
    const { type, height, width } = this.#head.input;
    const length = batch * 3 * height * width;
    return type === "float16" ? new Uint16Array(length) : new Float32Array(length);
  }

  async #through(pictures: readonly Picture[]) {
    const { height, width } = this.#head.input;
    const batch = this.#head.input.batch ?? Math.max(pictures.length, this.#backend.batchMin ?? 1);
    const pixels = 3 * height * width;
    if (this.#input.length < batch * pixels) this.#input = this.#newInput(batch);
    const placed = pictures.map((picture, i) => {
      const started = performance.now();
      const placement = this.#letterbox.fill(picture, this.#input, i * pixels);
      return { placement, preprocessMs: performance.now() - started };
    });
    const started = performance.now();
    const outputs = await this.#run(batch);
    return { placed, outputs, inferenceMs: performance.now() - started };
  }

  /** Run the first `batch` pictures of the input buffer. */
  async #run(batch: number): Promise<Tensor[]> {
    const { name, type, height, width } = this.#head.input;
    const dims = [batch, 3, height, width];
    const inputs: Record<string, Tensor> = {
      [name]: { type, dims, data: this.#input.subarray(0, batch * 3 * height * width) },
    };
    const { sizeInput } = this.#head;
    if (sizeInput !== null) {
      const sizes = Array.from({ length: 2 * batch }, (_, i) => i % 2 === 0 ? width : height);
      const isShort = this.#backend.inputs.find((one) => one.name === sizeInput)?.type === "int32";
      inputs[sizeInput] = isShort
        ? { type: "int32", dims: [batch, 2], data: Int32Array.from(sizes) }
        : { type: "int64", dims: [batch, 2], data: BigInt64Array.from(sizes.map(BigInt)) };
    }
    return outputsOf(this.#head, await this.#backend.run(inputs), batch);
  }

  #detections(
    outputs: readonly Tensor[],
    image: number,
    options: CheckedOptions,
    placement: Placement,
  ): Detection[] {
    const { row, classes, strides, cut, input: { width, height } } = this.#head;
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
    const { row, cut } = this.#head;
    const score = outputThreshold(options.score, cut);
    if (!row.nms) return ranked(this.#candidates, score).subarray(0, max);
    return nms(this.#candidates, { score, iou: options.iou, max, classAgnostic: this.#classAgnostic });
  }

  #onPicture(slots: Uint32Array, placement: Placement): Detection[] {
    const { boxes, classes, scores } = this.#candidates;
    const detections: Detection[] = [];
    for (const slot of slots) {
      const box = boxOnPicture(boxes, 4 * slot, placement);
      if (box !== null) detections.push(detectionOf(this.#head, classes[slot]!, scores[slot]!, box));
    }
    return detections;
  }
}

/** A detection of a class with the score of an output. */
export function detectionOf(head: Head, classId: number, output: number, box: Detection["box"]): Detection {
  const label = head.labels[classId] ?? `class_${classId}`;
  return { label, class_id: classId, score: reportedScore(output, head.cut), box };
}
