/** Whether two runs of the same pictures found the same boxes. */
import type { Box, Detection } from "../detect/detection.ts";
import { assign } from "./assignment.ts";
import { inOrder, iouOf, isFinite } from "./boxes.ts";
import { type ParityLimits, partnerCut, scoreTolerance } from "./limits.ts";
import { isTie } from "./ties.ts";

/** What both sides found in one picture, down to {@link partnerCut} of the cut: boxes below have no say. */
export interface BoxPair {
  readonly picture: string;
  readonly found: readonly Detection[];
  readonly reference: readonly Detection[];
  /** The same before suppression. With it a box that lost a tie on the other side counts as matched. */
  readonly before?: { readonly found: readonly Detection[]; readonly reference: readonly Detection[] };
}

export interface ParityOptions {
  /** Boxes of this score and up must have a partner, whichever side they are on. */
  readonly cut: number;
  readonly limits: ParityLimits;
}

/** Who has the box that has no partner. */
export type Side = "engine" | "reference";

export interface ParityFailure {
  readonly picture: string;
  readonly side: Side;
  readonly label: string;
  /** Null when it is no number. */
  readonly score: number | null;
  /** `duplicate`: the partner is that of another box; `number`: score or corner is no number. */
  readonly what: "missing" | "class" | "box" | "score" | "duplicate" | "number";
  /** A sentence without a final period. */
  readonly detail: string;
}

export interface Parity {
  readonly passed: boolean;
  /** Boxes of the cut and up. */
  readonly boxes: { readonly engine: number; readonly reference: number };
  /** Of the side that fares worse, that of more boxes when they are equal: its boxes, and those that have a partner. */
  readonly compared: number;
  readonly matched: number;
  /** Share of these, 0..100; null when neither side has a box. */
  readonly percent: number | null;
  /** Boxes among the matched that lost a tie in the suppression of the other side. */
  readonly ties: number;
  /** Over boxes that overlap one of their class as a partner must; null without any. */
  readonly worst_score_difference: number | null;
  /** Over boxes and the box of their class that overlaps them most; null where none overlaps any. */
  readonly worst_iou: number | null;
  /** All of them: by picture, then by descending score. */
  readonly failures: readonly ParityFailure[];
}

/**
 * Compares what was found. Every box of the cut and up needs a partner of its own on the other side: of the same class,
 * with the IoU and the score of the limits. A partner's own score may lie below the cut, so that no box fails for being
 * on one side of it. Neither the order of boxes and pictures nor which side is called the reference changes a number.
 *
 * It passes when the share of both sides is large enough and everything is a number. Where neither side has a box it
 * passes too, with `percent` null: whoever asks must have something to compare.
 */
export function compareBoxes(pairs: readonly BoxPair[], options: ParityOptions): Parity {
  const sides = [new Tally("reference"), new Tally("engine")] as const;
  for (const pair of [...pairs].sort((a, b) => a.picture < b.picture ? -1 : a.picture > b.picture ? 1 : 0)) {
    const { before } = pair;
    sides[0].add(pair.picture, pair.reference, { kept: pair.found, before: before?.found ?? [] }, options);
    sides[1].add(pair.picture, pair.found, { kept: pair.reference, before: before?.reference ?? [] }, options);
  }
  const [reference, engine] = sides;
  const worse = worseOf(reference, engine);
  const failures = [...reference.failures, ...engine.failures]
    .sort((a, b) => a.picture === b.picture ? (b.score ?? 2) - (a.score ?? 2) : a.picture < b.picture ? -1 : 1);
  const enough = sides.every(({ boxes, matched }) => 100 * matched >= options.limits.percent * boxes);
  return {
    passed: enough && failures.every(({ what }) => what !== "number"),
    boxes: { engine: engine.boxes, reference: reference.boxes },
    compared: worse.boxes,
    matched: worse.matched,
    percent: worse.boxes === 0 ? null : 100 * worse.matched / worse.boxes,
    ties: reference.ties + engine.ties,
    worst_score_difference: largest(sides.map(({ scores }) => scores)),
    worst_iou: smallest(sides.map(({ ious }) => ious)),
    failures,
  };
}

function worseOf(a: Tally, b: Tally): Tally {
  if (a.boxes === 0 || b.boxes === 0) return a.boxes === 0 ? b : a;
  const ahead = a.matched * b.boxes - b.matched * a.boxes;
  return ahead < 0 || (ahead === 0 && a.boxes >= b.boxes) ? a : b;
}

const numbers = (all: readonly (number | null)[]): number[] => all.filter((one) => one !== null);
const largest = (all: readonly (number | null)[]): number | null =>
  numbers(all).length === 0 ? null : Math.max(...numbers(all));
const smallest = (all: readonly (number | null)[]): number | null =>
  numbers(all).length === 0 ? null : Math.min(...numbers(all));

/** What the boxes may be matched with. */
interface Others {
  readonly kept: readonly Detection[];
  readonly before: readonly Detection[];
}

/** The boxes of one side, each looking for a partner. */
class Tally {
  boxes = 0;
  matched = 0;
  ties = 0;
  scores: number | null = null;
  ious: number | null = null;
  readonly failures: ParityFailure[] = [];

  constructor(private readonly side: Side) {}

  add(picture: string, mine: readonly Detection[], others: Others, { cut, limits }: ParityOptions): void {
    for (const strange of mine.filter((one) => !isFinite(one))) this.#fail(picture, strange, "number");
    const boxes = mine.filter((one) => isFinite(one) && one.score >= cut).sort(inOrder);
    const least = partnerCut(limits, cut);
    const theirs = others.kept.filter((one) => isFinite(one) && one.score >= least).sort(inOrder);
    const near = boxes.map((box) => nearest(box, theirs));
    const partners = assign(near.map((all, at) => all.filter((one) => areOne(boxes[at]!, one, limits)).map(indexOf)));
    this.boxes += boxes.length + mine.filter((one) => !isFinite(one)).length;
    for (const [at, box] of boxes.entries()) {
      const [best] = near[at]!;
      const lost = partners[at] === -1;
      const tie = lost && others.before.length > 0 && isTie(box, { mine: boxes, ...others }, limits);
      if (tie) this.ties++;
      if (!lost || tie) this.matched++;
      else this.#fail(picture, box, reasonOf(box, { near: near[at]!, theirs, limits }), best);
      if (best !== undefined && !tie) this.#measure(box, best, limits);
    }
  }

  #measure(box: Detection, { iou, other }: Near, limits: ParityLimits): void {
    this.ious = Math.min(this.ious ?? 1, iou);
    if (iou >= limits.iou) this.scores = Math.max(this.scores ?? 0, Math.abs(box.score - other.score));
  }

  #fail(picture: string, box: Detection, what: ParityFailure["what"], near?: Near): void {
    const { label, score } = box;
    this.failures.push({
      picture,
      side: this.side,
      label,
      score: Number.isFinite(score) ? score : null,
      what,
      detail: detailOf(box, { what, near, side: this.side }),
    });
  }
}

/** A box of the other side that has the same class and overlaps. */
interface Near {
  readonly index: number;
  readonly other: Detection;
  readonly iou: number;
}

const indexOf = ({ index }: Near): number => index;

/** Boxes of the same class that overlap, the one that overlaps most first, of equal ones that with the nearest score. */
function nearest(box: Detection, theirs: readonly Detection[]): Near[] {
  const apart = (one: Near) => Math.abs(one.other.score - box.score);
  return theirs
    .flatMap((other, index): Near[] => {
      const iou = other.class_id === box.class_id ? iouOf(box.box, other.box) : 0;
      return iou > 0 ? [{ index, other, iou }] : [];
    })
    .sort((a, b) => b.iou - a.iou || apart(a) - apart(b));
}

/** Whether two boxes of a class are the same. */
const areOne = (box: Detection, { other, iou }: Near, limits: ParityLimits): boolean =>
  iou >= limits.iou && Math.abs(box.score - other.score) <= scoreTolerance(limits, box.score, other.score);

function reasonOf(
  box: Detection,
  { near, theirs, limits }: { near: readonly Near[]; theirs: readonly Detection[]; limits: ParityLimits },
): ParityFailure["what"] {
  if (near.some((one) => areOne(box, one, limits))) return "duplicate";
  if (near.some(({ iou }) => iou >= limits.iou)) return "score";
  const sameBox = theirs.some((one) => one.class_id !== box.class_id && iouOf(box.box, one.box) >= limits.iou);
  if (sameBox) return "class";
  return near.some(({ iou }) => iou >= OVERLAPS) ? "box" : "missing";
}

/** IoU from which a box counts as the same object in another place. */
const OVERLAPS = 0.5;

function detailOf(
  { label, score, box }: Detection,
  { what, near, side }: { what: ParityFailure["what"]; near: Near | undefined; side: Side },
): string {
  const who = side === "engine" ? "the engine's" : "the reference's";
  const other = side === "engine" ? "the reference" : "the engine";
  const mine = `${who} "${label}" of score ${score.toFixed(3)} at ${cornersOf(box)}`;
  switch (what) {
    case "number":
      return `${who} "${label}" has a score or corner that is no number`;
    case "missing":
      return `${mine}: ${other} has nothing there`;
    case "class":
      return `${mine}: ${other} has another class there`;
    case "box":
      return `${mine}: ${other} has it with an IoU of ${near!.iou.toFixed(3)}`;
    case "score":
      return `${mine}: ${other} has it with the score ${near!.other.score.toFixed(3)}`;
    case "duplicate":
      return `${mine}: ${other} has it fewer times`;
  }
}

const cornersOf = ({ x1, y1, x2, y2 }: Box): string => [x1, y1, x2, y2].map((value) => value.toFixed(1)).join(", ");
