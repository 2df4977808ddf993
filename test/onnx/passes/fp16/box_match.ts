/** How well two lists of detections agree. */
import type { Box, Detection } from "../../../../src/detect/detection.ts";

/** Intersection over union of two boxes. */
export function iouOf(a: Box, b: Box): number {
  const width = Math.min(a.x2, b.x2) - Math.max(a.x1, b.x1), height = Math.min(a.y2, b.y2) - Math.max(a.y1, b.y1);
  if (width <= 0 || height <= 0) return 0;
  const area = (box: Box) => (box.x2 - box.x1) * (box.y2 - box.y1);
  return width * height / (area(a) + area(b) - width * height);
}

/** Pairs of a box of `found` and one of its class in `among` with at least this IoU; each of those counts once. */
export function matched(
  found: readonly Detection[],
  among: readonly Detection[],
  iouMin: number,
): (readonly [Detection, Detection])[] {
  const free = new Set(among);
  return found.flatMap((one) => {
    const [best] = [...free].filter(({ class_id }) => class_id === one.class_id)
      .map((other) => ({ other, iou: iouOf(one.box, other.box) })).sort((a, b) => b.iou - a.iou);
    if (best === undefined || best.iou < iouMin) return [];
    free.delete(best.other);
    return [[one, best.other] as const];
  });
}
