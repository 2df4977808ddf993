import assert from "node:assert/strict";
import fc from "fast-check";
import type { Tensor } from "../../../../src/backends/backend.ts";
import { loadOnnxRuntime } from "../../../../src/backends/onnxruntime.ts";
import { f32FromF16 } from "../../../../src/detect/letterbox/half.ts";
import { introducedIn } from "../../../../src/onnx/operators.ts";
import { type Fp16Options, fp16Pass } from "../../../../src/onnx/passes/fp16/fp16.ts";
import { halfLoss, halfTensor } from "../../../../src/onnx/passes/fp16/fp16_constants.ts";
import { fitnessOf, KEPT } from "../../../../src/onnx/passes/fp16/fp16_operators.ts";
import { DATA_TYPE, type GraphProto, type ModelProto, type NodeProto } from "../../../../src/onnx/proto.ts";
import { writeModel } from "../../../../src/onnx/write.ts";
import {
  floatTensor,
  functionProto,
  graph,
  int64Tensor,
  model,
  node,
  rawBytes,
  tensor,
  value,
} from "../../build_model.ts";
import { checkedRun } from "../pass_checks.ts";
import { randomFrom } from "./photo_variants.ts";

/** Numbers in -1..1 that are the same in every run. */
function numbers(count: number, seed = 1): Float32Array {
  const random = randomFrom(seed);
  return Float32Array.from({ length: count }, () => 2 * random() - 1);
}

const ops = ({ graph }: ModelProto) => graph!.node.map(({ op_type }) => op_type).join(" ");
const casts = ({ graph }: ModelProto) =>
  graph!.node.filter(({ op_type }) => op_type === "Cast").map(({ input, output, attribute }) =>
    `${input[0]} ${attribute[0]!.i === 10n ? "->" : "=>"} ${output[0]}`
  );
const typeOf = ({ graph }: ModelProto, name: string) => graph!.initializer.find((one) => one.name === name)?.data_type;
const ioTypes = ({ graph }: ModelProto) =>
  [...graph!.input, ...graph!.output].map(({ name, type }) => `${name} ${type!.tensor_type!.elem_type}`).join(", ");

/** Convert, and check what must hold of every conversion. */
function convert(given: ModelProto, options: Fp16Options = {}) {
  const result = checkedRun(fp16Pass, given, options);
  const made = new Set<string>();
  for (const { op_type, input, attribute } of result.model.graph!.node) {
    if (op_type !== "Cast") continue;
    const key = `${input[0]} to ${attribute[0]!.i}`;
    assert.ok(!made.has(key), `two Casts of ${key}`);
    made.add(key);
  }
  return result;
}

/** The outputs of a model as f32. */
async function run(given: ModelProto, inputs: Readonly<Record<string, Tensor>>): Promise<Record<string, Float32Array>> {
  const backend = await loadOnnxRuntime(writeModel(given), { threads: 1, rewrite: false });
  try {
    const feeds = Object.fromEntries(backend.inputs.map(({ name, type }) => [name, feedOf(inputs[name]!, type)]));
    const outputs = await backend.run(feeds);
    return Object.fromEntries(
      Object.entries(outputs).map(([name, { type, data }]) => [
        name,
        type === "float16" ? f32FromF16(data as Uint16Array) : Float32Array.from(data as Float32Array, Number),
      ]),
    );
  } finally {
    await backend.close();
  }
}

function feedOf(tensor: Tensor, type: string): Tensor {
  if (type !== "float16" || tensor.type === "float16") return tensor;
  const half = new Float16Array(tensor.data as Float32Array);
  return { type: "float16", dims: tensor.dims, data: new Uint16Array(half.buffer) };
}

const conv = (from: string, to: string, weight = "w") => node("Conv", { inputs: [from, weight], outputs: [to] });
const weights = (name = "w", seed = 1) => floatTensor(name, [4, 4, 1, 1], numbers(16, seed));
const X = value("x", [1, 4, 2, 2]);
const Y = value("y", [1, 4, 2, 2]);
const net = (nodes: NodeProto[], rest: Partial<GraphProto> = {}, opset = 17) =>
  model({ node: nodes, initializer: [weights()], input: [X], output: [Y], ...rest }, { opset });
const ones = (count: number): Tensor => ({ type: "float32", dims: [1, 4, 2, 2], data: numbers(count, 9) });

Deno.test("fp16: inputs and outputs stay f32 by one Cast each, or become f16 without any", () => {
  const given = net([conv("x", "c"), node("Relu", { inputs: ["c"], outputs: ["r"] }), conv("r", "y")]);
  const { model: mixed, report } = convert(given);
  assert.equal(ops(mixed), "Cast Conv Relu Conv Cast");
  assert.deepEqual(casts(mixed), ["x -> x/fp16", "y/fp16 => y"]);
  assert.equal(ioTypes(mixed), "x 1, y 1");
  assert.equal(typeOf(mixed, "w"), DATA_TYPE.FLOAT16);
  assert.deepEqual(report.counts, {
    nodes_converted: 3,
    nodes_kept: 0,
    constants_converted: 1,
    elements_flushed: 0,
    elements_out_of_range: 0,
    casts_added: 2,
    casts_removed: 0,
  });
  const { model: half } = convert(given, { io: "fp16" });
  assert.equal(ops(half), "Conv Relu Conv");
  assert.equal(ioTypes(half), "x 10, y 10");
  const { model: later } = convert(mixed, { io: "fp16" });
  assert.equal(ops(later), "Conv Relu Conv");
  assert.equal(ioTypes(later), "x 10, y 10");
  assert.equal(convert(half).report.changed, false);
});

Deno.test("fp16: what the table keeps stays in f32, with one Cast for each value and direction", () => {
  const { model: made, report } = convert(net([
    conv("x", "c"),
    node("Exp", { inputs: ["c"], outputs: ["e"] }),
    node("Softmax", { inputs: ["c"], outputs: ["s"] }),
    node("Add", { inputs: ["e", "s"], outputs: ["a"] }),
    conv("a", "d"),
    conv("a", "f"),
    node("Mul", { inputs: ["d", "f"], outputs: ["m"] }),
    conv("m", "y"),
  ]));
  // Add stands between what is kept and two convolutions: it follows the convolutions.
  assert.deepEqual(casts(made), ["x -> x/fp16", "c => c/f32", "e -> e/fp16", "s -> s/fp16", "y/fp16 => y"]);
  assert.ok(report.remarks.some((remark) => /^In f32 stays 1 Exp: they pass f16's largest value/.test(remark)));
});

for (const { operators, reason } of KEPT) {
  Deno.test(`fp16: the table says why ${operators[0]} stays in f32`, () => {
    assert.match(reason, /^[a-z].{20,}[^.]$/);
    for (const name of operators) {
      assert.equal(fitnessOf(node(name, { inputs: [], outputs: [] })), "kept", name);
      if (!name.endsWith("_TRT")) assert.notEqual(introducedIn("", name), null, name);
    }
  });
}

Deno.test("fp16: the decoding behind the last convolution stays in f32, what only moves numbers before it does not", () => {
  const anchors = floatTensor("anchors", [1, 4, 4], numbers(16).map((v) => 1100 * v));
  const { model: made } = convert(net([
    conv("x", "c"),
    node("Reshape", { inputs: ["c", "shape"], outputs: ["flat"] }),
    node("Sigmoid", { inputs: ["flat"], outputs: ["s"] }),
    node("Add", { inputs: ["s", "anchors"], outputs: ["y"] }),
  ], { initializer: [weights(), anchors, int64Tensor("shape", [3], [1, 4, 4])], output: [value("y", [1, 4, 4])] }));
  assert.deepEqual(casts(made), ["x -> x/fp16", "flat => flat/f32"]);
  assert.equal(typeOf(made, "anchors"), DATA_TYPE.FLOAT);
});

Deno.test("fp16: the projection of distances behind a Softmax is part of the decoding", () => {
  const bins = floatTensor("bins", [1, 16, 1, 1], Float32Array.from({ length: 16 }, (_, i) => i));
  const made = convert(net([
    conv("x", "c", "wide"),
    node("Softmax", { inputs: ["c"], outputs: ["s"] }, { attributes: { axis: 1n } }),
    conv("s", "d", "bins"),
    node("Mul", { inputs: ["d", "stride"], outputs: ["y"] }),
  ], {
    initializer: [floatTensor("wide", [16, 4, 1, 1], numbers(64)), bins, floatTensor("stride", [], [32])],
    output: [value("y", [1, 1, 2, 2])],
  })).model;
  assert.equal(typeOf(made, "bins"), DATA_TYPE.FLOAT);
  assert.equal(typeOf(made, "wide"), DATA_TYPE.FLOAT16);
  assert.deepEqual(casts(made), ["x -> x/fp16", "c => c/f32"]);
});

Deno.test("fp16: what leads to a choice of boxes stays in f32, and EfficientNMS_TRT gets f32", () => {
  const given = model({
    node: [
      conv("x", "c"),
      node("Reshape", { inputs: ["c", "shape"], outputs: ["boxes"] }),
      node("Mul", { inputs: ["boxes", "pixels"], outputs: ["scaled"] }),
      node("EfficientNMS_TRT", { inputs: ["scaled", "scaled"], outputs: ["n", "b", "s", "k"] }, { domain: "TRT" }),
    ],
    initializer: [weights(), int64Tensor("shape", [3], [1, 4, 4]), floatTensor("pixels", [], [1152])],
    input: [X],
    output: [value("n", [1, 1], "INT32"), value("b", [1, 9, 4]), value("s", [1, 9]), value("k", [1, 9], "INT32")],
  }, { domains: { TRT: 1 } });
  const { model: made, report } = convert(given);
  assert.deepEqual(casts(made), ["x -> x/fp16", "boxes => boxes/f32"]);
  assert.equal(ioTypes(made), "x 1, n 6, b 1, s 1, k 6");
  assert.match(report.remarks.join("\n"), /1 EfficientNMS_TRT: they choose by comparing/);
});

Deno.test("fp16: f16 weights that are cast to f32 when the model is loaded lose their Casts", () => {
  const half = halfTensor(weights(), "stored");
  const { model: made, report } = convert(net([
    node("Cast", { inputs: ["stored"], outputs: ["w"] }, { attributes: { to: 1n } }),
    conv("x", "y"),
  ], { initializer: [half] }));
  assert.deepEqual(casts(made), ["x -> x/fp16", "y/fp16 => y"]);
  assert.equal(report.counts["casts_removed"], 1);
  assert.equal(made.graph!.node[1]!.input[1], "stored");
});

Deno.test("fp16: Cast pairs cancel, of an author's two Casts of one value one is left, value_info of the others goes", () => {
  const { model: made } = convert(net([
    conv("x", "c"),
    node("Cast", { inputs: ["c"], outputs: ["c16"] }, { attributes: { to: 10n } }),
    node("Cast", { inputs: ["c16"], outputs: ["c32"] }, { attributes: { to: 1n } }),
    node("Cast", { inputs: ["c"], outputs: ["other16"] }, { attributes: { to: 10n } }),
    node("Cast", { inputs: ["other16"], outputs: ["other32"] }, { attributes: { to: 1n } }),
    node("Exp", { inputs: ["c32"], outputs: ["e"] }),
    node("Log", { inputs: ["other32"], outputs: ["l"] }),
    node("Add", { inputs: ["e", "l"], outputs: ["y"] }),
  ], {
    value_info: ["c", "c16", "c32", "e"].map((name) => value(name, [1, 4, 2, 2], name === "c16" ? "FLOAT16" : "FLOAT")),
  }));
  assert.deepEqual(casts(made), ["x -> x/fp16", "c => c32"]);
  assert.deepEqual(
    made.graph!.value_info.map(({ name, type }) => `${name} ${type!.tensor_type!.elem_type}`),
    ["c 10", "c32 1", "e 1"],
  );
});

Deno.test("fp16: constants beyond f16 and constants that vanish are kept and reported", async () => {
  const epsilon = floatTensor("epsilon", [], [1e-12]);
  const large = floatTensor("large", [4, 4, 1, 1], numbers(16).map((v, i) => i === 3 ? 70_000 : v));
  const small = floatTensor("small", [4, 4, 1, 1], numbers(16).map((v, i) => i < 2 ? 1e-9 : v));
  const given = net([
    conv("x", "a"),
    node("Abs", { inputs: ["a"], outputs: ["b"] }),
    node("Add", { inputs: ["b", "epsilon"], outputs: ["c"] }),
    conv("c", "d", "large"),
    conv("d", "e", "small"),
    conv("e", "y"),
  ], { initializer: [weights(), epsilon, large, small] });
  const { model: made, report } = convert(given);
  assert.deepEqual([report.counts["elements_out_of_range"], report.counts["elements_flushed"]], [1, 2]);
  assert.match(report.remarks.join("\n"), /become zero in "small"$/m);
  assert.match(report.remarks.join("\n"), /beyond f16, .* stays in f32: "large"$/m);
  assert.deepEqual(["epsilon", "large", "small", "w"].map((name) => typeOf(made, name)), [1, 1, 10, 10]);
  const [was, is] = [await run(given, { x: ones(16) }), await run(made, { x: ones(16) })];
  assert.ok(was["y"]!.every((v, i) => Math.abs(v - is["y"]![i]!) < 0.01 * Math.max(...was["y"]!.map(Math.abs))));
});

Deno.test("fp16: the edges of rounding are those of IEEE 754", () => {
  const cases: [number, "fine" | "flushed" | "out" | "zero"][] = [
    [65504, "fine"],
    [65519.99, "fine"],
    [65520, "out"],
    [-1e30, "out"],
    [Infinity, "fine"],
    [-Infinity, "fine"],
    [NaN, "fine"],
    [2 ** -24, "fine"],
    [2 ** -25, "flushed"],
    [2 ** -25 * (1 + 2 ** -20), "fine"],
    [-1e-9, "flushed"],
    [0, "zero"],
    [-0, "zero"],
  ];
  for (const [number, what] of cases) {
    const given = floatTensor("c", [1], [number]);
    const { outOfRange, flushed, zeros } = halfLoss(given);
    const seen = outOfRange ? "out" : flushed ? "flushed" : zeros ? "zero" : "fine";
    assert.equal(seen, what, String(number));
    const made = f32FromF16(new Uint16Array(halfTensor(given, "c").raw_data!.slice().buffer))[0]!;
    const isGone = what === "out" ? !Number.isFinite(made) : what === "flushed" && made === 0;
    assert.equal(isGone, what === "out" || what === "flushed", String(number));
  }
  const odd = new Uint8Array(9).subarray(1);
  odd.set(rawBytes(Float32Array.of(1.5, -2)));
  assert.deepEqual(
    halfTensor(tensor("odd", "FLOAT", [2], odd), "odd").raw_data,
    rawBytes(Uint16Array.of(0x3e00, 0xc000)),
  );
  const packed = { ...floatTensor("packed", [1], [1]), float_data: rawBytes(Float32Array.of(1)) };
  delete packed.raw_data;
  assert.deepEqual(halfTensor(packed, "packed").raw_data, rawBytes(Uint16Array.of(0x3c00)));
});

Deno.test("fp16: a constant that both read is there twice, and an input with a default is cast", () => {
  const shared = floatTensor("shared", [1, 4, 1, 1], numbers(4));
  const nodes = [
    conv("x", "a"),
    node("Mul", { inputs: ["a", "shared"], outputs: ["b"] }),
    conv("b", "c"),
    node("Add", { inputs: ["c", "shared"], outputs: ["y"] }),
  ];
  const { model: made } = convert(net(nodes, { initializer: [weights(), shared] }));
  assert.deepEqual([typeOf(made, "shared"), typeOf(made, "shared/fp16")], [1, 10]);
  const asInput = convert(net(nodes, {
    initializer: [weights(), shared],
    input: [X, value("shared", [1, 4, 1, 1]), value("w", [4, 4, 1, 1])],
  })).model;
  assert.deepEqual(casts(asInput), ["x -> x/fp16", "shared -> shared/fp16", "c => c/f32"]);
  assert.equal(ioTypes(asInput), "x 1, shared 1, w 10, y 1");
  const asNode = convert(net([
    node("Constant", { inputs: [], outputs: ["shared"] }, { attributes: { value: shared } }),
    node("Constant", { inputs: [], outputs: ["two"] }, { attributes: { value_float: 2 } }),
    ...nodes.slice(0, 2),
    node("Mul", { inputs: ["b", "two"], outputs: ["b2"] }),
    conv("b2", "c"),
    nodes[3]!,
  ])).model;
  assert.equal(ops(asNode), "Cast Constant Constant Constant Conv Mul Mul Conv Cast Add");
});

Deno.test("fp16: a picture of bytes becomes f16 at once, whole numbers of other types stay f32", () => {
  const bytes = (type: "UINT8" | "INT64") =>
    net([
      node("Cast", { inputs: ["x"], outputs: ["f"] }, { attributes: { to: 1n } }),
      node("Div", { inputs: ["f", "most"], outputs: ["d"] }),
      conv("d", "y"),
    ], { initializer: [weights(), floatTensor("most", [], [255])], input: [value("x", [1, 4, 2, 2], type)] });
  const picture = convert(bytes("UINT8")).model;
  assert.equal(ops(picture), "Cast Div Conv Cast");
  assert.deepEqual(casts(picture), ["x -> f", "y/fp16 => y"]);
  assert.deepEqual(casts(convert(bytes("INT64")).model), ["x => f", "f -> f/fp16", "y/fp16 => y"]);
});

Deno.test("fp16: a graph within a node may use the names of values around it for its own", async () => {
  const branch = (name: string, op: string) =>
    graph({ name, node: [node(op, { inputs: ["c"], outputs: ["i"] })], output: [value("i", [1, 4, 2, 2])] });
  const given = branching();
  given.graph!.node[3]!.attribute = node("If", { inputs: [], outputs: [] }, {
    attributes: { then_branch: branch("yes", "Relu"), else_branch: branch("no", "Exp") },
  }).attribute;
  const { model: made } = convert(given);
  const [was, is] = [await run(given, { x: ones(16) }), await run(made, { x: ones(16) })];
  assert.ok(was["y"]!.every((v, i) => Math.abs(v - is["y"]![i]!) < 0.01));
});

Deno.test("fp16: scales of Resize and Upsample stay f32 as their schemas demand", async () => {
  const resize = net([
    conv("x", "c"),
    node("Resize", { inputs: ["c", "", "scales"], outputs: ["r"] }, { attributes: { mode: "nearest" } }),
    conv("r", "y"),
  ], { initializer: [weights(), floatTensor("scales", [4], [1, 1, 2, 2])], output: [value("y", [1, 4, 4, 4])] });
  const made = convert(resize).model;
  assert.equal(typeOf(made, "scales"), DATA_TYPE.FLOAT);
  assert.equal(ops(made), "Cast Conv Resize Conv Cast");
  const [was, is] = [await run(resize, { x: ones(16) }), await run(made, { x: ones(16) })];
  assert.ok(was["y"]!.every((v, i) => Math.abs(v - is["y"]![i]!) < 0.01));
  const upsample = net(
    [
      node("Shape", { inputs: ["x"], outputs: ["shape"] }),
      node("Cast", { inputs: ["shape"], outputs: ["sizes"] }, { attributes: { to: 1n } }),
      node("Mul", { inputs: ["sizes", "half"], outputs: ["scales"] }),
      conv("x", "c"),
      node("Upsample", { inputs: ["c", "scales"], outputs: ["u"] }),
      conv("u", "y"),
    ],
    { initializer: [weights(), floatTensor("half", [4], [1, 0.25, 1, 1])], output: [value("y", [1, 4, 4, 4])] },
    9,
  );
  assert.equal(typeOf(convert(upsample).model, "half"), DATA_TYPE.FLOAT);
});

/** An If whose branches read a value of the graph around, one of them through a convolution of its own. */
function branching(): ModelProto {
  const branch = (name: string, node: NodeProto[]) =>
    graph({ name, node, output: [value(`${name}_out`, [1, 4, 2, 2])] });
  const yes = branch("yes", [conv("c", "inner", "w2"), node("Relu", { inputs: ["inner"], outputs: ["yes_out"] })]);
  const no = branch("no", [node("Exp", { inputs: ["c"], outputs: ["no_out"] })]);
  return net([
    node("ReduceMax", { inputs: ["x"], outputs: ["top"] }, { attributes: { keepdims: 0n } }),
    node("Greater", { inputs: ["top", "limit"], outputs: ["is"] }),
    conv("x", "c"),
    node("If", { inputs: ["is"], outputs: ["i"] }, { attributes: { then_branch: yes, else_branch: no } }),
    conv("i", "y"),
  ], { initializer: [weights(), weights("w2", 2), floatTensor("limit", [], [0.5])] });
}

Deno.test("fp16: graphs within graphs are converted, and read each value in the type that they need", async () => {
  const given = branching();
  const { model: made, report } = convert(given);
  assert.equal(report.counts["constants_converted"], 2);
  assert.deepEqual(casts(made), ["x -> x/fp16", "c => c/f32", "i -> i/fp16", "y/fp16 => y"]);
  for (const scale of [0.1, 1]) {
    const x = { ...ones(16), data: numbers(16, 9).map((v) => v * scale) };
    const [was, is] = [await run(given, { x }), await run(made, { x })];
    assert.ok(was["y"]!.every((v, i) => Math.abs(v - is["y"]![i]!) < 0.01));
  }
});

Deno.test("fp16: nodes out of order are put in order, functions and unknown fields stay as they are", () => {
  const unknown = [{ no: 4000, wireType: 2, data: Uint8Array.of(1, 7) }];
  const given: ModelProto = {
    ...net([conv("c", "y"), { ...conv("x", "c"), unknown }]),
    functions: [
      functionProto({
        name: "twice",
        domain: "my",
        input: ["a"],
        output: ["b"],
        node: [node("Add", { inputs: ["a", "a"], outputs: ["b"] })],
      }),
    ],
    metadata_props: [{ key: "names", value: "{0: 'cat'}" }],
    doc_string: Uint8Array.of(104, 105),
    unknown,
  };
  const { model: made, report } = convert(given);
  assert.deepEqual(made.graph!.node.map(({ output }) => output[0]), ["x/fp16", "c", "y/fp16", "y"]);
  assert.match(report.remarks[0]!, /not in the order that ONNX demands/);
  assert.deepEqual(made.graph!.node[1]!.unknown, unknown);
  assert.deepEqual(made.functions, given.functions);
  assert.deepEqual([made.unknown, made.metadata_props, made.doc_string], [
    given.unknown,
    given.metadata_props,
    given.doc_string,
  ]);
});

Deno.test("fp16: a model that has nothing to convert, or computes in f16 already, stays the same object", () => {
  const half = net([conv("x", "y")], {
    initializer: [halfTensor(weights(), "w")],
    input: [value("x", [1, 4, 2, 2], "FLOAT16")],
    output: [value("y", [1, 4, 2, 2], "FLOAT16")],
  });
  const plain = net([node("Relu", { inputs: ["x"], outputs: ["y"] })], { initializer: [] });
  for (const given of [half, plain]) {
    assert.equal(convert(given).report.changed, false);
    assert.equal(fp16Pass.run(given).model, given);
  }
});

Deno.test("fp16: outputs that are inputs, constants, or several names of one value keep their names", () => {
  const { model: made } = convert(
    net([
      conv("x", "c"),
      node("Cast", { inputs: ["c"], outputs: ["c16"] }, { attributes: { to: 10n } }),
      node("Identity", { inputs: ["c"], outputs: ["y"] }),
    ], {
      output: [Y, value("c", [1, 4, 2, 2]), value("c16", [1, 4, 2, 2], "FLOAT16"), X, value("w", [4, 4, 1, 1])],
    }),
  );
  assert.equal(ioTypes(made), "x 1, y 1, c 1, c16 10, x 1, w 1");
  assert.equal(typeOf(made, "w"), DATA_TYPE.FLOAT);
  const names = new Set(made.graph!.node.flatMap(({ output }) => output));
  for (const name of ["y", "c", "c16"]) assert.ok(names.has(name), name);
});

/** One random node: which operator, which of the earlier values it reads. */
const STEP = fc.record({
  op: fc.constantFrom(
    "Conv",
    "Conv",
    "Conv",
    "Relu",
    "Sigmoid",
    "Mul",
    "Add",
    "Softmax",
    "Exp",
    "Concat",
    "MaxPool",
    "Cast",
    "Identity",
    "Tiny",
    "Huge",
    "Transpose",
    "Clip",
    "If",
  ),
  first: fc.nat(),
  second: fc.nat(),
  isOutput: fc.boolean(),
});

type Step = typeof STEP extends fc.Arbitrary<infer T> ? T : never;

/** A model of random nodes over values of one shape, none of which grows beyond a few units. */
function randomModel(steps: readonly Step[]): ModelProto {
  const values = ["x"];
  const nodes: NodeProto[] = [];
  const outputs: string[] = [];
  const initializer = [
    floatTensor("w", [4, 4, 1, 1], numbers(16).map((v) => v / 4)),
    floatTensor("pair", [4, 8, 1, 1], numbers(32).map((v) => v / 8)),
    floatTensor("tiny", [], [1e-10]),
    floatTensor("huge", [], [1e5]),
    floatTensor("low", [], [-4]),
    floatTensor("high", [], [4]),
    tensor("true", "BOOL", [], Uint8Array.of(1)),
    tensor("false", "BOOL", [], Uint8Array.of(0)),
  ];
  steps.forEach(({ op, first, second, isOutput }, at) => {
    const a = values[first % values.length]!, b = values[second % values.length]!, out = `v${at}`;
    const add = (name: string, inputs: string[], output = out, attributes = {}) =>
      nodes.push(node(name, { inputs, outputs: [output] }, { attributes }));
    if (op === "Conv") add("Conv", [a, "w"]);
    else if (op === "Mul" || op === "Add") {
      add(op, [a, b], `${out}_raw`);
      add("Clip", [`${out}_raw`, "low", "high"]);
    } else if (op === "Concat") {
      add("Concat", [a, b], `${out}_pair`, { axis: 1n });
      add("Conv", [`${out}_pair`, "pair"]);
    } else if (op === "Cast") {
      add("Cast", [a], `${out}_half`, { to: 10n });
      add("Cast", [`${out}_half`], out, { to: 1n });
    } else if (op === "Tiny") add("Add", [a, "tiny"]);
    else if (op === "Huge") {
      add("Mul", [a, "huge"], `${out}_big`);
      add("Div", [`${out}_big`, "huge"]);
    } else if (op === "Exp") {
      add("Exp", [a], `${out}_big`);
      add("Clip", [`${out}_big`, "low", "high"]);
    } else if (op === "If") {
      const branch = (name: string, inner: NodeProto[]) =>
        graph({ name, node: inner, output: [value(`${out}_${name}`, [1, 4, 2, 2])] });
      const sum = node("Add", { inputs: [`${out}_c`, "low"], outputs: [`${out}_yes`] });
      const yes = branch("yes", [conv(a, `${out}_c`), sum]);
      const no = branch("no", [node("Softmax", { inputs: [b], outputs: [`${out}_no`] })]);
      const condition = first % 2 === 0 ? "true" : "false";
      add("If", [condition], `${out}_raw`, { then_branch: yes, else_branch: no });
      add("Clip", [`${out}_raw`, "low", "high"]);
    } else if (op === "MaxPool") add("MaxPool", [a], out, { kernel_shape: [1n, 1n] });
    else if (op === "Transpose") add("Transpose", [a], out, { perm: [0n, 1n, 3n, 2n] });
    else if (op === "Clip") add("Clip", [a, "low", "high"]);
    else if (op === "Softmax") add("Softmax", [a], out, { axis: 1n });
    else add(op, [a]);
    values.push(out);
    if (isOutput || at === steps.length - 1) outputs.push(out);
  });
  return model({
    node: nodes,
    initializer,
    input: [X],
    output: outputs.map((name) => value(name, [1, 4, 2, 2])),
  }, { opset: 13 });
}

Deno.test("fp16: random graphs stay valid, run, and compute the same within 2 percent of the largest value", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(STEP, { minLength: 1, maxLength: 12 }), fc.boolean(), async (steps, half) => {
      const given = randomModel(steps);
      const { model: made } = convert(given, { io: half ? "fp16" : "f32" });
      const was = await run(given, { x: ones(16) });
      const is = await run(made, { x: ones(16) });
      assert.deepEqual(Object.keys(is), Object.keys(was));
      for (const [name, values] of Object.entries(was)) {
        const scale = Math.max(1, ...values.map(Math.abs));
        values.forEach((v, i) => assert.ok(Math.abs(v - is[name]![i]!) < 0.02 * scale, `${name} ${v} ${is[name]![i]}`));
      }
    }),
    { numRuns: 60, seed: 5 },
  );
});
