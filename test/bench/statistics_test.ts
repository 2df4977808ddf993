import assert from "node:assert/strict";
import { isMet } from "../../src/bench/goals.ts";
import { rowsFrom, tableFrom } from "../../src/bench/report.ts";
import { median, ratioOf, summaryOf } from "../../src/bench/statistics.ts";

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
