import assert from "node:assert/strict";
import { Knowledge } from "../../../src/onnx/infer/shapes.ts";
import type { TensorProto } from "../../../src/onnx/proto.ts";
import { type AttributeValue, floatTensor, int64Tensor, model, node, value } from "../build_model.ts";
import { numbers, picture, runModel } from "../passes/run_model.ts";

const DIMS = [2, 4, 9, 12] as const;

interface Case {
  readonly op: string;
  /** @default 17 */
  readonly opset?: number;
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  /** Inputs behind `x`; undefined leaves one out. */
  readonly constants?: readonly (TensorProto | undefined)[];
  readonly outputs?: number;
  /** Whether sizes are left open although the input's are known. @default false */
  readonly open?: boolean;
}

const f = (...dims: number[]) => floatTensor("", dims, numbers(dims.reduce((a, b) => a * b, 1)));
const floats = (...values: number[]) => floatTensor("", [values.length], values);
const i = (...values: number[]) => int64Tensor("", [values.length], values);
const scalar = (one: number) => int64Tensor("", [], [one]);

const CASES: readonly Case[] = [
  { op: "Relu" },
  { op: "Softmax" },
  { op: "Add", constants: [f(4, 1, 12)] },
  { op: "Mul", constants: [f(5, 1, 1, 1, 1)] },
  { op: "Conv", constants: [f(6, 4, 3, 3)] },
  { op: "Conv", constants: [f(6, 4, 3, 3)], attributes: { pads: [1n, 1n, 1n, 1n] } },
  {
    op: "Conv",
    constants: [f(6, 4, 3, 2)],
    attributes: { strides: [2n, 3n], pads: [1n, 0n, 2n, 1n], dilations: [2n, 1n] },
  },
  { op: "Conv", constants: [f(6, 4, 3, 3)], attributes: { auto_pad: "SAME_UPPER", strides: [2n, 2n] } },
  { op: "Conv", constants: [f(6, 4, 3, 3)], attributes: { auto_pad: "SAME_LOWER" } },
  { op: "Conv", constants: [f(6, 4, 3, 3)], attributes: { auto_pad: "VALID" } },
  { op: "Conv", constants: [f(8, 1, 1, 1)], attributes: { group: 4n } },
  { op: "ConvTranspose", constants: [f(4, 3, 2, 2)], attributes: { strides: [2n, 2n] } },
  {
    op: "ConvTranspose",
    constants: [f(4, 3, 3, 3)],
    attributes: { strides: [2n, 2n], pads: [1n, 1n, 1n, 1n], output_padding: [1n, 1n], group: 2n },
  },
  { op: "MaxPool", attributes: { kernel_shape: [3n, 3n], strides: [2n, 2n], pads: [1n, 1n, 1n, 1n] }, outputs: 2 },
  { op: "MaxPool", attributes: { kernel_shape: [5n, 5n], pads: [2n, 2n, 2n, 2n] } },
  { op: "AveragePool", attributes: { kernel_shape: [2n, 2n], strides: [2n, 2n], ceil_mode: 1n } },
  { op: "GlobalAveragePool" },
  { op: "BatchNormalization", constants: [f(4), f(4), f(4), f(4)] },
  { op: "LayerNormalization", constants: [f(12)] },
  { op: "Resize", constants: [undefined, floats(1, 1, 2, 2)] },
  { op: "Resize", constants: [undefined, floats(1, 1, 0.7, 1.3)] },
  { op: "Resize", constants: [undefined, undefined, i(2, 4, 5, 31)] },
  { op: "Resize", opset: 10, constants: [floats(1, 1, 2, 3)] },
  { op: "Resize", opset: 18, constants: [undefined, undefined, i(7, 8)], attributes: { axes: [3n, -2n] } },
  {
    op: "Resize",
    opset: 18,
    constants: [undefined, undefined, i(7, 80)],
    attributes: { axes: [2n, 3n], keep_aspect_ratio_policy: "not_larger" },
    open: true,
  },
  { op: "Upsample", opset: 9, constants: [floats(1, 1, 2, 2)] },
  { op: "Reshape", constants: [i(0, -1, 6)] },
  { op: "Reshape", constants: [i(2, 4, -1)] },
  { op: "Concat", constants: [f(2, 3, 9, 12)], attributes: { axis: 1n } },
  { op: "Split", opset: 11, attributes: { axis: 1n }, outputs: 2 },
  { op: "Split", constants: [i(1, 3)], attributes: { axis: 1n }, outputs: 2 },
  { op: "Split", opset: 18, attributes: { axis: 2n, num_outputs: 5n }, outputs: 5 },
  { op: "Slice", constants: [i(1), i(7), i(-1), i(2)] },
  { op: "Slice", constants: [i(0), i(2 ** 31), i(2)] },
  { op: "Slice", opset: 9, attributes: { starts: [-3n, 1n], ends: [100n, -1n], axes: [2n, 3n] } },
  { op: "Gather", constants: [i(1, 0, 1)], attributes: { axis: 1n } },
  { op: "Gather", constants: [scalar(1)], attributes: { axis: -1n } },
  { op: "Transpose", attributes: { perm: [0n, 2n, 3n, 1n] } },
  { op: "Transpose" },
  { op: "Flatten" },
  { op: "Flatten", attributes: { axis: -1n } },
  { op: "Unsqueeze", constants: [i(-1, 0)] },
  { op: "Unsqueeze", opset: 11, attributes: { axes: [2n] } },
  { op: "Expand", constants: [i(3, 1, 4, 1, 1)] },
  { op: "Tile", constants: [i(1, 2, 1, 3)] },
  { op: "Pad", constants: [i(0, 0, 1, 2, 0, 0, 3, 4)] },
  { op: "Pad", opset: 10, attributes: { pads: [0n, 0n, 1n, 2n, 0n, 0n, 3n, 4n] } },
  { op: "Pad", opset: 18, constants: [i(1, 2, 3, 4), undefined, i(-1, 2)] },
  { op: "ReduceMean", attributes: { axes: [-1n], keepdims: 0n } },
  { op: "ReduceMean", opset: 18, constants: [i(1, 2)] },
  { op: "ReduceSum", constants: [i(3)], attributes: { keepdims: 0n } },
  { op: "ReduceMax", attributes: { keepdims: 0n } },
  { op: "ArgMax", attributes: { axis: 1n, keepdims: 0n } },
  { op: "TopK", constants: [i(3)], attributes: { axis: 2n }, outputs: 2 },
  { op: "MatMul", constants: [f(12, 5)] },
  { op: "MatMul", constants: [f(12)] },
  { op: "DepthToSpace", attributes: { blocksize: 2n } },
  { op: "SpaceToDepth", attributes: { blocksize: 3n } },
  { op: "CumSum", constants: [scalar(1)] },
  { op: "Trilu" },
  { op: "InstanceNormalization", constants: [f(4), f(4)] },
  { op: "PRelu", constants: [f(4, 1, 1)] },
  { op: "Clip", constants: [floatTensor("", [], [0]), floatTensor("", [], [1])] },
];

function modelOf(
  { op, opset = 17, attributes = {}, constants = [], outputs = 1 }: Case,
  dims: readonly (number | string)[],
) {
  const named = constants.map((one, at) => one === undefined ? undefined : { ...one, name: `k${at}` });
  const made = Array.from({ length: outputs }, (_, at) => `y${at}`);
  return model({
    node: [node(op, { inputs: ["x", ...named.map((one) => one?.name ?? "")], outputs: made }, { attributes })],
    initializer: named.filter((one) => one !== undefined),
    input: [value("x", dims)],
    output: made.map((name) => ({ name, metadata_props: [], type: { tensor_type: { elem_type: typeOf(op, name) } } })),
  }, { opset });
}

const typeOf = (op: string, output: string): number =>
  op === "ArgMax" || (output === "y1" && (op === "TopK" || op === "MaxPool")) ? 7 : 1;

for (const [at, one] of CASES.entries()) {
  Deno.test(`shapes: case ${at}, ${one.op}, has the shape that ONNX Runtime makes, with known sizes and with names`, async () => {
    const given = modelOf(one, DIMS);
    const actual = await runModel(given, { x: picture(DIMS) });
    const known = new Knowledge(given.graph!, one.opset ?? 17);
    const named = modelOf(one, ["batch", 4, "height", "width"]);
    const symbolic = new Knowledge(named.graph!, one.opset ?? 17);
    const sizes = new Map<string, number>([["batch", 2], ["height", 9], ["width", 12]]);
    for (const [name, { dims }] of Object.entries(actual)) {
      if (!one.open) assert.deepEqual(known.dims(name), [...dims], name);
      const told = symbolic.dims(name);
      assert.equal(told?.length, dims.length, name);
      told.forEach((dim, axis) => {
        const size = typeof dim === "number" ? dim : sizes.get(dim) ?? dims[axis];
        assert.equal(size, dims[axis], `${name}, axis ${axis}: ${dim}`);
      });
    }
  });
}

Deno.test("shapes: the batch keeps its name through a detector's layers", () => {
  const given = model({
    node: [
      node("Conv", { inputs: ["x", "w"], outputs: ["c"] }, { attributes: { strides: [2n, 2n] } }),
      node("Sigmoid", { inputs: ["c"], outputs: ["s"] }),
      node("Mul", { inputs: ["c", "s"], outputs: ["m"] }),
      node("Concat", { inputs: ["m", "c"], outputs: ["j"] }, { attributes: { axis: 1n } }),
      node("Shape", { inputs: ["j"], outputs: ["size"] }),
      node("Gather", { inputs: ["size", "zero"], outputs: ["n"] }),
      node("Concat", { inputs: ["n", "rest"], outputs: ["shape"] }, { attributes: { axis: 0n } }),
      node("Reshape", { inputs: ["j", "shape"], outputs: ["r"] }),
      node("Transpose", { inputs: ["r"], outputs: ["y"] }, { attributes: { perm: [0n, 2n, 1n] } }),
    ],
    initializer: [f(8, 3, 1, 1), i(0), i(16, -1)].map((one, at) => ({ ...one, name: ["w", "zero", "rest"][at]! })),
    input: [value("x", ["N", 3, 64, 48])],
    output: [value("y", ["N", "a", 16])],
  });
  const knowledge = new Knowledge(given.graph!, 17);
  assert.deepEqual(knowledge.dims("j"), ["N", 16, 32, 24]);
  assert.deepEqual(knowledge.value("shape")?.elements, ["N", 16n, -1n]);
  assert.deepEqual(knowledge.dims("y"), ["N", 768, 16]);
});

Deno.test("shapes: where no rule tells, the file's own declaration does, and unknown names are never the same", () => {
  const given = model({
    node: [
      node("Magic", { inputs: ["x"], outputs: ["a"] }, { domain: "com.example" }),
      node("Magic", { inputs: ["x"], outputs: ["b"] }, { domain: "com.example" }),
      node("NonZero", { inputs: ["x"], outputs: ["z"] }),
    ],
    input: [value("x", ["N", 3])],
    output: [value("z", [2, "count"], "INT64")],
    value_info: [value("a", ["N", 7]), value("z", [2, 5], "INT64")],
  });
  const knowledge = new Knowledge(given.graph!, 17);
  assert.equal(knowledge.dims("a")?.[1], 7);
  assert.notEqual(knowledge.dims("a")?.[0], "N");
  assert.equal(knowledge.dims("b"), undefined);
  assert.equal(knowledge.dims("z")?.[0], 2);
  assert.equal(typeof knowledge.dims("z")?.[1], "string");
});

Deno.test("shapes: EfficientNMS_TRT makes four outputs for each picture", () => {
  const outputs = ["count", "boxes", "scores", "classes"];
  const given = model({
    node: [
      node("EfficientNMS_TRT", { inputs: ["x", "s"], outputs }, { attributes: { max_output_boxes: 100n } }),
    ],
    input: [value("x", ["N", 8400, 4]), value("s", ["N", 8400, 80])],
    output: outputs.map((name) => value(name, ["N", -1])),
  });
  const knowledge = new Knowledge(given.graph!, 14);
  assert.deepEqual(outputs.map((name) => knowledge.dims(name)), [["N", 1], ["N", 100, 4], ["N", 100], ["N", 100]]);
});
