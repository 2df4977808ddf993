import assert from "node:assert/strict";
import { dynamicBatchPass } from "../../../../src/onnx/passes/batch/dynamic_batch.ts";
import { foldPass } from "../../../../src/onnx/passes/fold.ts";
import { staticBatchPass } from "../../../../src/onnx/passes/batch/static_batch.ts";
import { readModel } from "../../../../src/onnx/read.ts";
import { constantDetector, model, value } from "../../build_model.ts";
import { built, conv, dimsOf, ints, oneByOne, op, stacked, weights, X_DIMS } from "./batch_models.ts";
import { checkedRun, operatorsOf } from "../pass_checks.ts";
import { allBits, numbers, picture, runModel } from "../run_model.ts";

const CODES = new URL("../../../../models/codes/codes.onnx", import.meta.url);

Deno.test("static batch: the number goes through every declaration that follows from it", async () => {
  const given = built(
    [conv, op("Reshape", ["c", "shape"], "r"), op("Shape", ["r"], "s"), op("Reshape", ["r", "s"], "y")],
    [weights, ints("shape", 0, 4, -1)],
    {
      batch: "N",
      out: [4, "anchors"],
      change: { value_info: [value("c", ["N", 4, 8, 8]), value("r", ["unk_1", 4, "unk_2"])] },
    },
  );
  for (const batch of [1, 5]) {
    const { model: made, report } = checkedRun(staticBatchPass, given, { batch });
    assert.deepEqual(dimsOf(made, "input"), [batch, ...X_DIMS]);
    assert.deepEqual(dimsOf(made, "output"), [batch, 4, 64]);
    assert.deepEqual([0, 1].map((at) => dimsOf(made, "value_info", at)), [[batch, 4, 8, 8], [batch, 4, 64]]);
    assert.equal(report.counts.inputs_fixed, 1);
    const feeds = { x: picture([batch, ...X_DIMS]) };
    assert.deepEqual(allBits(await runModel(made, feeds)), allBits(await runModel(given, feeds)));
    assert.equal(operatorsOf(foldPass.run(made).model), "Conv Reshape Reshape");
  }
});

Deno.test("static batch: without options it is 1, and a fixed batch changes into another by way of a free one", async () => {
  const given = built([op("Reshape", ["x", "shape"], "y")], [ints("shape", 1, 3, 64)], { out: [3, 64] });
  assert.equal(staticBatchPass.run(given).model, given);
  const { model: made } = checkedRun(staticBatchPass, given, { batch: 3 });
  assert.deepEqual([dimsOf(made, "input"), dimsOf(made, "output")], [[3, ...X_DIMS], [3, 3, 64]]);
  const pictures = [1, 2, 3].map((seed) => picture([1, ...X_DIMS], seed));
  assert.deepEqual(allBits(await runModel(made, { x: stacked(pictures) })), await oneByOne(given, pictures));
  const refused = built([op("Squeeze", ["x", "axis"], "y")], [ints("axis", 0)]);
  assert.throws(() => staticBatchPass.run(refused, { batch: 2 }), { code: "PASS_REFUSED" });
});

Deno.test("static batch: anonymous first axes of all inputs are fixed, and a wrong number is refused", () => {
  const given = built([op("Mul", ["x", "scale"], "y")], [], {
    batch: -1 as unknown as string,
    change: { input: [value("x", [-1, ...X_DIMS]), value("scale", [-1, 1, 1, 1]), value("list", [-1])] },
  });
  const { model: made } = checkedRun(staticBatchPass, given, { batch: 2 });
  assert.deepEqual(made.graph!.input.map((_, at) => dimsOf(made, "input", at)[0]), [2, 2, "?"]);
  for (const batch of [0, -1, 1.5, NaN, 2 ** 31]) {
    assert.throws(() => staticBatchPass.run(given, { batch }), { code: "USAGE" });
  }
  const none = model({ node: [op("Neg", ["x"], "y")], input: [value("x", [3])], output: [value("y", [3])] });
  for (const pass of [staticBatchPass, dynamicBatchPass]) assert.throws(() => pass.run(none), { code: "PASS_REFUSED" });
});

Deno.test("static batch: nodes in the wrong order are sorted, and shapes follow from them, whatever the batch was", () => {
  const given = (batch: number | string) =>
    built(
      [op("Neg", ["r"], "y"), op("Reshape", ["c", "shape"], "r"), conv],
      [weights, ints("shape", 0, 4, -1)],
      { batch, out: [4, "anchors"] },
    );
  for (const batch of ["N", 2, 3]) {
    const { model: made, report } = checkedRun(staticBatchPass, given(batch), { batch: 2 });
    assert.equal(operatorsOf(made), "Conv Reshape Neg");
    assert.deepEqual(dimsOf(made, "output"), batch === 2 ? [2, 4, "anchors"] : [2, 4, 64]);
    assert.equal(report.remarks.filter((remark) => /out of order/.test(remark)).length, 1);
    assert.equal(report.counts.inputs_fixed, batch === 2 ? 0 : 1);
  }
});

Deno.test("batch: the default model goes from any batch to one and back with the same numbers", async () => {
  const given = readModel(await Deno.readFile(CODES));
  const { model: fixed } = checkedRun(staticBatchPass, given);
  const { model: freed } = checkedRun(dynamicBatchPass, fixed);
  const [input] = fixed.graph!.input;
  const dims = input!.type!.tensor_type!.shape!.dim.map(({ dim_value }) => dim_value!);
  const feeds = { [input!.name!]: picture(dims) };
  const expected = allBits(await runModel(given, feeds));
  assert.deepEqual(allBits(await runModel(fixed, feeds)), expected);
  assert.deepEqual(allBits(await runModel(freed, feeds)), expected);
});

Deno.test("batch: a detector for a free batch is fixed, folded and freed with the same boxes", async () => {
  const given = constantDetector({ output: numbers(60), dims: [6, 10], size: [16, 16], inputName: "x" });
  const fixed = foldPass.run(checkedRun(staticBatchPass, given).model).model;
  const { model: freed } = checkedRun(dynamicBatchPass, fixed);
  const feeds = { x: picture([4, 3, 16, 16]) };
  assert.deepEqual(allBits(await runModel(freed, feeds)), allBits(await runModel(given, feeds)));
});
