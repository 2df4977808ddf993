import assert from "node:assert/strict";
import { measure } from "../../../src/bench/stages/measure.ts";
import { digits, ROW_HEAD, tableRow } from "../../../src/bench/stages/row.ts";
import { textFrom } from "../../../src/bench/stages/text.ts";
import { fakeSubject, SAMPLE } from "./fake_subject.ts";

const FACTS = {
  date: "2026-11-23",
  machine: {
    name: "Some\nboard",
    cores: 6,
    os: "linux",
    arch: "aarch64",
    deno: "2.9.6",
    trtd: "0.1.0",
    load_before: 0,
    load_after: 0,
  },
  model: "yolov8s 640x1152",
  picture: { width: 1280, height: 720 },
};

async function reportOf(bare: number | null) {
  const options = { samples: [SAMPLE], rounds: 3, windowMs: 2, batches: [1], lanes: [1] };
  const subject = fakeSubject({ stages: { decode: 2, inference: 0.65, postprocess: 0.1 }, bare, runMs: 0 });
  const { subjects: [report] } = await measure([subject], {
    ...options,
    settle: () => Promise.resolve(),
    note: () => {},
  });
  return report!;
}

Deno.test("row: as many cells as the head, on one line whatever the names hold", async () => {
  const row = tableRow(await reportOf(0.6), FACTS);
  const cells = (line: string) => line.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim());
  const [titles, dashes] = ROW_HEAD.split("\n").map(cells);
  assert.equal(cells(row).length, titles!.length);
  assert.ok(dashes!.every((cell) => cell === "---"));
  assert.ok(!row.includes("\n"));
  const named = Object.fromEntries(titles!.map((title, i) => [title, cells(row)[i]]));
  assert.equal(named["machine"], "Some board, 6 cores");
  assert.equal(named["GPU"], "Some \\| GPU");
  assert.equal(named["driver"], "580.1");
  assert.equal(named["runs on"], "TensorRT 1.2.3");
  assert.equal(named["bare run, ms"], "0.600");
  assert.equal(named["inference / bare"], "1.083 (1.083 to 1.083)");
  assert.equal(named["JPEG to boxes, ms"], "2.75, p99 2.75");
  assert.equal(named["slowest stage"], "decode");
  assert.match(named["JPEG, pictures a second"]!, /^\d+ \(batch 1, 1 at once\)$/);
});

Deno.test("row: what could not be had is said", async () => {
  assert.match(tableRow(await reportOf(null), FACTS), /\| not had \| not had \|/);
});

Deno.test("text: stages, ratio, rates and both limiters", async () => {
  const text = textFrom(await reportOf(0.6));
  assert.match(text, /^tensorrt: TensorRT 1\.2\.3, Some \| GPU, driver 580\.1, fp16$/m);
  assert.match(text, /^bare run +0\.600 +0\.600$/m);
  assert.match(text, /^inference: the model +0\.650 +0\.650 +1\.083x \(1\.083 to 1\.083\)$/m);
  assert.match(text, /^RGB in memory to boxes +0\.750 +0\.750 +\+0\.150 ms/m);
  assert.match(text, /^What limits one picture: decode: JPEG to RGB, 2\.00 ms, 73 % of the way$/m);
  assert.match(text, /^What limits many, from JPEG: /m);
});

Deno.test("row: three digits that count", () => {
  assert.deepEqual([0.0432, 0.61, 3.456, 45.67, 123.4, 3456].map(digits), [
    "0.0432",
    "0.610",
    "3.46",
    "45.7",
    "123",
    "3456",
  ]);
});
