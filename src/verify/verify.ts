/** Compares what an engine finds with what ONNX Runtime finds, on the same pictures. */
import type { Detection } from "../detect/detection.ts";
import { VERSION } from "../version.ts";
import { LIMITS, NMS_IOU, partnerCut, type Precision, type PrecisionLimits, SCORE_COUNTS } from "./limits.ts";
import { areConstant, compareOutputs } from "./outputs.ts";
import { compareBoxes, type Parity } from "./parity.ts";
import { type Basis, FAILURES_KEPT, GATE_VERSION, type GateMachine, type ParityReport } from "./report.ts";
import { type GateDetector, type ReferenceAnswers, Sides } from "./sides.ts";

export interface VerifyRequest {
  readonly engine: { readonly detector: GateDetector; readonly precision: Precision; readonly sha256: string };
  readonly reference: ReferenceAnswers;
  readonly machine: GateMachine;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
}

/** Detections of the reference from which they alone are enough to compare. */
const DETECTIONS_ENOUGH = 10;

/** Candidates that are compared where there are fewer detections. */
const CANDIDATES_WANTED = 100;

/** Lowest score of a candidate: fp16 has steps of 6e-8 there, 0.6 % of it. */
const CANDIDATE_SCORE = 1e-5;

/** Lowest scores that are asked for: the same for every precision, so that the answers of the reference serve both. */
const ASKED = {
  detections: Math.min(...Object.values(LIMITS).map((one) => partnerCut(one.detections, SCORE_COUNTS))),
  candidates: Math.min(...Object.values(LIMITS).map((one) => partnerCut(one.candidates, CANDIDATE_SCORE))),
};

/** Most boxes of a picture before suppression, as many as detectors give. */
const CANDIDATES_MAX = 5000;

/** Most boxes of a picture after suppression. */
const DETECTIONS_MAX = 1000;

/** What was compared, and what came of it. */
type Outcome = Pick<
  ParityReport,
  | "basis"
  | "cut"
  | "limits"
  | "boxes"
  | "compared"
  | "matched"
  | "percent"
  | "ties"
  | "worst_score_difference"
  | "worst_iou"
  | "failures"
  | "failures_in_all"
  | "passed"
  | "reason"
>;

/**
 * Compares an engine with the reference.
 *
 * Detections of score 0.25 and up are compared first. Where the reference has fewer than ten in all pictures (a model of
 * other things, random weights), the hundred best boxes before suppression are compared as well, however low they score;
 * where it has none of those either, raw outputs. An engine is never passed because there was nothing to compare.
 * @throws {ReferenceFailure}
 * @throws {TrtdError} what the engine and the pictures throw
 */
export async function verifyEngine(
  { engine, reference, machine, now = Date.now }: VerifyRequest,
): Promise<ParityReport> {
  const [started, referenceBefore] = [performance.now(), reference.ms];
  const sides = new Sides(engine.detector, reference);
  const outcome = await compareAll(sides, LIMITS[engine.precision]);
  const round = (ms: number) => Math.round(ms);
  return {
    ...outcome,
    date: new Date(now()).toISOString(),
    trtd: VERSION,
    gate: GATE_VERSION,
    precision: engine.precision,
    engine_sha256: engine.sha256,
    pictures: { set: reference.set.id, count: sides.pictures, skipped: [...reference.skipped] },
    duration_ms: {
      engine: round(sides.ms),
      reference: round(reference.ms - referenceBefore),
      total: round(performance.now() - started),
    },
    machine,
    reference: `${reference.detector.info.name} ${reference.detector.info.device}`,
  };
}

async function compareAll(sides: Sides, limits: PrecisionLimits): Promise<Outcome> {
  const detections = await compareDetections(sides, limits);
  if (!detections.passed || (detections.boxes?.reference ?? 0) >= DETECTIONS_ENOUGH) return detections;
  const candidates = await compareCandidates(sides, limits);
  if (candidates !== null) return candidates;
  const outputs = await compareRaw(sides, limits);
  if (outputs.basis !== "nothing") return outputs;
  // A few detections that agree say more than outputs that cannot be compared.
  return detections.compared > 0 ? detections : outputs;
}

async function compareDetections(sides: Sides, { detections: limits }: PrecisionLimits): Promise<Outcome> {
  const cut = SCORE_COUNTS;
  const score = ASKED.detections;
  const pairs = await sides.pairs({ score, iou: NMS_IOU, max: DETECTIONS_MAX });
  const parity = compareBoxes(pairs, { cut, limits });
  const lost = parity.failures.filter(({ what }) => what !== "number");
  if (parity.passed || lost.length === 0) return outcomeFrom("detections", parity, { cut, limits });
  const all = await sides.pairs({ score, iou: 1, max: CANDIDATES_MAX });
  const withBefore = pairs.map((pair, at) => ({ ...pair, before: all[at]! }));
  return outcomeFrom("detections", compareBoxes(withBefore, { cut, limits }), { cut, limits });
}

/** The best boxes before suppression, whatever they score; null when the reference has none, or too many of one score. */
async function compareCandidates(sides: Sides, { candidates: limits }: PrecisionLimits): Promise<Outcome | null> {
  const pairs = await sides.pairs({ score: ASKED.candidates, iou: 1, max: CANDIDATES_MAX });
  const scores = pairs.flatMap(({ reference }) => reference.map(({ score }) => score)).sort((a, b) => b - a);
  const lowest = scores[Math.min(CANDIDATES_WANTED, scores.length) - 1] ?? 0;
  if (scores.length === 0 || scores[0]! < CANDIDATE_SCORE) return null;
  const cut = Math.min(SCORE_COUNTS, Math.max(CANDIDATE_SCORE, lowest));
  // A list that is full may lack partners.
  const isShort = (list: readonly Detection[]) =>
    list.length >= CANDIDATES_MAX && list.at(-1)!.score > partnerCut(limits, cut);
  if (pairs.some(({ found, reference }) => isShort(found) || isShort(reference))) return null;
  return outcomeFrom("candidates", compareBoxes(pairs, { cut, limits }), { cut, limits });
}

async function compareRaw(sides: Sides, { outputs: limits }: PrecisionLimits): Promise<Outcome> {
  const pairs = await sides.outputs();
  const nothing = {
    cut: null,
    limits: { iou: null, score: limits.relative, percent: limits.percent },
    boxes: null,
    ties: 0,
    worst_iou: null,
    failures: [],
    failures_in_all: 0,
  };
  if (pairs === null || (pairs.length > 1 && areConstant(pairs.map(({ reference }) => reference)))) {
    return {
      ...nothing,
      basis: "nothing",
      passed: false,
      compared: 0,
      matched: 0,
      percent: 0,
      worst_score_difference: null,
      reason: "There is nothing to compare, because the model says the same of every picture",
    };
  }
  const { passed, compared, matched, worst, strange, shapes } = compareOutputs(pairs, limits);
  const percent = compared === 0 ? 0 : cutPercent(100 * matched / compared);
  const reason = passed
    ? null
    : shapes[0] ?? (strange > 0
      ? `${strange} values of the outputs are no numbers`
      : `${percent} % of the values of the outputs agree, at least ${limits.percent} % of each output must`);
  return { ...nothing, basis: "outputs", passed, compared, matched, percent, worst_score_difference: worst, reason };
}

function outcomeFrom(
  basis: "detections" | "candidates",
  parity: Parity,
  { cut, limits }: { cut: number; limits: PrecisionLimits["detections"] },
): Outcome {
  const { passed, boxes, compared, matched, ties, worst_score_difference, worst_iou, failures } = parity;
  const percent = cutPercent(parity.percent ?? 0);
  return {
    basis,
    cut,
    limits,
    boxes,
    compared,
    matched,
    percent,
    ties,
    worst_score_difference,
    worst_iou,
    failures: failures.slice(0, FAILURES_KEPT),
    failures_in_all: failures.length,
    passed,
    reason: passed ? null : reasonFrom(basis, parity, limits.percent),
  };
}

function reasonFrom(basis: Basis, { boxes, compared, matched, percent, failures }: Parity, least: number): string {
  const strange = failures.find(({ what }) => what === "number");
  if (strange !== undefined) return `In "${strange.picture}", ${strange.detail}`;
  if (boxes.engine === 0) return `It finds nothing, the reference ${boxes.reference} boxes`;
  const what = basis === "candidates" ? "boxes before suppression" : "boxes";
  return `${matched} of ${compared} ${what} match (${cutPercent(percent ?? 0)} %), at least ${least} % must`;
}

/** Thousandths, never rounded up. */
const cutPercent = (percent: number): number => Math.floor(percent * 1000) / 1000;
