/** When the pictures that wait in a worker become a batch. */

export interface BatchState {
  readonly waiting: number;
  /** Batches that are under way. */
  readonly running: number;
  /** Time since the oldest of the waiting ones came. */
  readonly oldestMs: number;
}

export interface BatchLimits {
  /** Most pictures of one run. */
  readonly batch: number;
  /** Runs that may be under way at once. */
  readonly lanes: number;
  /** Longest time that a picture waits for others. */
  readonly delayMs: number;
}

/** Batches under way: those that run, and one that is decoded meanwhile; single pictures are short, so two are. */
const underWayMax = ({ batch, lanes }: BatchLimits): number => lanes + (batch === 1 ? 2 : 1);

/**
 * The next step: take so many pictures (0: none), and look again after so long (null: when something changes).
 * A picture waits for others only while fewer than a full batch are there.
 */
export function nextBatch(
  state: BatchState,
  limits: BatchLimits,
): { readonly take: number; readonly waitMs: number | null } {
  if (state.waiting === 0 || state.running >= underWayMax(limits)) return { take: 0, waitMs: null };
  if (state.waiting >= limits.batch || state.oldestMs >= limits.delayMs) {
    return { take: Math.min(state.waiting, limits.batch), waitMs: null };
  }
  return { take: 0, waitMs: limits.delayMs - state.oldestMs };
}
