/** From the end of a load child and its log to a failure with a code, a cause and a remedy. Pure. */
import { type ErrorCode, TrtdError } from "../../errors.ts";
import type { ChildEnd } from "../build/child/child_end.ts";
import { explainFailure, type Explanation } from "../failures/failures.ts";
import { SHIM_CODES } from "../failures/shim_codes.ts";
import type { LoadFailedReport, LoadReport, LoadStage } from "./load_messages.ts";

type Stage = LoadStage | "start";

/** Every end but the good one. */
export type LoadEnd = Exclude<ChildEnd<LoadReport, Stage>, { kind: "built" }>;

/** An engine that could not be loaded or run. */
export class LoadFailure extends TrtdError {
  readonly end: LoadEnd;
  /** What the catalogue makes of the log, null when TensorRT had no part in the failure. */
  readonly explanation: Explanation | null;
  /** What TensorRT logged, at most a few thousand lines. */
  readonly lines: readonly string[];

  constructor(
    code: ErrorCode,
    detail: string,
    facts: { end: LoadEnd; explanation: Explanation | null; lines: readonly string[]; remedy: string | undefined },
  ) {
    super(code, detail, facts.remedy === undefined ? {} : { remedy: facts.remedy });
    this.end = facts.end;
    this.explanation = facts.explanation;
    this.lines = facts.lines;
  }
}

const STAGES: Readonly<Record<Stage, string>> = {
  "start": "before it did anything",
  "open": "while its libraries were opened",
  "self-check": "while the layout of its libraries was checked",
  "read": "while the file was read",
  "deserialize": "while the engine was deserialized",
  "context": "while its execution context was made",
  "run": "while it ran",
  "write": "while results were written",
};

/** Codes of failures that need no log. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  ...SHIM_CODES,
  OUT_OF_MEMORY: "OUT_OF_GPU_MEMORY",
  EXECUTION_FAILED: "INFERENCE_FAILED",
  ENGINE_CHANGED: "ENGINE_CORRUPT",
  FILE_UNREADABLE: "FILE_UNREADABLE",
  INPUT_WRONG: "LOAD_FAILED",
};

/** Statuses whose reason TensorRT logs; the message of any other is the reason. */
const LOGGED = ["PLAN_REFUSED", "NULL_RESULT", "REFUSED", "OUT_OF_MEMORY", "EXECUTION_FAILED", "CUDA_ERROR"];

/** What happened in the end. */
export interface LoadFailureFacts {
  readonly end: LoadEnd;
  /** Path of the engine. */
  readonly engine: string;
  /** Lines of the log, verbose ones may be missing. */
  readonly lines: readonly string[];
  readonly timeLimitMs: number;
}

/** The failure. Its detail names the engine and the cause, never the null that TensorRT returned. */
export function loadFailure({ end, engine, lines, timeLimitMs }: LoadFailureFacts): LoadFailure {
  const failure = (code: ErrorCode, detail: string, explanation: Explanation | null = null, remedy?: string) =>
    new LoadFailure(code, detail, { end, explanation, lines, remedy });
  const name = `"${engine}"`;
  const where = "stage" in end ? STAGES[end.stage] : "";
  switch (end.kind) {
    case "interrupted":
      return failure("INTERRUPTED", `Loading ${name} was interrupted`);
    case "timed-out":
      return failure("LOAD_TIMED_OUT", `Loading ${name} was ended after ${timeLimitMs / 1000} s, ${where}`);
    case "out-of-memory":
      return failure("LOAD_OUT_OF_MEMORY", `The kernel ended the loading of ${name} ${where} because memory ran out`);
    case "killed":
      return end.memory
        ? failure("LOAD_KILLED", `Loading ${name} was killed from outside ${where}, memory suspected`)
        : failure(
          "LOAD_KILLED",
          `Loading ${name} was ended from outside by ${end.signal} ${where}`,
          null,
          "Load it again",
        );
    case "lost":
      return failure(
        "INTERNAL",
        `The child that loads ${name} ended with status ${end.code} ${where} and said nothing`,
      );
    case "crashed": {
      const explanation = explainFailure(lines, { otherwise: "LOAD_CRASHED" });
      const cause = explanation.message === null ? "" : `: ${causeText(explanation)}`;
      return failure(
        "LOAD_CRASHED",
        `Loading ${name} ended with ${end.signal} ${where}${cause}`,
        explanation,
        explanation.known ? explanation.remedy : undefined,
      );
    }
    case "refused":
      return refusal(end.report, { engine: name, lines, failure });
  }
}

function refusal(
  { status, stage, message }: LoadFailedReport,
  { engine, lines, failure }: {
    engine: string;
    lines: readonly string[];
    failure: (code: ErrorCode, detail: string, explanation?: Explanation | null, remedy?: string) => LoadFailure;
  },
): LoadFailure {
  const otherwise = codeOf(status, stage);
  if (otherwise === "INTERRUPTED") return failure("INTERRUPTED", `Loading ${engine} was interrupted`);
  const logged = LOGGED.includes(status);
  const explanation = explainFailure(logged && lines.length > 0 ? lines : [message], { otherwise });
  if (explanation.known) {
    return failure(
      explanation.code,
      `${causeText(explanation)}. Loading ${engine} failed ${STAGES[stage]}`,
      explanation,
      explanation.remedy,
    );
  }
  const said = logged ? explanation.message ?? message : message;
  const detail = logged ? `Loading ${engine} failed ${STAGES[stage]}: ${said}` : said;
  return failure(otherwise, detail, explanation);
}

/** Code of a status where the log does not tell more. An error of the driver is about the GPU only before it is used. */
function codeOf(status: string, stage: Stage): ErrorCode {
  if (status === "CUDA_ERROR" && stage !== "open") return stage === "run" ? "INFERENCE_FAILED" : "LOAD_FAILED";
  return CODES[status] ?? "LOAD_FAILED";
}

const causeText = ({ known, cause, message }: Explanation): string => known ? cause : message ?? cause;
