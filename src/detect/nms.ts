/**
 * Non-maximum suppression with the semantics of EfficientNMS_TRT's filter path (TensorRT
 * plugin/efficientNMSPlugin, f32, corner boxes, no score activation), made deterministic: among equal scores the lower
 * element goes first. All arithmetic is in f32, rounded after every operation, so that a kernel can reproduce it bit
 * for bit.
 */
import type { Candidates } from "./heads/candidates.ts";

/** Most candidates that are looked at, after sorting (EfficientNMS_TRT's limit on every GPU since Volta). */
export const CANDIDATES_MAX = 5000;

export interface NmsOptions {
  /** Candidates with `score >= f32(score)` take part; NaN does not. */
  readonly score: number;
  /** A box is dropped when its IoU with a kept one is at least `f32(iou)`. */
  readonly iou: number;
  /** Most boxes that are kept. */
  readonly max: number;
  /** Whether a box drops boxes of other classes too. @default false */
  readonly classAgnostic?: boolean;
}

const fround = Math.fround;

/** Slots of the candidates with `score >= f32(threshold)` in descending score, ties in ascending element. */
export function ranked(candidates: Candidates, threshold: number): Uint32Array {
  const { count, scores, elements } = candidates;
  const limit = fround(threshold);
  const slots = new Uint32Array(count);
  let kept = 0;
  for (let slot = 0; slot < count; slot++) if (scores[slot]! >= limit) slots[kept++] = slot;
  const order = slots.subarray(0, kept);
  if (count > 1 << 21) {
    return order.sort((a, b) => scores[b]! - scores[a]! || elements[a]! - elements[b]!);
  }
  // Native sort of plain numbers: 32 bits that descend with the score, then 21 bits of slot.
  const bits = new Int32Array(scores.buffer, scores.byteOffset, count);
  const keys = new Float64Array(kept);
  for (let i = 0; i < kept; i++) {
    const b = scores[order[i]!]! === 0 ? 0 : bits[order[i]!]!;
    keys[i] = (b >= 0 ? 0x7fffffff - b : 0xffffffff - (~b >>> 0)) * 2097152 + order[i]!;
  }
  keys.sort();
  for (let i = 0; i < kept; i++) order[i] = keys[i]! % 2097152;
  for (let from = 0; from < kept;) {
    const score = scores[order[from]!]!;
    let to = from + 1;
    while (to < kept && scores[order[to]!]! === score) to++;
    if (to - from > 1) sortByElement(order.subarray(from, to), elements);
    from = to;
  }
  return order;
}

function sortByElement(slots: Uint32Array, elements: Int32Array): void {
  const keys = new Float64Array(slots.length);
  for (let i = 0; i < slots.length; i++) keys[i] = elements[slots[i]!]! * 2097152 + slots[i]!;
  keys.sort();
  for (let i = 0; i < slots.length; i++) slots[i] = keys[i]! % 2097152;
}

/**
 * Greedy suppression.
 * @returns slots of the kept candidates in descending score
 */
export function nms(candidates: Candidates, options: NmsOptions): Uint32Array {
  const order = ranked(candidates, options.score);
  const n = Math.min(order.length, CANDIDATES_MAX);
  const { boxes, classes } = candidates;
  const threshold = fround(options.iou);
  const agnostic = options.classAgnostic ?? false;
  const max = Math.min(options.max, n);

  // Kept boxes, corners in order, and a list of them per class: newest first.
  const x1s = new Float32Array(max), y1s = new Float32Array(max);
  const x2s = new Float32Array(max), y2s = new Float32Array(max);
  const areas = new Float32Array(max);
  const next = new Int32Array(max);
  const heads = new Map<number, number>();
  const kept = new Uint32Array(max);
  let keptCount = 0;

  for (let i = 0; i < n && keptCount < max; i++) {
    const slot = order[i]!;
    let x1 = boxes[4 * slot]!, y1 = boxes[4 * slot + 1]!, x2 = boxes[4 * slot + 2]!, y2 = boxes[4 * slot + 3]!;
    // The plugin swaps by subtracting and adding in f32; the rounding is part of the result.
    if (y1 > y2) {
      const d = fround(y1 - y2);
      y2 = fround(d + y2);
      y1 = fround(y2 - d);
    }
    if (x1 > x2) {
      const d = fround(x1 - x2);
      x2 = fround(d + x2);
      x1 = fround(x2 - d);
    }
    const h = fround(y2 - y1), w = fround(x2 - x1);
    const area = h <= 0 || w <= 0 ? 0 : fround(h * w);
    const group = agnostic ? 0 : classes[slot]!;
    const head = heads.get(group) ?? -1;
    let free = true;
    for (let k = head; k >= 0; k = next[k]!) {
      const ih = fround((y2 < y2s[k]! ? y2 : y2s[k]!) - (y1 > y1s[k]! ? y1 : y1s[k]!));
      const iw = fround((x2 < x2s[k]! ? x2 : x2s[k]!) - (x1 > x1s[k]! ? x1 : x1s[k]!));
      let iou = 0;
      if (!(ih <= 0 || iw <= 0)) {
        const inter = fround(ih * iw);
        if (!(inter <= 0)) {
          const union = fround(fround(area + areas[k]!) - inter);
          if (!(union <= 0)) iou = fround(inter / union);
        }
      }
      if (iou >= threshold) {
        free = false;
        break;
      }
    }
    if (!free) continue;
    x1s[keptCount] = x1, y1s[keptCount] = y1, x2s[keptCount] = x2, y2s[keptCount] = y2;
    areas[keptCount] = area;
    next[keptCount] = head;
    heads.set(group, keptCount);
    kept[keptCount++] = slot;
  }
  return kept.subarray(0, keptCount);
}
