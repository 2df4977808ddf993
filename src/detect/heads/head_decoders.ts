/**
 * From output tensors to candidates: one function per layout, for one picture of a batch. Boxes come out as corners in
 * pixels of the model's input. A score that is NaN or below f32(threshold) is left out.
 */
import type { Tensor } from "../../backends/backend.ts";
import type { Candidates } from "./candidates.ts";
import { f32FromF16 } from "../letterbox/half.ts";
import type { CutNmsHead } from "./cut_nms.ts";

export interface DecodeContext {
  /** Output tensors in the order of the row's `outputs`. */
  readonly outputs: readonly Tensor[];
  /** Index of the picture in the batch. */
  readonly image: number;
  readonly classes: number;
  /** Lowest score that an output must have; a probability, or a logit where the NMS that was cut off took those. */
  readonly score: number;
  /** 1 for each class that is wanted; null for all. */
  readonly wanted: Uint8Array | null;
  /** Size of the model's input in pixels. */
  readonly width: number;
  readonly height: number;
  /** Cell sizes of the feature maps in pixels, in the order of the anchors. */
  readonly strides: readonly number[];
  /** The NMS that was cut off the model. @default null, none was */
  readonly cut?: CutNmsHead | null;
}

export type Decoder = (context: DecodeContext, into: Candidates) => void;

interface Slice {
  readonly data: Float32Array;
  readonly offset: number;
  readonly rows: number;
  readonly columns: number;
}

/** One picture's part of a `[N, rows, columns]` tensor. */
function sliceOf(context: DecodeContext, output: number): Slice {
  const tensor = context.outputs[output]!;
  const rows = tensor.dims[1] ?? 1, columns = tensor.dims[2] ?? 1;
  return { data: floats(tensor), offset: context.image * rows * columns, rows, columns };
}

/** A tensor's elements as f32. */
export function floats(tensor: Tensor): Float32Array {
  if (tensor.data instanceof Float32Array) return tensor.data;
  if (tensor.type === "float16") return f32FromF16(tensor.data as Uint16Array);
  return Float32Array.from(tensor.data as Int32Array | BigInt64Array, Number);
}

/** Corners from centre and size, one rounding to f32 per corner as EfficientNMS_TRT does. */
export function writeCenterSize(boxes: Float32Array, slot: number, cx: number, cy: number, w: number, h: number): void {
  boxes[4 * slot] = cx - 0.5 * w;
  boxes[4 * slot + 1] = cy - 0.5 * h;
  boxes[4 * slot + 2] = cx + 0.5 * w;
  boxes[4 * slot + 3] = cy + 0.5 * h;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** `[N, 4 + C, A]`: rows `cx, cy, w, h` in pixels, then a row of probabilities for each class. */
export const channelsFirst: Decoder = (context, into) => {
  const { data, offset, columns: anchors } = sliceOf(context, 0);
  const { classes, wanted } = context;
  const limit = Math.fround(context.score);
  const x = offset, y = x + anchors, w = y + anchors, h = w + anchors;
  for (let c = 0; c < classes; c++) {
    if (wanted !== null && wanted[c] === 0) continue;
    const row = offset + (4 + c) * anchors;
    for (let a = 0; a < anchors; a++) {
      const score = data[row + a]!;
      if (!(score >= limit)) continue;
      const slot = into.push(a * classes + c, c, score);
      writeCenterSize(into.boxes, slot, data[x + a]!, data[y + a]!, data[w + a]!, data[h + a]!);
    }
  }
};

/** `[N, A, 4 + C]` with boxes in units of `(unitX, unitY)` pixels. */
function anchorsFirst(context: DecodeContext, into: Candidates, unitX: number, unitY: number): void {
  const { data, offset, rows, columns } = sliceOf(context, 0);
  const { classes, wanted } = context;
  const limit = Math.fround(context.score);
  for (let a = 0; a < rows; a++) {
    const at = offset + a * columns;
    for (let c = 0; c < classes; c++) {
      const score = data[at + 4 + c]!;
      if (!(score >= limit) || (wanted !== null && wanted[c] === 0)) continue;
      const slot = into.push(a * classes + c, c, score);
      writeCenterSize(
        into.boxes,
        slot,
        data[at]! * unitX,
        data[at + 1]! * unitY,
        data[at + 2]! * unitX,
        data[at + 3]! * unitY,
      );
    }
  }
}

/** `[N, A, 4 + C]`: `cx, cy, w, h` in pixels, then probabilities. */
export const anchorsFirstPixels: Decoder = (context, into) => anchorsFirst(context, into, 1, 1);

/** `[N, Q, 4 + C]`: `cx, cy, w, h` in 0..1 of the input, then probabilities. */
export const queriesNormalized: Decoder = (context, into) => anchorsFirst(context, into, context.width, context.height);

/** `[N, A, 5 + C]`: `cx, cy, w, h` in pixels, objectness, then class probabilities; the score is their product in f32. */
export const objectness: Decoder = (context, into) => {
  const { data, offset, rows, columns } = sliceOf(context, 0);
  const { classes, wanted } = context;
  const limit = Math.fround(context.score);
  for (let a = 0; a < rows; a++) {
    const at = offset + a * columns;
    const object = data[at + 4]!;
    // Both factors are probabilities, so the product is at most the objectness.
    if (!(object >= limit)) continue;
    for (let c = 0; c < classes; c++) {
      const score = Math.fround(object * data[at + 5 + c]!);
      if (!(score >= limit) || (wanted !== null && wanted[c] === 0)) continue;
      const slot = into.push(a * classes + c, c, score);
      writeCenterSize(into.boxes, slot, data[at]!, data[at + 1]!, data[at + 2]!, data[at + 3]!);
    }
  }
};

/**
 * `[N, A, 5 + C]` as YOLOX leaves it: centre relative to the cell in cells, logarithm of the size in cells. Anchors run
 * over the strides, rows and columns of the grids.
 */
export const objectnessGrid: Decoder = (context, into) => {
  const { data, offset, columns } = sliceOf(context, 0);
  const { classes, wanted } = context;
  const limit = Math.fround(context.score);
  let a = 0;
  for (const stride of context.strides) {
    const gridWidth = Math.ceil(context.width / stride), gridHeight = Math.ceil(context.height / stride);
    for (let gy = 0; gy < gridHeight; gy++) {
      for (let gx = 0; gx < gridWidth; gx++, a++) {
        const at = offset + a * columns;
        const object = data[at + 4]!;
        if (!(object >= limit)) continue;
        for (let c = 0; c < classes; c++) {
          const score = Math.fround(object * data[at + 5 + c]!);
          if (!(score >= limit) || (wanted !== null && wanted[c] === 0)) continue;
          const slot = into.push(a * classes + c, c, score);
          const w = Math.exp(data[at + 2]!) * stride, h = Math.exp(data[at + 3]!) * stride;
          writeCenterSize(into.boxes, slot, (data[at]! + gx) * stride, (data[at + 1]! + gy) * stride, w, h);
        }
      }
    }
  }
};

/** `[N, K, 6]`: `x1, y1, x2, y2` in pixels, score, class index. */
export const endToEnd: Decoder = (context, into) => {
  const { data, offset, rows, columns } = sliceOf(context, 0);
  const limit = Math.fround(context.score);
  for (let k = 0; k < rows; k++) {
    const at = offset + k * columns;
    const score = data[at + 4]!, classId = data[at + 5]!;
    if (score >= limit) pushGiven(context, into, k, classId, score, data, at);
  }
};

/** `[N, K, 6]`: `cx, cy, w, h` in 0..1 of the input, score, class index. */
export const selectedQueriesNormalized: Decoder = (context, into) => {
  const { data, offset, rows, columns } = sliceOf(context, 0);
  const { wanted, width, height } = context;
  const limit = Math.fround(context.score);
  for (let k = 0; k < rows; k++) {
    const at = offset + k * columns;
    const score = data[at + 4]!, classId = data[at + 5]!;
    if (!(score >= limit) || !Number.isInteger(classId) || classId < 0) continue;
    if (wanted !== null && wanted[classId] !== 1) continue;
    const slot = into.push(k, classId, score);
    writeCenterSize(
      into.boxes,
      slot,
      data[at]! * width,
      data[at + 1]! * height,
      data[at + 2]! * width,
      data[at + 3]! * height,
    );
  }
};

function pushGiven(
  context: DecodeContext,
  into: Candidates,
  element: number,
  classId: number,
  score: number,
  data: Float32Array,
  at: number,
): void {
  if (!Number.isInteger(classId) || classId < 0) return;
  if (context.wanted !== null && context.wanted[classId] !== 1) return;
  const slot = into.push(element, classId, score);
  for (let i = 0; i < 4; i++) into.boxes[4 * slot + i] = data[at + i]!;
}

/** `boxes [N, A, 4]` as corners in pixels and `scores [N, A, C]`: what EfficientNMS_TRT takes. */
export const boxesAndScores: Decoder = (context, into) => {
  const boxes = sliceOf(context, 0), scores = sliceOf(context, 1);
  const { classes, wanted } = context;
  const limit = Math.fround(context.score);
  for (let e = 0, a = 0; a < scores.rows; a++) {
    for (let c = 0; c < classes; c++, e++) {
      const score = scores.data[scores.offset + e]!;
      if (!(score >= limit) || (wanted !== null && wanted[c] === 0)) continue;
      const slot = into.push(e, c, score);
      for (let i = 0; i < 4; i++) into.boxes[4 * slot + i] = boxes.data[boxes.offset + 4 * a + i]!;
    }
  }
};

/** `logits [N, Q, C]` and `boxes [N, Q, 4]`: sigmoid scores, `cx, cy, w, h` in 0..1 of the input. */
export const logitsAndBoxes: Decoder = (context, into) => {
  const logits = sliceOf(context, 0), boxes = sliceOf(context, 1);
  const { classes, wanted, width, height } = context;
  const limit = Math.fround(context.score);
  for (let e = 0, q = 0; q < logits.rows; q++) {
    const at = boxes.offset + 4 * q;
    for (let c = 0; c < classes; c++, e++) {
      const score = Math.fround(sigmoid(logits.data[logits.offset + e]!));
      if (!(score >= limit) || (wanted !== null && wanted[c] === 0)) continue;
      const slot = into.push(e, c, score);
      const b = boxes.data;
      writeCenterSize(into.boxes, slot, b[at]! * width, b[at + 1]! * height, b[at + 2]! * width, b[at + 3]! * height);
    }
  }
};

/** `labels [N, K]`, `boxes [N, K, 4]` as corners in pixels, `scores [N, K]`. */
export const labelsBoxesScores: Decoder = (context, into) => given(context, into, 0, 1, 2, Infinity);

/** EfficientNMS_TRT's `num_detections [N, 1]`, `boxes [N, K, 4]` as corners in pixels, `scores [N, K]`, `classes [N, K]`. */
export const efficientNms: Decoder = (context, into) => {
  const count = Number(context.outputs[0]!.data[context.image] ?? 0);
  given(context, into, 3, 1, 2, count);
};

function given(
  context: DecodeContext,
  into: Candidates,
  labelsAt: number,
  boxesAt: number,
  scoresAt: number,
  count: number,
): void {
  const labels = context.outputs[labelsAt]!, scores = floats(context.outputs[scoresAt]!);
  const boxes = sliceOf(context, boxesAt);
  const limit = Math.fround(context.score);
  const n = Math.min(boxes.rows, count);
  const classIds = labels.type === "float16" ? floats(labels) : labels.data;
  for (let k = 0; k < n; k++) {
    const score = scores[context.image * boxes.rows + k]!;
    const classId = Number(classIds[context.image * boxes.rows + k]!);
    if (score >= limit) pushGiven(context, into, k, classId, score, boxes.data, boxes.offset + 4 * k);
  }
}
