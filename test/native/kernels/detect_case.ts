/** Cases for the detection kernels: tensors and questions, and what the CPU path answers. */
import type { DetectionsSpec } from "../../../ffi/kernels.ts";
import type { Tensor } from "../../../src/backends/backend.ts";
import { detectionsSpec } from "../../../src/backends/tensorrt/detections_spec.ts";
import { Candidates } from "../../../src/detect/heads/candidates.ts";
import type { CutNmsHead } from "../../../src/detect/heads/cut_nms.ts";
import { type HeadName, type HeadRow, HEADS } from "../../../src/detect/heads/heads.ts";
import { boxOnPicture, type Placement } from "../../../src/detect/letterbox/letterbox.ts";
import { CANDIDATES_MAX, nms, ranked } from "../../../src/detect/nms.ts";

/** What is asked of one picture. */
export interface Question {
  /** Of an output: a logit where a cut NMS took the sigmoid itself. */
  readonly score: number;
  readonly iou: number;
  readonly max: number;
  readonly classAgnostic: boolean;
  /** 1 for each wanted label; null for all. */
  readonly wanted: Uint8Array | null;
  /** Boxes beside the picture are left out; null keeps all. */
  readonly placement: Placement | null;
}

export interface DetectCase {
  readonly head: HeadName;
  /** In the order of the head's outputs, `N` is the number of questions; then the anchors of a cut NMS. */
  readonly tensors: readonly Tensor[];
  readonly classes: number;
  readonly labels: number;
  readonly width: number;
  readonly height: number;
  readonly strides: readonly number[];
  /** The NMS that was cut off, for the head `cut_nms`. */
  readonly cut: CutNmsHead | null;
  readonly questions: readonly Question[];
  readonly boxesMax: number;
  readonly candidatesMax: number;
}

/** Boxes of one picture in the order of the answer. */
export interface Answer {
  /** Candidates before sorting. */
  readonly found: number;
  /** x1, y1, x2, y2, score of each box. */
  readonly numbers: Float32Array;
  readonly labels: Int32Array;
}

/** For comparing: every NaN is like any other. */
export const plainAnswer = ({ found, numbers, labels }: Answer) => ({ found, numbers: Array.from(numbers), labels });

/** What the backend tells the kernels. */
export const specOf = (c: DetectCase): DetectionsSpec =>
  detectionsSpec(
    {
      name: c.head,
      classes: c.classes,
      labels: c.labels,
      width: c.width,
      height: c.height,
      strides: c.strides,
      cut: c.cut,
      nms: HEADS[c.head].nms,
    },
    c.tensors,
    { imagesMax: c.questions.length, boxesMax: c.boxesMax, candidatesMax: c.candidatesMax },
  );

/** The arrays that go with a spec; `limits` are most boxes, class-agnostic, labels chosen. */
export function detectArrays(c: DetectCase) {
  const placed = c.questions.some(({ placement }) => placement !== null);
  const chosen = c.questions.some(({ wanted }) => wanted !== null);
  const words = Math.ceil(c.labels / 32);
  const wanted = new Uint32Array(chosen ? words * c.questions.length : 0);
  c.questions.forEach((question, image) => {
    for (let label = 0; chosen && label < c.labels; label++) {
      if (question.wanted?.[label] === 1) {
        wanted[image * words + (label >> 5)]! |= 1 << (label & 31);
      }
    }
  });
  return {
    scores: Float32Array.from(c.questions, ({ score }) => score),
    ious: Float32Array.from(c.questions, ({ iou }) => iou),
    limits: Int32Array.from(
      c.questions.flatMap(({ max, classAgnostic, wanted }) => [max, classAgnostic ? 1 : 0, wanted === null ? 0 : 1]),
    ),
    placements: placed
      ? Float64Array.from(c.questions.flatMap((question) => placementNumbers(question.placement!)))
      : null,
    wanted: chosen ? wanted : null,
  };
}

function placementNumbers({ left, top, scaleX, scaleY, source }: Placement): number[] {
  return [left, top, scaleX, scaleY, source.width, source.height];
}

/** The CPU path's answer for each picture, as `Detector` makes it. */
export function referenceAnswers(c: DetectCase): Answer[] {
  const row: HeadRow = HEADS[c.head];
  return c.questions.map(({ score, iou, max, classAgnostic, wanted, placement }, image) => {
    const all = new Candidates();
    const { classes, width, height, strides, cut, tensors: outputs } = c;
    row.decode({ outputs, image, classes, score, wanted, width, height, strides, cut }, all);
    const best = ranked(all, score).subarray(0, c.candidatesMax);
    const candidates = new Candidates();
    for (const slot of best) {
      const to = candidates.push(all.elements[slot]!, all.classes[slot]!, all.scores[slot]!);
      candidates.boxes.set(all.boxes.subarray(4 * slot, 4 * slot + 4), 4 * to);
    }
    const most = placement === null ? max : CANDIDATES_MAX;
    const kept = row.nms
      ? nms(candidates, { score, iou, max: most, classAgnostic })
      : ranked(candidates, score).subarray(0, most);
    const slots = Array.from(kept).filter((slot) =>
      placement === null || boxOnPicture(candidates.boxes, 4 * slot, placement) !== null
    ).slice(0, max);
    return {
      found: all.count,
      numbers: Float32Array.from(
        slots.flatMap((slot) => [...candidates.boxes.subarray(4 * slot, 4 * slot + 4), candidates.scores[slot]! + 0]),
      ),
      labels: Int32Array.from(slots, (slot) => candidates.classes[slot]!),
    };
  });
}
