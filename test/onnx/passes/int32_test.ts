import assert from "node:assert/strict";
import fc from "fast-check";
import { TrtdError } from "../../../src/errors.ts";
import { int32Pass } from "../../../src/onnx/passes/int32.ts";
import { INDEX_INPUTS } from "../../../src/onnx/passes/int32_types.ts";
import { DATA_TYPE, type GraphProto, type ModelProto, type NodeProto } from "../../../src/onnx/proto.ts";
import { readModel } from "../../../src/onnx/read.ts";
import {
  type AttributeValue,
  floatTensor,
  functionProto,
  graph,
  int64Tensor,
  model,
  node,
  tensor,
  value,
} from "../build_model.ts";
import { checkedRun, initializersOf, int64Facts, operatorsOf } from "./pass_checks.ts";
import { randomGraph } from "./random_graph.ts";
import { allBits, picture, runModel, type Value } from "./run_model.ts";

const CODES = new URL("../../../models/codes/codes.onnx", import.meta.url);
const MOST = 2n ** 63n - 1n;
const LEAST = -(2n ** 63n);

const typesOf = (made: ModelProto) =>
  Object.fromEntries(made.graph!.initializer.map(({ name, data_type }) => [name, data_type]));

const constant = (output: string, attributes: Readonly<Record<string, AttributeValue>>): NodeProto =>
  node("Constant", { inputs: [], outputs: [output] }, { name: `make_${output}`, attributes });

/** The same results before and after, and nothing left beyond INT32. */
async function assertSame(given: ModelProto, feeds: Readonly<Record<string, Value>>) {
  const result = checkedRun(int32Pass, given);
  assert.equal(int64Facts(result.model).outside_int32, 0);
  assert.deepEqual(allBits(await runModel(result.model, feeds)), allBits(await runModel(given, feeds)));
  return result;
}

const ints = (...values: (number | bigint)[]) => (name: string) => int64Tensor(name, [values.length], values);
const scalar = (one: number | bigint) => (name: string) => int64Tensor(name, [], [one]);

interface Case {
  readonly opset: number;
  readonly op: string;
  /** What the inputs from the second on are; `x` is the first, unless `first` says otherwise. */
  readonly constants: readonly ((name: string) => ReturnType<typeof int64Tensor>)[];
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  readonly outputType?: keyof typeof DATA_TYPE;
  readonly rank?: number;
  /** Whether the constants are all inputs that there are. */
  readonly alone?: boolean;
}

/** A node of one operator over `x` [2, 3, 4, 5]. */
function single({ opset, op, constants, attributes = {}, outputType = "FLOAT", rank = 4, alone = false }: Case) {
  const names = constants.map((_, at) => `k${at}`);
  const dims = Array.from({ length: rank }, (_, axis) => `d${axis}`);
  const out = node(op, { inputs: alone ? names : ["x", ...names], outputs: ["y"] }, { attributes });
  const rest = alone ? [node("Identity", { inputs: ["x"], outputs: ["z"] })] : [];
  return model({
    node: [out, ...rest],
    initializer: constants.map((make, at) => make(names[at]!)),
    input: [value("x", [2, 3, 4, 5])],
    output: [value("y", dims, outputType), ...(alone ? [value("z", [2, 3, 4, 5])] : [])],
  }, { opset });
}

const X = { x: picture([2, 3, 4, 5]) };

const slice = (...ends: bigint[]): Omit<Case, "opset"> => ({
  op: "Slice",
  constants: [ints(0, 1), ints(...ends), ints(2, -1), ints(1, 2)],
});
const pair = { constants: [ints(1, 2, 3), ints(3, 2, 1)], rank: 1, outputType: "BOOL", alone: true } as const;

/** Every group of the table, at the first version that has it and at a later one. */
const TAKING: readonly Case[] = [
  { opset: 9, op: "Gather", constants: [ints(1, 0)], attributes: { axis: 2n } },
  { opset: 13, op: "Gather", constants: [ints(-1, 0)], attributes: { axis: 2n } },
  {
    opset: 11,
    op: "GatherElements",
    constants: [(name) => int64Tensor(name, [2, 1, 1, 1], [1, 2])],
    attributes: { axis: 1n },
  },
  { opset: 10, ...slice(4n, 5n) },
  { opset: 11, ...slice(MOST, MOST) },
  { opset: 21, ...slice(3n, MOST) },
  { opset: 12, op: "Pow", constants: [scalar(2)] },
  { opset: 15, op: "Pow", constants: [scalar(3)] },
  { opset: 11, op: "CumSum", constants: [scalar(-2)] },
  { opset: 14, op: "CumSum", constants: [scalar(1)] },
  { opset: 9, op: "Cast", constants: [ints(1, -2)], attributes: { to: 1n }, rank: 1, alone: true },
  { opset: 9, op: "Shape", constants: [ints(1, MOST)], rank: 1, outputType: "INT64", alone: true },
  { opset: 9, op: "Size", constants: [ints(1, MOST)], rank: 0, outputType: "INT64", alone: true },
  { opset: 9, op: "NonZero", constants: [ints(1, 0, 2)], rank: 2, outputType: "INT64", alone: true },
  { opset: 9, op: "Equal", ...pair },
  { opset: 13, op: "Equal", ...pair },
  { opset: 9, op: "Less", ...pair },
  { opset: 9, op: "Greater", ...pair },
  { opset: 12, op: "LessOrEqual", ...pair },
  { opset: 16, op: "GreaterOrEqual", ...pair },
];

for (const one of TAKING) {
  Deno.test(`int32: ${one.op} of opset ${one.opset} takes INT32 constants and gives the same`, async () => {
    const { model: made, report } = await assertSame(single(one), X);
    const own = one.constants.filter((make) => make("").data_type === DATA_TYPE.INT64).length;
    assert.equal(report.counts.constants_cast, own);
    assert.ok(!Object.values(typesOf(made)).includes(DATA_TYPE.INT64));
  });
}

Deno.test("int32: scatters and CastLike take INT32 indices as well", async () => {
  const indices = int64Tensor("at", [2, 1, 1, 1], [1, 2]);
  const updates = floatTensor("updates", [2, 1, 1, 1], [7, 8]);
  const scatter = (op: string, opset: number) =>
    model({
      node: [node(op, { inputs: ["x", "at", "updates"], outputs: ["y"] }, { attributes: { axis: 1n } })],
      initializer: [indices, updates],
      input: [value("x", [2, 3, 4, 5])],
      output: [value("y", [2, 3, 4, 5])],
    }, { opset });
  const like = model({
    node: [
      node("CastLike", { inputs: ["at", "updates"], outputs: ["c"] }),
      node("Add", { inputs: ["x", "c"], outputs: ["y"] }),
    ],
    initializer: [indices, updates],
    input: [value("x", [2, 3, 4, 5])],
    output: [value("y", [2, 3, 4, 5])],
  });
  for (const given of [scatter("Scatter", 9), scatter("ScatterElements", 11), scatter("ScatterElements", 18), like]) {
    const { model: made } = await assertSame(given, X);
    assert.equal(typesOf(made).at, DATA_TYPE.INT32);
  }
});

Deno.test("int32: every operator of the table has a test", () => {
  const tested = new Set([...TAKING.map(({ op }) => op), "Scatter", "ScatterElements", "CastLike"]);
  assert.deepEqual(Object.keys(INDEX_INPUTS).filter((op) => !tested.has(op)), []);
});

Deno.test("int32: inputs that must be INT64 keep it, and two inputs of one type stay alike", async () => {
  const given = model({
    node: [
      node("Shape", { inputs: ["x"], outputs: ["s"] }),
      node("Gather", { inputs: ["s", "first"], outputs: ["n"] }),
      node("Concat", { inputs: ["n", "rest"], outputs: ["shape"] }, { attributes: { axis: 0n } }),
      node("Reshape", { inputs: ["x", "shape"], outputs: ["r"] }),
      node("Add", { inputs: ["n", "rest"], outputs: ["end"] }),
      node("Slice", { inputs: ["r", "first", "end", "axis"], outputs: ["y"] }),
    ],
    initializer: [int64Tensor("first", [1], [0]), int64Tensor("rest", [1], [-1]), int64Tensor("axis", [1], [0])],
    input: [value("x", [2, 3, 4, 5])],
    output: [value("y", ["n", "m"])],
    value_info: [value("first", [1], "INT64")],
  });
  const { model: made, report } = await assertSame(given, X);
  assert.deepEqual(typesOf(made), { first: 7, rest: 7, axis: 7, first_int32: 6 });
  assert.equal(report.counts.constants_cast, 1);
  assert.deepEqual(made.graph!.node[1]!.input, ["s", "first_int32"]);
  assert.deepEqual(made.graph!.node[5]!.input, ["r", "first", "end", "axis"]);
});

Deno.test("int32: a constant that all readers take as INT32 changes in place, its declaration too", () => {
  const given = model({
    node: [
      node("Gather", { inputs: ["x", "at"], outputs: ["a"] }),
      node("Gather", { inputs: ["x", "at"], outputs: ["b"] }),
      node("Add", { inputs: ["a", "b"], outputs: ["y"] }),
    ],
    initializer: [int64Tensor("at", [1], [1])],
    input: [value("x", [2, 3])],
    output: [value("y", [1, 3])],
    value_info: [value("at", [1], "INT64"), value("a", [1, 3])],
  });
  const { model: made } = checkedRun(int32Pass, given);
  assert.deepEqual(typesOf(made), { at: DATA_TYPE.INT32 });
  assert.deepEqual(made.graph!.value_info.map(({ type }) => type!.tensor_type!.elem_type), [6, 1]);
});

Deno.test("int32: Constant nodes of every form become INT32, a shared one gets a copy beside it", async () => {
  const given = model({
    node: [
      constant("axis", { value_ints: [3n] }),
      constant("from", { value: int64Tensor("", [1], [1]) }),
      constant("to", { value_ints: [MOST] }),
      constant("row", { value_int: 1n }),
      node("Slice", { inputs: ["x", "from", "to", "axis"], outputs: ["s"] }),
      node("Gather", { inputs: ["s", "row"], outputs: ["g"] }),
      node("Unsqueeze", { inputs: ["g", "from"], outputs: ["y"] }),
    ],
    input: [value("x", [2, 3, 4, 5])],
    output: [value("y", [3, 1, 4, 4])],
  });
  const { model: made, report } = await assertSame(given, X);
  assert.equal(operatorsOf(made), "Constant Constant Constant Constant Constant Slice Gather Unsqueeze");
  assert.deepEqual(made.graph!.node.map(({ output }) => output[0]).slice(0, 5), [
    "axis",
    "from",
    "from_int32",
    "to",
    "row",
  ]);
  assert.deepEqual(new Set(made.graph!.node.map(({ name }) => name)).size, 6);
  assert.deepEqual(report.counts, { constants_cast: 4, constants_clamped: 1, values_clamped: 1 });
  assert.match(report.remarks.join(), /"to" held 9223372036854775807, now 2147483647, read by the node "s" \(Slice\)/);
});

Deno.test("int32: IR version 3, where initializers are inputs, changes both declarations", () => {
  const given = model({
    node: [
      node("Gather", { inputs: ["x", "at"], outputs: ["g"] }),
      node("Reshape", { inputs: ["g", "at"], outputs: ["y"] }),
      node("Gather", { inputs: ["x", "own"], outputs: ["z"] }),
    ],
    initializer: [int64Tensor("at", [2], [1, 1]), int64Tensor("own", [1], [1])],
    input: [value("x", [2, 1]), value("at", [2], "INT64"), value("own", [1], "INT64")],
    output: [value("y", [1, 1]), value("z", [1, 1])],
  }, { irVersion: 3, opset: 9 });
  given.graph!.node[1]!.input[0] = "g1";
  given.graph!.node.splice(
    1,
    0,
    node("Slice", { inputs: ["g"], outputs: ["g1"] }, { attributes: { starts: [1n], ends: [MOST] } }),
  );
  const { model: made } = checkedRun(int32Pass, given);
  assert.deepEqual(made.graph!.input.map(({ name, type }) => [name, type!.tensor_type!.elem_type]), [
    ["x", 1],
    ["at", 7],
    ["own", 6],
    ["at_int32", 6],
  ]);
  assert.deepEqual(made.graph!.node[1]!.attribute[1]!.ints, [2n ** 31n - 1n]);
  assert.equal(initializersOf(made).length, 3);
});

Deno.test("int32: a default value that a caller can replace keeps its type", () => {
  const given = model({
    node: [node("Gather", { inputs: ["x", "at"], outputs: ["y"] })],
    initializer: [int64Tensor("at", [1], [1])],
    input: [value("x", [2, 3]), value("at", [1], "INT64")],
    output: [value("y", [1, 3])],
  });
  assert.equal(checkedRun(int32Pass, given).report.changed, false);
});

/** A graph over `x` [2, 3, 4, 5] in which `far` is used somewhere. */
function using(nodes: readonly NodeProto[], far: readonly bigint[], change: Partial<GraphProto> = {}, opset = 17) {
  return model({
    node: [...nodes],
    initializer: [
      int64Tensor("far", [far.length], far),
      int64Tensor("zero", [1], [0]),
      int64Tensor("one", [1], [1]),
      int64Tensor("two", [1], [2]),
    ],
    input: [value("x", [2, 3, 4, 5])],
    output: [value("y", ["a", "b", "c", "d"])],
    ...change,
  }, { opset });
}

const sliceTo = (end: string) => node("Slice", { inputs: ["x", "one", end, "two"], outputs: ["y"] }, { name: "cut" });
const from = (
  op: string,
  inputs: string[],
  output: string,
  attributes: Readonly<Record<string, AttributeValue>> = {},
) => node(op, { inputs, outputs: [output] }, { name: `${op.toLowerCase()}_${output}`, attributes });
const vector = (name: string, type: "INT64" | "FLOAT" | "BOOL" | "INT32" = "INT64") => [value(name, ["n"], type)];

const HARMLESS: Readonly<Record<string, ModelProto>> = {
  "the end of a slice": using([sliceTo("far")], [MOST]),
  "the beginning of a slice that runs backwards": using(
    [
      from("Slice", ["x", "far", "least", "two", "back"], "y"),
    ],
    [MOST],
    {
      initializer: [
        int64Tensor("far", [1], [MOST]),
        int64Tensor("least", [1], [LEAST]),
        int64Tensor("two", [1], [2]),
        int64Tensor("back", [1], [-1]),
      ],
    },
  ),
  "the step of a slice": using([from("Slice", ["x", "zero", "one", "two", "far"], "y")], [2n ** 40n]),
  "slice attributes of opset 9": using(
    [
      from("Slice", ["x"], "y", { starts: [0n, -(2n ** 50n)], ends: [MOST, 2n ** 31n], axes: [1n, 2n] }),
    ],
    [0n],
    {},
    9,
  ),
  "an end that Unsqueeze and Concat hand on": using([
    from("Gather", ["far", "zero"], "g"),
    from("Concat", ["g", "one"], "ends", { axis: 0n }),
    from("Concat", ["zero", "zero"], "starts", { axis: 0n }),
    from("Concat", ["two", "one"], "axes", { axis: 0n }),
    from("Slice", ["x", "starts", "ends", "axes"], "y"),
  ], [MOST]),
  "an end chosen by Where": using([
    from("Shape", ["x"], "s"),
    from("Gather", ["s", "zero"], "n"),
    from("Greater", ["n", "one"], "several"),
    from("Where", ["several", "far", "one"], "end"),
    sliceTo("end"),
  ], [MOST]),
  "the bound of a size": using([
    from("Shape", ["x"], "s"),
    from("Min", ["s", "far"], "shape"),
    from("Reshape", ["x", "shape"], "y"),
  ], [MOST]),
  "the lower bound of a size": using([
    from("Shape", ["x"], "s"),
    from("Max", ["far", "s"], "shape"),
    from("Reshape", ["x", "shape"], "y"),
  ], [LEAST]),
  "the upper bound of Clip": using(
    [
      from("Shape", ["x"], "s"),
      from("Clip", ["s", "low", "high"], "shape"),
      from("Reshape", ["x", "shape"], "y"),
    ],
    [0n],
    { initializer: [int64Tensor("low", [], [1]), int64Tensor("high", [], [MOST])] },
  ),
  "a truth value": using(
    [
      from("Cast", ["far"], "true", { to: BigInt(DATA_TYPE.BOOL) }),
      from("Where", ["true", "x", "zerof"], "y"),
    ],
    [MOST],
    { initializer: [int64Tensor("far", [1], [MOST]), floatTensor("zerof", [1], [0])] },
  ),
  "a divisor above all": using([
    from("Div", ["one", "far"], "none"),
    from("Cast", ["none"], "nonef", { to: 1n }),
    from("Add", ["x", "nonef"], "y"),
  ], [MOST]),
  "a comparison with constants": using([
    from("Less", ["one", "far"], "yes"),
    from("Where", ["yes", "x", "x"], "y"),
  ], [MOST]),
  "the filling of ConstantOfShape": using([
    from("ConstantOfShape", ["one"], "end", { value: int64Tensor("", [1], [MOST]) }),
    sliceTo("end"),
  ], [0n]),
  "the diagonal of Trilu": using(
    [
      from("Trilu", ["x", "k"], "y", { upper: 0n }),
    ],
    [0n],
    { initializer: [int64Tensor("k", [], [MOST])] },
  ),
  "a constant that nothing reads": using([from("Identity", ["x"], "y")], [MOST, LEAST, 5n]),
  "a constant whose shape alone is read": using([
    from("Shape", ["far"], "s"),
    from("Cast", ["s"], "f", { to: 1n }),
    from("Add", ["x", "f"], "y"),
  ], [MOST]),
  "a list of several ends": using(
    [
      from("Slice", ["x", "starts", "far"], "y"),
    ],
    [MOST, 2n, 2n ** 33n],
    {
      initializer: [int64Tensor("far", [3], [MOST, 2, 2n ** 33n]), int64Tensor("starts", [3], [0, 1, 2])],
    },
  ),
};

for (const [what, given] of Object.entries(HARMLESS)) {
  Deno.test(`int32: ${what} is clamped and means the same`, async () => {
    const before = int64Facts(given).outside_int32;
    const { report } = await assertSame(given, X);
    const clamped = report.counts.values_clamped!;
    assert.ok(clamped > 0);
    assert.ok(before === clamped || before === 0);
  });
}

Deno.test("int32: the trip count of a loop and the box count of NonMaxSuppression may be clamped", async () => {
  const body = graph({
    name: "body",
    node: [
      from("Add", ["sum_in", "step"], "sum_out"),
      from("Less", ["sum_out", "limit"], "go_on"),
    ],
    initializer: [floatTensor("step", [1], [1]), floatTensor("limit", [1], [5])],
    input: [value("i", [], "INT64"), value("cond_in", [], "BOOL"), value("sum_in", [1])],
    output: [value("go_on_scalar", [], "BOOL"), value("sum_out", [1])],
  });
  body.node.push(from("Reshape", ["go_on", "scalar"], "go_on_scalar"));
  body.initializer.push(int64Tensor("scalar", [0], []));
  const given = model({
    node: [
      from("Loop", ["trips", "go", "start"], "sum", { body }),
      from("NonMaxSuppression", ["boxes", "scores", "count", "iou"], "picked"),
    ],
    initializer: [
      int64Tensor("trips", [], [MOST]),
      tensor("go", "BOOL", [], Uint8Array.of(1)),
      floatTensor("start", [1], [0]),
      int64Tensor("count", [1], [MOST]),
      floatTensor("iou", [1], [0.5]),
      floatTensor("boxes", [1, 3, 4], [0, 0, 1, 1, 0, 0, 1, 1.1, 3, 3, 4, 4]),
    ],
    input: [value("scores", [1, 1, 3])],
    output: [value("sum", [1]), value("picked", ["n", 3], "INT64")],
  });
  const { report } = await assertSame(given, { scores: picture([1, 1, 3]) });
  assert.equal(report.counts.constants_clamped, 2);
});

Deno.test("int32: constants in branches and in functions are changed too, and those that branches read outside", async () => {
  const branch = (name: string, start: string) =>
    graph({
      name,
      node: [
        constant(`${name}_end`, { value: int64Tensor("", [1], [MOST]) }),
        from("Slice", ["x", start, `${name}_end`, "axis"], `${name}_y`),
      ],
      initializer: start === "own" ? [int64Tensor("own", [1], [LEAST])] : [],
      output: [value(`${name}_y`, ["a", "b", "c", "d"])],
    });
  const cut = functionProto({
    domain: "local",
    name: "Cut",
    input: ["data"],
    output: ["cut"],
    node: [
      constant("f0", { value_ints: [1n] }),
      constant("f1", { value_ints: [MOST] }),
      from("Slice", ["data", "f0", "f1", "f0"], "cut"),
    ],
    value_info: [value("f1", [1], "INT64")],
  });
  const given = model({
    node: [
      from("If", ["choice"], "part", { then_branch: branch("then", "outer"), else_branch: branch("else", "own") }),
      node("Cut", { inputs: ["part"], outputs: ["y"] }, { domain: "local" }),
    ],
    initializer: [int64Tensor("outer", [1], [1]), int64Tensor("axis", [1], [2])],
    input: [value("x", [2, 3, 4, 5]), value("choice", [], "BOOL")],
    output: [value("y", ["a", "b", "c", "d"])],
  }, { domains: { local: 1 }, functions: [cut], irVersion: 10 });
  for (const choice of [0, 1]) {
    const { model: made, report } = await assertSame(given, {
      ...X,
      choice: { type: "bool", dims: [], data: Uint8Array.of(choice) },
    });
    assert.deepEqual(report.counts, { constants_cast: 7, constants_clamped: 4, values_clamped: 4 });
    assert.equal(int64Facts(made).tensors, 0);
    assert.equal(made.functions[0]!.value_info[0]!.type!.tensor_type!.elem_type, DATA_TYPE.INT32);
  }
});

Deno.test("int32: what branches hand out is followed to where it is read", async () => {
  const branch = (name: string, end: bigint) =>
    graph({
      name,
      node: [constant(`${name}_end`, { value: int64Tensor("", [1], [end]) })],
      output: [value(`${name}_end`, [1], "INT64")],
    });
  const nodes = [from("If", ["choice"], "end", { then_branch: branch("then", MOST), else_branch: branch("else", 2n) })];
  const given = (last: NodeProto, output: GraphProto["output"]) =>
    using([...nodes, last], [0n], { input: [value("x", [2, 3, 4, 5]), value("choice", [], "BOOL")], output });
  const feeds = { ...X, choice: { type: "bool", dims: [], data: Uint8Array.of(1) } };
  await assertSame(given(sliceTo("end"), [value("y", ["a", "b", "c", "d"])]), feeds);
  refused(given(from("Add", ["end", "end"], "sum"), vector("sum")), 'the node "add_sum" (Add)');
});

function refused(given: ModelProto, why: string): void {
  assert.throws(() => int32Pass.run(given), (error: TrtdError) => {
    assert.equal(error.code, "PASS_REFUSED");
    assert.ok(error.message.includes(why), error.message);
    return true;
  });
}

const HARMFUL: Readonly<Record<string, [ModelProto, string]>> = {
  "an index": [using([from("Gather", ["x", "far"], "y")], [2n ** 31n]), '"gather_y" (Gather) computes with it'],
  "an operand of Add": [
    using([from("Shape", ["x"], "s"), from("Add", ["s", "far"], "y")], [2n ** 40n], { output: vector("y") }),
    '"add_y" (Add)',
  ],
  "an operand of Mul in a chain that ends in a slice": [
    using([
      from("Shape", ["x"], "s"),
      from("Mul", ["s", "far"], "e"),
      from("Gather", ["e", "zero"], "end"),
      sliceTo("end"),
    ], [2n ** 40n]),
    '"mul_e" (Mul)',
  ],
  "a shape": [using([from("Reshape", ["x", "far"], "y")], [2n ** 31n, -1n]), '"reshape_y" (Reshape)'],
  "an output": [using([from("Identity", ["far"], "y")], [MOST], { output: vector("y") }), '"y" is an output'],
  "an initializer that is an output": [
    using([sliceTo("far")], [MOST], { output: [value("y", [1]), value("far", [1], "INT64")] }),
    '"far" is an output',
  ],
  "a filling that is an output": [
    using([from("ConstantOfShape", ["one"], "y", { value: int64Tensor("", [1], [MOST]) })], [0n], {
      output: vector("y"),
    }),
    '"y" is an output',
  ],
  "a number made a float": [
    using([from("Cast", ["far"], "f", { to: 1n }), from("Add", ["x", "f"], "y")], [MOST]),
    '"cast_f" (Cast)',
  ],
  "a comparison": [
    using([from("Equal", ["given", "far"], "y")], [MOST], {
      input: vector("given"),
      output: vector("y", "BOOL"),
    }),
    '"equal_y" (Equal)',
  ],
  "a comparison of two that become equal": [
    using([from("Less", ["near", "far"], "y")], [MOST], {
      initializer: [int64Tensor("far", [1], [MOST]), int64Tensor("near", [1], [MOST - 1n])],
      output: vector("y", "BOOL"),
    }),
    '"less_y" (Less)',
  ],
  "a bound that is reached": [
    using([from("Min", ["given", "far"], "y")], [2n ** 40n], {
      input: [value("given", [1], "INT64")],
      output: vector("y"),
    }),
    '"y" is an output',
  ],
  "the wrong bound": [
    using([from("Shape", ["x"], "s"), from("Max", ["s", "far"], "y")], [MOST], { output: vector("y") }),
    '"y" is an output',
  ],
  "an index of TopK": [using([from("TopK", ["x", "far"], "y")], [MOST]), '"topk_y" (TopK)'],
  "a value scattered with addition": [
    using(
      [from("ScatterElements", ["far", "zero", "one"], "end", { reduction: "add" }), sliceTo("end")],
      [MOST],
      {},
      18,
    ),
    '"scatterelements_end" (ScatterElements)',
  ],
  "an operator that nobody knows": [
    using([node("Clip", { inputs: ["far"], outputs: ["y"] }, { domain: "com.example", name: "theirs" })], [MOST], {
      output: vector("y"),
    }),
    '"theirs" (Clip)',
  ],
  "a value that a loop carries": [
    using(
      [from("Loop", ["", "go", "far"], "y", {
        body: graph({
          name: "body",
          node: [from("Identity", ["c"], "c2"), from("Identity", ["v"], "v2")],
          input: [value("i", [], "INT64"), value("c", [], "BOOL"), value("v", [1], "INT64")],
          output: [value("c2", [], "BOOL"), value("v2", [1], "INT64")],
        }),
      })],
      [MOST],
      {
        initializer: [int64Tensor("far", [1], [MOST]), tensor("go", "BOOL", [], Uint8Array.of(0))],
        output: vector("y"),
      },
    ),
    '"loop_y" (Loop)',
  ],
  "a sparse constant": [
    using([from("Add", ["thin", "thin"], "y")], [0n], {
      sparse_initializer: [{ values: int64Tensor("thin", [1], [MOST]), indices: int64Tensor("", [1], [0]), dims: [2] }],
      output: vector("y"),
    }),
    'sparse constant "thin"',
  ],
};

for (const [what, [given, why]] of Object.entries(HARMFUL)) {
  Deno.test(`int32: ${what} beyond INT32 is refused by the node's name`, () => refused(given, why));
}

Deno.test("int32: what an operator that nobody knows holds in an attribute stays, with a remark", () => {
  const given = using([
    node("Table", { inputs: ["x"], outputs: ["y"] }, {
      domain: "com.example",
      name: "theirs",
      attributes: { keys: int64Tensor("", [1], [MOST]) },
    }),
  ], [0n]);
  const { report } = checkedRun(int32Pass, given);
  assert.equal(report.changed, false);
  assert.deepEqual(report.remarks, ['The attribute "keys" of the node "theirs" (Table) stays beyond INT32']);
});

Deno.test("int32: random graphs with far slice ends keep their results bit for bit, or are refused", async () => {
  const graphs = fc.record({
    opset: fc.constantFrom(9, 10, 11, 12, 13, 14, 16, 17, 18, 19, 21),
    draws: fc.array(fc.nat(10_000), { minLength: 80, maxLength: 160 }),
    far: fc.constant(true),
  });
  let same = 0;
  const property = fc.asyncProperty(graphs, async (options) => {
    const { model: given, inputDims } = randomGraph(options);
    try {
      await assertSame(given, { x: picture(inputDims) });
      same++;
    } catch (error) {
      if (!(error instanceof TrtdError && error.code === "PASS_REFUSED")) throw error;
    }
  });
  await fc.assert(property, { numRuns: 60, seed: 20261122, endOnFailure: true });
  assert.ok(same > 30, `${same} graphs were changed`);
});

Deno.test("int32: the default model loses what TensorRT 8 would clamp and keeps its results bit for bit", async () => {
  const given = readModel(await Deno.readFile(CODES));
  assert.ok(int64Facts(given).outside_int32 > 0);
  const [input] = given.graph.input;
  const dims = input!.type!.tensor_type!.shape!.dim.map(({ dim_value }) => dim_value ?? 1);
  const { report } = await assertSame(given, { [input!.name!]: picture(dims) });
  assert.equal(report.counts.constants_clamped, 1);
  assert.match(report.remarks[0]!, /held 9223372036854775807, now 2147483647, read by the node ".*" \(Slice\)/);
});
