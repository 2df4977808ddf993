/** How far results of a detector without NMS are apart, anchor by anchor. */
import type { Tensor } from "../../src/backends/backend.ts";
import { Candidates } from "../../src/detect/heads/candidates.ts";
import { outputThreshold, reportedScore } from "../../src/detect/heads/cut_nms.ts";
import type { Head } from "../../src/detect/heads/heads.ts";

export interface AnchorDifference {
  /** Pairs of anchor and class whose score is at least the asked one on a side. */
  readonly scored: number;
  /** Largest differences among these: of the score, and of a corner's coordinate in pixels of the model's input. */
  readonly max_score: number;
  readonly max_box: number;
  /** The box that differs most of all anchors: by how many pixels, and its best score on both sides. */
  readonly worst_box: { readonly px: number; readonly score: number };
  /** Pairs that have a score on one side only. */
  readonly missing: number;
}

/** Outputs by name of one picture. */
type Outputs = Readonly<Record<string, Tensor>>;

/**
 * @param score of an anchor that counts, 0..1
 * @returns null for a head whose rows are no anchors but the best of them: their order may differ
 */
export function anchorDifference(
  head: Head,
  { found, reference, score }: { found: Outputs; reference: Outputs; score: number },
): AnchorDifference | null {
  if (!head.row.nms) return null;
  const classes = Math.max(1, head.classes ?? 1);
  const [ours, theirs] = [allOf(head, found), allOf(head, reference)];
  const last = (all: Candidates) => all.elements.subarray(0, all.count).reduce((a, b) => Math.max(a, b), -1);
  const slots = new Int32Array(1 + Math.max(last(ours), last(theirs))).fill(-1);
  for (let slot = 0; slot < ours.count; slot++) slots[ours.elements[slot]!] = slot;
  let [scored, maxScore, maxBox, common] = [0, 0, 0, 0];
  let worst = { px: 0, anchor: -1 };
  for (let slot = 0; slot < theirs.count; slot++) {
    const element = theirs.elements[slot]!;
    const mine = slots[element]!;
    if (mine < 0) continue;
    common++;
    const [a, b] = [reportedScore(ours.scores[mine]!, head.cut), reportedScore(theirs.scores[slot]!, head.cut)];
    const px = cornersApart(ours.boxes, 4 * mine, theirs.boxes, 4 * slot);
    if (px > worst.px) worst = { px, anchor: Math.floor(element / classes) };
    if (!(Math.max(a, b) >= score)) continue;
    scored++;
    maxScore = Math.max(maxScore, Math.abs(a - b));
    maxBox = Math.max(maxBox, px);
  }
  const best = Math.max(...[ours, theirs].map((all) => bestScore(all, head, worst.anchor)));
  const missing = ours.count + theirs.count - 2 * common;
  return { scored, max_score: maxScore, max_box: maxBox, worst_box: { px: worst.px, score: best }, missing };
}

/** Every anchor of the first picture with each class. */
function allOf({ row, classes, strides, cut, outputs, input: { width, height } }: Head, tensors: Outputs): Candidates {
  const all = new Candidates();
  const score = outputThreshold(0, cut);
  const context = { outputs: outputs.map((name) => tensors[name]!), image: 0, classes: classes ?? 0, score };
  row.decode({ ...context, wanted: null, width, height, strides, cut }, all);
  return all;
}

function bestScore(all: Candidates, head: Head, anchor: number): number {
  const classes = Math.max(1, head.classes ?? 1);
  let best = 0;
  for (let slot = 0; slot < all.count; slot++) {
    if (Math.floor(all.elements[slot]! / classes) !== anchor) continue;
    best = Math.max(best, reportedScore(all.scores[slot]!, head.cut));
  }
  return best;
}

function cornersApart(a: Float32Array, atA: number, b: Float32Array, atB: number): number {
  let most = 0;
  for (let i = 0; i < 4; i++) most = Math.max(most, Math.abs(a[atA + i]! - b[atB + i]!));
  return most;
}
