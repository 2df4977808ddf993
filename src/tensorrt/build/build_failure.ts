/** From the end of a build child and its log to a failure with a code, a cause and a remedy. Pure. */
import { type ErrorCode, TrtdError } from "../../errors.ts";
import { explainFailure, type Explanation } from "../failures/failures.ts";
import { SHIM_CODES } from "../failures/shim_codes.ts";
import type { ChildEnd } from "./child/child_end.ts";
import { nodeText } from "../failures/onnx_node.ts";
import type { BuildStage, FailedReport, ParserComplaint } from "./child/messages.ts";

/** A build that failed, with what its report needs. */
export class BuildFailure extends TrtdError {
  /** Path of the log. */
  readonly log: string;
  readonly end: Exclude<ChildEnd, { kind: "built" }>;
  /** What the catalogue makes of the log, null when TensorRT had no part in the failure. */
  readonly explanation: Explanation | null;

  constructor(
    code: ErrorCode,
    detail: string,
    facts: { log: string; end: BuildFailure["end"]; explanation: Explanation | null; remedy?: string },
  ) {
    super(code, detail, facts.remedy === undefined ? {} : { remedy: facts.remedy });
    this.log = facts.log;
    this.end = facts.end;
    this.explanation = facts.explanation;
  }
}

/** Rows of the catalogue about memory that no smaller plan helps. */
const NOT_HELPED = ["no-implementation-workspace", "cuda-init-no-memory"];

/** Whether a build failed because memory ran out, so that a smaller one may go well. */
export function isOutOfMemory({ code, end, explanation }: BuildFailure): boolean {
  if (end.kind === "out-of-memory") return true;
  const said = code === "OUT_OF_GPU_MEMORY" || end.kind === "crashed" && explanation?.code === "OUT_OF_GPU_MEMORY";
  return said && !NOT_HELPED.includes(explanation?.id ?? "");
}

const STAGES: Readonly<Record<BuildStage, string>> = {
  "start": "before it did anything",
  "open": "while its libraries were opened",
  "self-check": "while the layout of its libraries was checked",
  "parse": "while the model was parsed",
  "configure": "while the build was set up",
  "build": "while the engine was built",
  "write": "while the engine was written",
};

/** Codes of failures that the shim names by itself. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  ...SHIM_CODES,
  PARSE_FAILED: "MODEL_LOAD_FAILED",
  MODEL_CHANGED: "MODEL_LOAD_FAILED",
  MODEL_UNREADABLE: "FILE_UNREADABLE",
};

/** Statuses whose reason TensorRT logs; the message of any other is the reason. */
const LOGGED = ["BUILD_FAILED", "PARSE_FAILED", "NULL_RESULT", "REFUSED", "OUT_OF_MEMORY"];

/** What happened in the end, and where it can be read. */
export interface FailureFacts {
  readonly end: Exclude<ChildEnd, { kind: "built" }>;
  /** Lines of the log, verbose ones may be missing. */
  readonly lines: readonly string[];
  readonly log: string;
  readonly timeLimitMs: number;
}

/** The failure. Its detail names the cause, never the null that TensorRT returned. */
export function buildFailure({ end, lines, log, timeLimitMs }: FailureFacts): BuildFailure {
  const failure = (code: ErrorCode, detail: string, explanation: Explanation | null = null, remedy?: string) =>
    new BuildFailure(code, detail, { log, end, explanation, ...remedy === undefined ? {} : { remedy } });
  const where = "stage" in end ? STAGES[end.stage] : "";
  switch (end.kind) {
    case "interrupted":
      return failure("INTERRUPTED", "The build was interrupted; nothing of it is left but its log");
    case "timed-out":
      return failure(
        "BUILD_TIMED_OUT",
        `The build was ended after ${timeLimitMs / 1000} s, ${where}. Its log is "${log}"`,
      );
    case "out-of-memory":
      return failure(
        "BUILD_OUT_OF_MEMORY",
        `The kernel killed the build ${where} because memory ran out. Its log is "${log}"`,
      );
    case "killed":
      return end.memory
        ? failure("BUILD_KILLED", `The build was killed from outside ${where}, memory suspected. Its log is "${log}"`)
        : failure(
          "BUILD_KILLED",
          `The build was ended from outside by ${end.signal} ${where}. Its log is "${log}"`,
          null,
          "Build again",
        );
    case "lost":
      return failure(
        "INTERNAL",
        `The build child ended with status ${end.code} ${where} and said nothing. Its log is "${log}"`,
      );
    case "crashed": {
      const explanation = explainFailure(lines, { otherwise: "BUILD_CRASHED" });
      const cause = explanation.message === null ? "" : `: ${causeText(explanation)}`;
      return failure(
        "BUILD_CRASHED",
        `TensorRT ended with ${end.signal} ${where}${cause}. Its log is "${log}"`,
        explanation,
        ...explanation.known ? [explanation.remedy] : [],
      );
    }
    case "refused":
      return refusal(end.report, { end, lines, log, failure });
  }
}

function refusal(
  report: FailedReport,
  { lines, log, failure }: Pick<FailureFacts, "end" | "lines" | "log"> & {
    failure: (code: ErrorCode, detail: string, explanation?: Explanation | null, remedy?: string) => BuildFailure;
  },
): BuildFailure {
  const code = CODES[report.status];
  if (report.status === "CANCELLED") return failure("INTERRUPTED", "The build was interrupted");
  const otherwise = code ?? "BUILD_FAILED";
  const logged = LOGGED.includes(report.status);
  const explanation = explainFailure(logged ? lines : [report.message], { otherwise });
  const where = STAGES[report.stage];
  const complaint = report.complaints[0];
  if (!explanation.known) {
    const said = complaint === undefined ? explanation.message ?? report.message : complaintText(complaint);
    const remedy = logged && (report.stage === "build" || explanation.message !== null)
      ? explanation.remedy
      : undefined;
    return failure(otherwise, `TensorRT failed ${where}: ${said}. Its log is "${log}"`, explanation, remedy);
  }
  const kept = report.stage === "build" && explanation.code !== "OUT_OF_GPU_MEMORY" ? "BUILD_FAILED" : explanation.code;
  const said = !logged
    ? report.message
    : complaint === undefined
    ? ""
    : complaintText(complaint, explanation.node !== null);
  const words = said === "" || explanation.cause.includes(said) ? "" : `: ${said}`;
  return failure(
    kept,
    `${causeText(explanation)}${words}. TensorRT failed ${where}; its log is "${log}"`,
    explanation,
    explanation.remedy,
  );
}

/** What the parser said, without its period. */
function complaintText({ description, node, node_name: name, operator }: ParserComplaint, nodeKnown = false): string {
  const said = description.replace(/[\s.]+$/, "");
  return nodeKnown || node === null ? said : `${said}, at ${nodeText({ index: node, operator, name, output: null })}`;
}

const causeText = ({ known, cause, message }: Explanation): string => known ? cause : message ?? cause;
