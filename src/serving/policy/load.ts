/** Decisions about a queue that need numbers only. */

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

/** Requests that may always wait: clients that send one picture at a time are fewer. */
const QUEUE_MIN = 8;

/** What bounds a queue. */
export interface QueueBounds {
  /** Most requests. */
  readonly limit: number;
  /** Longest time that the last one may have to wait. */
  readonly waitMs: number;
  /** Mean time between two answers of a busy worker, null before the first answer. */
  readonly meanMs: number | null;
  readonly workers: number;
}

/** How many requests may wait: as many as are answered within the time, at least {@link QUEUE_MIN}, never over the limit. */
export function queueRoom({ limit, waitMs, meanMs, workers }: QueueBounds): number {
  if (meanMs === null || meanMs <= 0) return limit;
  return Math.min(limit, Math.max(QUEUE_MIN, Math.floor(waitMs * workers / meanMs)));
}

/** Exponential mean that forgets with weight 1/8 per sample. */
export function nextMean(mean: number | null, sample: number): number {
  return mean === null ? sample : mean + (sample - mean) / 8;
}

/**
 * Pictures that one worker has at a time: those that run, as many that are decoded meanwhile, and as many that wait for
 * them, so that no run waits for the manager.
 */
export function picturesPerWorker({ batch, lanes }: { readonly batch: number; readonly lanes: number }): number {
  return batch * (lanes + 2);
}
