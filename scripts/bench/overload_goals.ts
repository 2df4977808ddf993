/** What overload must not do to a server, and how a round of it is judged. */
import { median } from "../../src/bench/statistics.ts";

/** One round: capacity, flood, one client again. */
export interface OverloadRound {
  /** Answers a second with clients that wait for theirs. */
  readonly capacity: number;
  /** Requests a second that the flood meant to send, and that it sent. */
  readonly perSecond: number;
  readonly offeredPerS: number;
  /** Detections a second in the flood's window. */
  readonly goodPerS: number;
  readonly answered: number;
  readonly answeredP99Ms: number;
  readonly refused: number;
  readonly refusedP50Ms: number;
  readonly refusedP99Ms: number;
  /** Refusals that do not say when to come again. */
  readonly withoutRetryAfter: number;
  /** Answers that are neither 200 nor 503, and requests without an answer. */
  readonly other: number;
  readonly failed: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly unsent: number;
  /** How late the generators sent their requests. */
  readonly lateP99Ms: number;
  readonly recoveryMs: number;
}

interface OverloadGoal {
  readonly summary: string;
  /** Bound of the median; null when the figure only informs. */
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly of: (round: OverloadRound) => number;
}

/** Source of the bounds: issue 7, section 2. */
const OVERLOAD_GOALS: readonly OverloadGoal[] = [
  { summary: "goodput / capacity", atLeast: 0.9, of: ({ goodPerS, capacity }) => goodPerS / capacity },
  { summary: "refusals 503, p99, ms", atMost: 50, of: ({ refusedP99Ms }) => refusedP99Ms },
  { summary: "refusals without Retry-After", atMost: 0, of: ({ withoutRetryAfter }) => withoutRetryAfter },
  { summary: "other answers and requests without one", atMost: 0, of: ({ other, failed }) => other + failed },
  { summary: "recovery, ms", atMost: 2000, of: ({ recoveryMs }) => recoveryMs },
  { summary: "capacity, a second", of: ({ capacity }) => capacity },
  { summary: "load offered / capacity", of: ({ offeredPerS, capacity }) => offeredPerS / capacity },
  { summary: "refusals, p50, ms", of: ({ refusedP50Ms }) => refusedP50Ms },
  { summary: "answers under load, p99, ms", of: ({ answeredP99Ms }) => answeredP99Ms },
  { summary: "generators late, p99, ms", of: ({ lateP99Ms }) => lateP99Ms },
];

export interface GoalLine {
  readonly summary: string;
  readonly goal: string;
  readonly value: number;
  /** The value of each round. */
  readonly of: readonly number[];
  readonly met: boolean | null;
}

export function goalLines(rounds: readonly OverloadRound[]): GoalLine[] {
  return OVERLOAD_GOALS.map(({ summary, atLeast, atMost, of }) => {
    const values = rounds.map(of);
    const value = median(values);
    const goal = atLeast !== undefined ? `>= ${atLeast}` : atMost !== undefined ? `<= ${atMost}` : "";
    // Not a number: there was nothing of that kind, so no goal is met by it.
    const met = atLeast !== undefined ? value >= atLeast : atMost !== undefined ? value <= atMost : null;
    return { summary, goal, value: rounded(value), of: values.map(rounded), met };
  });
}

const rounded = (value: number): number => Math.round(100 * value) / 100;
