import assert from "node:assert/strict";
import { PASS_NAMES } from "../../../src/onnx/passes/pass.ts";
import { PASSES, runPasses } from "../../../src/onnx/passes/passes.ts";
import { readModel } from "../../../src/onnx/read.ts";
import { writeModel } from "../../../src/onnx/write.ts";
import { tinyYolo } from "../build_model.ts";
import { nmsModel } from "../nms_models.ts";

const NMS = nmsModel({ boxes: [1, 2, 3, 4], scores: [0.5, 0.5], scoreDims: [1, 2] });

for (const name of PASS_NAMES) {
  Deno.test(`passes: ${name} is in the table under its name, with a version and a summary`, () => {
    const pass = PASSES[name];
    assert.equal(pass.name, name);
    assert.ok(Number.isInteger(pass.version) && pass.version >= 1);
    assert.match(pass.summary, /^\S.{20,105}[^.]$/);
    const { report } = pass.run(readModel(tinyYolo([], { labels: ["a", "b"] })));
    assert.deepEqual([report.pass, report.version], [name, pass.version]);
    for (const count of Object.values(report.counts)) assert.ok(Number.isInteger(count) && count >= 0);
    for (const remark of report.remarks) assert.match(remark, /^\P{Ll}.*[^.]$/u);
  });
}

Deno.test("passes: each gets the result of the one before, reports come in order", () => {
  const { model, reports } = runPasses(NMS, [
    { pass: "nms-split" },
    { pass: "fp16", options: { io: "fp16" } },
    { pass: "nms-attach", options: { maxOutputBoxes: 3 } },
  ]);
  assert.deepEqual(reports.map(({ pass, changed }) => [pass, changed]), [
    ["nms-split", true],
    ["fp16", true],
    ["nms-attach", true],
  ]);
  const [split, half, attached] = [
    PASSES["nms-split"].run(NMS).model,
    (model: typeof NMS) => PASSES.fp16.run(model, { io: "fp16" }).model,
    (model: typeof NMS) => PASSES["nms-attach"].run(model, { maxOutputBoxes: 3 }).model,
  ];
  assert.deepEqual(writeModel(model), writeModel(attached(half(split))));
  readModel(writeModel(model));
});

Deno.test("passes: none, or none that finds anything, give the model itself", () => {
  assert.equal(runPasses(NMS, []).model, NMS);
  const { model, reports } = runPasses(NMS, [{ pass: "nms-attach" }]);
  assert.equal(model, NMS);
  assert.equal(reports[0]!.changed, false);
});
