/** Numbers from rounds of measurements. */

/** Median; the mean of the middle two for an even count. NaN without values. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** What is left of a comparison: one value a round, and the two figures that are reported. */
export interface Summary {
  readonly median: number;
  /** The value at its best: of the fastest rounds of either side, not the luckiest ratio. */
  readonly best: number;
  readonly rounds: readonly number[];
}

export type Better = "lower" | "higher";

/** Summary of one side alone. */
export function summaryOf(rounds: readonly number[], better: Better): Summary {
  return {
    median: median(rounds),
    best: better === "lower" ? Math.min(...rounds) : Math.max(...rounds),
    rounds,
  };
}

/**
 * Summary of `ours[i] / theirs[i]`, both sides taken in the same round so that a slow moment of the machine meets both.
 * @throws {RangeError} when the sides have different numbers of rounds
 */
export function ratioOf(ours: readonly number[], theirs: readonly number[], better: Better): Summary {
  if (ours.length !== theirs.length) throw new RangeError(`${ours.length} rounds against ${theirs.length}`);
  const rounds = ours.map((value, round) => value / theirs[round]!);
  const [mine, other] = [summaryOf(ours, better), summaryOf(theirs, better)];
  return { median: median(rounds), best: mine.best / other.best, rounds };
}

/** The value that `share` of all values do not exceed (nearest rank). NaN without values. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

/** A figure with how far it moved from round to round. */
export interface Spread {
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
}

export const spreadOf = (rounds: readonly number[]): Spread => ({
  median: median(rounds),
  lowest: Math.min(...rounds),
  highest: Math.max(...rounds),
});

/** How much of the time from `start` to `end` lies in the window, 0 to 1: whole ones would make short windows coarse. */
export function shareInside(start: number, end: number, from: number, until: number): number {
  return Math.max(0, Math.min(end, until) - Math.max(start, from)) / (end - start);
}
