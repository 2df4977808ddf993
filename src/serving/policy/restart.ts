/** When an ended worker is started again, and when no more. */
import type { EndCause } from "./blame.ts";

/** Longest pause before a worker is started again. */
export const MAX_BACK_OFF_MS = 10_000;
/** Longest pause after it was ended from outside: that says nothing about it. */
const KILLED_BACK_OFF_MS = 1000;
/** A worker that was ready for this long has not failed to start. */
const STEADY_MS = 10_000;

/**
 * Pause before the next start of a worker: none after the first failure, then 100 ms doubling up to
 * {@link MAX_BACK_OFF_MS}.
 * @param failures failures in a row, 0 or more
 */
export function backOffMs(failures: number): number {
  return failures <= 1 ? 0 : Math.min(MAX_BACK_OFF_MS, 100 * 2 ** (failures - 2));
}

/** Pause before the next start. @param kills ends from outside in a row, before the worker was ready */
export function pauseMs(failures: number, kills: number): number {
  return Math.max(backOffMs(failures), Math.min(KILLED_BACK_OFF_MS, backOffMs(kills)));
}

/** How one worker's life went. */
export interface Life {
  /** Failures in a row before it. */
  readonly failures: number;
  readonly cause: EndCause;
  /** Time between its readiness and its end, null when it was never ready. */
  readonly readyMs: number | null;
  /** Requests that it answered. */
  readonly answered: number;
  /** Whether its death counts against a request. */
  readonly blamed: boolean;
}

/**
 * Failures in a row after that life. A worker that answered, lasted, was ended from outside, was replaced on purpose or
 * was taken down by one request has not failed by itself.
 */
export function failuresAfter({ failures, cause, readyMs, answered, blamed }: Life): number {
  if (readyMs === null) return cause === "killed" ? failures : failures + 1;
  if (answered > 0 || readyMs >= STEADY_MS || cause === "killed" || cause === "replaced") return 0;
  return blamed ? failures : failures + 1;
}

/** Starts in a row that a lost GPU may end before the CPU answers instead. */
const GPU_FAULTS_MAX = 2;

/** Whether the next worker is to leave the GPU alone. @param faults starts in a row that a lost GPU ended */
export const gpuIsLost = (faults: number): boolean => faults >= GPU_FAULTS_MAX;

/** Whether a model's worker is not started any more. */
export const givesUp = (failures: number, crashLimit: number): boolean => failures >= crashLimit;
