/** Random and adversarial cases for the detection kernels, from a seed. */
import type { Tensor, TensorType } from "../../../src/backends/backend.ts";
import { type CutNmsHead, outputThreshold } from "../../../src/detect/heads/cut_nms.ts";
import { type HeadName, HEADS } from "../../../src/detect/heads/heads.ts";
import { f16BitsFromUnsigned } from "../../../src/detect/letterbox/half.ts";
import { placementOf } from "../../../src/detect/letterbox/letterbox.ts";
import type { DetectCase, Question } from "./detect_case.ts";

/** Numbers from a seed: mulberry32. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 to below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** An integer from `least` to `most`. */
  integer(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.next() * list.length)]!;
  }
}

/** Where values of a case come from. */
export interface Values {
  coordinate(random: Random): number;
  score(random: Random): number;
}

const ODD = [NaN, Infinity, -Infinity, 3e38, -3e38, 1e-45, -0, 1e8];

/** Small integers, so that overlaps and equal scores are many, some floats, a few odd values. */
export const MIXED: Values = {
  coordinate(random) {
    const kind = random.next();
    if (kind < 0.7) return random.integer(0, 24);
    if (kind < 0.97) return random.next() * 50 - 10;
    return random.pick(ODD);
  },
  score(random) {
    const kind = random.next();
    if (kind < 0.55) return random.integer(0, 10) / 10;
    if (kind < 0.95) return random.next();
    return random.pick([NaN, Infinity, -Infinity, -0, 1e-45, -1]);
  },
};

/** What most detectors give: sizes in pixels, few scores above a half. */
export const PLAIN: Values = {
  coordinate: (random) => random.next() * 60,
  score: (random) => random.next() ** 3,
};

/** The adversarial kinds by name. */
export const ADVERSARIAL: Record<string, Values> = {
  "all scores equal": { coordinate: (random) => random.integer(0, 24), score: () => 0.5 },
  "all boxes overlap": { coordinate: (random) => 20 + random.next(), score: (random) => random.next() },
  "all boxes and scores equal": { coordinate: () => 16, score: () => 0.5 },
  "NaN everywhere": {
    coordinate: (random) => random.next() < 0.4 ? NaN : random.integer(0, 24),
    score: (random) => random.next() < 0.3 ? NaN : 0.25 + 0.5 * random.next(),
  },
  "no area": { coordinate: (random) => random.pick([0, 0, 0, 5]), score: (random) => random.next() },
  "scores at the threshold": {
    coordinate: (random) => random.integer(0, 24),
    score: (random) => Math.fround(0.25) + random.pick([0, 0, -(2 ** -26), 2 ** -26]),
  },
  "overlaps at the threshold": {
    coordinate: (random) => random.pick([0, 5, 10, 15]),
    score: (random) => random.integer(3, 9) / 10,
  },
  "scores differ in the last bit": {
    coordinate: (random) => random.integer(0, 30),
    score: (random) => Math.fround(0.5) + random.integer(0, 8) * 2 ** -24,
  },
};

/** Bits of the nearest f16, of any number. */
export function f16Bits(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  return sign | (size >= 65520 ? 0x7c00 : size > 65504 ? 0x7bff : f16BitsFromUnsigned(size));
}

export function tensorOf(type: TensorType, dims: readonly number[], values: ArrayLike<number>): Tensor {
  const data = type === "float16"
    ? Uint16Array.from(values, f16Bits)
    : type === "int64"
    ? BigInt64Array.from(Array.from(values, (value) => BigInt(value)))
    : type === "int32"
    ? Int32Array.from(values)
    : Float32Array.from(values);
  return { type, dims: [...dims], data };
}

/** What a random case is to be like. */
export interface CaseOptions {
  readonly values?: Values;
  readonly head?: HeadName;
  /** Most anchors, queries or rows. @default 70 */
  readonly anchorsMax?: number;
  /** @default 1 */
  readonly imagesMin?: number;
  /** @default 3 */
  readonly imagesMax?: number;
}

/** A case of any head from a seed. */
export function randomCase(seed: number, options: CaseOptions = {}): DetectCase {
  const random = new Random(seed);
  const values = options.values ?? (random.next() < 0.7 ? MIXED : PLAIN);
  const head = options.head ?? random.pick(Object.keys(HEADS) as HeadName[]);
  const images = random.integer(options.imagesMin ?? 1, options.imagesMax ?? 3);
  const classes = random.integer(1, 5);
  const width = random.integer(8, 80), height = random.integer(8, 80);
  const strides = head === "yolox" ? random.pick([[8, 16, 32], [4, 8, 16, 32], [16]]) : [];
  const cells = strides.reduce((sum, s) => sum + Math.ceil(width / s) * Math.ceil(height / s), 0);
  // YOLOX: now and then too few rows, or more than cells.
  const anchors = head === "yolox"
    ? Math.max(1, cells + random.pick([0, 0, images === 1 ? -1 : 0, 3]))
    : random.integer(1, options.anchorsMax ?? 70);
  const cut = head === "cut_nms" ? cutOf({ random, values, images, anchors, classes }) : null;
  const tensors = tensorsOf(head, { random, values, images, anchors, classes, cut });
  const candidatesMax = random.pick([anchors * classes + 1, 200, 100, 7, 1]);
  const boxesMax = random.integer(1, candidatesMax);
  const labels = random.pick([classes, classes, classes + 40]);
  const placed = random.next() < 0.4, choosing = random.next() < 0.4;
  const questions = Array.from({ length: images }, () => {
    const question = questionOf(random, { boxesMax, labels, placed, choosing, width, height });
    return { ...question, score: outputThreshold(question.score, cut) };
  });
  return { head, tensors, classes, labels, width, height, strides, cut, questions, boxesMax, candidatesMax };
}

interface QuestionOptions {
  readonly boxesMax: number;
  readonly labels: number;
  readonly placed: boolean;
  readonly choosing: boolean;
  readonly width: number;
  readonly height: number;
}

function questionOf(random: Random, { boxesMax, labels, placed, choosing, width, height }: QuestionOptions): Question {
  const source = { width: random.integer(1, 100), height: random.integer(1, 100) };
  return {
    score: random.pick([0, 0.1, 0.25, 0.25, 0.3, 0.5, 0.7, 1]),
    iou: random.pick([0, 0.1, 1 / 3, 0.45, 0.5, 0.7, 1]),
    max: random.pick([boxesMax, boxesMax, random.integer(1, boxesMax)]),
    classAgnostic: random.next() < 0.3,
    wanted: choosing && random.next() < 0.7
      ? Uint8Array.from({ length: labels }, () => random.next() < 0.6 ? 1 : 0)
      : null,
    placement: placed ? placementOf(source, { width, height }, random.pick(["center", "top_left", "stretch"])) : null,
  };
}

interface ShapeOptions {
  readonly random: Random;
  readonly values: Values;
  readonly images: number;
  readonly anchors: number;
  readonly classes: number;
}

interface TensorOptions extends ShapeOptions {
  readonly cut: CutNmsHead | null;
}

/** An EfficientNMS_TRT that was cut off, with any attributes. */
function cutOf({ random, values, images, anchors, classes }: ShapeOptions): CutNmsHead {
  const sets = random.pick([0, 0, 1, images]);
  const numbers = Array.from({ length: 4 * sets * anchors }, () => values.coordinate(random) / 4);
  return {
    outputs: ["boxes", "scores"],
    scoreThreshold: 0.5,
    iouThreshold: 0.5,
    maxOutputBoxes: 100,
    backgroundClass: random.integer(-1, classes - 1),
    scoreActivation: random.next() < 0.4,
    classAgnostic: false,
    boxCoding: random.pick(["corners", "center_size"]),
    anchors: sets === 0 ? null : { data: Float32Array.from(numbers), images: sets },
  };
}

function tensorsOf(head: HeadName, options: TensorOptions): Tensor[] {
  const { random, values, images, anchors, classes, cut } = options;
  const type: TensorType = random.next() < 0.3 ? "float16" : "float32";
  const list = <T>(length: number, one: () => T) => Array.from({ length }, one);
  const box = () => list(4, () => values.coordinate(random));
  const scores = (count: number) => list(count, () => values.score(random));
  const label = () => random.next() < 0.05 ? random.pick([-1, 1e6, 7]) : random.integer(0, classes - 1);
  const rows = (row: () => number[]) => Array.from({ length: images * anchors }, row).flat();
  switch (head) {
    case "yolov8": {
      const data = Array.from({ length: images }, () => {
        const boxes = Array.from({ length: anchors }, box);
        return [0, 1, 2, 3].flatMap((i) => boxes.map((b) => b[i]!)).concat(scores(classes * anchors));
      }).flat();
      return [tensorOf(type, [images, 4 + classes, anchors], data)];
    }
    case "yolov8_transposed":
      return [tensorOf(type, [images, anchors, 4 + classes], rows(() => [...box(), ...scores(classes)]))];
    case "rtdetr": {
      const row = () => [...box().map((value) => value / 32), ...scores(classes)];
      return [tensorOf(type, [images, anchors, 4 + classes], rows(row))];
    }
    case "yolov5":
    case "yolox_decoded":
      return [tensorOf(type, [images, anchors, 5 + classes], rows(() => [...box(), ...scores(1 + classes)]))];
    case "yolox": {
      const row = () => [...box().map((value) => value / 8), ...scores(1 + classes)];
      return [tensorOf(type, [images, anchors, 5 + classes], rows(row))];
    }
    case "end_to_end":
    case "rtdetr_selected": {
      const unit = head === "end_to_end" ? 1 : 32;
      const row = () => [
        ...box().map((value) => value / unit),
        ...scores(1),
        random.next() < 0.03 ? random.pick([NaN, 0.5, Infinity]) : label(),
      ];
      return [tensorOf(type, [images, anchors, 6], rows(row))];
    }
    case "boxes_scores":
      return [
        tensorOf(type, [images, anchors, 4], rows(box)),
        tensorOf(type, [images, anchors, classes], rows(() => scores(classes))),
      ];
    case "cut_nms": {
      const { anchors: from, scoreActivation } = cut!;
      const perBox = random.pick([1, 1, classes]), scale = from === null ? 1 : 8;
      const boxRow = () => list(perBox, () => box().map((value) => value / scale)).flat();
      const scoreRow = () => scores(classes).map((score) => scoreActivation ? 8 * score - 4 : score);
      const dims = perBox === 1 && random.next() < 0.5 ? [images, anchors, 4] : [images, anchors, perBox, 4];
      return [
        tensorOf(type, dims, rows(boxRow)),
        tensorOf(type, random.pick([[images, anchors, classes], [images, anchors, classes, 1]]), rows(scoreRow)),
        ...(from === null ? [] : [tensorOf("float32", [from.images, anchors, 4], from.data)]),
      ];
    }
    case "detr_logits":
      return [
        tensorOf(type, [images, anchors, classes], rows(() => scores(classes).map((score) => 8 * score - 4))),
        tensorOf(type, [images, anchors, 4], rows(() => box().map((value) => value / 32))),
      ];
    case "dfine":
      return [
        tensorOf(random.pick(["int32", "int64"]), [images, anchors], rows(() => [label()])),
        tensorOf(type, [images, anchors, 4], rows(box)),
        tensorOf(type, [images, anchors], rows(() => scores(1))),
      ];
    case "efficient_nms":
      return [
        tensorOf(random.pick(["int32", "int64"]), [images, 1], list(images, () => random.integer(0, anchors + 2))),
        tensorOf(type, [images, anchors, 4], rows(box)),
        tensorOf(type, [images, anchors], rows(() => scores(1))),
        tensorOf(random.pick(["int32", "float32", type]), [images, anchors], rows(() => [label()])),
      ];
  }
}
