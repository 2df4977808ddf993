/** How long a worker may be silent, and when its answers are checked. */

/** Shortest time after which a busy worker counts as hung. */
const HANG_MIN_MS = 5000;
/** A run may take so many times the canary's time. */
const HANG_FACTOR = 10;

/** Longest time without an answer of a busy worker, and without a sign of life of an idle one. @param canaryMs its own time for the canary */
export function hangLimitMs(canaryMs: number | null): number {
  return Math.max(HANG_MIN_MS, HANG_FACTOR * (canaryMs ?? 0));
}

export interface Freshness {
  /** Time since a request or the canary was answered rightly. */
  readonly sinceGoodMs: number;
  /** The setting `ready_interval_ms`. */
  readonly intervalMs: number;
  readonly canaryMs: number | null;
}

/** An interval that even a slow model can keep. */
const interval = ({ intervalMs, canaryMs }: Freshness): number => Math.max(intervalMs, 4 * (canaryMs ?? 0));

/** Whether a right answer is recent enough to call the worker ready. */
export const isFresh = (freshness: Freshness): boolean => freshness.sinceGoodMs <= interval(freshness);

/** Whether the canary is to run: on an idle worker after half the interval, on one whose requests all fail a little later. */
export const isCanaryDue = (freshness: Freshness, idle: boolean): boolean =>
  freshness.sinceGoodMs >= interval(freshness) * (idle ? 0.5 : 0.75);

/** Limits of one worker; 0 is none. */
export interface WearLimits {
  readonly requests: number;
  readonly rssBytes: number;
}

/** Why a worker is to be replaced by a fresh one, null when it is not. */
export function wearOf(
  { answered, rssBytes }: { readonly answered: number; readonly rssBytes: number | null },
  limits: WearLimits,
): string | null {
  if (limits.requests > 0 && answered >= limits.requests) return `It answered ${answered} requests`;
  if (limits.rssBytes > 0 && rssBytes !== null && rssBytes >= limits.rssBytes) {
    return `It grew to ${Math.round(rssBytes / 1_048_576)} MB`;
  }
  return null;
}

/** Memory that a second worker may need beyond the first one's. */
const SPARE = 1.25;

/** Whether a second worker may be started before the first one has ended. Null: not known. */
export function hasRoomForTwo(rssBytes: number | null, availableBytes: number | null): boolean {
  return rssBytes === null || availableBytes === null || availableBytes >= SPARE * rssBytes;
}
