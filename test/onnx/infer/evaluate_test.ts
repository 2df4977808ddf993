import assert from "node:assert/strict";
import fc from "fast-check";
import { evaluate, EVALUATED_OPERATORS } from "../../../src/onnx/infer/evaluate.ts";
import { knownFromTensor, type KnownTensor, tensorFromKnown } from "../../../src/onnx/infer/evaluate_tensor.ts";
import { Knowledge } from "../../../src/onnx/infer/shapes.ts";
import { DATA_TYPE, type NodeProto } from "../../../src/onnx/proto.ts";
import { type AttributeValue, floatTensor, int64Tensor, node, rawBytes, tensor } from "../build_model.ts";
import { randomGraph } from "../passes/random_graph.ts";
import { picture, runModel } from "../passes/run_model.ts";

const RUNS = 120;
const OPSETS = [9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21] as const;

const graphs = fc.record({
  opset: fc.constantFrom(...OPSETS),
  draws: fc.array(fc.nat(10_000), { minLength: 160, maxLength: 240 }),
});

Deno.test("evaluate: random graphs of shape arithmetic at opsets 9 to 21 have the elements and shapes that ONNX Runtime computes", async () => {
  const seen = new Set<string>();
  let compared = 0;
  const property = fc.asyncProperty(graphs, async (options) => {
    const { model, inputDims, operators } = randomGraph(options);
    const made = await runModel(model, { x: picture(inputDims) });
    const knowledge = new Knowledge(model.graph!, options.opset);
    const sizes = new Map<string, number | bigint>();
    const isSame = (name: string | number | bigint | boolean, actual: number | bigint) => {
      if (typeof name !== "string") return Number(name) === Number(actual);
      const size = sizes.get(name) ?? actual;
      sizes.set(name, size);
      return Number(size) === Number(actual);
    };
    for (const [output, actual] of Object.entries(made)) {
      const name = output.replace("_out", "");
      const dims = knowledge.dims(name) ?? [];
      assert.ok(dims.every((dim, axis) => isSame(dim, actual.dims[axis]!)), `${name}: ${dims} is ${actual.dims}`);
      const value = knowledge.value(name);
      if (value === undefined) continue;
      if (value.elements.every((element) => typeof element !== "string")) {
        assert.deepEqual([...tensorFromKnown(name, value).raw_data!], [...rawBytes(actual.data)], name);
        compared++;
      } else {
        const data = actual.data as unknown as ArrayLike<bigint>;
        value.elements.forEach((element, at) => assert.ok(isSame(element, data[at]!), `${name}[${at}]`));
      }
    }
    for (const operator of operators) seen.add(operator);
  });
  await fc.assert(property, { numRuns: RUNS, seed: 20261122, endOnFailure: true });
  const missing = [...EVALUATED_OPERATORS].filter((operator) => !seen.has(operator) && operator !== "Constant");
  assert.deepEqual(missing, []);
  assert.ok(compared > 1000, `${compared} values compared`);
});

const known = (type: keyof typeof DATA_TYPE, dims: number[], elements: KnownTensor["elements"]): KnownTensor => ({
  type: DATA_TYPE[type],
  dims,
  elements,
});
const ints = (...elements: (number | bigint)[]) => known("INT64", [elements.length], elements.map(BigInt));
const scalar = (element: number | bigint) => known("INT64", [], [BigInt(element)]);

function result(one: NodeProto, inputs: readonly KnownTensor[], opset = 17) {
  return evaluate(one, { opset, known: (at) => inputs[at], shape: (at) => inputs[at]?.dims });
}

const call = (
  op: string,
  inputs: readonly KnownTensor[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
  opset = 17,
) => result(node(op, { inputs: inputs.map((_, at) => `i${at}`), outputs: ["o"] }, { attributes }), inputs, opset)?.[0];

Deno.test("evaluate: integers are exact beyond 2^53 and division truncates toward zero", () => {
  const big = 2n ** 62n;
  assert.deepEqual(call("Add", [scalar(big), scalar(1)])?.elements, [big + 1n]);
  assert.deepEqual(call("Div", [ints(7, -7, 7, -7), ints(2, 2, -2, -2)])?.elements, [3n, -3n, -3n, 3n]);
  assert.deepEqual(call("Mod", [ints(7, -7, 7, -7), ints(3, 3, -3, -3)])?.elements, [1n, 2n, -2n, -1n]);
  assert.deepEqual(call("Mod", [ints(7, -7, 7, -7), ints(3, 3, -3, -3)], { fmod: 1n })?.elements, [1n, -1n, 1n, -1n]);
});

Deno.test("evaluate: f32 is rounded after each step", () => {
  const f32 = (...elements: number[]) => known("FLOAT", [elements.length], elements.map(Math.fround));
  assert.deepEqual(call("Mul", [f32(0.1), f32(3)])?.elements, [Math.fround(Math.fround(0.1) * 3)]);
  assert.deepEqual(call("Add", [f32(2 ** 24), f32(1)])?.elements, [2 ** 24]);
  assert.deepEqual(call("Div", [f32(1, -1), f32(0, 0)])?.elements, [Infinity, -Infinity]);
});

Deno.test("evaluate: slices clamp as the standard says", () => {
  const data = ints(0, 1, 2, 3, 4);
  const far = 2n ** 63n - 1n;
  const table: [bigint, bigint, bigint, bigint[]][] = [
    [0n, far, 1n, [0n, 1n, 2n, 3n, 4n]],
    [-3n, far, 1n, [2n, 3n, 4n]],
    [-far, 2n, 1n, [0n, 1n]],
    [-1n, -far, -1n, [4n, 3n, 2n, 1n, 0n]],
    [far, -far - 1n, -2n, [4n, 2n, 0n]],
    [1n, 4n, 2n, [1n, 3n]],
    [4n, 1n, 1n, []],
    [7n, 9n, 1n, []],
    [0n, 5n, far, [0n]],
  ];
  for (const [start, end, step, expected] of table) {
    const made = call("Slice", [data, ints(start), ints(end), ints(0), ints(step)]);
    assert.deepEqual(made?.elements, expected, `${start}:${end}:${step}`);
  }
});

Deno.test("evaluate: what the standard leaves open, or cannot be, is given up", () => {
  const least = -(2n ** 63n);
  const most = 2n ** 63n - 1n;
  const nothing = known("INT64", [0], []);
  const cases: Record<string, KnownTensor | undefined> = {
    "overflow of Add": call("Add", [scalar(most), scalar(1)]),
    "overflow of Mul": call("Mul", [scalar(most), scalar(2)]),
    "overflow of Neg": call("Neg", [scalar(least)]),
    "overflow of Abs": call("Abs", [scalar(least)]),
    "overflow of Div": call("Div", [scalar(least), scalar(-1)]),
    "division by zero": call("Div", [scalar(1), scalar(0)]),
    "remainder of zero": call("Mod", [scalar(1), scalar(0)]),
    "a cast beyond the type": call("Cast", [scalar(2n ** 31n)], { to: 6n }),
    "a cast of NaN": call("Cast", [known("FLOAT", [], [NaN])], { to: 7n }),
    "a cast of infinity": call("Cast", [known("FLOAT", [], [Infinity])], { to: 7n }),
    "a cast to f32 that two runtimes round differently": call("Cast", [scalar(2n ** 60n + 1n)], { to: 1n }),
    "zero by zero": call("Div", [known("FLOAT", [], [0]), known("FLOAT", [], [0])]),
    "an index outside": call("Gather", [ints(1, 2), scalar(2)]),
    "a negative index outside": call("Gather", [ints(1, 2), scalar(-3)]),
    "two types": call("Add", [scalar(1), known("INT32", [], [1n])]),
    "shapes that do not broadcast": call("Add", [ints(1, 2), ints(1, 2, 3)]),
    "a shape with two open sizes": call("Reshape", [ints(1, 2), ints(-1, -1)]),
    "a shape with too many elements": call("Reshape", [ints(1, 2), ints(3)]),
    "a size below -1": call("Reshape", [ints(1, 2), ints(-2)]),
    "an axis twice": call("Unsqueeze", [ints(1), ints(0, -3)]),
    "a squeeze of two elements": call("Squeeze", [ints(1, 2), ints(0)]),
    "a step of zero": call("Slice", [ints(1), ints(0), ints(1), ints(0), ints(0)]),
    "more elements than the limit": call("ConstantOfShape", [ints(2 ** 17 + 1)]),
    "a tensor of absurd size": call("ConstantOfShape", [ints(2 ** 40, 2 ** 40)]),
    "a negative size": call("ConstantOfShape", [ints(-1)]),
    "a range of absurd length": call("Range", [scalar(0), scalar(2n ** 40n), scalar(1)]),
    "a range without a step": call("Range", [scalar(0), scalar(1), scalar(0)]),
    "a range of fractions": call("Range", [0, 1, 0.1].map((one) => known("FLOAT", [], [one])) as KnownTensor[]),
    "the least of nothing": call("ReduceMin", [nothing, ints(0)], {}, 18),
    "indices of a scalar": call("NonZero", [scalar(1)]),
    "indices of what is not known": call("NonZero", [known("INT64", [2], [1n, "batch"])]),
    "a sum of halves": call("Add", [known("FLOAT16", [], [1]), known("FLOAT16", [], [1])]),
    "a range of halves": call("Range", [0, 3, 1].map((one) => known("FLOAT16", [], [one])) as KnownTensor[]),
    "a cast to f16": call("Cast", [known("FLOAT", [], [0.1])], { to: 10n }),
    "a sum of floats": call("ReduceSum", [known("FLOAT", [2], [0.1, 0.2]), ints(0)]),
    "an operator of a version that broadcasts by attributes": call("Add", [scalar(1), scalar(2)], {}, 6),
    "an operator of another domain": result(
      node("Add", { inputs: ["a", "b"], outputs: ["o"] }, { domain: "com.example" }),
      [scalar(1), scalar(2)],
    )?.[0],
    "an attribute of a function": result(
      { ...node("Cast", { inputs: ["a"], outputs: ["o"] }), attribute: [referring("to")] },
      [scalar(1)],
    )?.[0],
  };
  for (const [what, made] of Object.entries(cases)) assert.equal(made, undefined, what);
});

const referring = (name: string) => ({
  name,
  ref_attr_name: name,
  floats: [],
  ints: [],
  strings: [],
  tensors: [],
  graphs: [],
  type_protos: [],
  sparse_tensors: [],
});

Deno.test("evaluate: indices of what is not zero come axis by axis, none of an empty tensor or of zeros", () => {
  const table: [KnownTensor, number[], bigint[]][] = [
    [known("FLOAT", [2, 3], [0, 0.5, 0, -1, -0, Infinity]), [2, 3], [0n, 1n, 1n, 1n, 0n, 2n]],
    [known("BOOL", [3], [true, false, true]), [1, 2], [0n, 2n]],
    [ints(0, 0), [1, 0], []],
    [known("INT64", [2, 0], []), [2, 0], []],
  ];
  for (const [data, dims, elements] of table) assert.deepEqual(call("NonZero", [data]), { type: 7, dims, elements });
});

Deno.test("evaluate: f16 is cast to other types and moved", () => {
  const half = known("FLOAT16", [3], [1.5, 0, -65504]);
  assert.deepEqual(call("Cast", [half], { to: 1n }), { ...half, type: 1 });
  assert.deepEqual(call("Cast", [half], { to: 7n })?.elements, [1n, 0n, -65504n]);
  assert.deepEqual(call("Cast", [half], { to: 9n })?.elements, [true, false, true]);
  assert.deepEqual(call("Cast", [half], { to: 10n }), half);
  assert.deepEqual(call("Concat", [half, half], { axis: 0n })?.elements, [1.5, 0, -65504, 1.5, 0, -65504]);
});

Deno.test("evaluate: elements that are not known pass through moves and stay apart from those that are", () => {
  const sizes = known("INT64", [4], ["batch", 3n, "height", 5n]);
  assert.deepEqual(call("Gather", [sizes, ints(1, 0)])?.elements, [3n, "batch"]);
  assert.deepEqual(call("Concat", [sizes, ints(-1)], { axis: 0n })?.elements, ["batch", 3n, "height", 5n, -1n]);
  assert.deepEqual(call("Mul", [sizes, ints(1, 2, 1, 2)])?.elements, ["batch", 6n, "height", 10n]);
  assert.deepEqual(call("Add", [sizes, scalar(1)])?.elements, ["", 4n, "", 6n]);
  assert.equal(call("Expand", [scalar(1), sizes]), undefined);
});

Deno.test("evaluate: constants are read from every field that may hold them", () => {
  const packed = { dims: [3], string_data: [], external_data: [], metadata_props: [] };
  const varints = Uint8Array.of(1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0x80, 1);
  assert.deepEqual(knownFromTensor({ ...packed, data_type: 7, int64_data: varints })?.elements, [1n, -1n, 128n]);
  assert.deepEqual(knownFromTensor({ ...packed, data_type: 6, int32_data: varints })?.elements, [1n, -1n, 128n]);
  assert.deepEqual(knownFromTensor({ ...packed, data_type: 9, int32_data: Uint8Array.of(1, 0, 1) })?.elements, [
    true,
    false,
    true,
  ]);
  const floats = rawBytes(Float32Array.of(1.5, -2, 0));
  assert.deepEqual(knownFromTensor({ ...packed, data_type: 1, float_data: floats })?.elements, [1.5, -2, 0]);
  assert.deepEqual(knownFromTensor(int64Tensor("a", [], [2n ** 63n - 1n]))?.elements, [2n ** 63n - 1n]);
  const halves = rawBytes(Uint16Array.of(0x3c00, 0xc500, 0x0001, 0x7c00, 0x8000));
  const expected = [1, -5, 2 ** -24, Infinity, -0];
  const half = knownFromTensor(tensor("h", "FLOAT16", [5], halves))!;
  assert.deepEqual(half.elements, expected);
  assert.deepEqual(tensorFromKnown("h", half).raw_data, new Uint8Array(halves));
  const halfVarints = Uint8Array.of(0x80, 0x78, 0x80, 0x8a, 0x03, 0x01, 0x80, 0xf8, 0x01, 0x80, 0x80, 0x02);
  const list = { ...packed, dims: [5], data_type: DATA_TYPE.FLOAT16, int32_data: halfVarints };
  assert.deepEqual(knownFromTensor(list)?.elements, expected);
  assert.equal(knownFromTensor(tensor("b", "BFLOAT16", [1], new Uint8Array(2))), undefined);
  assert.equal(knownFromTensor(tensor("n", "FLOAT16", [1], Uint8Array.of(0, 0x7e))), undefined);
  assert.equal(knownFromTensor(floatTensor("n", [1], [NaN])), undefined);
  assert.equal(knownFromTensor(int64Tensor("a", [2], [1])), undefined);
});
