/** How a build child ended, judged by its status. Pure. */
import type { BuildReport, BuildStage, BuiltReport, FailedReport } from "./messages.ts";

/** What is known when the child is gone. */
export interface ChildFacts {
  /** Exit status, 128 + number after a signal. */
  readonly code: number;
  /** Such as `SIGSEGV`. */
  readonly signal: string | null;
  readonly report: BuildReport | null;
  /** Where it was when it ended. */
  readonly stage: BuildStage;
  /** Why we ended it, null when we did not; `lingering` when it had reported and did not go. */
  readonly ended: "time-limit" | "cancelled" | "lingering" | null;
  /** Rise of the count of processes that were killed for memory, null when it cannot be read. */
  readonly memoryKills: number | null;
}

export type ChildEnd =
  | { readonly kind: "built"; readonly report: BuiltReport }
  | { readonly kind: "refused"; readonly report: FailedReport }
  | { readonly kind: "interrupted" }
  | { readonly kind: "timed-out"; readonly stage: BuildStage }
  | { readonly kind: "crashed"; readonly stage: BuildStage; readonly signal: string }
  | { readonly kind: "out-of-memory"; readonly stage: BuildStage }
  /** By someone else; `memory` when the kernel's killer is suspected. */
  | { readonly kind: "killed"; readonly stage: BuildStage; readonly signal: string; readonly memory: boolean }
  /** It ended by itself without a word. */
  | { readonly kind: "lost"; readonly stage: BuildStage; readonly code: number };

/** Signals that a process gets for what it does itself. */
const OWN_FAULTS = ["SIGABRT", "SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGTRAP", "SIGSYS"];

/** The one kind of end that the facts mean. */
export function childEnd({ code, signal, report, stage, ended, memoryKills }: ChildFacts): ChildEnd {
  if (ended === "cancelled") return { kind: "interrupted" };
  const wentWell = code === 0 && signal === null || ended === "lingering";
  if (report?.outcome === "built" && wentWell) return { kind: "built", report };
  if (ended === "time-limit") return { kind: "timed-out", stage };
  if (report?.outcome === "failed") return { kind: "refused", report };
  if (signal === null) return { kind: "lost", stage, code };
  if (OWN_FAULTS.includes(signal)) return { kind: "crashed", stage, signal };
  if (signal === "SIGKILL" && memoryKills !== null && memoryKills > 0) return { kind: "out-of-memory", stage };
  return { kind: "killed", stage, signal, memory: signal === "SIGKILL" };
}
