/** How much an engine may differ from the reference: data. */
import type { BackendInfo } from "../backends/backend.ts";

export type Precision = BackendInfo["precision"];

/** What makes two boxes one, and how many must have a partner. */
export interface ParityLimits {
  /** Least IoU, 0..1. */
  readonly iou: number;
  /** Most that the scores differ, 0..1; in proportion for scores below {@link SCORE_COUNTS}, see `scoreTolerance`. */
  readonly score: number;
  /** Least share of boxes with a partner, of the side that fares worse. */
  readonly percent: number;
}

/** How near raw outputs must be. */
export interface OutputLimits {
  /** Most that a value differs, in parts of the largest magnitude that the reference has in that output. */
  readonly relative: number;
  /** Least share of values that do not differ more. */
  readonly percent: number;
}

export interface PrecisionLimits {
  readonly detections: ParityLimits;
  readonly candidates: ParityLimits;
  readonly outputs: OutputLimits;
}

/** Lowest score of a box that must have a partner. Source: issue 6, correctness gate. */
export const SCORE_COUNTS = 0.25;

/** IoU from which the weaker of two boxes is dropped while detections are compared; the models' own differ. */
export const NMS_IOU = 0.45;

/**
 * Sources. `f32.detections`: issue 6. TensorRT's f32 is TF32 on GPUs since Ampere, 10 bits of mantissa as fp16 has, with
 * the range of f32: docs/verified.md saw scores of detections within 0.00074 on an H100, so 0.01 is 13 times that.
 * `fp16.detections`: there, scores of detections within 0.0013 and of anchors above 0.05 within 0.012, boxes within
 * 0.047 px; 0.05 is four times the larger. The IoU of 0.9 leaves small boxes a tenth of a pixel a side (a box of 20
 * pixels a side that moves by half a pixel has 0.95), and 97 % leaves three of a hundred boxes that lie on a threshold.
 * An engine that is wrong is far off all of them: it finds nothing, or boxes elsewhere.
 * `candidates`: boxes of low score are hardly determined (docs/verified.md: 0.9 px in f32, 1.5 px in fp16 where the
 * score is near 0), so IoU and share are lower.
 * `outputs`: raw values were 0.002 of the largest apart in f32, 0.0047 in fp16; five and ten times that.
 */
export const LIMITS: Readonly<Record<Precision, PrecisionLimits>> = {
  f32: {
    detections: { iou: 0.95, score: 0.01, percent: 99.5 },
    candidates: { iou: 0.9, score: 0.01, percent: 97 },
    outputs: { relative: 0.01, percent: 99.5 },
  },
  fp16: {
    detections: { iou: 0.9, score: 0.05, percent: 97 },
    candidates: { iou: 0.8, score: 0.05, percent: 90 },
    outputs: { relative: 0.05, percent: 97 },
  },
};

/** Scores are f32; what their rounding and that of a difference adds. */
const ROUNDING = 1e-6;

/**
 * Most that two scores may differ. Below {@link SCORE_COUNTS} it shrinks with the larger of them, so that an engine whose
 * scores are all 0 does not agree with a reference whose scores are small.
 */
export const scoreTolerance = (limits: Pick<ParityLimits, "score">, a: number, b: number): number => {
  const share = Math.min(1, Math.max(a, b) / SCORE_COUNTS);
  return (limits.score + ROUNDING) * share;
};

/** Lowest score that a partner of a box of score `cut` can have. */
export const partnerCut = (limits: Pick<ParityLimits, "score">, cut: number): number =>
  cut - scoreTolerance(limits, cut, cut);
