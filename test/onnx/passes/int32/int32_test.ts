import assert from "node:assert/strict";
import { int32Pass } from "../../../../src/onnx/passes/int32/int32.ts";
import { INDEX_INPUTS } from "../../../../src/onnx/passes/int32/int32_types.ts";
import { DATA_TYPE, type ModelProto, type NodeProto } from "../../../../src/onnx/proto.ts";
import { readModel } from "../../../../src/onnx/read.ts";
import {
  type AttributeValue,
  floatTensor,
  functionProto,
  graph,
  int64Tensor,
  model,
  node,
  value,
} from "../../build_model.ts";
import { assertSame, constant, from, LEAST, MOST, X } from "./int32_models.ts";
import { checkedRun, initializersOf, int64Facts, operatorsOf } from "../pass_checks.ts";
import { allBits, picture, runModel } from "../run_model.ts";

const CODES = new URL("../../../../models/codes/codes.onnx", import.meta.url);

const typesOf = (made: ModelProto) =>
  Object.fromEntries(made.graph!.initializer.map(({ name, data_type }) => [name, data_type]));

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

Deno.test("int32: nodes in the wrong order are sorted, those of branches too, though there is nothing else to do", async () => {
  const branch = (name: string) => {
    const [first, last] = [from("Neg", ["x"], `${name}_n`), from("Relu", [`${name}_n`], `${name}_y`)];
    return (isSorted: boolean) =>
      graph({ name, node: isSorted ? [first, last] : [last, first], output: [value(`${name}_y`, [2])] });
  };
  const graphs = (isSorted: boolean) => ({ then_branch: branch("t")(isSorted), else_branch: branch("e")(isSorted) });
  const built = (node: NodeProto[]) =>
    model({ node, input: [value("x", [2]), value("choice", [], "BOOL")], output: [value("y", [2])] });
  const feeds = { x: picture([2]), choice: { type: "bool", dims: [], data: Uint8Array.of(1) } };
  const last = from("Neg", ["part"], "y");
  const given = built([last, from("If", ["choice"], "part", graphs(false))]);
  const { model: made, report } = checkedRun(int32Pass, given);
  assert.deepEqual(report.counts, { constants_cast: 0, constants_clamped: 0, values_clamped: 0 });
  assert.deepEqual(report.remarks, ["The nodes were out of order, each stands behind those that it reads now"]);
  const sorted = built([from("If", ["choice"], "part", graphs(true)), last]);
  assert.deepEqual(made.graph!.node, sorted.graph!.node);
  assert.deepEqual(allBits(await runModel(made, feeds)), allBits(await runModel(sorted, feeds)));
});

Deno.test("int32: a Constant behind its reader is cast and stands before it, as its copy does", async () => {
  const given = model({
    node: [
      from("Unsqueeze", ["g", "at"], "y"),
      from("Gather", ["x", "at"], "g"),
      constant("at", { value: int64Tensor("", [1], [1]) }),
    ],
    input: [value("x", [2, 3])],
    output: [value("y", [1, 1, 3])],
  });
  const { model: made, report } = checkedRun(int32Pass, given);
  assert.equal(report.counts.constants_cast, 1);
  assert.deepEqual(made.graph!.node.map(({ output }) => output[0]), ["at", "at_int32", "g", "y"]);
  const feeds = { x: picture([2, 3]) };
  assert.deepEqual(allBits(await runModel(made, feeds)), allBits(await runModel(given, feeds)));
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
