import assert from "node:assert/strict";
import { type IsolationRow, keepsLimit, limitOf, measureIsolation } from "../../src/bench/isolation.ts";
import { isolationTable } from "../../src/cli/bench/isolation.ts";
import { openDetector } from "../../src/detect/open.ts";
import { bundledPhoto, findModel } from "../../src/models/registry.ts";

const ROW: IsolationRow = {
  detector: "empty",
  picture: "file",
  bytes: 240_000,
  in_process_ms: 0.02,
  isolated_ms: 0.2,
  cost: { median: 0.18, lowest: 0.17, highest: 0.4 },
  cost_percent: 900,
  way_ms: 0.18,
};

Deno.test("isolation: the way is judged in milliseconds, a detection in percent", () => {
  const high = { ...ROW, cost: { ...ROW.cost, median: 0.3 } };
  assert.equal(keepsLimit(ROW), true);
  assert.equal(keepsLimit(high), false);
  assert.equal(keepsLimit({ ...high, picture: "raw" }), true);
  assert.equal(keepsLimit({ ...high, detector: "model", cost_percent: 1.9 }), true);
  assert.equal(keepsLimit({ ...high, detector: "model", cost_percent: 2.1 }), false);
  assert.equal(limitOf({ ...ROW, bytes: 300_001 }), null);
  assert.equal(keepsLimit({ ...high, bytes: 300_001 }), null);
});

Deno.test("isolation: the table has a line for each row, judged", () => {
  const [head, first, second] = isolationTable([ROW, { ...ROW, detector: "model", cost_percent: 3 }]).split("\n");
  assert.match(head!, /goal +in process +isolated +cost/);
  assert.match(first!, /encoded picture +<= 0.25 ms .*0\.18 ms \(0\.17 to 0\.40\) .*met$/);
  assert.match(second!, /<= 2 % .*3\.0 %.*missed$/);
});

Deno.test("isolation: both ways are measured with a model and without one", async () => {
  const model = await findModel("codes", "models");
  const settled: number[] = [];
  const rows = await measureIsolation({
    model,
    open: (one, { max_pixels }) => openDetector(one, { backend: "onnxruntime", maxPixels: max_pixels, threads: 1 }),
    jpeg: await Deno.readFile(bundledPhoto()),
    threads: 1,
    rounds: 1,
    requests: 5,
    settle: () => Promise.resolve(void settled.push(1)),
  });
  assert.deepEqual(rows.map(({ detector, picture }) => [detector, picture]), [
    ["empty", "file"],
    ["empty", "raw"],
    ["model", "file"],
    ["model", "raw"],
  ]);
  assert.equal(settled.length, 2);
  for (const row of rows) {
    assert.ok(row.in_process_ms > 0 && row.isolated_ms > 0, JSON.stringify(row));
    if (row.detector === "empty") assert.ok(row.cost.median > 0, JSON.stringify(row));
  }
});
