/** Decisions of the serving manager that need numbers only. */

/** Longest pause before a worker is started again. */
export const MAX_BACK_OFF_MS = 10_000;

/**
 * Pause before the next start of a worker: none after the first failure, then 100 ms doubling up to
 * {@link MAX_BACK_OFF_MS}.
 * @param failures failures in a row, 1 or more
 */
export function backOffMs(failures: number): number {
  return failures <= 1 ? 0 : Math.min(MAX_BACK_OFF_MS, 100 * 2 ** (failures - 2));
}

/** State of the queue for {@link retryAfterS}. */
export interface Load {
  /** Requests that wait or are being answered. */
  readonly requests: number;
  /** Workers that answer at the same time. */
  readonly workers: number;
  /** Mean time that one worker takes for one request, null before the first answer. */
  readonly meanMs: number | null;
}

/** Seconds until about half of the present requests are answered, whole, 1 to 60. */
export function retryAfterS(load: Load): number {
  const ms = (load.requests / 2) * (load.meanMs ?? 100) / Math.max(1, load.workers);
  return Math.max(1, Math.min(60, Math.ceil(ms / 1000)));
}

/** Exponential mean that forgets with weight 1/8 per sample. */
export function nextMean(mean: number | null, sample: number): number {
  return mean === null ? sample : mean + (sample - mean) / 8;
}
