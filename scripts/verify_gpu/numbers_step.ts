/** Whether what an engine computes is what ONNX Runtime computes. */
import type { EngineLoad } from "../../src/tensorrt/load/check_engine.ts";
import { LIMITS, type Precision, SCORE_COUNTS } from "../../src/verify/limits.ts";
import { type Difference, differenceOf, numbersOf } from "../../src/verify/outputs.ts";
import { type BoxPair, compareBoxes } from "../../src/verify/parity.ts";
import { type AnchorDifference, anchorDifference } from "./anchors.ts";
import { detectionsFrom, type Reference, type ReferencePhoto, type Tensors } from "./reference.ts";
import type { StepReport } from "./report.ts";

/** Score from which an anchor's own difference is told. */
const SCORED = 0.05;

/** An engine that was loaded and ran on a photo, in a process of its own. */
export interface PhotoLoad extends EngineLoad {
  /** Milliseconds of the whole process. */
  readonly process_ms: number;
  readonly photo: ReferencePhoto;
  readonly found: Tensors;
}

interface NumbersCase {
  readonly precision: Precision;
  readonly reference: Reference;
  readonly loads: readonly PhotoLoad[];
  /** Begins what is said of it. */
  readonly note?: string;
}

interface Comparison {
  readonly photo: string;
  /** By output: of every value, whatever it means. */
  readonly raw: Readonly<Record<string, Difference>>;
  readonly anchors: AnchorDifference | null;
}

/** Compares the results of each photo, as the correctness gate does. */
export async function numbersStep(
  name: string,
  { precision, reference, loads, note = "" }: NumbersCase,
): Promise<StepReport> {
  const [all, pairs]: [Comparison[], BoxPair[]] = [[], []];
  for (const [at, load] of loads.entries()) {
    all.push(comparison(reference, load));
    const found = await detectionsFrom(reference, load.photo, load.found);
    pairs.push({ picture: `${at} ${load.photo.name}`, found, reference: load.photo.detections });
  }
  const limits = LIMITS[precision].detections;
  const { failures, ...parity } = compareBoxes(pairs, { cut: SCORE_COUNTS, limits });
  const raw = all.flatMap(({ raw }) => Object.values(raw));
  const anchors = all.map(({ anchors }) => anchors).filter((one) => one !== null);
  const broken = raw.some(({ strange }) => strange > 0) || anchors.some(({ missing }) => missing > 0);
  const { timings_ms: times, memory } = loads.at(-1)!;
  return {
    name,
    ok: !broken && parity.passed && parity.matched > 0,
    detail: [
      `${note}${parity.boxes.engine} detections in ${all.length} photos, ONNX Runtime ${parity.boxes.reference}: ` +
      `${percentText(parity.percent ?? 0)} matched (limit ${limits.percent} %), ` +
      `scores within ${short(parity.worst_score_difference ?? 0)} (limit ${limits.score}), ` +
      `IoU at least ${floored(parity.worst_iou ?? 0)} (limit ${limits.iou})`,
      ...anchors.length === 0 ? [] : [anchorText(anchors)],
      `largest raw difference ${short(mostOf(raw, "max_abs"))}${broken ? ", and values that are NO NUMBERS" : ""}`,
      `run ${times.run} ms (median, with synchronization), first ${times.first_run} ms`,
    ].join("; "),
    data: {
      comparisons: all,
      detections: parity,
      failures,
      judged: { score_from: SCORE_COUNTS, limits },
      timings_ms: loads.map(({ timings_ms }) => timings_ms),
      memory,
      process_ms: loads.map(({ process_ms }) => process_ms),
      remarks: [...new Set(loads.flatMap(({ remarks }) => remarks))],
    },
  };
}

function comparison(reference: Reference, { photo, found }: PhotoLoad): Comparison {
  const raw = Object.entries(photo.outputs).map(([name, theirs]) => {
    const ours = found[name];
    if (ours === undefined) throw new Error(`The engine has no output "${name}"`);
    return [name, differenceOf(numbersOf(ours), numbersOf(theirs))] as const;
  });
  return {
    photo: photo.name,
    raw: Object.fromEntries(raw),
    anchors: anchorDifference(reference.head, { found, reference: photo.outputs, score: SCORED }),
  };
}

function anchorText(anchors: readonly AnchorDifference[]): string {
  const worst = anchors.map((one) => one.worst_box).sort((a, b) => b.px - a.px)[0]!;
  const scored = `of ${sum(anchors, "scored")} anchors above ${SCORED} scores within ` +
    `${short(mostOf(anchors, "max_score"))}, boxes within ${short(mostOf(anchors, "max_box"))} px of the input`;
  if (worst.px === 0) return scored;
  const where = `at a score of ${short(worst.score)}${worst.score < SCORED ? ", where nothing is detected" : ""}`;
  return `${scored}, of all boxes within ${short(worst.px)} px (${where})`;
}

type Numeric<T> = { [K in keyof T]: T[K] extends number ? K : never }[keyof T];

const sum = <T>(all: readonly T[], key: Numeric<T>): number =>
  all.reduce((total, one) => total + (one[key] as number), 0);

const mostOf = <T>(all: readonly T[], key: Numeric<T>): number => Math.max(0, ...all.map((one) => one[key] as number));

const percentText = (percent: number): string => `${Math.floor(percent * 10) / 10} %`;

const floored = (value: number): number => Math.floor(value * 1e5) / 1e5;

const short = (value: number): string => value === 0 ? "0" : String(Number(value.toPrecision(2)));
