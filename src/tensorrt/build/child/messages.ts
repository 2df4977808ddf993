/** What passes between `trtd build-engine` and its build child: a job in, frames out. */
import type { BuildPlan } from "../../plan/plan.ts";

/** First line of the child's standard input. The pipe stays open: the child ends when it closes. */
export interface BuildJob {
  readonly plan: BuildPlan;
  /** The model that is parsed: what the plan's passes made. */
  readonly model: {
    readonly path: string;
    readonly sha256: string;
    /** Whether nobody needs the file when the build ends. */
    readonly temporary: boolean;
  };
  /** File that the plan is written to; a temporary name. */
  readonly output: string;
  /** Path of libtrtd, null for where it usually is. */
  readonly shim: string | null;
}

/** Line on standard input that asks a running build to end. */
export const CANCEL = "cancel";

/** What the child is at. */
export type BuildStage = "start" | "open" | "self-check" | "parse" | "configure" | "build" | "write";

/** A step of the builder's own progress. */
export interface BuildProgress {
  /** Innermost phase, such as `Building Engine`. */
  readonly phase: string;
  /** 0 to 1 of the whole build. */
  readonly fraction: number;
}

export interface ReportedTensor {
  readonly name: string;
  /** -1 for a dynamic axis; null when TensorRT does not know the shape. */
  readonly dims: readonly number[] | null;
}

/** A complaint of the ONNX parser. */
export interface ParserComplaint {
  readonly code: number;
  readonly description: string;
  /** Index in the graph, null when no node is meant. */
  readonly node: number | null;
  readonly node_name: string | null;
  readonly operator: string | null;
}

export interface BuiltReport {
  readonly outcome: "built";
  readonly bytes: number;
  readonly layers: number;
  readonly inputs: readonly ReportedTensor[];
  readonly outputs: readonly ReportedTensor[];
  /** The library as it reports itself. */
  readonly library: string;
  readonly timings_ms: Readonly<Partial<Record<BuildStage, number>>>;
  /** Things that happened on the way, in sentences. */
  readonly remarks: readonly string[];
}

export interface FailedReport {
  readonly outcome: "failed";
  readonly stage: BuildStage;
  /** Status of the shim such as `BUILD_FAILED`, or `MODEL_CHANGED`, `MODEL_UNREADABLE`, `INTERNAL`. */
  readonly status: string;
  readonly message: string;
  readonly complaints: readonly ParserComplaint[];
}

export type BuildReport = BuiltReport | FailedReport;

/** What a child says; one that loads engines has its own stages and report, and the same frames. */
export type ChildMessage<Stage extends string = BuildStage, Report = BuildReport> =
  | { readonly event: "stage"; readonly stage: Stage }
  | { readonly event: "progress"; readonly progress: BuildProgress }
  | { readonly event: "report"; readonly report: Report };

/** Begins a frame. Anything else on standard output was printed by a library. */
const MARK = "@trtd-build ";

/** A frame; it stands on lines of its own even after a library's print without a line end. */
export const frameFrom = (message: ChildMessage<string, unknown>): string => `\n${MARK}${JSON.stringify(message)}\n`;

/** The message of a line, null for a line that is no frame. */
export function messageFrom<Stage extends string = BuildStage, Report = BuildReport>(
  line: string,
): ChildMessage<Stage, Report> | null {
  if (!line.startsWith(MARK)) return null;
  try {
    const message = JSON.parse(line.slice(MARK.length));
    return typeof message?.event === "string" ? message : null;
  } catch {
    return null;
  }
}
