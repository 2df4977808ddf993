import assert from "node:assert/strict";
import { ValueTypes } from "../../../src/onnx/graph/value_types.ts";
import { DATA_TYPE, type NodeProto } from "../../../src/onnx/proto.ts";
import { sortedGraph } from "../../../src/onnx/graph/sorted_graph.ts";
import { type DataTypeName, floatTensor, graph, int64Tensor, node, tensor, value } from "../build_model.ts";

const INPUTS: readonly [name: string, type: DataTypeName][] = [
  ["f", "FLOAT"],
  ["h", "FLOAT16"],
  ["i", "INT64"],
  ["b", "BOOL"],
  ["q", "UINT8"],
];

/** Types of the outputs of a node that reads inputs by the letters above. */
function typesOf(one: NodeProto): (string | undefined)[] {
  const types = new ValueTypes(graph({ node: [one], input: INPUTS.map(([name, type]) => value(name, [2], type)) }));
  const names = Object.fromEntries(Object.entries(DATA_TYPE).map(([name, type]) => [type, name]));
  return one.output.map((name) => names[types.get(name) ?? -1]);
}

const CASES: readonly [op: string, inputs: string[], types: (string | undefined)[], attributes?: object][] = [
  ["Relu", ["h"], ["FLOAT16"]],
  ["Reshape", ["h", "i"], ["FLOAT16"]],
  ["Concat", ["nothing", "h"], ["FLOAT16"]],
  ["Reshape", ["nothing", "i"], [undefined]],
  ["Shape", ["h"], ["INT64"]],
  ["Where", ["b", "h", "h"], ["FLOAT16"]],
  ["TopK", ["h", "i"], ["FLOAT16", "INT64"]],
  ["MaxPool", ["f"], ["FLOAT", "INT64"]],
  ["Greater", ["f", "f"], ["BOOL"]],
  ["Cast", ["f"], ["FLOAT16"], { to: 10n }],
  ["CastLike", ["i", "h"], ["FLOAT16"]],
  ["OneHot", ["i", "i", "h"], ["FLOAT16"]],
  ["ConstantOfShape", ["i"], ["FLOAT"]],
  ["ConstantOfShape", ["i"], ["INT64"], { value: int64Tensor("", [1], [1]) }],
  ["Constant", [], ["FLOAT16"], { value: tensor("", "FLOAT16", [1], new Uint8Array(2)) }],
  ["Constant", [], ["FLOAT"], { value_floats: [1, 2] }],
  ["Constant", [], ["INT64"], { value_int: 1n }],
  ["Constant", [], ["STRING"], { value_string: "x" }],
  ["QuantizeLinear", ["f", "f"], ["UINT8"]],
  ["QuantizeLinear", ["f", "f", "q"], ["UINT8"]],
  ["DequantizeLinear", ["q", "h"], ["FLOAT16"]],
  ["DynamicQuantizeLinear", ["f"], ["UINT8", "FLOAT", "UINT8"]],
  ["RandomNormalLike", ["f"], ["FLOAT16"], { dtype: 10n }],
  ["EfficientNMS_TRT", ["h", "h"], ["INT32", "FLOAT16", "FLOAT16", "INT32"]],
];
for (const [op, inputs, types, attributes = {}] of CASES) {
  Deno.test(`value types: ${op} of ${inputs.join(", ") || "nothing"} makes ${types.join(", ")}`, () => {
    const outputs = types.map((_, at) => `out${at}`);
    assert.deepEqual(
      typesOf(node(op, { inputs, outputs }, { attributes: attributes as Record<string, never> })),
      types,
    );
  });
}

Deno.test("value types: another set's operator is what the file declares", () => {
  const custom = node("Magic", { inputs: ["x"], outputs: ["y", "z"] }, { domain: "my" });
  const parts = { node: [custom], input: [value("x", [1])], value_info: [value("y", [1], "FLOAT16")] };
  const types = new ValueTypes(graph(parts));
  assert.deepEqual([types.get("y"), types.get("z"), types.get("")], [DATA_TYPE.FLOAT16, undefined, undefined]);
});

Deno.test("value types: a Loop's body knows its round, its condition and its state without declarations", () => {
  const untyped = (name: string) => ({ name, metadata_props: [] });
  const body = graph({
    node: [
      node("Identity", { inputs: ["go"], outputs: ["on"] }),
      node("Mul", { inputs: ["state", "outer"], outputs: ["next"] }),
    ],
    input: [untyped("round"), untyped("go"), untyped("state")],
    output: [untyped("on"), untyped("next")],
  });
  const whole = graph({
    node: [node("Loop", { inputs: ["i", "b", "h"], outputs: ["last"] }, { attributes: { body } })],
    initializer: [tensor("outer", "FLOAT16", [], new Uint8Array(2)), floatTensor("unused", [], [1])],
    input: INPUTS.map(([name, type]) => value(name, [2], type)),
  });
  const types = new ValueTypes(whole);
  const inner = types.within(body);
  assert.deepEqual(["round", "go", "state", "next", "outer", "f"].map((name) => inner.get(name)), [
    7,
    9,
    10,
    10,
    10,
    1,
  ]);
  assert.equal(types.get("last"), DATA_TYPE.FLOAT16);
});

Deno.test("sorted graph: nodes of graphs within are put in order too, and an ordered graph is the same object", () => {
  const chain = (...order: number[]) =>
    order.map((at) => node("Relu", { inputs: [`v${at}`], outputs: [`v${at + 1}`] }));
  const branch = graph({ node: chain(1, 0), output: [value("v2", [1])] });
  const outer = (inner: typeof branch, nodes: NodeProto[]) =>
    graph({
      node: [node("If", { inputs: ["b"], outputs: ["y"] }, { attributes: { then_branch: inner } }), ...nodes],
      input: [value("v0", [1]), value("b", [], "BOOL")],
    });
  const made = sortedGraph(
    outer(branch, [node("Neg", { inputs: ["a"], outputs: ["c"] }), node("Abs", { inputs: ["y"], outputs: ["a"] })]),
  );
  assert.deepEqual(made.node.map(({ op_type }) => op_type), ["If", "Abs", "Neg"]);
  assert.deepEqual(made.node[0]!.attribute[0]!.g!.node.map(({ input }) => input[0]), ["v0", "v1"]);
  assert.equal(sortedGraph(made), made);
  const capturing = graph({ node: [node("Neg", { inputs: ["late"], outputs: ["n"] })], output: [value("n", [1])] });
  const late = sortedGraph(outer(capturing, [node("Abs", { inputs: ["v0"], outputs: ["late"] })]));
  assert.deepEqual(late.node.map(({ op_type }) => op_type), ["Abs", "If"]);
});
