import assert from "node:assert/strict";
import fc from "fast-check";
import { foldPass } from "../../../src/onnx/passes/fold.ts";
import { knownFromTensor } from "../../../src/onnx/infer/evaluate_tensor.ts";
import type { GraphProto, ModelProto, NodeProto } from "../../../src/onnx/proto.ts";
import { readModel } from "../../../src/onnx/read.ts";
import { writeModel } from "../../../src/onnx/write.ts";
import { floatTensor, graph, int64Tensor, model, node, rawBytes, tensor, value } from "../build_model.ts";
import { checkedRun, initializersOf, operatorsOf } from "./pass_checks.ts";
import { randomGraph } from "./random_graph.ts";
import { allBits, numbers, picture, runModel } from "./run_model.ts";

const CODES = new URL("../../../models/codes/codes.onnx", import.meta.url);

const constant = (name: string, dims: readonly number[], values: readonly (number | bigint)[]): NodeProto =>
  node("Constant", { inputs: [], outputs: [name] }, { attributes: { value: int64Tensor("", dims, values) } });

const elementsOf = (made: ModelProto, name: string) =>
  knownFromTensor(made.graph!.initializer.find((tensor) => tensor.name === name)!)?.elements;

/** A detector's head as PyTorch exports it: sizes are read off the features, upsampled and flattened by them. */
function head(batch: number | string, change: Partial<GraphProto> = {}): ModelProto {
  return model({
    node: [
      node("Conv", { inputs: ["x", "w"], outputs: ["c"] }, {
        attributes: { kernel_shape: [3n, 3n], pads: [1n, 1n, 1n, 1n], strides: [2n, 2n] },
      }),
      node("Shape", { inputs: ["c"], outputs: ["s"] }),
      constant("at2", [], [2]),
      constant("at3", [], [3]),
      constant("two", [], [2]),
      node("Gather", { inputs: ["s", "at2"], outputs: ["h"] }, { attributes: { axis: 0n } }),
      node("Gather", { inputs: ["s", "at3"], outputs: ["wd"] }, { attributes: { axis: 0n } }),
      node("Mul", { inputs: ["h", "two"], outputs: ["h2"] }),
      node("Mul", { inputs: ["wd", "two"], outputs: ["w2"] }),
      node("Unsqueeze", { inputs: ["h2", "zero"], outputs: ["h2u"] }),
      node("Unsqueeze", { inputs: ["w2", "zero"], outputs: ["w2u"] }),
      node("Slice", { inputs: ["s", "zero", "twoList", "zero"], outputs: ["nc"] }),
      node("Concat", { inputs: ["nc", "h2u", "w2u"], outputs: ["sizes"] }, { attributes: { axis: 0n } }),
      node("Resize", { inputs: ["c", "", "", "sizes"], outputs: ["r"] }, {
        attributes: { mode: "nearest", coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" },
      }),
      node("Reshape", { inputs: ["r", "flat"], outputs: ["f"] }),
      node("Range", { inputs: ["none", "h2", "one"], outputs: ["rows"] }),
      node("Cast", { inputs: ["rows"], outputs: ["rowsf"] }, { attributes: { to: 1n } }),
      node("Add", { inputs: ["rowsf", "half"], outputs: ["centres"] }),
      node("Unsqueeze", { inputs: ["centres", "one1"], outputs: ["column"] }),
      node("Add", { inputs: ["r", "column"], outputs: ["y"] }),
    ],
    initializer: [
      floatTensor("w", [4, 3, 3, 3], numbers(108)),
      int64Tensor("zero", [1], [0]),
      int64Tensor("twoList", [1], [2]),
      int64Tensor("flat", [3], [0, 4, -1]),
      int64Tensor("none", [], [0]),
      int64Tensor("one", [], [1]),
      int64Tensor("one1", [1], [1]),
      floatTensor("half", [], [0.5]),
    ],
    input: [value("x", [batch, 3, 12, 16])],
    output: [value("y", [batch, 4, 12, 16]), value("f", [batch, 4, "anchors"])],
    ...change,
  }, { metadata: { names: "{0: 'a'}" } });
}

Deno.test("fold: random graphs of shape arithmetic keep their results bit for bit and lose every node that can be computed", async () => {
  const graphs = fc.record({
    opset: fc.constantFrom(9, 11, 12, 13, 15, 17, 18, 21),
    draws: fc.array(fc.nat(10_000), { minLength: 80, maxLength: 160 }),
  });
  let folded = 0;
  const property = fc.asyncProperty(graphs, async (options) => {
    const { model: given, inputDims } = randomGraph(options);
    const { model: made, report } = checkedRun(foldPass, given);
    folded += report.counts.nodes_folded!;
    const feeds = { x: picture(inputDims) };
    assert.deepEqual(allBits(await runModel(made, feeds)), allBits(await runModel(given, feeds)));
  });
  await fc.assert(property, { numRuns: 40, seed: 20261122, endOnFailure: true });
  assert.ok(folded > 300, `${folded} nodes folded`);
});

Deno.test("fold: a static detector's head loses all its shape arithmetic and keeps its numbers", async () => {
  const given = head(1);
  const { model: made, report } = checkedRun(foldPass, given);
  assert.equal(operatorsOf(made), "Conv Resize Reshape Add");
  assert.deepEqual(elementsOf(made, "sizes"), [1n, 4n, 12n, 16n]);
  assert.deepEqual(report.counts, {
    nodes_folded: 13,
    shapes_fixed: 0,
    nodes_removed: 3,
    initializers_removed: 6,
    inputs_removed: 0,
  });
  assert.deepEqual(made.metadata_props, given.metadata_props);
  const feeds = { x: picture([1, 3, 12, 16]) };
  assert.deepEqual(allBits(await runModel(made, feeds)), allBits(await runModel(given, feeds)));
});

Deno.test("fold: with a dynamic batch only what does not depend on it becomes a constant", async () => {
  const given = head("batch");
  const { model: made } = checkedRun(foldPass, given);
  assert.equal(operatorsOf(made), "Conv Shape Slice Concat Resize Reshape Add");
  assert.deepEqual(elementsOf(made, "h2u"), [12n]);
  for (const batch of [1, 3]) {
    const feeds = { x: picture([batch, 3, 12, 16]) };
    assert.deepEqual(allBits(await runModel(made, feeds)), allBits(await runModel(given, feeds)));
  }
});

Deno.test("fold: a Reshape that takes the batch from its input gets a constant shape, and what follows from it is known", async () => {
  const concat = (inputs: string[], output: string) =>
    node("Concat", { inputs, outputs: [output] }, { attributes: { axis: 0n } });
  const given = model({
    node: [
      node("Shape", { inputs: ["x"], outputs: ["x_sizes"] }),
      node("Gather", { inputs: ["x_sizes", "first"], outputs: ["batch"] }),
      concat(["batch", "three", "eight"], "shape"),
      node("Reshape", { inputs: ["x", "shape"], outputs: ["r"] }),
      node("Shape", { inputs: ["r"], outputs: ["r_sizes"] }),
      node("Gather", { inputs: ["r_sizes", "last"], outputs: ["width"] }),
      concat(["open", "width"], "rows"),
      node("Reshape", { inputs: ["r", "rows"], outputs: ["flat"] }),
      concat(["width", "three", "batch"], "turned"),
      node("Reshape", { inputs: ["flat", "turned"], outputs: ["y"] }),
    ],
    initializer: Object.entries({ first: 0, last: 2, three: 3, eight: 8, open: -1 })
      .map(([name, one]) => int64Tensor(name, [1], [one])),
    input: [value("x", ["n", 6, 4])],
    output: [value("y", ["a", "b", "c"])],
  });
  const { model: made, report } = checkedRun(foldPass, given);
  assert.equal(operatorsOf(made), "Reshape Reshape Reshape");
  assert.deepEqual(elementsOf(made, "shape_fixed"), [0n, 3n, 8n]);
  assert.deepEqual(elementsOf(made, "rows"), [-1n, 8n]);
  assert.deepEqual(elementsOf(made, "turned_fixed"), [8n, 3n, -1n]);
  assert.equal(report.counts.shapes_fixed, 2);
  for (const batch of [1, 3]) {
    const feeds = { x: picture([batch, 6, 4]) };
    assert.deepEqual(allBits(await runModel(made, feeds)), allBits(await runModel(given, feeds)));
  }
});

Deno.test("fold: the default model keeps its results bit for bit", async () => {
  const given = readModel(await Deno.readFile(CODES));
  const { model: made } = foldPass.run(given);
  const [input] = given.graph.input;
  const dims = input!.type!.tensor_type!.shape!.dim.map(({ dim_value }) => dim_value ?? 1);
  const feeds = { [input!.name!]: picture(dims) };
  assert.deepEqual(allBits(await runModel(made, feeds)), allBits(await runModel(given, feeds)));
});

Deno.test("fold: initializers leave the inputs, and IR version 3 becomes 4", () => {
  const given = model({
    node: [node("Add", { inputs: ["x", "w"], outputs: ["y"] })],
    initializer: [floatTensor("w", [2], [1, 2])],
    input: [value("w", [2]), value("x", [2])],
    output: [value("y", [2])],
  }, { irVersion: 3, opset: 9 });
  const { model: made, report } = checkedRun(foldPass, given);
  assert.deepEqual(made.graph!.input.map(({ name }) => name), ["x"]);
  assert.equal(made.ir_version, 4);
  assert.equal(report.counts.inputs_removed, 1);
  assert.match(report.remarks.join(), /1 initializers are no inputs any more/);
});

Deno.test("fold: dead nodes go with their initializers and their value_info, inputs and outputs stay", () => {
  const given = model({
    node: [
      node("Neg", { inputs: ["x"], outputs: ["y"] }),
      node("Mul", { inputs: ["x", "k"], outputs: ["d"] }),
      node("Relu", { inputs: ["d"], outputs: ["e"] }),
    ],
    initializer: [floatTensor("k", [2], [1, 2]), floatTensor("unread", [1], [0])],
    input: [value("x", [2]), value("spare", [2])],
    output: [value("y", [2])],
    value_info: [value("d", [2]), value("e", [2])],
  });
  const { model: made, report } = checkedRun(foldPass, given);
  assert.equal(operatorsOf(made), "Neg");
  assert.deepEqual(initializersOf(made), []);
  assert.deepEqual(made.graph!.value_info, []);
  assert.deepEqual(made.graph!.input.map(({ name }) => name), ["x", "spare"]);
  assert.deepEqual(report.counts, {
    nodes_folded: 0,
    shapes_fixed: 0,
    nodes_removed: 2,
    initializers_removed: 2,
    inputs_removed: 0,
  });
});

Deno.test("fold: what a subgraph reads stays alive, and the subgraph stays the same object", async () => {
  const then = graph({
    name: "then",
    node: [node("Slice", { inputs: ["x", "start", "end", "axis"], outputs: ["t"] })],
    output: [value("t", ["rows", 2])],
  });
  const otherwise = graph({
    name: "else",
    node: [constant("inner", [1], [1]), node("Slice", { inputs: ["x", "inner", "end", "axis"], outputs: ["e"] })],
    output: [value("e", ["rows", 2])],
  });
  const given = model({
    node: [
      constant("one", [1], [1]),
      node("Sub", { inputs: ["one", "one"], outputs: ["start"] }),
      node("Add", { inputs: ["one", "one"], outputs: ["end"] }),
      node("Sub", { inputs: ["one", "one"], outputs: ["axis"] }),
      node("If", { inputs: ["choice"], outputs: ["y"] }, { attributes: { then_branch: then, else_branch: otherwise } }),
    ],
    input: [value("x", [3, 2]), value("choice", [], "BOOL")],
    output: [value("y", ["rows", 2])],
  });
  const { model: made } = checkedRun(foldPass, given);
  assert.equal(operatorsOf(made), "If");
  assert.deepEqual(initializersOf(made), ["start", "end", "axis"]);
  assert.equal(foldPass.run(given).model.graph!.node[0], given.graph!.node[4]);
  for (const choice of [0, 1]) {
    const feeds = { x: picture([3, 2]), choice: { type: "bool", dims: [], data: Uint8Array.of(choice) } };
    assert.deepEqual(allBits(await runModel(made, feeds)), allBits(await runModel(given, feeds)));
  }
});

Deno.test("fold: a node that makes an output stays, though all is known of it", async () => {
  const given = model({
    node: [
      node("Shape", { inputs: ["x"], outputs: ["s"] }),
      node("Add", { inputs: ["s", "one"], outputs: ["y"] }),
    ],
    initializer: [int64Tensor("one", [1], [1])],
    input: [value("x", [3, 2])],
    output: [value("y", [2], "INT64")],
  });
  const { model: made } = checkedRun(foldPass, given);
  assert.equal(operatorsOf(made), "Add");
  const feeds = { x: picture([3, 2]) };
  assert.deepEqual(allBits(await runModel(made, feeds)), allBits(await runModel(given, feeds)));
});

Deno.test("fold: the range that exporters of opset 9 count with NonZero becomes a constant, as does a grid made of it", async () => {
  const given = model({
    node: [
      node("ConstantOfShape", { inputs: ["four"], outputs: ["ones"] }, {
        attributes: { value: int64Tensor("", [1], [1]) },
      }),
      node("NonZero", { inputs: ["ones"], outputs: ["at"] }),
      node("Transpose", { inputs: ["at"], outputs: ["column"] }, { attributes: { perm: [1n, 0n] } }),
      node("Squeeze", { inputs: ["column"], outputs: ["range"] }, { attributes: { axes: [1n] } }),
      node("Shape", { inputs: ["range"], outputs: ["length"] }),
      node("Concat", { inputs: ["length", "length"], outputs: ["size"] }, { attributes: { axis: 0n } }),
      node("Expand", { inputs: ["range", "size"], outputs: ["grid"] }),
      node("Cast", { inputs: ["grid"], outputs: ["centres"] }, { attributes: { to: 1n } }),
      node("Add", { inputs: ["x", "centres"], outputs: ["y"] }),
    ],
    initializer: [int64Tensor("four", [1], [4])],
    input: [value("x", [4, 4])],
    output: [value("y", [4, 4])],
  }, { opset: 9 });
  const { model: made } = checkedRun(foldPass, given);
  assert.equal(operatorsOf(made), "Add");
  assert.deepEqual(initializersOf(made), ["centres"]);
  const feeds = { x: picture([4, 4]) };
  assert.deepEqual(allBits(await runModel(made, feeds)), allBits(await runModel(given, feeds)));
});

Deno.test("fold: f16 constants keep their bits, as they are and as f32", async () => {
  const half = tensor("", "FLOAT16", [2, 2], rawBytes(Uint16Array.of(0x3555, 0x8000, 0x0001, 0x7bff)));
  const given = model({
    node: [
      node("Constant", { inputs: [], outputs: ["h"] }, { attributes: { value: half } }),
      node("Transpose", { inputs: ["h"], outputs: ["t"] }),
      node("Cast", { inputs: ["t"], outputs: ["f"] }, { attributes: { to: 1n } }),
      node("Mul", { inputs: ["x", "f"], outputs: ["y"] }),
      node("Identity", { inputs: ["t"], outputs: ["z"] }),
    ],
    input: [value("x", [2, 2])],
    output: [value("y", [2, 2]), value("z", [2, 2], "FLOAT16")],
  });
  const { model: made } = checkedRun(foldPass, given);
  assert.equal(operatorsOf(made), "Mul Identity");
  const feeds = { x: picture([2, 2]) };
  assert.deepEqual(allBits(await runModel(made, feeds)), allBits(await runModel(given, feeds)));
});

Deno.test("fold: a dead node goes though it leaves out an output as others leave out an input", () => {
  const given = model({
    node: [
      node("TopK", { inputs: ["x", "one"], outputs: ["", "unread"] }),
      node("Clip", { inputs: ["x", "", "most"], outputs: ["y"] }),
    ],
    initializer: [int64Tensor("one", [1], [1]), floatTensor("most", [], [0.5])],
    input: [value("x", [2])],
    output: [value("y", [2])],
  });
  assert.equal(operatorsOf(checkedRun(foldPass, given).model), "Clip");
});

Deno.test("fold: constants above the limit are not made", () => {
  const sized = (count: number) =>
    model({
      node: [
        node("ConstantOfShape", { inputs: ["count"], outputs: ["zeros"] }),
        node("Add", { inputs: ["x", "zeros"], outputs: ["y"] }),
      ],
      initializer: [int64Tensor("count", [1], [count])],
      input: [value("x", [1])],
      output: [value("y", ["n"])],
    });
  assert.equal(operatorsOf(checkedRun(foldPass, sized(2 ** 17)).model), "Add");
  assert.equal(operatorsOf(checkedRun(foldPass, sized(2 ** 17 + 1)).model), "ConstantOfShape Add");
});

Deno.test("fold: nodes in the wrong order are sorted, others keep theirs", () => {
  const nodes = [
    node("Add", { inputs: ["a", "b"], outputs: ["y"] }),
    node("Relu", { inputs: ["x"], outputs: ["b"] }),
    node("Neg", { inputs: ["x"], outputs: ["a"] }),
  ];
  const given = model({ node: nodes, input: [value("x", [2])], output: [value("y", [2])] });
  const { model: made, report } = checkedRun(foldPass, given);
  assert.equal(operatorsOf(made), "Neg Relu Add");
  assert.match(report.remarks.join(), /out of order/);
});

Deno.test("fold: unknown fields and random operators are left alone, and nothing to do gives the same object", () => {
  const unknown = [{ no: 4000, wireType: 2, data: Uint8Array.of(1, 65) }];
  const bare = model({
    node: [
      node("RandomNormal", { inputs: [], outputs: ["r"] }, { attributes: { shape: [2n] } }),
      { ...node("Add", { inputs: ["x", "r"], outputs: ["y"] }), unknown },
    ],
    input: [value("x", [2])],
    output: [value("y", [2])],
  });
  const given = { ...bare, unknown };
  assert.equal(checkedRun(foldPass, given).report.changed, false);
  const graph = { ...bare.graph!, initializer: [int64Tensor("unread", [1], [1])], unknown };
  const made = readModel(writeModel(foldPass.run({ ...given, graph }).model));
  assert.deepEqual(made.unknown, unknown);
  assert.deepEqual(made.graph.unknown, unknown);
  assert.deepEqual(made.graph.node[1]!.unknown, unknown);
});
