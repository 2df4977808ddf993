/**
 * Ties of suppression. Of two boxes that overlap, the one with the higher score stays. Where scores are as near as the
 * noise of the arithmetic, or the overlap is at the limit of suppression, another one stays on the other side, and that
 * is no mistake of an engine.
 */
import type { Detection } from "../detect/detection.ts";
import { iouOf, isFinite } from "./boxes.ts";
import { NMS_IOU, type ParityLimits, scoreTolerance } from "./limits.ts";

/** How far the IoU of two boxes moves when each of them moves a little; twice what the limits let one box differ. */
const marginOf = ({ iou }: Pick<ParityLimits, "iou">): number => 2 * (1 - iou);

/** What both sides have around a box. */
export interface TieLists {
  /** What its own side kept. */
  readonly mine: readonly Detection[];
  /** What the other side kept. */
  readonly kept: readonly Detection[];
  /** All that the other side had before suppression. */
  readonly before: readonly Detection[];
}

/**
 * Whether the other side had the box too before suppression, and dropped it for one that is just as good. A box beside
 * another one of its side that should have suppressed it is no tie.
 */
export function isTie(
  tied: Detection,
  { mine, kept, before }: TieLists,
  limits: ParityLimits,
): boolean {
  const { class_id, score, box } = tied;
  const margin = marginOf(limits);
  const beside = (one: Detection) => one !== tied && one.class_id === class_id;
  if (mine.some((one) => beside(one) && iouOf(one.box, box) > NMS_IOU + margin)) return false;
  const twins = before.filter((one) =>
    one.class_id === class_id && isFinite(one) && iouOf(one.box, box) >= limits.iou &&
    Math.abs(one.score - score) <= scoreTolerance(limits, one.score, score)
  );
  return twins.some((twin) =>
    kept.some((winner) => {
      const iou = iouOf(winner.box, twin.box);
      const ahead = winner.score - twin.score;
      const tolerance = scoreTolerance(limits, winner.score, twin.score);
      if (!(iou >= NMS_IOU - margin) || ahead < -tolerance) return false;
      return ahead <= 2 * tolerance || iou <= NMS_IOU + margin;
    })
  );
}
