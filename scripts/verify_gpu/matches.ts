/** Whether two lists of detections of one picture say the same. */
import type { Box, Detection } from "../../src/detect/detection.ts";

export interface Matches {
  /** Detections of the score that counts. */
  readonly found: number;
  readonly reference: number;
  /** Pairs of which at least one side has that score, and what found no partner. */
  readonly matched: number;
  readonly unmatched: number;
  /** Largest differences among the pairs: of the score, and of a corner's coordinate in pixels of the picture. */
  readonly max_score: number;
  readonly max_box: number;
}

/** IoU from which two boxes are one (issue 6, correctness gate). */
export const IOU_SAME = 0.95;

/**
 * Pairs detections of the same class with an IoU of at least {@link IOU_SAME}, the closest first.
 * @param score lowest that must have a partner; the lists go lower, so that none is missed for a score beside it
 */
export function matchDetections(
  found: readonly Detection[],
  reference: readonly Detection[],
  score: number,
): Matches {
  const near = found.flatMap((ours) =>
    reference.filter(({ class_id: id }) => id === ours.class_id)
      .map((theirs) => ({ ours, theirs, iou: iouOf(ours.box, theirs.box) }))
      .filter(({ iou }) => iou >= IOU_SAME)
  ).sort((a, b) => b.iou - a.iou);
  const taken = new Set<Detection>();
  const pairs = near.filter(({ ours, theirs }) => {
    if (taken.has(ours) || taken.has(theirs)) return false;
    taken.add(ours).add(theirs);
    return true;
  }).filter(({ ours, theirs }) => Math.max(ours.score, theirs.score) >= score);
  const counts = (list: readonly Detection[]) => list.filter((one) => one.score >= score);
  return {
    found: counts(found).length,
    reference: counts(reference).length,
    matched: pairs.length,
    unmatched: [...counts(found), ...counts(reference)].filter((one) => !taken.has(one)).length,
    max_score: Math.max(0, ...pairs.map(({ ours, theirs }) => Math.abs(ours.score - theirs.score))),
    max_box: Math.max(0, ...pairs.map(({ ours, theirs }) => cornersApart(ours.box, theirs.box))),
  };
}

const cornersApart = (a: Box, b: Box): number =>
  Math.max(...(["x1", "y1", "x2", "y2"] as const).map((side) => Math.abs(a[side] - b[side])));

function iouOf(a: Box, b: Box): number {
  const width = Math.min(a.x2, b.x2) - Math.max(a.x1, b.x1), height = Math.min(a.y2, b.y2) - Math.max(a.y1, b.y1);
  if (width <= 0 || height <= 0) return 0;
  const inter = width * height;
  return inter / ((a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - inter);
}
