import assert from "node:assert/strict";
import { COPY_WAYS } from "../../scripts/bench/gpu_copies_ways.ts";
import { goalRows, goalTable, GPU_GOALS, type GpuFigures } from "../../scripts/bench/gpu_goals.ts";

const range = (median: number) => ({ median, lowest: median * 0.9, highest: median * 1.1 });
const cell = (batch: number, lanes: number, rate: number) => ({ batch, lanes, pixels_per_s: range(rate) });

const STAGES = {
  inference_to_bare: range(1.02),
  pixels_beyond_bare_ms: range(0.3),
  stages_ms: { letterbox: { p50: 0.05 }, postprocess: { p50: 0.2 } },
  throughput: [
    cell(1, 1, 1000),
    cell(1, 4, 1500),
    cell(8, 1, 2000),
    cell(8, 4, 9000),
    cell(16, 1, 2500),
    cell(16, 2, 3100),
  ],
};
const RIVAL = { ours_to_rival: range(0.55), agreement: { found: [40, 41] as const, matched: 39 } };
const NOTHING: GpuFigures = { s: { stages: null, rival: null }, n: { stages: null, rival: null }, start: null };

const metBy = (figures: GpuFigures) => Object.fromEntries(goalRows(figures).map(({ id, met }) => [id, met]));

Deno.test("gpu goals: each is judged by its own bound, on the median, and the bound itself is met", () => {
  const met = metBy({ ...NOTHING, s: { stages: STAGES, rival: RIVAL }, n: { stages: STAGES, rival: null } });
  assert.deepEqual([met["inference_s"], met["pixels_s"], met["pixels_n"]], [true, true, false]);
  assert.deepEqual([met["letterbox_s"], met["postprocess_s"]], [true, false]);
  assert.deepEqual([met["python_s"], met["python_n"]], [true, null]);
});

Deno.test("gpu goals: batch 8 is compared with batch 1 at one run at once, batch 16 counts at its best", () => {
  const rows = goalRows({ ...NOTHING, s: { stages: STAGES, rival: null } });
  const measured = (id: string) => rows.find((row) => row.id === id)!.measured!.median;
  assert.equal(measured("batch8_s"), 2);
  assert.equal(measured("batch16_s"), 3100);
});

Deno.test("gpu goals: beside a program that finds other boxes there is no comparison", () => {
  const other = { ...RIVAL, agreement: { found: [40, 60] as const, matched: 40 } };
  assert.equal(metBy({ ...NOTHING, s: { stages: null, rival: other } })["python_s"], null);
});

Deno.test("gpu goals: what failed is not measured, and never met", () => {
  const rows = goalRows(NOTHING);
  assert.equal(rows.length, GPU_GOALS.length);
  assert.ok(rows.every(({ met, measured }) => met === null && measured === null));
  assert.equal(goalTable(rows).match(/not measured/g)!.length, GPU_GOALS.length);
});

Deno.test("gpu goals: the start counts in seconds, the cold one only informs", () => {
  const start = { warm_s: { median: 1.6, lowest: 1.4, highest: 1.9 }, cold_s: range(5) };
  const lines = goalTable(goalRows({ ...NOTHING, start })).split("\n");
  assert.ok(lines.some((line) => line.endsWith("| <= 1.5 s | 1.60 s (1.40 to 1.90) | MISSED |")));
  assert.ok(lines.some((line) => line.endsWith("|  | 5.00 s (4.50 to 5.50) |  |")));
});

Deno.test("gpu goals: the ways to copy frames stand side by side, over one picture a run copied as it is", () => {
  const ways = COPY_WAYS.map(({ id, batch }, i) => {
    const ratio = range(batch === 1 ? 1 : 1.5 + i / 10);
    return { id, pictures_per_s: range(1000), to_plain: range(1), to_single: ratio, upload_ms: 1 };
  });
  const rows = goalRows({ ...NOTHING, copies: { frame_bytes: 2211840, bare_ms: 2.5, ways } });
  const measured = (id: string) => rows.find((row) => row.id === id)!.measured?.median;
  assert.deepEqual([measured("copies_one_plain"), measured("copies_eight_plain")], [1, 1.9]);
  assert.equal(measured("copies_eight_shared_streamed"), 2.2);
  assert.ok(ways.every(({ id }) => rows.find((row) => row.id === `copies_${id}`)!.met === null), "none is a goal");
});

Deno.test("gpu goals: names are unique, and all of the issue's bounds are there", () => {
  assert.equal(new Set(GPU_GOALS.map(({ id }) => id)).size, GPU_GOALS.length);
  const bounds = new Set(GPU_GOALS.map(({ bound }) => bound));
  for (const bound of [1.03, 0.35, 0.25, 0.05, 0.15, 2, 3000, 0.6, 1.5]) assert.ok(bounds.has(bound), String(bound));
});
