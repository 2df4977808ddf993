/** What a comparison found, as `trtd verify --json` prints it and an engine's metadata keep it. */
import { z } from "zod";
import type { ParityFailure } from "./parity.ts";

/** Rises when what is compared or how changes so much that earlier results no longer count. 1: 2026-11, the first. */
export const GATE_VERSION = 1;

/** Failures that a report holds. */
export const FAILURES_KEPT = 20;

/** Where the engine runs. */
export interface GateMachine {
  /** Name of the GPU. */
  readonly gpu: string;
  /** Such as `8.9`. */
  readonly compute_capability: string;
  /** Release of the driver, null when unknown. */
  readonly driver: string | null;
  /** Product and version, such as `TensorRT-RTX 1.4.0.76`. */
  readonly tensorrt: string;
}

/**
 * What was compared: `detections` of the cut and up; `candidates` before suppression, where the reference has too few
 * detections; raw `outputs`, where it has neither; `nothing` where it says the same of every picture.
 */
export type Basis = "detections" | "candidates" | "outputs" | "nothing";

export interface ParityReport {
  readonly passed: boolean;
  /** Why not, in a sentence without a final period; null when passed. */
  readonly reason: string | null;
  /** ISO 8601, UTC. */
  readonly date: string;
  readonly trtd: string;
  readonly gate: number;
  readonly precision: "f32" | "fp16";
  /** SHA-256 of the engine's file. */
  readonly engine_sha256: string;
  readonly basis: Basis;
  /** Lowest score that had to have a partner; null for `outputs` and `nothing`. */
  readonly cut: number | null;
  /** `iou` is null for `outputs`, where `score` is that of any value, in parts of the largest. */
  readonly limits: { readonly iou: number | null; readonly score: number; readonly percent: number };
  /** Which pictures: a name for the bundled set, a digest for a folder. */
  readonly pictures: { readonly set: string; readonly count: number; readonly skipped: readonly string[] };
  /** Boxes that both sides have of the cut and up; null for `outputs`. */
  readonly boxes: { readonly engine: number; readonly reference: number } | null;
  /** Boxes (or values) of the side that fares worse, those of them that match, and their share in percent, cut to thousandths. */
  readonly compared: number;
  readonly matched: number;
  readonly percent: number;
  /** Boxes among the matched that lost a tie of suppression. */
  readonly ties: number;
  readonly worst_score_difference: number | null;
  readonly worst_iou: number | null;
  /** Milliseconds. */
  readonly duration_ms: { readonly engine: number; readonly reference: number; readonly total: number };
  readonly machine: GateMachine;
  /** Backend and device that the engine was compared with. */
  readonly reference: string;
  /** The first {@link FAILURES_KEPT}. */
  readonly failures: readonly ParityFailure[];
  readonly failures_in_all: number;
}

const count = z.number().int().min(0);
const nullableNumber = z.number().nullable();
const SCHEMA: z.ZodType<ParityReport> = z.object({
  passed: z.boolean(),
  reason: z.string().nullable(),
  date: z.string(),
  trtd: z.string(),
  gate: count,
  precision: z.enum(["f32", "fp16"]),
  engine_sha256: z.string(),
  basis: z.enum(["detections", "candidates", "outputs", "nothing"]),
  cut: nullableNumber,
  limits: z.object({ iou: nullableNumber, score: z.number(), percent: z.number() }),
  pictures: z.object({ set: z.string(), count, skipped: z.array(z.string()) }),
  boxes: z.object({ engine: count, reference: count }).nullable(),
  compared: count,
  matched: count,
  percent: z.number(),
  ties: count,
  worst_score_difference: nullableNumber,
  worst_iou: nullableNumber,
  duration_ms: z.object({ engine: z.number(), reference: z.number(), total: z.number() }),
  machine: z.object({
    gpu: z.string(),
    compute_capability: z.string(),
    driver: z.string().nullable(),
    tensorrt: z.string(),
  }),
  reference: z.string(),
  failures: z.array(z.object({
    picture: z.string(),
    side: z.enum(["engine", "reference"]),
    label: z.string(),
    score: nullableNumber,
    what: z.enum(["missing", "class", "box", "score", "duplicate", "number"]),
    detail: z.string(),
  })),
  failures_in_all: count,
});

/** A report that was read; null when it is none. */
export function reportFrom(value: unknown): ParityReport | null {
  const { success, data } = SCHEMA.safeParse(value);
  return success ? data : null;
}
