/** Whether a worker still answers the canary as it did at first. */
import type { Detection } from "../../detect/detection.ts";

/** The same backend repeats itself to rounding; another GPU clock or thread count does not change more than this. */
const SCORE_TOLERANCE = 0.02;
const IOU_MIN = 0.9;

/** What differs, null when nothing does. Weak boxes near the end of a list may come and go. */
export function canaryDifference(expected: readonly Detection[], got: readonly Detection[]): string | null {
  for (const [index, one] of expected.entries()) {
    if (index >= expected.length - 1 && expected.length > 1) break;
    const same = got.find((other) =>
      other.class_id === one.class_id && Math.abs(other.score - one.score) <= SCORE_TOLERANCE &&
      iou(one.box, other.box) >= IOU_MIN
    );
    if (same === undefined) {
      return `"${one.label}" with score ${one.score.toFixed(4)} is missing among ${got.length} detections`;
    }
  }
  if (expected.length === 0 && got.length > 0) return `${got.length} detections where none were`;
  return null;
}

type Box = Detection["box"];

function iou(a: Box, b: Box): number {
  const width = Math.min(a.x2, b.x2) - Math.max(a.x1, b.x1);
  const height = Math.min(a.y2, b.y2) - Math.max(a.y1, b.y1);
  const common = Math.max(0, width) * Math.max(0, height);
  const area = (box: Box) => (box.x2 - box.x1) * (box.y2 - box.y1);
  const union = area(a) + area(b) - common;
  return union === 0 ? 1 : common / union;
}
