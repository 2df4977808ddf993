/** Reshape, Expand and Resize: operators that carry the batch in a constant. */
import type { NodeProto } from "../../proto.ts";
import { intAttribute } from "../../graph/attributes.ts";
import { axisFrom, unlessGivenUp } from "../../infer/evaluate_call.ts";
import { type Dim, type KnownTensor } from "../../infer/evaluate_tensor.ts";
import { reshapedDims } from "../../infer/evaluate_movement.ts";
import { attribute, nodeOf } from "../../graph/graph_index.ts";
import { BATCH, batchAt, type Batched, type Flow, isAlike, type Step } from "./dynamic_batch_flow.ts";

/** The product of sizes; sizes that are not known count by name. */
function productKey(dims: readonly Dim[]): string {
  const product = dims.reduce<number>((all, dim) => typeof dim === "number" ? all * dim : all, 1);
  return [product, ...dims.filter((dim) => typeof dim === "string").sort()].join("*");
}

/**
 * Where the batch is in the result when elements keep their order. An axis may do when what is before the batch and
 * what is behind it fit there; an axis of its own is best, then the rows that a matrix product reads.
 */
function batchedAfter(step: Step, from: readonly Dim[], flow: Batched, to: readonly Dim[]): Batched {
  const refuse = () => step.refuse(`mixes the batch with other axes: [${shown(from)}] becomes [${shown(to)}]`);
  const numbers = [...from, ...to].every((dim) => typeof dim === "number");
  if (!numbers) return batchedBehindSame(step, from, flow, to) ?? refuse();
  const product = (dims: readonly Dim[]) => dims.reduce<number>((all, dim) => all * Number(dim), 1);
  const before = product(from.slice(0, flow.axis)) * flow.outer;
  const behind = product(from.slice(flow.axis + 1)) * flow.size;
  const fitting = to.flatMap((dim, axis): Batched[] => {
    const outer = before / product(to.slice(0, axis));
    const size = behind / product(to.slice(axis + 1));
    const fits = Number.isInteger(outer) && Number.isInteger(size) && outer * size * step.batch === dim;
    return fits ? [{ axis, size, outer }] : [];
  });
  const own = fitting.find(({ size, outer }) => size === 1 && outer === 1);
  const rows = fitting.find(({ size }) => size === 1);
  const first = fitting.find(({ outer }) => outer === 1);
  return own ?? (isMultiplied(step) ? rows : first) ?? first ?? rows ?? refuse();
}

/** Whether the result is rows that are multiplied with one matrix each. */
const isMultiplied = ({ node, readers }: Step): boolean =>
  readers.some(({ op_type: operator, input }) =>
    (operator === "Gemm" || operator === "MatMul") && input[0] === node.output[0]
  );

/** With sizes that are not known: the first axis before which there is as much as before the batch. */
function batchedBehindSame(step: Step, from: readonly Dim[], flow: Batched, to: readonly Dim[]): Batched | null {
  if (flow.outer !== 1) return null;
  const lead = productKey(from.slice(0, flow.axis));
  const axis = to.findIndex((_, at) => productKey(to.slice(0, at)) === lead);
  const dim = to[axis];
  if (typeof dim !== "number" || dim % step.batch !== 0) return null;
  return { axis, size: dim / step.batch, outer: 1 };
}

/** Length of the batched axis in the graph as it is. */
const lengthOf = ({ batch }: Step, { size, outer }: Batched): number => size * outer * batch;

const shown = (dims: readonly Dim[]): string => dims.map((dim) => typeof dim === "number" ? dim : "?").join(", ");

/** Flatten has the batch in one of its two axes. */
export function flatten(step: Step): Flow[] {
  const flow = step.batched(0)!;
  const dims = step.dims(0);
  const given = step.call.attributeInt("axis") ?? 1;
  const split = given < 0 ? given + dims.length : given;
  const isFirst = flow.axis < split;
  const product = (some: readonly Dim[]) =>
    some.reduce<number>((all, dim) => all * (typeof dim === "number" ? dim : step.refuse("merges unknown sizes")), 1);
  return [{
    axis: isFirst ? 0 : 1,
    size: flow.size * product(dims.slice(flow.axis + 1, isFirst ? split : undefined)),
    outer: flow.outer * product(dims.slice(isFirst ? 0 : split, flow.axis)),
  }];
}

export function reshape(step: Step): Flow[] {
  const data = step.batched(0);
  const allowZero = step.call.attributeInt("allowzero") === 1;
  if (step.inputs[1] !== null) return [reshapeBySizes(step, data, allowZero)];
  if (data === null) return [null];
  const shape = step.integers(1)!;
  const dims = step.dims(0);
  const made = step.made[0] ?? step.refuse("makes a value of unknown shape");
  const flow = batchedAfter(step, dims, data, made);
  const copies = !allowZero && flow.axis === data.axis && isAlike(flow, data);
  const now = [...shape];
  // A 0 that copied another axis would copy the batch now.
  for (const [at, size] of shape.entries()) {
    const dim = made[at]!;
    const isCopy = size === 0 && !allowZero;
    if (isCopy && at === data.axis && at !== flow.axis) {
      now[at] = typeof dim === "number" ? dim : step.refuse("copies the batch");
    }
  }
  if (shape[flow.axis] !== -1 && !(copies && shape[flow.axis] === 0)) {
    now[flow.axis] = copies ? 0 : -1;
    const open = copies ? -1 : shape.indexOf(-1);
    if (open >= 0) {
      const dim = made[open]!;
      now[open] = typeof dim === "number" ? dim : step.refuse("leaves two sizes open");
    }
  }
  if (now.some((size, at) => size !== shape[at])) step.setIntegers(1, now);
  return [flow];
}

/** Reshape to computed sizes: the batch is where its name is. */
function reshapeBySizes(step: Step, data: Batched | null, allowZero: boolean): Flow {
  const elements = step.sizes(1);
  const dims = step.symbolicDims(0);
  if (data === null) {
    return elements.includes(BATCH) ? step.refuse("gives the batch to a value that has none") : null;
  }
  const made = unlessGivenUp(() => reshapedDims(dims, elements, allowZero)) ?? step.refuse("cannot be followed");
  const name = dims[data.axis]!;
  const axis = made.indexOf(name);
  if (
    typeof name !== "string" || axis < 0 || productKey(made.slice(0, axis)) !== productKey(dims.slice(0, data.axis))
  ) {
    return step.refuse("mixes the batch with other axes");
  }
  return { ...data, axis };
}

export function expand(step: Step): Flow[] {
  const data = step.batched(0);
  const rank = step.made[0]?.length ?? step.refuse("makes a value of unknown shape");
  if (step.inputs[1] !== null) {
    const elements = step.sizes(1);
    const at = elements.indexOf(BATCH);
    const axis = data === null ? at + rank - elements.length : data.axis + rank - step.rank(0);
    if (at < 0 || at + rank - elements.length !== axis || (data !== null && !isAlike(data, batchAt(0)))) {
      return step.refuse("expands a value by the batch's size");
    }
    const own = step.symbolicDims(0).at(axis - rank);
    const isFree = axis < rank - step.rank(0) || own === 1 || own === BATCH;
    return isFree ? [batchAt(axis)] : step.refuse("expands a value by the batch's size");
  }
  if (data === null) return [null];
  const shape = step.integers(1)!;
  const at = data.axis - step.rank(0) + shape.length;
  if (at >= 0 && shape[at] !== 1) {
    if (shape[at] !== lengthOf(step, data)) return step.refuse("repeats the pictures of the batch");
    step.setIntegers(1, shape.map((size, index) => index === at ? 1 : size));
  }
  return [{ ...data, axis: data.axis + rank - step.rank(0) }];
}

/** Tile must not repeat pictures; one that repeats another value by the batch's size makes a batched one. */
export function tile(step: Step): Flow[] {
  const data = step.batched(0);
  if (step.inputs[1] !== null) {
    const elements = step.sizes(1);
    const axis = elements.indexOf(BATCH);
    const isFree = axis >= 0 && data === null && step.dims(0)[axis] === 1;
    const others = elements.every((element, at) => at === axis || typeof element === "bigint");
    return isFree && others ? [batchAt(axis)] : step.refuse("repeats a value by the batch's size");
  }
  if (data !== null && step.integers(1)![data.axis] !== 1) return step.refuse("repeats the pictures of the batch");
  return [data];
}

export function constantOfShape(step: Step): Flow[] {
  const elements = step.sizes(0);
  const axis = elements.indexOf(BATCH);
  if (axis < 0) return step.refuse("makes a value by the batch's size");
  return elements.every((element, at) => at === axis || typeof element === "bigint")
    ? [batchAt(axis)]
    : step.refuse("makes a value by the batch's size");
}

export function resize(step: Step): Flow[] {
  const data = step.batched(0);
  if (data === null) {
    return step.inputs.every((flow) => flow === null) ? [null] : step.refuse("resizes by the batch's size");
  }
  const { call } = step;
  const isNew = step.node.op_type === "Resize" && call.opset >= 11;
  const rank = step.rank(0);
  const axes = unlessGivenUp(() => call.attributeInts("axes")?.map((axis) => axisFrom(axis, rank)));
  const place = axes === undefined ? data.axis : axes.indexOf(data.axis);
  if (place < 0) return [data];
  if (isNew && call.has(3)) return resizeToSizes(step, data, place);
  const scales = step.node.op_type === "Upsample" && call.opset < 9
    ? attribute(step.node, "scales")?.floats
    : unlessGivenUp(() => call.input(isNew ? 2 : 1))?.elements;
  return scales?.[place] === 1 ? [data] : step.refuse("scales the batch");
}

function resizeToSizes(step: Step, data: Batched, place: number): Flow[] {
  if (step.inputs[3] !== null) {
    const name = step.symbolicDims(0)[data.axis]!;
    return step.sizes(3)[place] === name ? [data] : step.refuse("resizes the batch");
  }
  const sizes = step.integers(3)!;
  if (sizes[place] !== lengthOf(step, data)) return step.refuse("resizes the batch");
  const policy = attribute(step.node, "keep_aspect_ratio_policy")?.s;
  if (policy !== undefined && new TextDecoder().decode(policy) !== "stretch") {
    return step.refuse("keeps the aspect ratio");
  }
  const scales = exactScales(step, sizes);
  if (scales === null) readBatch(step, data, { sizes, place });
  else useScales(step, scales);
  return [data];
}

/** Scales that give the same result as the sizes: powers of two are the same number in every runtime. */
function exactScales(step: Step, sizes: readonly number[]): number[] | null {
  const dims = step.dims(0);
  if (sizes.length !== dims.length) return null;
  const scales = sizes.map((size, axis) => size / Number(dims[axis]));
  return scales.every((scale) => Number.isInteger(Math.log2(scale))) ? scales : null;
}

function useScales(step: Step, scales: readonly number[]): void {
  const known: KnownTensor = { type: 1, dims: [scales.length], elements: scales };
  const name = step.addConstant("scales", known);
  const [data = "", roi = ""] = step.node.input;
  step.node = { ...step.node, input: [data, roi, name] };
}

/** Sizes whose batch is read off the value itself: Shape, Slice and Concat before the node. */
function readBatch(step: Step, data: Batched, { sizes, place }: { sizes: readonly number[]; place: number }): void {
  const [source = "", , , given = ""] = step.node.input;
  const name = (what: string) => step.newName(`${given}_${what}`);
  const [shape, own, all] = [name("shape"), name("own"), name("sizes")];
  const list = (values: readonly number[]) => step.addIntegers(given, values);
  const add = (op: string, inputs: string[], output: string, attributes: NodeProto["attribute"] = []) =>
    step.before.push(nodeOf(op, { inputs, outputs: [output], name: step.newName(`${output}_node`) }, attributes));
  add("Shape", [source], shape);
  add("Slice", [shape, list([data.axis]), list([data.axis + 1])], own);
  const parts = [sizes.slice(0, place), null, sizes.slice(place + 1)]
    .flatMap((part) => part === null ? [own] : part.length === 0 ? [] : [list(part)]);
  add("Concat", parts, all, [intAttribute("axis", 0)]);
  step.node = { ...step.node, input: step.node.input.map((old, at) => at === 3 ? all : old) };
}
