import assert from "node:assert/strict";
import { dynamicBatchPass } from "../../../../src/onnx/passes/batch/dynamic_batch.ts";
import { staticBatchPass } from "../../../../src/onnx/passes/batch/static_batch.ts";
import type { ModelProto } from "../../../../src/onnx/proto.ts";
import { floatTensor, int64Tensor, node, rawBytes, tensor, value } from "../../build_model.ts";
import { built, conv, dimsOf, ints, oneByOne, op, stacked, weights, X_DIMS } from "./batch_models.ts";
import { checkedRun, initializersOf, operatorsOf } from "../pass_checks.ts";
import { allBits, numbers, picture, runModel } from "../run_model.ts";

/** After `dynamic-batch` three pictures at once give what each gives alone in the model as it was. */
async function assertFree(given: ModelProto) {
  const result = checkedRun(dynamicBatchPass, given);
  const dims = dimsOf(given, "input").slice(1) as number[];
  const pictures = [1, 2, 3].map((seed) => picture([1, ...dims], seed));
  const batch = dimsOf(given, "input")[0] as number;
  const expected = batch === 1
    ? await oneByOne(given, pictures)
    : allBits(await runModel(given, { x: stacked(pictures) }));
  assert.deepEqual(allBits(await runModel(result.model, { x: stacked(pictures) })), expected);
  return result;
}

const REPAIRABLE: Readonly<Record<string, [ModelProto, number]>> = {
  "Reshape to a fixed batch": [
    built([conv, op("Reshape", ["c", "shape"], "y")], [weights, ints("shape", 1, 4, 64)], { out: [4, 64] }),
    1,
  ],
  "Reshape with an open size behind the batch": [
    built([conv, op("Reshape", ["c", "shape"], "y")], [weights, ints("shape", 1, 4, -1)], { out: [4, 64] }),
    1,
  ],
  "Reshape that copies the batch": [
    built([conv, op("Reshape", ["c", "shape"], "y")], [weights, ints("shape", 0, 4, -1)], { out: [4, 64] }),
    0,
  ],
  "Reshape with an open batch": [
    built([conv, op("Reshape", ["c", "shape"], "y")], [weights, ints("shape", -1, 4, 64)], { out: [4, 64] }),
    0,
  ],
  "Reshape with allowzero": [
    built([op("Reshape", ["x", "shape"], "y", { allowzero: 1n })], [ints("shape", 1, -1, 8)], { out: [24, 8] }),
    1,
  ],
  "Reshape that merges the batch with rows and back": [
    built(
      [
        op("Reshape", ["x", "rows"], "r"),
        op("MatMul", ["r", "m"], "t"),
        op("Reshape", ["t", "back"], "y"),
      ],
      [ints("rows", 24, 8), floatTensor("m", [8, 2], numbers(16)), ints("back", 1, 24, 2)],
      { out: [24, 2] },
    ),
    2,
  ],
  "Reshape behind a Transpose that moves the batch": [
    built(
      [
        op("Transpose", ["x"], "t", { perm: [2n, 3n, 0n, 1n] }),
        op("Reshape", ["t", "merged"], "r"),
        op("Transpose", ["r"], "y", { perm: [1n, 0n, 2n] }),
      ],
      [ints("merged", 64, 1, 3)],
      { out: [64, 3] },
    ),
    1,
  ],
  "Expand of a batched value": [
    built([op("ReduceMean", ["x"], "m", { axes: [2n, 3n], keepdims: 1n }), op("Expand", ["m", "shape"], "y")], [
      ints("shape", 1, 3, 4, 4),
    ], { out: [3, 4, 4] }),
    0,
  ],
  "Slice over the whole batch": [
    built([op("Slice", ["x", "from", "to", "axes"], "y")], [ints("from", 0, 1), ints("to", 1, 3), ints("axes", 0, 2)]),
    1,
  ],
  "Slice over the whole batch in opset 9": [
    built([op("Slice", ["x"], "y", { starts: [0n, 1n], ends: [1n, 3n], axes: [0n, 2n] })], [], { opset: 9 }),
    1,
  ],
  "Resize by sizes of powers of two": [
    built([
      op("Resize", ["x", "", "", "sizes"], "y", {
        mode: "nearest",
        coordinate_transformation_mode: "asymmetric",
        nearest_mode: "floor",
      }),
    ], [
      ints("sizes", 1, 3, 16, 32),
    ]),
    1,
  ],
  "Resize by other sizes": [
    built([op("Resize", ["x", "", "", "sizes"], "y", { mode: "linear" })], [ints("sizes", 1, 3, 11, 13)]),
    1,
  ],
  "Resize by other sizes at opset 18": [
    built([op("Resize", ["x", "", "", "sizes"], "y", { mode: "linear" })], [ints("sizes", 1, 3, 11, 13)], {
      opset: 18,
    }),
    1,
  ],
  "Resize of two axes": [
    built([op("Resize", ["x", "", "", "sizes"], "y", { axes: [2n, 3n] })], [ints("sizes", 11, 13)], { opset: 18 }),
    0,
  ],
  "Resize by scales that are cast from f16": [
    built([
      node("Constant", { inputs: [], outputs: ["half"] }, {
        attributes: { value: tensor("", "FLOAT16", [4], rawBytes(Uint16Array.of(0x3c00, 0x3c00, 0x4000, 0x4000))) },
      }),
      op("Cast", ["half"], "scales", { to: 1n }),
      op("Resize", ["x", "", "scales"], "y"),
    ], []),
    0,
  ],
  "Resize by scales": [built([op("Resize", ["x", "", "scales"], "y")], [floatTensor("scales", [4], [1, 1, 2, 2])]), 0],
  "anchors that broadcast": [
    built([op("Reshape", ["x", "shape"], "r"), op("Add", ["r", "anchors"], "y")], [
      ints("shape", 1, 3, 64),
      floatTensor("anchors", [1, 1, 64], numbers(64)),
    ], { out: [3, 64] }),
    1,
  ],
  "anchors that Expand makes": [
    built([op("Expand", ["row", "shape"], "e"), op("Add", ["x", "e"], "y")], [
      floatTensor("row", [8], numbers(8)),
      ints("shape", 1, 3, 8, 8),
    ]),
    0,
  ],
  "attention over the pixels": [
    built([
      op("Reshape", ["x", "flat"], "f"),
      op("Split", ["f", "parts"], ["q", "k", "v"], { axis: 1n }),
      op("Transpose", ["q"], "qt", { perm: [0n, 2n, 1n] }),
      op("MatMul", ["qt", "k"], "s"),
      op("Softmax", ["s"], "p", { axis: 2n }),
      op("Transpose", ["p"], "pt", { perm: [0n, 2n, 1n] }),
      op("MatMul", ["v", "pt"], "o"),
      op("LayerNormalization", ["o", "scale"], "n"),
      op("Reshape", ["n", "image"], "y"),
    ], [
      ints("flat", 1, 3, 64),
      ints("parts", 1, 1, 1),
      floatTensor("scale", [64], numbers(64)),
      ints("image", 1, 1, 8, 8),
    ], { out: [1, 8, 8] }),
    2,
  ],
  "the choice of the best": [
    built(
      [
        op("Reshape", ["x", "flat"], "f"),
        op("ReduceMax", ["f"], "best", { axes: [1n], keepdims: 0n }),
        op("TopK", ["best", "count"], ["top", "at"]),
        op("Unsqueeze", ["at", "last"], "atu"),
        op("Expand", ["atu", "wide"], "index"),
        op("Transpose", ["f"], "ft", { perm: [0n, 2n, 1n] }),
        op("GatherElements", ["ft", "index"], "y", { axis: 1n }),
      ],
      [ints("flat", 1, 3, 64), ints("count", 5), ints("last", -1), ints("wide", 1, 5, 3)],
      { out: [5, 3] },
    ),
    1,
  ],
  "attention of heads over rows that come before the batch": [
    built([
      op("Reshape", ["x", "flat"], "f"),
      op("Transpose", ["f"], "seq", { perm: [2n, 0n, 1n] }),
      op("Reshape", ["seq", "rows"], "r"),
      op("Gemm", ["r", "in"], "p"),
      op("Reshape", ["p", "apart"], "a"),
      op("Split", ["a", "parts"], ["q", "k", "v"], { axis: 2n }),
      ...["q", "k", "v"].flatMap((name) => [
        op("Reshape", [name, "heads"], `${name}h`),
        op("Transpose", [`${name}h`], `${name}t`, { perm: [1n, 0n, 2n] }),
      ]),
      op("Transpose", ["kt"], "ktt", { perm: [0n, 2n, 1n] }),
      op("MatMul", ["qt", "ktt"], "s"),
      op("Softmax", ["s"], "w", { axis: -1n }),
      op("MatMul", ["w", "vt"], "o"),
      op("Transpose", ["o"], "os", { perm: [1n, 0n, 2n] }),
      op("Reshape", ["os", "merged"], "m"),
      op("Gemm", ["m", "out"], "g"),
      op("Reshape", ["g", "back"], "b"),
      op("Transpose", ["b"], "y", { perm: [1n, 0n, 2n] }),
    ], [
      ints("flat", 1, 3, 64),
      ints("rows", 64, 3),
      floatTensor("in", [3, 24], numbers(72)),
      ints("apart", 64, 1, 24),
      ints("parts", 8, 8, 8),
      ints("heads", 64, 2, 4),
      ints("merged", 64, 8),
      floatTensor("out", [8, 5], numbers(40)),
      ints("back", 64, 1, 5),
    ], { out: [64, 5] }),
    8,
  ],
  "a running sum": [built([op("CumSum", ["x", "axis"], "y")], [int64Tensor("axis", [], [-1])]), 0],
  "an equation": [
    built([op("Einsum", ["x", "m"], "y", { equation: "bchw,cd->bdhw" })], [floatTensor("m", [3, 2], numbers(6))], {
      out: [2, 8, 8],
    }),
    0,
  ],
  "a flattened picture through Gemm": [
    built([op("Flatten", ["x"], "f"), op("Gemm", ["f", "m", "bias"], "y")], [
      floatTensor("m", [192, 3], numbers(576)),
      floatTensor("bias", [3], [1, 2, 3]),
    ], { out: [3] }),
    0,
  ],
  "sizes read off the value": [
    built([
      op("Shape", ["x"], "s"),
      op("Slice", ["s", "zero", "two", "zero"], "lead"),
      op("Concat", ["lead", "open"], "shape", { axis: 0n }),
      op("Reshape", ["x", "shape"], "r"),
      op("Gather", ["s", "zero"], "n"),
      op("Concat", ["n", "twelve"], "wide", { axis: 0n }),
      op("Expand", ["row", "wide"], "e"),
      op("Unsqueeze", ["e", "one"], "eu"),
      op("Concat", ["r", "eu"], "y", { axis: 1n }),
    ], [
      ints("zero", 0),
      ints("one", 1),
      ints("two", 2),
      ints("open", -1),
      ints("twelve", 64),
      floatTensor("row", [64], numbers(64)),
    ], { out: [4, 64] }),
    0,
  ],
  "a filling as large as the batch": [
    built(
      [
        op("Shape", ["x"], "s"),
        op("Gather", ["s", "first"], "n", { axis: 0n }),
        op("Concat", ["n", "one", "eight", "eight"], "shape", { axis: 0n }),
        op("ConstantOfShape", ["shape"], "fill", { value: floatTensor("", [1], [2]) }),
        op("Concat", ["x", "fill"], "y", { axis: 1n }),
      ],
      [ints("first", 0), ints("one", 1), ints("eight", 8)],
      { out: [4, 8, 8] },
    ),
    0,
  ],
};

for (const [what, [given, repaired]] of Object.entries(REPAIRABLE)) {
  Deno.test(`dynamic batch: ${what} works for any batch`, async () => {
    const { model: made, report } = await assertFree(given);
    assert.equal(report.counts.nodes_repaired, repaired, report.remarks.join("\n"));
    assert.equal(dimsOf(made, "input")[0], "batch");
    assert.equal(dimsOf(made, "output")[0], "batch");
    assert.deepEqual(made.metadata_props, given.metadata_props);
  });
}

Deno.test("dynamic batch: a batch of two is freed as well, with everything that carries it", async () => {
  const given = built([
    op("Reshape", ["x", "shape"], "r"),
    op("Expand", ["r", "same"], "e"),
    op("Slice", ["e", "from", "to", "axis"], "s"),
    op("Reshape", ["s", "rows"], "t"),
    op("Reshape", ["t", "back"], "y"),
  ], [
    ints("shape", 2, 3, 64),
    ints("same", 2, 3, 64),
    ints("from", -2),
    ints("to", 2),
    ints("axis", 0),
    ints("rows", 6, 64),
    ints("back", 2, 3, -1),
  ], { batch: 2, out: [3, 64] });
  const { model: made, report } = checkedRun(dynamicBatchPass, given);
  assert.equal(report.counts.nodes_repaired, 5);
  for (const pictures of [[1, 2], [1, 2, 3, 4]]) {
    const all = pictures.map((seed) => picture([1, ...X_DIMS], seed));
    const expected = await runModel(checkedRun(staticBatchPass, made, { batch: all.length }).model, {
      x: stacked(all),
    });
    assert.deepEqual(allBits(await runModel(made, { x: stacked(all) })), allBits(expected));
    if (all.length === 2) assert.deepEqual(allBits(await runModel(given, { x: stacked(all) })), allBits(expected));
  }
});

Deno.test("dynamic batch: declarations between follow, and constants that others read stay as they are", async () => {
  const given = built(
    [
      op("Reshape", ["x", "shape"], "r"),
      op("Reshape", ["x", "rows"], "f"),
      op("Reshape", ["f", "shape"], "y"),
      op("Cast", ["shape"], "z", { to: 1n }),
    ],
    [ints("shape", 1, 3, 64), ints("rows", 3, 64)],
    {
      out: [3, 64],
      change: {
        output: [value("y", [1, 3, 64]), value("z", [3])],
        value_info: [value("r", [1, 3, 64]), value("f", [3, 64]), value("shape", [3], "INT64")],
      },
    },
  );
  const { model: made } = checkedRun(dynamicBatchPass, given);
  assert.deepEqual([0, 1, 2].map((at) => dimsOf(made, "value_info", at)), [["batch", 3, 64], ["?", 64], [3]]);
  assert.deepEqual(made.graph!.initializer[0], given.graph!.initializer[0]);
  assert.deepEqual(initializersOf(made), ["shape", "shape_batch", "rows_batch", "shape_batch_2"]);
  const feeds = { x: picture([1, ...X_DIMS]) };
  assert.deepEqual(allBits(await runModel(made, feeds)), allBits(await runModel(given, feeds)));
});

Deno.test("dynamic batch: what only repaired nodes read is gone, what was dead before stays with all that it reads", async () => {
  const given = built(
    [
      node("Constant", { inputs: [], outputs: ["one"] }, { attributes: { value: ints("", 1) } }),
      node("Constant", { inputs: [], outputs: ["spare"] }, { attributes: { value: ints("", 7) } }),
      op("Concat", ["one", "rest"], "shape", { axis: 0n }),
      op("Reshape", ["x", "shape"], "r"),
      op("Reshape", ["r", "kept"], "y"),
      op("Neg", ["kept"], "dead"),
    ],
    [ints("rest", 3, 64), ints("kept", 1, 3, 64), ints("unread", 1)],
    {
      out: [3, 64],
      change: { value_info: [value("shape", [3], "INT64"), value("kept", [3], "INT64")] },
    },
  );
  const { model: made } = await assertFree(given);
  assert.equal(operatorsOf(made), "Constant Reshape Reshape Neg");
  assert.deepEqual(initializersOf(made), ["kept", "unread", "shape_batch", "kept_batch"]);
  assert.deepEqual(made.graph!.value_info.map(({ name }) => name), ["kept"]);
});

Deno.test("dynamic batch: nodes in the wrong order are sorted, be the batch free or not", () => {
  for (const batch of [1, "N"]) {
    const given = built([op("Neg", ["r"], "y"), op("Relu", ["x"], "r")], [], { batch });
    const { model: made, report } = checkedRun(dynamicBatchPass, given);
    assert.equal(operatorsOf(made), "Relu Neg");
    assert.match(report.remarks.join(), /out of order/);
  }
});

Deno.test("dynamic batch: further inputs of the same batch become free, those of one axis do not", () => {
  const given = built([op("Mul", ["x", "scale"], "m"), op("Add", ["m", "level"], "y")], [], {
    out: [...X_DIMS],
    change: {
      input: [value("level", [1]), value("x", [1, ...X_DIMS]), value("scale", [1, 1, 1, 1])],
    },
  });
  const { model: made, report } = checkedRun(dynamicBatchPass, given);
  assert.deepEqual(made.graph!.input.map((_, at) => dimsOf(made, "input", at)[0]), [1, "batch", "batch"]);
  assert.match(report.remarks[0]!, /The batch of "x", "scale" was 1/);
});

Deno.test("dynamic batch: a model that is dynamic already stays the same object, whatever the axis is called", () => {
  for (const batch of ["batch", "N", -1]) {
    const given = built([op("Relu", ["x"], "y")], [], { batch: batch as string });
    assert.equal(dynamicBatchPass.run(given).model, given);
  }
});

Deno.test("dynamic batch: an axis that is called batch already is another one", () => {
  const given = built([op("Relu", ["x"], "y")], [], {
    change: { input: [value("x", [1, 3, "batch", 8])], output: [value("y", [1, 3, "batch", 8])] },
  });
  const { model: made } = checkedRun(dynamicBatchPass, given);
  assert.deepEqual(dimsOf(made, "output"), ["batch_2", 3, "batch", 8]);
});
