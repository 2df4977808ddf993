/** Operators that only move elements, known or not. */
import { DATA_TYPE } from "../proto.ts";
import {
  axesFrom,
  axisFrom,
  boundedCount,
  broadcastDims,
  broadcastPlaces,
  type Call,
  giveUp,
  placesOf,
  stridesOf,
} from "./evaluate_call.ts";
import {
  type Dim,
  dimFromElement,
  type Element,
  isInteger,
  knownFromTensor,
  type KnownTensor,
  UNKNOWN,
} from "./evaluate_tensor.ts";
import { attribute } from "../graph/graph_index.ts";

export type Kernel = (call: Call) => KnownTensor[];

/** Elements of `from` at the given places, in another shape. */
const moved = (from: KnownTensor, dims: readonly number[], places: readonly number[]): KnownTensor[] => [
  { type: from.type, dims, elements: places.map((place) => from.elements[place]!) },
];

const reshaped = (from: KnownTensor, dims: readonly number[]): KnownTensor[] =>
  boundedCount(dims) === from.elements.length ? [{ ...from, dims }] : giveUp();

const int64 = (dims: readonly number[], elements: readonly Element[]): KnownTensor[] => [
  { type: DATA_TYPE.INT64, dims, elements },
];

const elementFromDim = (dim: Dim): Element => typeof dim === "number" ? BigInt(dim) : dim;

export const MOVEMENT: Readonly<Record<string, Kernel>> = {
  Constant: ({ node }) => {
    const [given, ...more] = node.attribute;
    if (given === undefined || more.length > 0 || given.ref_attr_name) return giveUp();
    switch (given.name) {
      case "value":
        return [(given.t && knownFromTensor(given.t)) ?? giveUp()];
      case "value_int":
        return int64([], [given.i ?? giveUp()]);
      case "value_ints":
        return int64([given.ints.length], given.ints);
      case "value_float":
        return [{ type: DATA_TYPE.FLOAT, dims: [], elements: [given.f ?? giveUp()] }];
      case "value_floats":
        return [{ type: DATA_TYPE.FLOAT, dims: [given.floats.length], elements: given.floats }];
      default:
        return giveUp();
    }
  },

  Identity: (call) => [call.input(0)],

  Shape: (call) => {
    const dims = call.shape(0);
    const rank = dims.length;
    const bound = (given: number) => Math.min(Math.max(given < 0 ? given + rank : given, 0), rank);
    const start = bound(call.attributeInt("start") ?? 0);
    const part = dims.slice(start, Math.max(bound(call.attributeInt("end") ?? rank), start));
    return int64([part.length], part.map(elementFromDim));
  },

  Size: (call) => {
    const dims = call.shape(0);
    if (dims.every((dim) => typeof dim === "number")) {
      return int64([], [dims.reduce((product, dim) => product * BigInt(dim), 1n)]);
    }
    return int64([], [dims.length === 1 ? elementFromDim(dims[0]!) : UNKNOWN]);
  },

  Gather: (call) => {
    const data = call.input(0);
    const indices = call.integers(1) ?? giveUp();
    const axis = axisFrom(call.attributeInt("axis") ?? 0, data.dims.length);
    const size = data.dims[axis]!;
    const dims = [...data.dims.slice(0, axis), ...call.shape(1) as number[], ...data.dims.slice(axis + 1)];
    boundedCount(dims);
    const inner = stridesOf(data.dims)[axis]!;
    const outer = data.dims.slice(0, axis).reduce((product, dim) => product * dim, 1);
    const rows = indices.map((index) => axisFrom(index, size));
    const places: number[] = [];
    for (let block = 0; block < outer; block++) {
      for (const row of rows) {
        for (let at = 0; at < inner; at++) places.push((block * size + row) * inner + at);
      }
    }
    return moved(data, dims, places);
  },

  Slice: (call) => {
    const data = call.input(0);
    const strides = stridesOf(data.dims);
    const dims = [...data.dims];
    let from = 0;
    for (const { axis, start, end, step } of sliceRanges(call, data.dims.length)) {
      const range = sliceRange(data.dims[axis]!, { start, end, step });
      from += range.first * strides[axis]!;
      dims[axis] = range.count;
      strides[axis]! *= step;
    }
    return moved(data, dims, placesOf(dims, strides, from));
  },

  Concat: (call) => {
    const parts = call.node.input.map((_, at) => call.input(at));
    const [first, ...rest] = parts as [KnownTensor, ...KnownTensor[]];
    const rank = first.dims.length;
    const axis = axisFrom(call.attributeInt("axis") ?? giveUp(), rank);
    const fits = rest.every(({ type, dims }) =>
      type === first.type && dims.length === rank && dims.every((dim, at) => at === axis || dim === first.dims[at])
    );
    if (!fits) return giveUp();
    const dims = first.dims.map((dim, at) => at === axis ? parts.reduce((sum, { dims }) => sum + dims[axis]!, 0) : dim);
    boundedCount(dims);
    const outer = dims.slice(0, axis).reduce((product, dim) => product * dim, 1);
    const elements: Element[] = [];
    for (let block = 0; block < outer; block++) {
      for (const part of parts) {
        const length = part.elements.length / outer;
        for (let at = 0; at < length; at++) elements.push(part.elements[block * length + at]!);
      }
    }
    return [{ type: first.type, dims, elements }];
  },

  Unsqueeze: (call) => {
    const data = call.input(0);
    return reshaped(data, unsqueezed(data.dims, call.axes(1, 13) ?? giveUp()) as number[]);
  },

  Squeeze: (call) => {
    const data = call.input(0);
    return reshaped(data, squeezed(data.dims, call.axes(1, 13)) as number[]);
  },

  Reshape: (call) => {
    const data = call.input(0);
    const shape = call.input(1);
    if (!isInteger(shape.type)) return giveUp();
    const dims = reshapedDims(data.dims, shape.elements, call.attributeInt("allowzero") === 1);
    return dims.every((dim) => typeof dim === "number") ? reshaped(data, dims as number[]) : giveUp();
  },

  Flatten: (call) => {
    const data = call.input(0);
    const rank = data.dims.length;
    const given = call.attributeInt("axis") ?? 1;
    const axis = given < 0 ? given + rank : given;
    if (axis < 0 || axis > rank) return giveUp();
    const product = (dims: readonly number[]) => dims.reduce((all, dim) => all * dim, 1);
    return reshaped(data, [product(data.dims.slice(0, axis)), product(data.dims.slice(axis))]);
  },

  Transpose: (call) => {
    const data = call.input(0);
    const order = permutation(call, data.dims.length);
    const strides = stridesOf(data.dims);
    const dims = order.map((axis) => data.dims[axis]!);
    return moved(data, dims, placesOf(dims, order.map((axis) => strides[axis]!)));
  },

  Expand: (call) => {
    const data = call.input(0);
    const dims = broadcastDims([data.dims, call.integers(1) ?? giveUp()]);
    boundedCount(dims);
    return moved(data, dims, broadcastPlaces(data.dims, dims));
  },

  Tile: (call) => {
    const data = call.input(0);
    const repeats = call.integers(1) ?? giveUp();
    if (repeats.length !== data.dims.length) return giveUp();
    const dims = data.dims.map((dim, axis) => dim * repeats[axis]!);
    const strides = stridesOf(data.dims);
    const outer = stridesOf(dims);
    const places = placesOf(dims, outer).map((place) =>
      data.dims.reduce((sum, dim, axis) => sum + (Math.floor(place / outer[axis]!) % dim) * strides[axis]!, 0)
    );
    return moved(data, dims, places);
  },

  Split: (call) => {
    const data = call.input(0);
    const axis = axisFrom(call.attributeInt("axis") ?? 0, data.dims.length);
    const sizes = splitSizes(call, data.dims[axis]!);
    const strides = stridesOf(data.dims);
    let from = 0;
    return sizes.flatMap((size) => {
      const dims = data.dims.map((dim, at) => at === axis ? size : dim);
      const start = from * strides[axis]!;
      from += size;
      return moved(data, dims, placesOf(dims, strides, start));
    });
  },

  ConstantOfShape: (call) => {
    const dims = call.integers(0) ?? giveUp();
    if (dims.some((dim) => dim < 0)) return giveUp();
    const given = attribute(call.node, "value")?.t;
    const fill = given === undefined ? { type: DATA_TYPE.FLOAT, elements: [0] } : knownFromTensor(given) ?? giveUp();
    const { type, elements: [element] } = fill;
    if (element === undefined) return giveUp();
    return [{ type, dims, elements: new Array(boundedCount(dims)).fill(element) }];
  },

  Where: (call) => {
    const [condition, yes, no] = [call.input(0), call.input(1), call.input(2)];
    if (yes.type !== no.type) return giveUp();
    const dims = broadcastDims([condition.dims, yes.dims, no.dims]);
    boundedCount(dims);
    const [when, then, otherwise] = [condition, yes, no].map((one) => broadcastPlaces(one.dims, dims)) as [
      number[],
      number[],
      number[],
    ];
    const elements = when.map((place, at): Element => {
      const chosen = condition.elements[place]!;
      const [a, b] = [yes.elements[then[at]!]!, no.elements[otherwise[at]!]!];
      if (typeof chosen === "string") return a === b && typeof a === "bigint" ? a : UNKNOWN;
      // ONNX Runtime adds a zero to what it chooses, which changes this one.
      return Object.is(chosen ? a : b, -0) ? giveUp() : chosen ? a : b;
    });
    return [{ type: yes.type, dims, elements }];
  },
};

export interface SliceRange {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

/** What a Slice node asks for on each axis: attributes before version 10, inputs since. */
export function sliceRanges(call: Call, rank: number): SliceRange[] {
  const isOld = call.opset < 10;
  const read = (name: string, at: number) => isOld ? call.attributeInts(name) : call.integers(at);
  const starts = read("starts", 1) ?? giveUp();
  const ends = read("ends", 2) ?? giveUp();
  const axes = (read("axes", 3) ?? starts.map((_, at) => at)).map((axis) => axisFrom(axis, rank));
  const steps = (isOld ? undefined : call.integers(4)) ?? starts.map(() => 1);
  const lengths = [ends.length, axes.length, steps.length, new Set(axes).size];
  if (lengths.some((length) => length !== starts.length) || steps.includes(0)) return giveUp();
  return axes.map((axis, at) => ({ axis, start: starts[at]!, end: ends[at]!, step: steps[at]! }));
}

/** The first index and how many there are, with the clamping of the standard. */
export function sliceRange(
  size: number,
  { start, end, step }: Omit<SliceRange, "axis">,
): { readonly first: number; readonly count: number } {
  if (size === 0 && step < 0) return giveUp();
  const clamp = (given: number, low: number, high: number) =>
    Math.min(Math.max(given < 0 ? given + size : given, low), high);
  const first = clamp(start, 0, step > 0 ? size : size - 1);
  const last = step > 0 ? clamp(end, 0, size) : clamp(end, -1, size - 1);
  return { first, count: Math.max(Math.ceil((last - first) / step), 0) };
}

/** Sizes of the parts of Split along its axis. */
export function splitSizes(call: Call, size: number): number[] {
  const given = call.opset < 13 ? call.attributeInts("split") : call.integers(1);
  const parts = call.node.output.length;
  if (given !== undefined) {
    const fits = given.length === parts && given.every((part) => part >= 0) &&
      given.reduce((a, b) => a + b, 0) === size;
    return fits ? given : giveUp();
  }
  if (size % parts === 0) return new Array(parts).fill(size / parts);
  const chunk = Math.ceil(size / parts);
  const last = size - chunk * (parts - 1);
  if (call.opset < 18 || last <= 0) return giveUp();
  return [...new Array(parts - 1).fill(chunk), last];
}

/** The order of axes of a Transpose node. */
export function permutation(call: Call, rank: number): number[] {
  const order = call.attributeInts("perm") ?? Array.from({ length: rank }, (_, axis) => rank - 1 - axis);
  const fits = order.length === rank && axesFrom(order, rank).length === rank && order.every((axis) => axis >= 0);
  return fits ? order : giveUp();
}

/** The shape with axes of size 1 at places counted in the result. */
export function unsqueezed(dims: readonly Dim[], axes: readonly number[]): Dim[] {
  const result = [...dims];
  for (const axis of axesFrom(axes, dims.length + axes.length)) result.splice(axis, 0, 1);
  return result;
}

/** The shape without the given axes, all of size 1, or without every axis of size 1. */
export function squeezed(dims: readonly Dim[], axes: readonly number[] | undefined): Dim[] {
  if (axes === undefined) {
    return dims.every((dim) => typeof dim === "number") ? dims.filter((dim) => dim !== 1) : giveUp();
  }
  const dropped = axesFrom(axes, dims.length);
  if (dropped.length === 0 || dropped.some((axis) => typeof dims[axis] === "number" && dims[axis] !== 1)) {
    return giveUp();
  }
  return dims.filter((_, axis) => !dropped.includes(axis));
}

/**
 * The shape that Reshape makes of `dims`: 0 copies (unless `allowZero`), -1 is what is left. Unknown sizes that occur
 * on both sides cancel out.
 */
export function reshapedDims(dims: readonly Dim[], shape: readonly Element[], allowZero: boolean): Dim[] {
  let open = -1;
  const result = shape.map((element, axis): Dim => {
    const size = dimFromElement(element);
    if (typeof size === "string") return size;
    if (size === 0 && !allowZero) return axis < dims.length ? dims[axis]! : giveUp();
    if (size >= 0) return size;
    if (size !== -1 || open >= 0) return giveUp();
    open = axis;
    return UNKNOWN;
  });
  if (open < 0) return result;
  const have = [...dims];
  let divisor = 1;
  for (const [axis, dim] of result.entries()) {
    if (axis === open) continue;
    if (typeof dim === "number") {
      divisor *= dim;
      continue;
    }
    const at = dim === UNKNOWN ? -1 : have.indexOf(dim);
    if (at < 0) return result;
    have.splice(at, 1);
  }
  const left = have.filter((dim) => typeof dim === "string");
  const product = have.reduce<number>((all, dim) => typeof dim === "number" ? all * dim : all, 1);
  if (divisor === 0 || product === 0) return left.length === 0 ? giveUp() : result;
  if (left.length === 0) {
    if (product % divisor !== 0) return giveUp();
    result[open] = product / divisor;
  } else if (left.length === 1 && product === divisor) {
    result[open] = left[0]!;
  }
  return result;
}
