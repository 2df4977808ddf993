import assert from "node:assert/strict";
import { isMet } from "../../src/bench/over_http/goals.ts";
import { rowsFrom, tableFrom } from "../../src/bench/over_http/report.ts";
import { median, percentile, ratioOf, shareInside, spreadOf, summaryOf } from "../../src/bench/statistics.ts";

Deno.test("statistics: the median of an odd and an even count, whatever the order", () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([10, 2, 9, 3]), 6);
  assert.ok(Number.isNaN(median([])));
});

Deno.test("statistics: a ratio is taken round by round, its best from each side's best round", () => {
  const ratio = ratioOf([10, 30, 12], [20, 60, 12], "lower");
  assert.deepEqual(ratio.rounds, [0.5, 0.5, 1]);
  assert.equal(ratio.median, 0.5);
  assert.equal(ratio.best, 10 / 12);
  assert.throws(() => ratioOf([1], [1, 2], "lower"), RangeError);
});

Deno.test("statistics: the best of a rate is the highest", () => {
  assert.equal(summaryOf([3, 7, 5], "higher").best, 7);
  assert.equal(summaryOf([3, 7, 5], "lower").best, 3);
});

Deno.test("statistics: a percentile is one of the values, the smallest that enough of all do not exceed", () => {
  const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);
  assert.deepEqual([0.01, 0.5, 0.99, 1].map((share) => percentile(hundred, share)), [1, 50, 99, 100]);
  assert.equal(percentile([7, 3], 0.99), 7);
  assert.ok(Number.isNaN(percentile([], 0.5)));
});

Deno.test("statistics: a spread is the median and both ends", () => {
  assert.deepEqual(spreadOf([3, 1, 2]), { median: 2, lowest: 1, highest: 3 });
});

Deno.test("statistics: of a time that reaches out of the window only the part inside counts", () => {
  assert.deepEqual([[0, 10], [5, 15], [20, 30], [-5, 35]].map(([a, b]) => shareInside(a!, b!, 0, 10)), [
    1,
    0.5,
    0,
    0.25,
  ]);
});

Deno.test("report: a goal is met on its bound and missed beyond it", () => {
  const goal = { summary: "", unit: "ms", bound: 4 } as const;
  assert.deepEqual([4, 4.01].map((value) => isMet({ ...goal, better: "lower" }, value)), [true, false]);
  assert.deepEqual([4, 3.99].map((value) => isMet({ ...goal, better: "higher" }, value)), [true, false]);
  assert.equal(isMet({ ...goal, better: "lower", bound: null }, 1), null);
});

Deno.test("report: rows keep the order of the goals and the table says met or missed", () => {
  const rows = rowsFrom({ nms_ms: summaryOf([3, 1, 2.5], "lower"), live_ms: summaryOf([250.04], "lower") });
  assert.deepEqual(rows.map(({ id, met }) => [id, met]), [["live_ms", true], ["nms_ms", false]]);
  const [, live, nms] = tableFrom(rows).split("\n");
  assert.match(live!, /<= 300 +250\.0 ms +250\.0 ms +met$/);
  assert.match(nms!, /<= 2 +2\.50 ms +1\.00 ms +missed$/);
});
