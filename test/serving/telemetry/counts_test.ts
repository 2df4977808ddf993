import assert from "node:assert/strict";
import { Counts, Distribution } from "../../../src/serving/telemetry/counts.ts";
import { BATCH_BOUNDS, DURATION_BOUNDS, ServingCounts } from "../../../src/serving/telemetry/serving_counts.ts";

Deno.test("counts: labels with the same letters in other places are not the same", () => {
  const counts = new Counts();
  counts.add({ a: "x", b: "yz" });
  counts.add({ a: "xy", b: "z" });
  counts.add({ a: "x", b: "yz" }, 2);
  counts.add({ a: "q", b: "" }, 0);
  assert.deepEqual([...counts.rows].map(({ value }) => value), [3, 1, 0]);
});

Deno.test("counts: a value lies in the first bucket whose bound it does not pass; no number is left out", () => {
  const distribution = new Distribution([1, 2]);
  for (const value of [0, 1, 1.5, 2, 2.1, 100, NaN, Infinity]) distribution.observe({ a: "b" }, value);
  const [row] = distribution.rows;
  assert.deepEqual(row!.buckets, [2, 2, 2]);
  assert.ok(Math.abs(row!.sum - 106.6) < 1e-9);
});

Deno.test("counts: bounds ascend, durations from 0.3 ms to 10 s", () => {
  for (const bounds of [DURATION_BOUNDS, BATCH_BOUNDS]) {
    assert.deepEqual(bounds, bounds.toSorted((a, b) => a - b));
    assert.equal(new Set(bounds).size, bounds.length);
  }
  assert.deepEqual([DURATION_BOUNDS[0], DURATION_BOUNDS.at(-1)], [0.0003, 10]);
});

Deno.test("serving counts: a run of eight is told by eight answers and counts once", () => {
  const counts = new ServingCounts(["pets"]);
  const timings = { decode: 1, preprocess: 2, inference: 30, postprocess: 4, total: 37 };
  const answered = (batch: number) =>
    counts.listen({ type: "answered", model: "pets", backend: "tensorrt", batch, queueMs: 5, timings });
  for (let i = 0; i < 16; i++) answered(8);
  for (let i = 0; i < 3; i++) answered(1);
  answered(8);
  const [row] = counts.batches;
  assert.deepEqual(row!.buckets.slice(0, 5), [3, 0, 0, 2, 0]);
  assert.equal(row!.sum, 19);
  const stages = Object.fromEntries([...counts.stages.rows].map(({ labels, sum }) => [labels["stage"], sum]));
  const expected = { queue: 0.1, decode: 0.02, preprocess: 0.04, inference: 0.6, postprocess: 0.08, total: 0.74 };
  assert.deepEqual(Object.keys(stages), Object.keys(expected));
  for (const [stage, sum] of Object.entries(expected)) assert.ok(Math.abs(stages[stage]! - sum) < 1e-9, stage);
});

Deno.test("serving counts: what happens seldom is shown as 0 before it happens, then by its cause", () => {
  const counts = new ServingCounts(["pets", "codes"]);
  const rows = () =>
    Object.fromEntries([...counts.restarts.rows].map((row) => [Object.values(row.labels).join(), row.value]));
  assert.equal(Object.keys(rows()).length, 20);
  assert.equal(rows()["pets,gpu_fault"], 0);
  counts.listen({ type: "worker_ended", model: "pets", cause: "gpu_fault" });
  counts.listen({ type: "worker_ended", model: "pets", cause: "gpu_fault" });
  counts.listen({ type: "worker_ended", model: "codes", cause: "killed" });
  assert.deepEqual([rows()["pets,gpu_fault"], rows()["codes,gpu_fault"], rows()["codes,killed"]], [2, 0, 1]);
  counts.listen({ type: "worker_ready", model: "pets", ms: 1500 });
  counts.listen({ type: "worker_ready", model: "pets", ms: 500 });
  assert.deepEqual([...counts.startSeconds], [["pets", 0.5]]);
});
