/** From an error of libtrtd to a failure with a code, a cause and a remedy. Pure. */
import { Origin, Status } from "../../../ffi/enums.ts";
import { ShimError } from "../../../ffi/shim_error.ts";
import { TrtdError } from "../../errors.ts";
import { explainFailure } from "../../tensorrt/failures/failures.ts";
import { loadFailure } from "../../tensorrt/load/load_failure.ts";
import type { LoadStage } from "../../tensorrt/load/load_messages.ts";
import { PictureRefused } from "../backend.ts";
import { stickyCode } from "./sticky_codes.ts";

/** CUDA_ERROR_OUT_OF_MEMORY. */
const CUDA_OUT_OF_MEMORY = 2;

export interface FailureFacts {
  /** Path of the engine. */
  readonly engine: string;
  readonly stage: LoadStage;
  /** What TensorRT logged before, as libtrtd writes lines. */
  readonly lines: readonly string[];
  /** CUresult of a harmless call after the failure, 0 when the device answers. */
  readonly afterwards: number;
}

/** CUresult of an error, 0 when it is not the driver's. */
export const cudaCodeOf = (thrown: unknown): number =>
  thrown instanceof ShimError && (thrown.status === Status.CUDA_ERROR || thrown.origin === Origin.CUDA)
    ? thrown.code
    : 0;

/** Whether memory of the GPU was too little. */
export const isOutOfMemory = (thrown: unknown): boolean =>
  thrown instanceof TrtdError ? thrown.code === "OUT_OF_GPU_MEMORY" : thrown instanceof ShimError &&
    (thrown.status === Status.OUT_OF_MEMORY || cudaCodeOf(thrown) === CUDA_OUT_OF_MEMORY);

/**
 * The failure of a load or a run. What is not of libtrtd is returned as it is.
 * @returns `GPU_FAULT` for a sticky error, which {@link FailureFacts.afterwards} shows where TensorRT hides it;
 * {@link PictureRefused}; else what {@link loadFailure} makes of it: `OUT_OF_GPU_MEMORY`, `INFERENCE_FAILED` while
 * running, `ENGINE_INCOMPATIBLE` and its like while loading
 */
export function gpuFailure(thrown: unknown, facts: FailureFacts): Error {
  if (!(thrown instanceof ShimError)) return thrown instanceof Error ? thrown : new Error(String(thrown));
  const { engine, stage, lines, afterwards } = facts;
  if (thrown.status === Status.PICTURE_REFUSED) return new PictureRefused(thrown.message, thrown.code);
  const sticky = stage === "open" ? null : stickyCode(cudaCodeOf(thrown)) ?? stickyCode(afterwards);
  if (sticky !== null) {
    return new TrtdError(
      "GPU_FAULT",
      `${sticky.cause} (CUDA_ERROR_${sticky.name}, ${sticky.code}) while "${engine}" was ${
        stage === "run" ? "run" : "loaded"
      }: ${thrown.message}`,
      { cause: thrown },
    );
  }
  if (stage === "run") return runFailure(thrown, engine, lines);
  const status = isOutOfMemory(thrown) ? "OUT_OF_MEMORY" : thrown.statusName;
  const said = lines.length === 0 || status === "OUT_OF_MEMORY" && !saysError(lines) ? [] : lines;
  const report = { outcome: "failed" as const, stage, status, message: thrown.message };
  return loadFailure({ end: { kind: "refused", report }, engine, lines: said, timeLimitMs: 0 });
}

function runFailure(thrown: ShimError, engine: string, lines: readonly string[]): TrtdError {
  const otherwise = isOutOfMemory(thrown) ? "OUT_OF_GPU_MEMORY" : "INFERENCE_FAILED";
  const { known, code, cause, remedy } = explainFailure(lines, { otherwise });
  const why = known ? `${cause}. ` : "";
  return new TrtdError(known ? code : otherwise, `${why}"${engine}" failed while it ran: ${thrown.message}`, {
    cause: thrown,
    ...known ? { remedy } : {},
  });
}

/** A library's first error is behind its level. */
const saysError = (lines: readonly string[]): boolean =>
  lines.some((line) => / (ERROR|FATAL) /.test(line.slice(0, 60)));
