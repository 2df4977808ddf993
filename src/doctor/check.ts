/** What a check is. */
import type { DoctorFacts } from "./facts.ts";

/** `warn`: something is not there or limits what trtd can do, and detection still works; `fail`: something is broken. */
export type CheckStatus = "ok" | "warn" | "fail";

export interface CheckResult {
  readonly id: string;
  readonly status: CheckStatus;
  /** A sentence without a final period. */
  readonly detail: string;
  /** What to do when the status is not `ok`. */
  readonly remedy: string;
}

/** What a check found; without a remedy the row's counts. */
export interface Verdict {
  readonly status: CheckStatus;
  readonly detail: string;
  readonly remedy?: string;
}

export interface CheckRow {
  /** Stable name. */
  readonly id: string;
  /** What helps in general. */
  readonly remedy: string;
  judge(facts: DoctorFacts): Verdict;
}

export const ok = (detail: string): Verdict => ({ status: "ok", detail });

/** A lack of something that the GPU path needs: a failure only for those who ask for that path. */
export function lack({ settings }: DoctorFacts, detail: string, remedy?: string): Verdict {
  const status = settings.backend === "tensorrt" ? "fail" : "warn";
  return { status, detail, ...(remedy === undefined ? {} : { remedy }) };
}

/** `3.2 GB`. */
export function sizeText(bytes: number): string {
  return bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
