/** Whether what an engine computes is what ONNX Runtime computes. */
import type { EngineLoad } from "../../src/tensorrt/load/check_engine.ts";
import { type AnchorDifference, anchorDifference } from "./anchors.ts";
import { type Difference, differenceOf, numbersOf } from "./compare.ts";
import { IOU_SAME, matchDetections, type Matches } from "./matches.ts";
import { detectionsFrom, type Reference, type ReferencePhoto, SCORE_COUNTS, type Tensors } from "./reference.ts";
import type { StepReport } from "./report.ts";

export type Precision = "f32" | "fp16";

/** Least share of detections that match, and most that the scores of matched ones differ: issue 6's gate, and wider. */
const LIMITS = { f32: { matched: 1, score: 0.01 }, fp16: { matched: 0.95, score: 0.05 } } as const;

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
  readonly detections: Matches;
}

/** Compares the results of each photo. */
export async function numbersStep(
  name: string,
  { precision, reference, loads, note = "" }: NumbersCase,
): Promise<StepReport> {
  const all: Comparison[] = [];
  for (const load of loads) all.push(await comparison(reference, load));
  const matches = all.map(({ detections }) => detections);
  const raw = all.flatMap(({ raw }) => Object.values(raw));
  const anchors = all.map(({ anchors }) => anchors).filter((one) => one !== null);
  const [matched, unmatched] = [sum(matches, "matched"), sum(matches, "unmatched")];
  const share = 2 * matched / Math.max(1, 2 * matched + unmatched);
  const most = mostOf(matches, "max_score");
  const limits = LIMITS[precision];
  const broken = raw.some(({ strange }) => strange > 0) || anchors.some(({ missing }) => missing > 0);
  const { timings_ms: times, memory } = loads.at(-1)!;
  return {
    name,
    ok: !broken && matched > 0 && share >= limits.matched && most <= limits.score,
    detail: [
      `${note}${sum(matches, "found")} detections in ${all.length} photos, ONNX Runtime ${
        sum(matches, "reference")
      }: ` +
      `${percent(share)} matched (limit ${percent(limits.matched)}), scores within ${short(most)} ` +
      `(limit ${limits.score}), boxes within ${short(mostOf(matches, "max_box"))} px of the photo`,
      ...anchors.length === 0 ? [] : [anchorText(anchors)],
      `largest raw difference ${short(mostOf(raw, "max_abs"))}${broken ? ", and values that are NO NUMBERS" : ""}`,
      `run ${times.run} ms (median, with synchronization), first ${times.first_run} ms`,
    ].join("; "),
    data: {
      comparisons: all,
      judged: { iou: IOU_SAME, score_from: SCORE_COUNTS, share, limits },
      timings_ms: loads.map(({ timings_ms }) => timings_ms),
      memory,
      process_ms: loads.map(({ process_ms }) => process_ms),
      remarks: [...new Set(loads.flatMap(({ remarks }) => remarks))],
    },
  };
}

async function comparison(reference: Reference, { photo, found }: PhotoLoad): Promise<Comparison> {
  const raw = Object.entries(photo.outputs).map(([name, theirs]) => {
    const ours = found[name];
    if (ours === undefined) throw new Error(`The engine has no output "${name}"`);
    return [name, differenceOf(numbersOf(ours), numbersOf(theirs))] as const;
  });
  return {
    photo: photo.name,
    raw: Object.fromEntries(raw),
    anchors: anchorDifference(reference.head, { found, reference: photo.outputs, score: SCORED }),
    detections: matchDetections(await detectionsFrom(reference, photo, found), photo.detections, SCORE_COUNTS),
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

const percent = (share: number): string => `${Math.floor(share * 1000) / 10} %`;

const short = (value: number): string => value === 0 ? "0" : String(Number(value.toPrecision(2)));
