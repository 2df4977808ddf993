/** Operators through which the batch is followed: where it comes out, and what must hold for that. */
import { domainOf } from "../../graph/nodes.ts";
import type { NodeProto } from "../../proto.ts";
import { BROADCAST, REDUCTIONS } from "../../infer/operator_kinds.ts";
import { unlessGivenUp } from "../../infer/evaluate_call.ts";
import { permutation, sliceRange, sliceRanges } from "../../infer/evaluate_movement.ts";
import { type Batched, type Flow, isAlike, type Step } from "./dynamic_batch_flow.ts";
import { constantOfShape, expand, flatten, reshape, resize, tile } from "./dynamic_batch_reshape.ts";
import { attribute } from "../../graph/graph_index.ts";

/** What comes out of a node at least one input of which depends on the batch. */
export type BatchRule = (step: Step) => Flow[];

/** Operators that treat each element alone, by their first input; others tell how. */
const ELEMENTWISE =
  "Abs Acos Acosh Asin Asinh Atan Atanh BitwiseNot Cast CastLike Ceil Celu Clip Cos Cosh Dropout Elu Erf Exp Floor " +
  "Gelu HardSigmoid HardSwish Identity IsInf IsNaN LeakyRelu Log Mish Neg Not Reciprocal Relu Round Selu Shrink " +
  "Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Swish Tan Tanh ThresholdedRelu";

/** Operators on `[N, C, ...]` that treat each picture alone. */
const PICTURES =
  "AveragePool Conv ConvTranspose DepthToSpace GlobalAveragePool GlobalLpPool GlobalMaxPool GroupNormalization " +
  "InstanceNormalization LRN LpPool MaxPool SpaceToDepth";

/** The rule of a node's operator. */
export function batchRule({ domain, op_type: name = "" }: NodeProto): BatchRule | undefined {
  if (name === "EfficientNMS_TRT") return pictures;
  return domainOf(domain) === "ai.onnx" ? RULES.get(name) : undefined;
}

const named = (names: string, rule: BatchRule) => names.split(" ").map((name) => [name, rule] as const);

/** The first input, which must be the only one that depends on the batch. */
function alone(step: Step): Batched {
  if (step.inputs.some((flow, at) => at > 0 && flow !== null)) step.refuse("reads the batch where it takes weights");
  return step.batched(0)!;
}

const outputsOf = ({ node }: Step, flow: Flow): Flow[] => node.output.map(() => flow);

const elementwise: BatchRule = (step) => outputsOf(step, alone(step));

const pictures: BatchRule = (step) => {
  const flow = step.batched(0);
  const isFirst = (one: Flow) => one !== "sizes" && one?.axis === 0;
  if (!isFirst(flow) || step.inputs.some((one) => one !== null && !isFirst(one))) {
    return step.refuse("has the batch in another place than its first axis");
  }
  return outputsOf(step, flow);
};

const pictureByWeights: BatchRule = (step) => {
  alone(step);
  return pictures(step);
};

/** All batched inputs must meet in one axis, in which every other input has the size 1. */
const broadcast: BatchRule = (step) => {
  const shapes = step.node.input.map((_, at) => step.dims(at));
  const rank = Math.max(...shapes.map(({ length }) => length));
  let met: Batched | null = null;
  for (const [at, dims] of shapes.entries()) {
    const flow = step.batched(at);
    if (flow === null) continue;
    const axis = flow.axis + rank - dims.length;
    if (met !== null && (met.axis !== axis || !isAlike(met, flow))) {
      step.refuse("meets two batches in different axes");
    }
    met = { ...flow, axis };
  }
  const { axis } = met!;
  for (const [at, dims] of shapes.entries()) {
    const size = dims[axis - rank + dims.length] ?? 1;
    if (step.inputs[at] === null && size !== 1) step.refuse(`combines the batch with a constant of ${size}`);
  }
  return [met];
};

/** Operators that mix elements along one axis, which must not be the batch's. */
const along = (fallback: number, isCoercedBefore = 0): BatchRule => (step) => {
  const flow = alone(step);
  const rank = step.rank(0);
  const isCoerced = step.call.opset < isCoercedBefore;
  const axis = step.axis("axis", isCoerced ? 1 : fallback, rank);
  if (isCoerced ? axis <= flow.axis : axis === flow.axis) return step.refuse("works along the batch");
  return outputsOf(step, flow);
};

const reduction = (since: number): BatchRule => (step) => {
  const flow = alone(step);
  const rank = step.rank(0);
  const axes = step.axes(1, since, rank) ?? [];
  if (axes.length === 0 && step.call.attributeInt("noop_with_empty_axes") === 1) return [flow];
  if (axes.length === 0 || axes.includes(flow.axis)) return step.refuse("reduces the batch");
  const keeps = step.call.attributeInt("keepdims") !== 0;
  return [keeps ? flow : { ...flow, axis: flow.axis - axes.filter((axis) => axis < flow.axis).length }];
};

const position: BatchRule = (step) => {
  const flow = alone(step);
  const axis = step.axis("axis", 0, step.rank(0));
  if (axis === flow.axis) return step.refuse("works along the batch");
  const isDropped = step.call.attributeInt("keepdims") === 0 && axis < flow.axis;
  return [isDropped ? { ...flow, axis: flow.axis - 1 } : flow];
};

const concat: BatchRule = (step) => {
  const flows = step.inputs.map((_, at) => step.batched(at));
  const [first] = flows;
  if (!first || flows.some((flow) => flow?.axis !== first.axis || !isAlike(flow, first))) {
    return step.refuse("joins values with and without the batch");
  }
  const axis = step.axis("axis", 1, step.rank(0));
  return axis === first.axis ? step.refuse("joins values along the batch") : [first];
};

/** A range over the whole batch stays one over the whole batch, whatever that is. */
const slice: BatchRule = (step) => {
  const flow = alone(step);
  const dims = step.dims(0);
  const ranges = unlessGivenUp(() => sliceRanges(step.call, dims.length)) ?? step.refuse("takes a computed range");
  const at = ranges.findIndex(({ axis }) => axis === flow.axis);
  const range = ranges[at];
  if (range === undefined) return [flow];
  const size = flow.size * flow.outer * step.batch;
  const { first, count } = sliceRange(size, range);
  if (first !== 0 || count !== size || range.step !== 1) return step.refuse("takes a part of the batch");
  const far = 2 ** 31 - 1;
  if (range.start === 0 && range.end >= far) return [flow];
  const replaced = (values: readonly number[], value: number) => values.map((old, index) => index === at ? value : old);
  if (step.call.opset >= 10) {
    step.setIntegers(1, replaced(step.integers(1)!, 0));
    step.setIntegers(2, replaced(step.integers(2)!, far));
  } else {
    const ints = (name: string, value: number) => (values: readonly bigint[], given: string) =>
      given === name ? values.map((old, index) => index === at ? BigInt(value) : old) : [...values];
    const [start, end] = [ints("starts", 0), ints("ends", far)];
    const changed = step.node.attribute.map((one) => ({ ...one, ints: end(start(one.ints, one.name!), one.name!) }));
    step.node = { ...step.node, attribute: changed };
  }
  return [flow];
};

const gather: BatchRule = (step) => {
  const [data, indices] = [step.batched(0), step.batched(1)];
  const axis = step.axis("axis", 0, step.rank(0));
  if (indices !== null) {
    if (data !== null) return step.refuse("looks up the batch in the batch");
    return [{ ...indices, axis: axis + indices.axis }];
  }
  const flow = data!;
  if (axis === flow.axis) return step.refuse("takes a part of the batch");
  return [axis < flow.axis ? { ...flow, axis: flow.axis + step.rank(1) - 1 } : flow];
};

/** Operators whose inputs must all have the batch in one axis, which is not the one that they work along. */
const together = (fallback: number): BatchRule => (step) => {
  const first = step.batched(0);
  const isEqual = step.inputs.every((_, at) => {
    const flow = step.batched(at);
    return flow !== null && first !== null && flow.axis === first.axis && isAlike(flow, first);
  });
  if (first === null || !isEqual) return step.refuse("joins values with and without the batch");
  const axis = step.axis("axis", fallback, step.rank(0));
  return axis === first.axis ? step.refuse("works along the batch") : [first];
};

const matrixProduct: BatchRule = (step) => {
  const [left, right] = [step.batched(0), step.batched(1)];
  const [a, b] = [step.dims(0), step.dims(1)];
  if (a.length < 2 || b.length < 2) return step.refuse("multiplies a vector");
  const rank = Math.max(a.length, b.length);
  const fromEnd = left === null ? b.length - right!.axis : a.length - left.axis;
  const flow = (left ?? right)!;
  if (left !== null && right !== null && (fromEnd < 3 || b.length - right.axis !== fromEnd || !isAlike(left, right))) {
    return step.refuse("meets two batches in different axes");
  }
  const isSummed = left === null ? fromEnd === 2 : fromEnd === 1;
  if (isSummed) return step.refuse("sums over the batch");
  const other = left === null ? a : b;
  if (fromEnd > 2 && (left === null || right === null) && (other.at(-fromEnd) ?? 1) !== 1) {
    return step.refuse("combines the batch with constants of another size");
  }
  return [{ ...flow, axis: rank - fromEnd }];
};

const gemm: BatchRule = (step) => {
  const flow = alone(step);
  const rows = step.call.attributeInt("transA") === 1 ? 1 : 0;
  if (flow.axis !== rows) return step.refuse("sums over the batch");
  const bias = step.call.has(2) ? step.dims(2) : [];
  if (bias.length > 1 && bias[0] !== 1) return step.refuse("adds rows of its own to those of the batch");
  return [{ ...flow, axis: 0 }];
};

const squeeze: BatchRule = (step) => {
  const flow = alone(step);
  const dims = step.dims(0);
  const axes = step.axes(1, 13, dims.length);
  if (axes === undefined || axes.length === 0) return step.refuse("drops every axis of size 1, perhaps the batch's");
  if (axes.includes(flow.axis)) return step.refuse("drops the batch");
  return [{ ...flow, axis: flow.axis - axes.filter((axis) => axis < flow.axis).length }];
};

const unsqueeze: BatchRule = (step) => {
  const flow = alone(step);
  const given = step.call.opset < 13 ? step.call.attributeInts("axes") : step.integers(1);
  const rank = step.rank(0) + (given?.length ?? 0);
  const axes = new Set(given?.map((axis) => axis < 0 ? axis + rank : axis));
  const kept = Array.from({ length: rank }, (_, axis) => axis).filter((axis) => !axes.has(axis));
  return [{ ...flow, axis: kept[flow.axis] ?? step.refuse("has an axis that its input lacks") }];
};

const transpose: BatchRule = (step) => {
  const flow = alone(step);
  const order = unlessGivenUp(() => permutation(step.call, step.rank(0))) ?? step.refuse("has no order of axes");
  return [{ ...flow, axis: order.indexOf(flow.axis) }];
};

const pad: BatchRule = (step) => {
  const flow = alone(step);
  const rank = step.rank(0);
  const axes = (step.call.opset >= 18 ? step.integers(3) : undefined)?.map((axis) => axis < 0 ? axis + rank : axis) ??
    Array.from({ length: rank }, (_, axis) => axis);
  const pads = step.call.opset < 11 ? step.call.attributeInts("pads") : step.integers(1);
  const at = axes.indexOf(flow.axis);
  const isFree = pads !== undefined && (at < 0 || (pads[at] === 0 && pads[at + axes.length] === 0));
  return isFree ? [flow] : step.refuse("pads the batch");
};

const oneHot: BatchRule = (step) => {
  const flow = alone(step);
  const rank = step.rank(0) + 1;
  const axis = step.axis("axis", -1, rank);
  return [axis <= flow.axis ? { ...flow, axis: flow.axis + 1 } : flow];
};

const gatherND: BatchRule = (step) => {
  const [data, indices] = [step.batched(0), step.batched(1)];
  const depth = step.call.attributeInt("batch_dims") ?? 0;
  const isShared = data !== null && indices?.axis === data.axis && isAlike(indices, data) && data.axis < depth;
  return isShared ? [data] : step.refuse("looks up the batch by constants");
};

/** The batch's letter must be in the result, and in no operand without the batch. */
const einsum: BatchRule = (step) => {
  const equation = new TextDecoder().decode(attribute(step.node, "equation")?.s).replaceAll(" ", "");
  const [left = "", right] = equation.split("->");
  const terms = left.split(",");
  if (right === undefined || equation.includes(".")) return step.refuse("has an equation that cannot be followed");
  const letters = new Set(terms.flatMap((term, at) => {
    const flow = step.batched(at);
    return flow === null ? [] : [term[flow.axis] ?? ""];
  }));
  const flows = step.inputs.flatMap((flow) => flow === null || flow === "sizes" ? [] : [flow]);
  const [first] = flows;
  const [letter = ""] = letters;
  const isApart = terms.every((term, at) => {
    const flow = step.batched(at);
    return term.split(letter).length === (flow === null ? 1 : 2);
  });
  const axis = right.indexOf(letter);
  if (
    first === undefined || letters.size !== 1 || letter === "" || axis < 0 || !isApart ||
    !flows.every((one) => isAlike(one, first))
  ) {
    return step.refuse("sums over the batch");
  }
  return [{ ...first, axis }];
};

const layerNormalization: BatchRule = (step) => {
  const flow = alone(step);
  const axis = step.axis("axis", -1, step.rank(0));
  return axis <= flow.axis ? step.refuse("works along the batch") : outputsOf(step, flow);
};

const batchNormalization: BatchRule = (step) => {
  if (step.call.attributeInt("training_mode") === 1) return step.refuse("is in training mode");
  return pictureByWeights(step);
};

const meanVariance: BatchRule = (step) => {
  const flow = alone(step);
  const axes = step.call.attributeInts("axes") ?? [0, 2, 3];
  return axes.includes(flow.axis) ? step.refuse("works along the batch") : [flow];
};

/** A scale for each element along one axis, or one for all. */
const quantization: BatchRule = (step) => {
  const flow = alone(step);
  if (step.rank(1) === 0) return [flow];
  return step.axis("axis", 1, step.rank(0)) === flow.axis ? step.refuse("works along the batch") : [flow];
};

const trilu: BatchRule = (step) => {
  const flow = alone(step);
  return flow.axis >= step.rank(0) - 2 ? step.refuse("works along the batch") : [flow];
};

const cumulation: BatchRule = (step) => {
  const flow = alone(step);
  const [axis = 0] = step.integers(1) ?? [];
  return (axis < 0 ? axis + step.rank(0) : axis) === flow.axis ? step.refuse("works along the batch") : [flow];
};

const split: BatchRule = (step) => {
  const flow = alone(step);
  const axis = step.axis("axis", 0, step.rank(0));
  return axis === flow.axis ? step.refuse("takes the batch apart") : outputsOf(step, flow);
};

const RULES: ReadonlyMap<string, BatchRule> = new Map<string, BatchRule>([
  ...named(ELEMENTWISE, elementwise),
  ...named(BROADCAST, broadcast),
  ...named(PICTURES, pictureByWeights),
  ...Object.entries(REDUCTIONS).map(([name, since]) => [name, reduction(since)] as const),
  ...named("ArgMax ArgMin", position),
  ...named("Softmax LogSoftmax Hardmax", along(-1, 13)),
  ...named("LpNormalization TopK", along(-1)),
  ...named("QuantizeLinear DequantizeLinear", quantization),
  ...named("GridSample DeformConv", pictures),
  ...named("Resize Upsample", resize),
  ["BatchNormalization", batchNormalization],
  ["Concat", concat],
  ["CumSum", cumulation],
  ["ConstantOfShape", constantOfShape],
  ["Einsum", einsum],
  ["Expand", expand],
  ["Flatten", flatten],
  ["Gather", gather],
  ["GatherElements", together(0)],
  ["GatherND", gatherND],
  ["Gemm", gemm],
  ["LayerNormalization", layerNormalization],
  ["MatMul", matrixProduct],
  ["MeanVarianceNormalization", meanVariance],
  ["OneHot", oneHot],
  ["Pad", pad],
  ["Reshape", reshape],
  ["ScatterElements", together(0)],
  ["Slice", slice],
  ["Split", split],
  ["Squeeze", squeeze],
  ["Tile", tile],
  ["Transpose", transpose],
  ["Trilu", trilu],
  ["Unsqueeze", unsqueeze],
]);
