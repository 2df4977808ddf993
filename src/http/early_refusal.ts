/** Detections that the full queue will refuse are refused by the request's head alone: under a flood each answer counts. */
import type { IncomingMessage } from "node:http";
import { TrtdError } from "../errors.ts";
import { servedModel } from "./routes/detect_routes.ts";
import type { Served } from "./service.ts";

/** Why a request is refused before the application sees it; null when the application answers. */
export type EarlyRefusal = (incoming: IncomingMessage) => TrtdError | null;

/** `/v1/detect` or `/v1/models/NAME/detect`, with whatever query. */
const DETECTION = /^\/v1\/(?:detect|models\/([^/?]+)\/detect)(?:\?|$)/;

/**
 * `QUEUE_FULL` for detections while the model's queue is full, counted as the application counts it. Where a request has
 * to show a key or its address, the application asks for that first.
 */
export function earlyRefusal(served: Served): EarlyRefusal {
  const { service, guard, metrics } = served;
  return ({ method, url }) => {
    if (method !== "POST" || !guard.letsAllIn) return null;
    const path = DETECTION.exec(url ?? "");
    if (path === null) return null;
    try {
      service.admit(servedModel(served, path[1]));
      return null;
    } catch (thrown) {
      if (!(thrown instanceof TrtdError) || thrown.code !== "QUEUE_FULL") return null;
      metrics.error(thrown);
      const route = path[1] === undefined ? "/v1/detect" : "/v1/models/:name/detect";
      metrics.request(route, { status: thrown.row.http, ms: 0 });
      return thrown;
    }
  };
}
