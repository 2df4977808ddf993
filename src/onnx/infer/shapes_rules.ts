/** The shapes that operators make, where nothing but shapes is known. */
import { domainOf } from "../graph/nodes.ts";
import type { NodeProto } from "../proto.ts";
import { BROADCAST, REDUCTIONS } from "./operator_kinds.ts";
import { axesFrom, axisFrom, type Call, giveUp, unlessGivenUp } from "./evaluate_call.ts";
import {
  permutation,
  reshapedDims,
  sliceRange,
  sliceRanges,
  splitSizes,
  squeezed,
  unsqueezed,
} from "./evaluate_movement.ts";
import { type Dim, dimFromElement, type Element, isInteger, UNKNOWN } from "./evaluate_tensor.ts";
import { attribute } from "../graph/graph_index.ts";
import { convolution, type Dims, pool, type ShapeRule, transposedConvolution } from "./shapes_windows.ts";

/** Operators whose first output has the shape of the first input. */
const SAME_SHAPE =
  "Abs Acos Acosh Asin Asinh Atan Atanh BatchNormalization BitwiseNot Cast CastLike Ceil Celu Clip Cos Cosh CumSum " +
  "DequantizeLinear Dropout Elu Erf Exp EyeLike Floor Gelu GroupNormalization HardSigmoid HardSwish Hardmax Identity " +
  "InstanceNormalization IsInf IsNaN LRN LayerNormalization LeakyRelu Log LogSoftmax LpNormalization " +
  "MeanVarianceNormalization Mish Neg Not QuantizeLinear RandomNormalLike RandomUniformLike Reciprocal Relu " +
  "ReverseSequence Round ScatterElements ScatterND Selu Shrink Sigmoid Sign Sin Sinh Softmax Softplus Softsign Sqrt " +
  "Swish Tan Tanh ThresholdedRelu Trilu";

const named = (names: string, rule: ShapeRule) => names.split(" ").map((name) => [name, rule] as const);

/** The rule of a node's operator; undefined when there is none. */
export function shapeRule(node: NodeProto): ShapeRule | undefined {
  const { op_type: name = "" } = node;
  if (name === "EfficientNMS_TRT") return efficientNms;
  return domainOf(node.domain) === "ai.onnx" ? RULES.get(name) : undefined;
}

const changed = (dims: Dims, at: number, dim: Dim): Dim[] => dims.map((one, axis) => axis === at ? dim : one);

/** The sum of sizes. */
function sum(dims: Dims): Dim {
  const total = dims.reduce<number>((all, dim) => typeof dim === "number" ? all + dim : NaN, 0);
  return Number.isNaN(total) ? UNKNOWN : total;
}

/** The product of sizes; one unknown among ones is itself. */
function product(dims: Dims): Dim {
  const factors = dims.filter((dim) => dim !== 1);
  if (factors.includes(0)) return 0;
  if (factors.length === 1) return factors[0]!;
  return factors.every((dim) => typeof dim === "number")
    ? factors.reduce<number>((all, dim) => all * Number(dim), 1)
    : UNKNOWN;
}

/** What two sizes broadcast to. A size that is not known is 1 or the other one. */
function broadcastDim(a: Dim, b: Dim): Dim {
  if (a === b || b === 1) return a;
  if (a === 1) return b;
  if (typeof a === "number") return typeof b === "number" ? giveUp() : a;
  return typeof b === "number" ? b : UNKNOWN;
}

function broadcast(shapes: readonly Dims[]): Dim[] {
  return shapes.reduce<Dim[]>((all, dims) => {
    const rank = Math.max(all.length, dims.length);
    return Array.from(
      { length: rank },
      (_, axis) => broadcastDim(all[axis - rank + all.length] ?? 1, dims[axis - rank + dims.length] ?? 1),
    );
  }, []);
}

/** The integers of an input as sizes; those that are unknown keep their names. */
function sizes(call: Call, at: number): Dim[] {
  const known = unlessGivenUp(() => call.input(at));
  if (known === undefined) {
    const [rank, ...more] = call.shape(at);
    return typeof rank === "number" && more.length === 0 ? new Array<Dim>(rank).fill(UNKNOWN) : giveUp();
  }
  if (!isInteger(known.type)) giveUp();
  return known.elements.map(dimFromElement);
}

const globalPool: ShapeRule = (call) => [call.shape(0).map((dim, axis) => axis < 2 ? dim : 1)];

/** A size times a scale, which runtimes compute in f32. */
function scaled(size: Dim, scale: Element | undefined): Dim {
  if (scale === 1) return size;
  if (typeof size !== "number" || typeof scale !== "number") return UNKNOWN;
  const exact = Math.floor(size * scale);
  return exact === Math.floor(Math.fround(size * scale)) ? exact : UNKNOWN;
}

const resize: ShapeRule = (call) => {
  const dims = call.shape(0);
  const isNew = call.opset >= 11 && call.node.op_type === "Resize";
  const axes = call.attributeInts("axes")?.map((axis) => axisFrom(axis, dims.length)) ?? dims.map((_, axis) => axis);
  if (isNew && call.has(3)) {
    const policy = attribute(call.node, "keep_aspect_ratio_policy")?.s;
    const given = policy === undefined || new TextDecoder().decode(policy) === "stretch" ? sizes(call, 3) : [];
    return [dims.map((dim, axis) => axes.includes(axis) ? given[axes.indexOf(axis)] ?? UNKNOWN : dim)];
  }
  const scales = call.node.op_type === "Upsample" && call.opset < 9
    ? attribute(call.node, "scales")?.floats
    : unlessGivenUp(() => call.input(isNew ? 2 : 1))?.elements;
  return [dims.map((dim, axis) => axes.includes(axis) ? scaled(dim, scales?.[axes.indexOf(axis)]) : dim)];
};

const reduction = (since: number): ShapeRule => (call) => {
  const dims = call.shape(0);
  const keeps = call.attributeInt("keepdims") !== 0;
  const isKnown = call.opset < since || !call.has(1) || unlessGivenUp(() => call.integers(1)) !== undefined;
  if (!isKnown) return keeps ? [dims.map(() => UNKNOWN)] : giveUp();
  const given = call.axes(1, since) ?? [];
  if (given.length === 0 && call.attributeInt("noop_with_empty_axes") === 1) return [dims];
  const axes = given.length === 0 ? dims.map((_, axis) => axis) : axesFrom(given, dims.length);
  return [
    keeps ? dims.map((dim, axis) => axes.includes(axis) ? 1 : dim) : dims.filter((_, axis) => !axes.includes(axis)),
  ];
};

const position: ShapeRule = (call) => {
  const dims = call.shape(0);
  const axis = axisFrom(call.attributeInt("axis") ?? 0, dims.length);
  return [call.attributeInt("keepdims") === 0 ? dims.filter((_, at) => at !== axis) : changed(dims, axis, 1)];
};

const matrixProduct: ShapeRule = (call) => {
  const [a, b] = [call.shape(0), call.shape(1)];
  if (a.length === 0 || b.length === 0) return giveUp();
  const lead = broadcast([a.slice(0, -2), b.slice(0, -2)]);
  return [[...lead, ...(a.length > 1 ? [a.at(-2)!] : []), ...(b.length > 1 ? [b.at(-1)!] : [])]];
};

/** Source: TensorRT's plugin/efficientNMSPlugin: num_dets, boxes, scores, classes. */
const efficientNms: ShapeRule = (call) => {
  const [batch] = call.shape(0);
  const count = call.attributeInt("max_output_boxes");
  if (batch === undefined || count === undefined) return giveUp();
  return [[batch, 1], [batch, count, 4], [batch, count], [batch, count]];
};

const RULES: ReadonlyMap<string, ShapeRule> = new Map<string, ShapeRule>([
  ...named(SAME_SHAPE, (call) => [call.shape(0)]),
  ...named(BROADCAST, (call) => [broadcast(call.node.input.map((_, at) => call.shape(at)))]),
  ...Object.entries(REDUCTIONS).map(([name, since]) => [name, reduction(since)] as const),
  ...named("Conv DeformConv", convolution),
  ["ConvTranspose", transposedConvolution],
  ...named("AveragePool MaxPool LpPool", pool),
  ...named("GlobalAveragePool GlobalMaxPool GlobalLpPool", globalPool),
  ...named("Resize Upsample", resize),
  ...named("ArgMax ArgMin", position),
  ["MatMul", matrixProduct],

  ["Constant", (call) => [attribute(call.node, "value")?.t?.dims ?? giveUp()]],

  ["Gemm", (call) => {
    const [a, b] = [call.shape(0), call.shape(1)];
    const rows = a[call.attributeInt("transA") === 1 ? 1 : 0];
    const columns = b[call.attributeInt("transB") === 1 ? 0 : 1];
    return rows === undefined || columns === undefined ? giveUp() : [[rows, columns]];
  }],

  ["Reshape", (call) => {
    const dims = call.shape(0);
    const shape = unlessGivenUp(() => call.input(1));
    if (shape === undefined) return [sizes(call, 1)];
    return [reshapedDims(dims, shape.elements, call.attributeInt("allowzero") === 1)];
  }],

  ["Concat", (call) => {
    const shapes = call.node.input.map((_, at) => call.shape(at));
    const [first] = shapes as [Dims];
    const axis = axisFrom(call.attributeInt("axis") ?? giveUp(), first.length);
    if (shapes.some(({ length }) => length !== first.length)) return giveUp();
    return [first.map((_, at) => {
      const along = shapes.map((dims) => dims[at]!);
      return at === axis ? sum(along) : along.find((dim) => typeof dim === "number") ?? along[0]!;
    })];
  }],

  ["Split", (call) => {
    const dims = call.shape(0);
    const axis = axisFrom(call.attributeInt("axis") ?? 0, dims.length);
    const size = dims[axis]!;
    const given = call.opset < 13 ? call.attributeInts("split") : call.integers(1);
    const parts = typeof size === "number" ? splitSizes(call, size) : given ?? call.node.output.map(() => UNKNOWN);
    return parts.map((part) => changed(dims, axis, part));
  }],

  ["Slice", (call) => {
    const dims = call.shape(0);
    const ranges = unlessGivenUp(() => sliceRanges(call, dims.length));
    if (ranges === undefined) {
      const axes = unlessGivenUp(() => call.integers(3)?.map((axis) => axisFrom(axis, dims.length)));
      return [dims.map((dim, axis) => axes !== undefined && !axes.includes(axis) ? dim : UNKNOWN)];
    }
    return [ranges.reduce((all, { axis, ...range }) => {
      const size = dims[axis]!;
      if (typeof size === "number") return changed(all, axis, sliceRange(size, range).count);
      return range.start === 0 && range.end >= 2 ** 31 - 1 && range.step === 1 ? all : changed(all, axis, UNKNOWN);
    }, [...dims])];
  }],

  ["Gather", (call) => {
    const [dims, indices] = [call.shape(0), call.shape(1)];
    const axis = axisFrom(call.attributeInt("axis") ?? 0, dims.length);
    return [[...dims.slice(0, axis), ...indices, ...dims.slice(axis + 1)]];
  }],

  ["GatherElements", (call) => [call.shape(1)]],

  ["GatherND", (call) => {
    const [dims, indices] = [call.shape(0), call.shape(1)];
    const taken = indices.at(-1);
    if (typeof taken !== "number") return giveUp();
    return [[...indices.slice(0, -1), ...dims.slice((call.attributeInt("batch_dims") ?? 0) + taken)]];
  }],

  ["Transpose", (call) => {
    const dims = call.shape(0);
    return [permutation(call, dims.length).map((axis) => dims[axis]!)];
  }],

  ["Flatten", (call) => {
    const dims = call.shape(0);
    const given = call.attributeInt("axis") ?? 1;
    const axis = given < 0 ? given + dims.length : given;
    return [[product(dims.slice(0, axis)), product(dims.slice(axis))]];
  }],

  ["Squeeze", (call) => [squeezed(call.shape(0), call.axes(1, 13))]],
  ["Unsqueeze", (call) => [unsqueezed(call.shape(0), call.axes(1, 13) ?? giveUp())]],
  ["Expand", (call) => [broadcast([call.shape(0), sizes(call, 1)])]],
  ["ConstantOfShape", (call) => [sizes(call, 0)]],
  ["Range", () => [[UNKNOWN]]],
  ["NonZero", (call) => [[call.shape(0).length, UNKNOWN]]],
  ["NonMaxSuppression", () => [[UNKNOWN, 3]]],

  ["Tile", (call) => {
    const repeats = unlessGivenUp(() => call.integers(1));
    return [
      call.shape(0).map((dim, axis) => repeats === undefined ? UNKNOWN : product([dim, repeats[axis] ?? giveUp()])),
    ];
  }],

  ["Pad", (call) => {
    const dims = call.shape(0);
    const axes = (call.opset >= 18 ? call.integers(3) : undefined) ?? dims.map((_, axis) => axis);
    const pads = call.opset < 11 ? call.attributeInts("pads") : unlessGivenUp(() => call.integers(1));
    if (pads === undefined) return [dims.map(() => UNKNOWN)];
    const count = axes.length;
    return [axes.reduce((all, given, at) => {
      const axis = axisFrom(given, dims.length);
      const added = pads[at]! + pads[at + count]!;
      return added === 0 ? all : changed(all, axis, sum([dims[axis]!, added]));
    }, [...dims])];
  }],

  ["TopK", (call) => {
    const dims = call.shape(0);
    const axis = axisFrom(call.attributeInt("axis") ?? -1, dims.length);
    const [count] = call.opset < 10 ? [call.attributeInt("k") ?? UNKNOWN] : sizes(call, 1);
    const made = changed(dims, axis, count ?? UNKNOWN);
    return [made, made];
  }],

  ["DepthToSpace", (call) => {
    const [batch, channels, ...spatial] = call.shape(0);
    const block = call.attributeInt("blocksize") ?? giveUp();
    if (batch === undefined || typeof channels !== "number") return giveUp();
    return [[batch, channels / block ** 2, ...spatial.map((dim) => product([dim, block]))]];
  }],

  ["SpaceToDepth", (call) => {
    const [batch, channels, ...spatial] = call.shape(0);
    const block = call.attributeInt("blocksize") ?? giveUp();
    if (batch === undefined || typeof channels !== "number") return giveUp();
    return [[batch, channels * block ** 2, ...spatial.map((dim) => typeof dim === "number" ? dim / block : UNKNOWN)]];
  }],

  ["GridSample", (call) => {
    const [input, grid] = [call.shape(0), call.shape(1)];
    return [[...input.slice(0, 2), ...grid.slice(1, -1)]];
  }],

  ["OneHot", (call) => {
    const dims = [...call.shape(0)];
    const depth = sizes(call, 1)[0] ?? UNKNOWN;
    dims.splice(axisFrom(call.attributeInt("axis") ?? -1, dims.length + 1), 0, depth);
    return [dims];
  }],

  ["RoiAlign", (call) => {
    const [rois] = call.shape(1);
    const size = (name: string) => call.attributeInt(name) ?? 1;
    return [[rois!, call.shape(0)[1]!, size("output_height"), size("output_width")]];
  }],
]);
