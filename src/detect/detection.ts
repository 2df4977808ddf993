/** What a detection is: the objects that the command line prints and HTTP answers (shared/design contracts). */
import type { BackendInfo } from "../backends/backend.ts";

/** Corners in pixels of the upright original picture, `0 <= x1 <= x2 <= width`, `0 <= y1 <= y2 <= height`. */
export interface Box {
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
}

export interface Detection {
  readonly label: string;
  /** Index into the model's labels. */
  readonly class_id: number;
  /** 0..1 */
  readonly score: number;
  readonly box: Box;
}

/** Milliseconds of one picture's stages. */
export interface Timings {
  readonly decode: number;
  readonly preprocess: number;
  readonly inference: number;
  readonly postprocess: number;
  readonly total: number;
}

export interface DetectionResult {
  /** Size of the upright picture in pixels, EXIF orientation applied. */
  readonly image: { readonly width: number; readonly height: number };
  readonly model: string;
  readonly backend: BackendInfo;
  /** Sorted by descending score. */
  readonly detections: readonly Detection[];
  readonly timings_ms: Timings;
}

/** What a caller may ask of one picture. */
export interface DetectOptions {
  /** Lowest score that is reported, 0..1. @default the manifest's `score`, else 0.25 */
  readonly score?: number;
  /** IoU from which the weaker of two boxes is dropped, 0..1. @default the manifest's `iou`, else 0.45 */
  readonly iou?: number;
  /** Most detections that are reported, 1..5000. @default 300 */
  readonly max?: number;
  /** Only these labels. @default all */
  readonly classes?: readonly string[];
}
