/** How a child that holds TensorRT ended, judged by its status. Pure. */
import type { BuildReport, BuildStage } from "./messages.ts";

/** What a child reports last: its work, or why it failed. */
export type ChildReport = { readonly outcome: string };

/** What is known when the child is gone. */
export interface ChildFacts<Report extends ChildReport = BuildReport, Stage extends string = BuildStage> {
  /** Exit status, 128 + number after a signal. */
  readonly code: number;
  /** Such as `SIGSEGV`. */
  readonly signal: string | null;
  readonly report: Report | null;
  /** Where it was when it ended. */
  readonly stage: Stage;
  /** Why we ended it, null when we did not; `lingering` when it had reported and did not go. */
  readonly ended: "time-limit" | "cancelled" | "lingering" | null;
  /** Rise of the count of processes that were killed for memory, null when it cannot be read. */
  readonly memoryKills: number | null;
}

export type ChildEnd<Report extends ChildReport = BuildReport, Stage extends string = BuildStage> =
  /** It did its work. */
  | { readonly kind: "built"; readonly report: Exclude<Report, { outcome: "failed" }> }
  | { readonly kind: "refused"; readonly report: Extract<Report, { outcome: "failed" }> }
  | { readonly kind: "interrupted" }
  | { readonly kind: "timed-out"; readonly stage: Stage }
  | { readonly kind: "crashed"; readonly stage: Stage; readonly signal: string }
  | { readonly kind: "out-of-memory"; readonly stage: Stage }
  /** By someone else; `memory` when the kernel's killer is suspected. */
  | { readonly kind: "killed"; readonly stage: Stage; readonly signal: string; readonly memory: boolean }
  /** It ended by itself without a word. */
  | { readonly kind: "lost"; readonly stage: Stage; readonly code: number };

/** Signals that a process gets for what it does itself. */
const OWN_FAULTS = ["SIGABRT", "SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGTRAP", "SIGSYS"];

/** The one kind of end that the facts mean. */
export function childEnd<Report extends ChildReport = BuildReport, Stage extends string = BuildStage>(
  { code, signal, report, stage, ended, memoryKills }: ChildFacts<Report, Stage>,
): ChildEnd<Report, Stage> {
  if (ended === "cancelled") return { kind: "interrupted" };
  const wentWell = code === 0 && signal === null || ended === "lingering";
  if (report !== null && report.outcome !== "failed" && wentWell) {
    return { kind: "built", report: report as Exclude<Report, { outcome: "failed" }> };
  }
  if (ended === "time-limit") return { kind: "timed-out", stage };
  if (report?.outcome === "failed") {
    return { kind: "refused", report: report as Extract<Report, { outcome: "failed" }> };
  }
  if (signal === null) return { kind: "lost", stage, code };
  if (OWN_FAULTS.includes(signal)) return { kind: "crashed", stage, signal };
  if (signal === "SIGKILL" && memoryKills !== null && memoryKills > 0) return { kind: "out-of-memory", stage };
  return { kind: "killed", stage, signal, memory: signal === "SIGKILL" };
}
