import assert from "node:assert/strict";
import { fasterOnCpu } from "../../../../src/backends/cpu_graph.ts";
import { loadOnnxRuntime } from "../../../../src/backends/onnxruntime.ts";
import { softmaxOnLastAxis } from "../../../../src/onnx/passes/cpu/softmax_on_last_axis.ts";
import { splitConvolutions } from "../../../../src/onnx/passes/cpu/split_convolutions.ts";
import type { GraphProto, ModelProto, NodeProto } from "../../../../src/onnx/proto.ts";
import { readModel } from "../../../../src/onnx/read.ts";
import { writeModel } from "../../../../src/onnx/write.ts";
import {
  floatTensor,
  graph,
  int64Tensor,
  model,
  type ModelOptions,
  node,
  rawBytes,
  tensor,
  value,
} from "../../build_model.ts";

/** Numbers in -1..1 that are the same in every run. */
function numbers(count: number, seed = 1): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

const INPUT = [1, 16, 6, 6] as const;

const conv = (inputs = ["x", "w", "b"], attributes = {}) =>
  node("Conv", { inputs, outputs: ["c"] }, { attributes: { kernel_shape: [1n, 1n], ...attributes } });

const silu = [
  node("Sigmoid", { inputs: ["c"], outputs: ["s"] }),
  node("Mul", { inputs: ["c", "s"], outputs: ["a"] }),
];

const split = (from = "a", axis = 1n) =>
  node("Split", { inputs: [from, "sizes"], outputs: ["p", "q"] }, { attributes: { axis } });

/** The beginning of a C2f block; `change` makes a variant of it. */
function block(change: Partial<GraphProto> = {}): GraphProto {
  return graph({
    node: [conv(), ...silu, split()],
    initializer: [
      floatTensor("w", [48, 16, 1, 1], numbers(48 * 16)),
      floatTensor("b", [48], numbers(48, 2)),
      int64Tensor("sizes", [2], [16, 32]),
    ],
    input: [value("x", ["n", 16, 6, 6])],
    output: [value("p", ["n", "k", 6, 6]), value("q", ["n", "l", 6, 6])],
    ...change,
  });
}

const ops = ({ node }: GraphProto) => node.map(({ op_type }) => op_type).join(" ");

/** Both outputs of the graph as it is and as `pass` makes it; the runtime's own rewriting is off. */
async function runBoth(
  before: GraphProto,
  after: GraphProto,
  options: ModelOptions = {},
  dims: readonly number[] = INPUT,
) {
  const data = numbers(dims.reduce((a, b) => a * b), 7);
  const results = [];
  for (const parts of [before, after]) {
    const bytes = writeModel(model(parts, options));
    readModel(bytes);
    const backend = await loadOnnxRuntime(bytes, { threads: 1, rewrite: false });
    results.push(await backend.run({ x: { type: "float32", dims, data } }));
    await backend.close();
  }
  return results;
}

Deno.test("split convolutions: a C2f block loses its Split and keeps its numbers bit for bit", async () => {
  const before = block();
  const after = splitConvolutions(before);
  assert.equal(ops(after), "Conv Sigmoid Mul Conv Sigmoid Mul");
  assert.deepEqual(after.initializer.map(({ dims }) => dims), [[16, 16, 1, 1], [16], [32, 16, 1, 1], [32]]);
  const [was, is] = await runBoth(before, after);
  assert.deepEqual(is, was);
  assert.deepEqual(is!.q!.dims, [1, 32, 6, 6]);
});

Deno.test("split convolutions: a plain convolution, every activation, Constant nodes, Cast weights and no bias", async () => {
  const half = Uint16Array.from({ length: 48 * 16 }, (_, i) => 0x3000 + 37 * i % 0x800);
  const sizes = int64Tensor("", [2], [16, 32]);
  const weights = floatTensor("w", [48, 16, 1, 1], numbers(48 * 16));
  const bias = floatTensor("b", [48], numbers(48, 2));
  const variants: Record<string, Partial<GraphProto>> = {
    "Conv Conv": { node: [conv(), split("c")] },
    "Conv Relu Conv Relu": { node: [conv(), node("Relu", { inputs: ["c"], outputs: ["a"] }), split()] },
    "Conv HardSwish Conv HardSwish": { node: [conv(), node("HardSwish", { inputs: ["c"], outputs: ["a"] }), split()] },
    "Conv Sigmoid Mul Conv Sigmoid Mul": {
      node: [
        node("Constant", { inputs: [], outputs: ["sizes"] }, { attributes: { value: sizes } }),
        node("Constant", { inputs: [], outputs: ["w"] }, { attributes: { value: weights } }),
        conv(["x", "w"]),
        silu[0]!,
        node("Mul", { inputs: ["s", "c"], outputs: ["a"] }),
        split(),
      ],
      initializer: [],
    },
    "Cast Identity Conv Cast Identity Conv": {
      node: [
        node("Cast", { inputs: ["half"], outputs: ["cast"] }, { attributes: { to: 1n } }),
        node("Identity", { inputs: ["cast"], outputs: ["w"] }),
        conv(),
        split("c"),
      ],
      initializer: [
        tensor("half", "FLOAT16", [48, 16, 1, 1], rawBytes(half)),
        bias,
        int64Tensor("sizes", [2], [16, 32]),
      ],
    },
  };
  for (const [expected, change] of Object.entries(variants)) {
    const before = block(change);
    const after = splitConvolutions(before);
    assert.equal(ops(after), expected);
    const [was, is] = await runBoth(before, after);
    assert.deepEqual(is, was, expected);
  }
});

Deno.test("split convolutions: sizes as an attribute of opset 11 and as equal shares", async () => {
  const lone = (attributes: Record<string, readonly bigint[] | bigint>) =>
    node("Split", { inputs: ["c"], outputs: ["p", "q"] }, { attributes: { axis: 1n, ...attributes } });
  const weights = (channels: number) => [
    floatTensor("w", [channels, 16, 1, 1], numbers(channels * 16)),
    floatTensor("b", [channels], numbers(channels, 2)),
  ];
  const table: [NodeProto, number, number][] = [[lone({ split: [32n, 16n] }), 48, 11], [lone({}), 64, 13]];
  for (const [last, channels, opset] of table) {
    const before = block({ node: [conv(), last], initializer: weights(channels) });
    const after = splitConvolutions(before);
    assert.equal(ops(after), "Conv Conv");
    const [was, is] = await runBoth(before, after, { opset });
    assert.deepEqual(is, was);
  }
});

Deno.test("split convolutions: two blocks that share one weight get parts of their own", async () => {
  const second = [
    node("Conv", { inputs: ["p", "w", "b"], outputs: ["c2"] }, { attributes: { kernel_shape: [1n, 1n] } }),
    node("Split", { inputs: ["c2", "sizes"], outputs: ["p2", "q2"] }, { attributes: { axis: 1n } }),
  ];
  const before = block({
    node: [conv(), split("c"), ...second],
    output: [value("q", ["n", 32, 6, 6]), value("p2", ["n", 16, 6, 6]), value("q2", ["n", 32, 6, 6])],
  });
  const after = splitConvolutions(before);
  assert.equal(ops(after), "Conv Conv Conv Conv");
  const [was, is] = await runBoth(before, after);
  assert.deepEqual(is, was);
});

Deno.test("split convolutions: what does not fit stays the same object", () => {
  const outputs = (names: string[]) => names.map((name) => value(name, ["n", "k", 6, 6]));
  const other = node("Relu", { inputs: ["c"], outputs: ["r"] });
  const loose = node("Mul", { inputs: ["s", "s"], outputs: ["a"] });
  const sizes = (...values: number[]) =>
    block().initializer.map((given) => given.name === "sizes" ? int64Tensor("sizes", [2], values) : given);
  const variants: Record<string, Partial<GraphProto>> = {
    "the convolution is an output": { output: outputs(["p", "q", "c"]) },
    "the activation is an output": { output: outputs(["p", "q", "a"]) },
    "another node reads the convolution": { node: [conv(), other, ...silu, split()], output: outputs(["p", "q", "r"]) },
    "another axis is split": { node: [conv(), ...silu, split("a", 2n)] },
    "the convolution has groups": { node: [conv(undefined, { group: 2n }), ...silu, split()] },
    "the product is not SiLU": { node: [conv(), silu[0]!, loose, split()] },
    "parts are no whole blocks": { initializer: sizes(24, 24) },
    "sizes do not add up": { initializer: sizes(16, 16) },
    "the weight is an input": { input: [...block().input, value("w", [48, 16, 1, 1])] },
    "sizes are computed": {
      initializer: block().initializer.slice(0, 2),
      input: [...block().input, value("sizes", [2], "INT64")],
    },
  };
  for (const [why, change] of Object.entries(variants)) {
    const given = block(change);
    assert.equal(splitConvolutions(given), given, why);
  }
});

const OPSET_17 = [{ domain: "", version: 17 }];

function distances(axis: bigint, change: Partial<GraphProto> = {}): GraphProto {
  return graph({
    node: [
      node("Transpose", { inputs: ["x"], outputs: ["t"] }, { attributes: { perm: [0n, 2n, 1n, 3n] } }),
      node("Softmax", { inputs: ["t"], outputs: ["y"] }, { attributes: { axis } }),
    ],
    input: [value("x", ["n", 4, 16, 20])],
    output: [value("y", ["n", 16, 4, 20])],
    ...change,
  });
}

Deno.test("softmax: over another axis it is moved to the end and back, with the same numbers", async () => {
  for (const axis of [1n, -3n, 0n, 2n]) {
    const before = distances(axis);
    const after = softmaxOnLastAxis(before, OPSET_17);
    assert.equal(ops(after), "Transpose Softmax Transpose");
    const [was, is] = await runBoth(before, after, {}, [2, 4, 16, 20]);
    assert.deepEqual(is, was, String(axis));
  }
});

Deno.test("softmax: over the last axis, in an old opset or behind a shared Transpose it stays", () => {
  const shared = distances(1n, { output: [value("y", [1]), value("t", [1])] });
  const table: [GraphProto, ModelProto["opset_import"]][] = [
    [distances(3n), OPSET_17],
    [distances(-1n), OPSET_17],
    [distances(1n), [{ domain: "", version: 12 }]],
    [distances(1n), [{ domain: "ai.onnx", version: 11 }]],
    [shared, OPSET_17],
  ];
  for (const [given, opsets] of table) assert.equal(softmaxOnLastAxis(given, opsets), given);
});

Deno.test("cpu graph: a model without a match and bytes that are no model are left alone", () => {
  const plain = writeModel(model({
    node: [node("Neg", { inputs: ["x"], outputs: ["y"] })],
    input: [value("x", [1])],
    output: [value("y", [1])],
  }));
  assert.equal(fasterOnCpu(plain), null);
  assert.equal(fasterOnCpu(new Uint8Array([1, 2, 3])), null);
  assert.equal(fasterOnCpu(new Uint8Array(0)), null);
});

Deno.test("cpu graph: a rewritten file keeps names, metadata and opset, and is a valid model", () => {
  const given = model(block(), { metadata: { names: "{0: 'a'}" } });
  const faster = readModel(fasterOnCpu(writeModel(given))!);
  assert.deepEqual(faster.metadata_props, given.metadata_props);
  assert.deepEqual(faster.opset_import, readModel(writeModel(given)).opset_import);
  assert.deepEqual(faster.graph.output.map(({ name }) => name), ["p", "q"]);
});
