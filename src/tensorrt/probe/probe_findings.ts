/** What the end of a probe child means. */
import type { ErrorCode } from "../../errors.ts";
import { ERRORS } from "../../errors.ts";
import { explainFailure } from "../failures/failures.ts";
import type { ProbeFailure, ProbeStep } from "./probe_messages.ts";
import type { ProbeEnd, ProbeOutcome } from "./probe_run.ts";

/** Something wrong, as a sentence with what to do. */
export interface Finding {
  /** Step at which it went wrong, null before the first one. */
  readonly step: ProbeStep | null;
  readonly code: ErrorCode;
  readonly detail: string;
  readonly remedy: string;
  /** Native code of the failure, such as a CUresult; 0 for none. */
  readonly native_code: number;
}

const BUILD_SHIM = 'Run "deno run -A scripts/build_shim.ts" (it needs g++ or clang, cmake and ninja or make); ' +
  "the CPU path works without it";

/** Statuses of libtrtd and what they are for a user. */
const STATUSES: Readonly<Record<string, { code: ErrorCode; remedy?: string }>> = {
  SHIM: { code: "NATIVE_LOAD_FAILED", remedy: BUILD_SHIM },
  LIBRARY_NOT_LOADED: {
    code: "NATIVE_LOAD_FAILED",
    remedy: "Read the loader's message: install the library that it names, or install this TensorRT again",
  },
  SYMBOL_MISSING: { code: "NATIVE_LOAD_FAILED", remedy: "Install this library again: the file is something else" },
  VERSION_UNKNOWN: { code: "TENSORRT_UNSUPPORTED" },
  LIBRARY_MISMATCH: {
    code: "ABI_MISMATCH",
    remedy: "Keep core, parser and plugin library of one release in a folder, and name it with --tensorrt DIR",
  },
  ABI_MISMATCH: { code: "ABI_MISMATCH" },
  NO_DRIVER: {
    code: "GPU_UNAVAILABLE",
    remedy: "Install the NVIDIA driver, or start the container with --gpus all (or --runtime nvidia)",
  },
  CUDA_ERROR: { code: "GPU_UNAVAILABLE" },
  OUT_OF_MEMORY: { code: "OUT_OF_GPU_MEMORY" },
};

/** What the failures and the end of a child say, in the order in which they happened. */
export function findingsOf({ failures, end, said }: Pick<ProbeOutcome, "failures" | "end" | "said">): Finding[] {
  const last = endFinding(end, said);
  return [...failures.map(failureFinding), ...(last === null ? [] : [last])];
}

function failureFinding({ step, status, code, message, remedy }: ProbeFailure): Finding {
  const row = STATUSES[status] ?? (isErrorCode(status) ? { code: status, remedy } : undefined);
  const asked = status === "CUDA_ERROR" ? `CUDA initialization failure with error: ${code}` : message;
  const explained = explainFailure([asked]);
  const known = explained.known && status !== "SHIM" && remedy === undefined;
  const kind: ErrorCode = row?.code ?? (known ? explained.code : step === "self-check" ? "ABI_MISMATCH" : "INTERNAL");
  const cause = known && status === "CUDA_ERROR" ? `: ${lowerFirst(explained.cause)}` : "";
  return {
    step,
    code: kind,
    detail: message.replace(/\.$/, "") + cause,
    remedy: known ? explained.remedy : remedy ?? row?.remedy ?? ERRORS[kind].remedy,
    native_code: code,
  };
}

const isErrorCode = (status: string): status is ErrorCode => Object.hasOwn(ERRORS, status);

const lowerFirst = (text: string): string => text.replace(/^[A-Z](?![A-Z])/, (letter) => letter.toLowerCase());

/** What the last step was about to do, and what it is called when it kills the process. */
const DEADLY: Readonly<Record<ProbeStep, { doing: string; code: ErrorCode; remedy?: string }>> = {
  "shim": { doing: "while libtrtd was loaded", code: "NATIVE_LOAD_FAILED", remedy: BUILD_SHIM },
  "driver": {
    doing: "while the CUDA driver started",
    code: "GPU_UNAVAILABLE",
    remedy: "Check with nvidia-smi that the driver runs; restart the machine after an update of the driver",
  },
  "device": {
    doing: "while a GPU was asked for its facts",
    code: "GPU_UNAVAILABLE",
    remedy: "Check with nvidia-smi that the GPU is healthy",
  },
  "runtime": { doing: "while the CUDA runtime library was loaded", code: "NATIVE_LOAD_FAILED" },
  "library": {
    doing: "while the library was loaded",
    code: "NATIVE_LOAD_FAILED",
    remedy: "Install this TensorRT again, or remove it",
  },
  "parser": {
    doing: "while its ONNX parser was loaded",
    code: "NATIVE_LOAD_FAILED",
    remedy: "Install this TensorRT again, parser included",
  },
  "plugins": {
    doing: "while its plugin library was loaded",
    code: "NATIVE_LOAD_FAILED",
    remedy: "Install this TensorRT again, plugin library included",
  },
  "self-check": { doing: "while its layout was checked", code: "ABI_MISMATCH" },
  "load": { doing: "while it was loaded", code: "NATIVE_LOAD_FAILED" },
};

/** The finding of a child that did not come to its end, null for one that did. */
function endFinding(end: ProbeEnd, said: string): Finding | null {
  if (end.kind === "done") return null;
  if (end.kind === "not-started") {
    return {
      step: null,
      code: "INTERNAL",
      detail: `The probe process cannot be started: ${end.reason}`,
      remedy: "Let trtd start processes (under deno run: --allow-run)",
      native_code: 0,
    };
  }
  const deadly = end.step === null ? null : DEADLY[end.step];
  const how = end.kind === "crashed"
    ? `The probe process crashed with ${end.signal}`
    : end.kind === "timed-out"
    ? `The probe process hung and was ended after ${(end.afterMs / 1000).toFixed(0)} s`
    : `The probe process ended with status ${end.code}`;
  const lastWords = said.split("\n").filter((line) => line.trim() !== "").at(-1)?.trim() ?? "";
  const words = lastWords === "" ? "" : `; it said last: ${lastWords.slice(0, 300)}`;
  const code = deadly?.code ?? "INTERNAL";
  return {
    step: end.step,
    code,
    detail: `${how}${deadly === null ? "" : ` ${deadly.doing}`}${words}`,
    remedy: deadly?.remedy ?? ERRORS[code].remedy,
    native_code: 0,
  };
}
