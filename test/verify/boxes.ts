/** Detections for tests. */
import type { Detection } from "../../src/detect/detection.ts";

export interface BoxWords {
  readonly score?: number;
  readonly x?: number;
  readonly y?: number;
  readonly width?: number;
  readonly height?: number;
  readonly classId?: number;
}

/** A box of 100 pixels a side unless told otherwise. */
export function detection(
  { score = 0.9, x = 0, y = 0, width = 100, height = 100, classId = 0 }: BoxWords = {},
): Detection {
  return {
    label: `class ${classId}`,
    class_id: classId,
    score,
    box: { x1: x, y1: y, x2: x + width, y2: y + height },
  };
}

/** Boxes that do not touch each other. */
export const apart = (count: number, words: BoxWords = {}): Detection[] =>
  Array.from({ length: count }, (_, i) => detection({ ...words, x: 200 * (i % 20), y: 200 * Math.floor(i / 20) }));
