import assert from "node:assert/strict";
import fc from "fast-check";
import { TrtdError } from "../../../../src/errors.ts";
import { int32Pass } from "../../../../src/onnx/passes/int32/int32.ts";
import { DATA_TYPE, type GraphProto, type ModelProto, type NodeProto } from "../../../../src/onnx/proto.ts";
import { floatTensor, graph, int64Tensor, model, node, tensor, value } from "../../build_model.ts";
import { assertSame, constant, from, LEAST, MOST, sliceTo, using, vector, X } from "./int32_models.ts";
import { checkedRun, int64Facts } from "../pass_checks.ts";
import { randomGraph } from "../random_graph.ts";
import { picture } from "../run_model.ts";

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
