/** Geometry of boxes. */
import type { Box, Detection } from "../detect/detection.ts";

/** Intersection over union, 0..1; 1 for equal boxes, also for those without an area; NaN when a corner is no number. */
export function iouOf(a: Box, b: Box): number {
  if (a.x1 === b.x1 && a.y1 === b.y1 && a.x2 === b.x2 && a.y2 === b.y2) return 1;
  const width = Math.min(a.x2, b.x2) - Math.max(a.x1, b.x1), height = Math.min(a.y2, b.y2) - Math.max(a.y1, b.y1);
  if (width <= 0 || height <= 0) return 0;
  const inter = width * height;
  return inter / (areaOf(a) + areaOf(b) - inter);
}

const areaOf = ({ x1, y1, x2, y2 }: Box): number => (x2 - x1) * (y2 - y1);

/** Whether score and corners are numbers. */
export const isFinite = ({ score, box }: Pick<Detection, "score" | "box">): boolean =>
  [score, box.x1, box.y1, box.x2, box.y2].every(Number.isFinite);

/** An order of boxes that depends on nothing but them: best score first. */
export const inOrder = (a: Detection, b: Detection): number =>
  b.score - a.score || a.class_id - b.class_id || a.box.x1 - b.box.x1 || a.box.y1 - b.box.y1 ||
  a.box.x2 - b.box.x2 || a.box.y2 - b.box.y2;
