/** Log lines of whoever runs a model, under the name of the request that the picture came with. */
import { getLogger } from "@logtape/logtape";
import type { DetectionResult } from "../../detect/detection.ts";
import type { TrtdError } from "../../errors.ts";

const log = getLogger(["trtd", "serving"]);

/** Pictures that the manager itself asks about come with no request. */
const NO_REQUEST = "canary";

/** A picture was answered. */
export function logAnswered(requestId: string | undefined, result: DetectionResult, batch: number): void {
  const { model, backend, detections, timings_ms } = result;
  log.debug("{model} found {count} in {ms} ms on {backend}, batch of {batch} {request_id}", {
    model,
    count: detections.length,
    ms: Math.round(timings_ms.total),
    backend: backend.name,
    batch,
    timings_ms,
    request_id: requestId ?? NO_REQUEST,
  });
}

/** A picture was not answered: loud when it is not the picture's own fault. */
export function logFailed(requestId: string | undefined, model: string, error: TrtdError): void {
  const fields = { model, code: error.code, detail: error.message, request_id: requestId ?? NO_REQUEST };
  if (error.code === "INTERNAL") {
    const { stack } = error.cause instanceof Error ? error.cause : error;
    log.error("{model} failed {request_id}: {stack}", { ...fields, stack });
  } else if (error.row.http >= 500 && error.code !== "DEADLINE_EXCEEDED") {
    log.warning("{model} failed {request_id}: {code}: {detail}", fields);
  } else log.debug("{model} refused {request_id}: {code}: {detail}", fields);
}
