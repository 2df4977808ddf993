import assert from "node:assert/strict";
import { goalLines, type OverloadRound } from "../../scripts/bench/overload_goals.ts";

const GOOD: OverloadRound = {
  capacity: 20,
  perSecond: 200,
  offeredPerS: 200,
  goodPerS: 19,
  answered: 100,
  answeredP99Ms: 1500,
  refused: 900,
  refusedP50Ms: 1,
  refusedP99Ms: 20,
  withoutRetryAfter: 0,
  other: 0,
  failed: 0,
  failures: {},
  unsent: 0,
  lateP99Ms: 1,
  recoveryMs: 1500,
};

const missed = (rounds: readonly OverloadRound[]) =>
  goalLines(rounds).filter(({ met }) => met === false).map(({ summary }) => summary);

Deno.test("overload: a good round meets every goal, and each goal can be missed", () => {
  assert.deepEqual(missed([GOOD]), []);
  assert.deepEqual(missed([{ ...GOOD, goodPerS: 17 }]), ["goodput / capacity"]);
  assert.deepEqual(missed([{ ...GOOD, refusedP99Ms: 51 }]), ["refusals 503, p99, ms"]);
  assert.deepEqual(missed([{ ...GOOD, withoutRetryAfter: 1 }]), ["refusals without Retry-After"]);
  assert.deepEqual(missed([{ ...GOOD, failed: 1 }]), ["other answers and requests without one"]);
  assert.deepEqual(missed([{ ...GOOD, recoveryMs: 2001 }]), ["recovery, ms"]);
});

Deno.test("overload: without a single refusal the goal of refusals is not met", () => {
  assert.deepEqual(missed([{ ...GOOD, refused: 0, refusedP99Ms: NaN, refusedP50Ms: NaN }]), ["refusals 503, p99, ms"]);
});

Deno.test("overload: the median of the rounds counts", () => {
  assert.deepEqual(missed([GOOD, { ...GOOD, goodPerS: 1 }, GOOD]), []);
});
