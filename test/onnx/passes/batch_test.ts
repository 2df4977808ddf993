import assert from "node:assert/strict";
import { TrtdError } from "../../../src/errors.ts";
import { dynamicBatchPass } from "../../../src/onnx/passes/dynamic_batch.ts";
import { foldPass } from "../../../src/onnx/passes/fold.ts";
import { staticBatchPass } from "../../../src/onnx/passes/static_batch.ts";
import type { GraphProto, ModelProto, NodeProto, TensorProto } from "../../../src/onnx/proto.ts";
import { readModel } from "../../../src/onnx/read.ts";
import {
  type AttributeValue,
  constantDetector,
  floatTensor,
  graph,
  int64Tensor,
  model,
  node,
  rawBytes,
  value,
} from "../build_model.ts";
import { checkedRun, operatorsOf } from "./pass_checks.ts";
import { allBits, numbers, picture, runModel, type Value } from "./run_model.ts";

const CODES = new URL("../../../models/codes/codes.onnx", import.meta.url);
const X_DIMS = [3, 8, 8] as const;

const op = (
  name: string,
  inputs: string[],
  output: string | string[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
) => node(name, { inputs, outputs: [output].flat() }, { name: `the_${[output].flat()[0]}`, attributes });

const ints = (name: string, ...values: number[]) => int64Tensor(name, [values.length], values);

/** A graph from `x` [batch, 3, 8, 8] to `y`. */
function built(
  nodes: readonly NodeProto[],
  constants: readonly TensorProto[],
  options: {
    batch?: number | string;
    opset?: number;
    out?: readonly (number | string)[];
    change?: Partial<GraphProto>;
  } = {},
): ModelProto {
  const { batch = 1, opset = 17, out = ["a", "b", "c"], change = {} } = options;
  return model({
    node: [...nodes],
    initializer: [...constants],
    input: [value("x", [batch, ...X_DIMS])],
    output: [value("y", [batch, ...out])],
    ...change,
  }, { opset, metadata: { task: "detect" } });
}

const dimsOf = (made: ModelProto, list: "input" | "output" | "value_info", at = 0) =>
  made.graph![list][at]!.type!.tensor_type!.shape!.dim.map(({ dim_value, dim_param }) => dim_value ?? dim_param ?? "?");

/** Each picture alone through the model as it was, one after the other. */
async function oneByOne(given: ModelProto, pictures: readonly Value[]): Promise<Record<string, unknown>> {
  const runs: Record<string, Value>[] = [];
  for (const x of pictures) runs.push(await runModel(given, { x }));
  return Object.fromEntries(
    Object.keys(runs[0]!).map((name) => {
      const parts = runs.map((run) => run[name]!);
      const dims = [parts.reduce((sum, { dims }) => sum + dims[0]!, 0), ...parts[0]!.dims.slice(1)];
      return [name, { type: parts[0]!.type, dims, bytes: parts.flatMap(({ data }) => [...rawBytes(data)]) }];
    }),
  );
}

function stacked(pictures: readonly Value[]): Value {
  const data = Float32Array.from(pictures.flatMap(({ data }) => [...data as Float32Array]));
  return { type: "float32", dims: [pictures.length, ...pictures[0]!.dims.slice(1)], data };
}

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

const conv = op("Conv", ["x", "w"], "c", { kernel_shape: [1n, 1n] });
const weights = floatTensor("w", [4, 3, 1, 1], numbers(12));

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

Deno.test("dynamic batch: declarations between follow, and constants that others read stay as they are", () => {
  const given = built(
    [
      op("Reshape", ["x", "shape"], "r"),
      op("Reshape", ["x", "rows"], "f"),
      op("Reshape", ["f", "shape"], "y"),
    ],
    [ints("shape", 1, 3, 64), ints("rows", 3, 64)],
    {
      out: [3, 64],
      change: { value_info: [value("r", [1, 3, 64]), value("f", [3, 64]), value("shape", [3], "INT64")] },
    },
  );
  const { model: made } = checkedRun(dynamicBatchPass, given);
  assert.deepEqual([0, 1, 2].map((at) => dimsOf(made, "value_info", at)), [["batch", 3, 64], ["?", 64], [3]]);
  assert.deepEqual(made.graph!.initializer.slice(0, 2), given.graph!.initializer);
  assert.deepEqual(made.graph!.initializer.slice(2).map(({ name }) => name), [
    "shape_batch",
    "rows_batch",
    "shape_batch_2",
  ]);
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

const branch = graph({ name: "b", node: [op("Neg", ["x"], "n")], output: [value("n", [1, ...X_DIMS])] });
const REFUSED: Readonly<Record<string, [ModelProto, string]>> = {
  "a Squeeze of the batch": [
    built([op("Squeeze", ["x", "axis"], "y")], [ints("axis", 0)]),
    "(Squeeze) drops the batch",
  ],
  "a Squeeze of all": [built([op("Squeeze", ["x"], "y")], []), "(Squeeze) drops every axis"],
  "a picture taken out": [
    built([op("Gather", ["x", "first"], "y")], [int64Tensor("first", [], [0])]),
    "(Gather) takes a part of the batch",
  ],
  "a mean over the batch": [
    built([op("ReduceMean", ["x"], "y", { axes: [0n], keepdims: 1n })], []),
    "(ReduceMean) reduces the batch",
  ],
  "rows of all pictures in turn as an output": [
    built([
      op("Transpose", ["x"], "t", { perm: [1n, 0n, 2n, 3n] }),
      op("Reshape", ["t", "rows"], "y"),
      op("Gemm", ["y", "m"], "z"),
    ], [
      ints("rows", 3, 64),
      floatTensor("m", [64, 2], numbers(128)),
    ]),
    "(Reshape) mixes the pictures of an output",
  ],
  "a running sum over the batch": [
    built([op("CumSum", ["x", "axis"], "y")], [int64Tensor("axis", [], [0])]),
    "(CumSum) works along the batch",
  ],
  "a mean over all": [built([op("ReduceMean", ["x"], "y")], []), "(ReduceMean) reduces the batch"],
  "Softmax over the batch": [built([op("Softmax", ["x"], "y", { axis: 0n })], []), "(Softmax) works along the batch"],
  "Softmax of opset 11 over all": [
    built([op("Softmax", ["x"], "y", { axis: 0n })], [], { opset: 11 }),
    "(Softmax) works along the batch",
  ],
  "constants of two pictures": [
    built([op("Add", ["x", "two"], "y")], [floatTensor("two", [2, 1, 1, 1], [1, 2])]),
    "(Add) combines the batch with a constant of 2",
  ],
  "rows of all pictures with constants for each": [
    built([op("Reshape", ["x", "rows"], "r"), op("Add", ["r", "all"], "y")], [
      ints("rows", 24, 8),
      floatTensor("all", [24, 1], numbers(24)),
    ]),
    "(Add) combines the batch with a constant of 24",
  ],
  "a join of all rows": [
    built([op("Reshape", ["x", "rows"], "r"), op("Concat", ["r", "r"], "y", { axis: 0n })], [ints("rows", 24, 8)]),
    "(Concat) joins values along the batch",
  ],
  "a join with a constant": [
    built([op("Concat", ["x", "token"], "y", { axis: 1n })], [floatTensor("token", [1, 1, 8, 8], numbers(64))]),
    "(Concat) joins values with and without the batch",
  ],
  "boxes chosen by NonMaxSuppression": [
    built([op("Reshape", ["x", "boxes"], "b"), op("NonMaxSuppression", ["b", "scores"], "y")], [
      ints("boxes", 1, 48, 4),
      floatTensor("scores", [1, 1, 48], numbers(48)),
    ]),
    "(NonMaxSuppression) cannot be followed",
  ],
  "a graph in a branch": [
    built([op("If", ["yes"], "y", { then_branch: branch, else_branch: branch })], [], {
      change: { input: [value("x", [1, ...X_DIMS]), value("yes", [], "BOOL")] },
    }),
    "(If) cannot be followed",
  ],
  "an operator that nobody knows": [
    built([node("Neg", { inputs: ["x"], outputs: ["y"] }, { domain: "com.example", name: "theirs" })], []),
    '"theirs" (Neg) cannot be followed',
  ],
  "sizes that multiply the batch": [
    built([
      op("Shape", ["x"], "s"),
      op("Gather", ["s", "zero"], "n"),
      op("Mul", ["n", "three"], "many"),
      op("Concat", ["many", "rest"], "shape", { axis: 0n }),
      op("Reshape", ["x", "shape"], "y"),
    ], [ints("zero", 0), ints("three", 3), ints("rest", -1)]),
    "(Reshape) mixes the batch with other axes",
  ],
  "the batch as a number": [
    built([
      op("Shape", ["x"], "s"),
      op("Cast", ["s"], "f", { to: 1n }),
      op("ReduceMax", ["f"], "m", { keepdims: 0n }),
      op("Add", ["x", "m"], "y"),
    ], []),
    "computes with the batch's size",
  ],
  "a Resize of the batch": [
    built([op("Resize", ["x", "", "scales"], "y")], [floatTensor("scales", [4], [2, 1, 1, 1])]),
    "(Resize) scales the batch",
  ],
};

for (const [what, [given, why]] of Object.entries(REFUSED)) {
  Deno.test(`dynamic batch: ${what} is refused by the node's name`, () => {
    assert.throws(() => dynamicBatchPass.run(given), (error: TrtdError) => {
      assert.equal(error.code, "PASS_REFUSED");
      assert.ok(error.message.includes(why), error.message);
      return true;
    });
  });
}

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
  const [, [refused]] = Object.entries(REFUSED)[0]!;
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
