/** The header `Server-Timing` (w3.org/TR/server-timing): where a request's time went, for browsers' tools and scripts. */
import type { StageTimings } from "./service.ts";

const STAGES = ["queue", "decode", "preprocess", "inference", "postprocess", "total"] as const;

/**
 * Stages of the picture in milliseconds, as `timings_ms` has them, then `request`: from the request's head to its answer.
 * @param timings undefined for a request without a picture
 */
export function serverTiming(timings: StageTimings | undefined, requestMs: number): string {
  const stages = timings === undefined ? [] : STAGES.map((stage) => entry(stage, timings[stage]));
  return [...stages, entry("request", requestMs)].join(", ");
}

const entry = (name: string, ms: number): string => `${name};dur=${Math.round(ms * 1000) / 1000}`;
