/** One call of an operator on known tensors, and how an evaluation gives up. */
import { elementCount } from "../element_types.ts";
import type { NodeProto } from "../proto.ts";
import { type Dim, EVALUATED_ELEMENTS_MAX, isInteger, type KnownTensor } from "./evaluate_tensor.ts";
import { attribute } from "../graph/graph_index.ts";

/** Thrown where the standard does not say what comes out, or where it is not known. */
const GIVEN_UP = Symbol("given up");

export const giveUp = (): never => {
  throw GIVEN_UP;
};

/** The result of `compute`, undefined where it gives up. */
export function unlessGivenUp<T>(compute: () => T): T | undefined {
  try {
    return compute();
  } catch (thrown) {
    if (thrown === GIVEN_UP) return undefined;
    throw thrown;
  }
}

/** What is known about the inputs of one node, by their place. */
export interface CallContext {
  /** Version of the default operator set, 9 to 21. */
  readonly opset: number;
  /** The elements of an input, as far as they are known. */
  readonly known: (at: number) => KnownTensor | undefined;
  /** The shape of an input. */
  readonly shape: (at: number) => readonly Dim[] | undefined;
}

/** What an operator's evaluation may ask for. */
export class Call {
  readonly node: NodeProto;
  /** Version of the default operator set. */
  readonly opset: number;
  readonly #known: (at: number) => KnownTensor | undefined;
  readonly #shape: (at: number) => readonly Dim[] | undefined;

  constructor(node: NodeProto, given: CallContext) {
    this.node = node;
    this.opset = given.opset;
    this.#known = given.known;
    this.#shape = given.shape;
  }

  has(at: number): boolean {
    return (this.node.input[at] ?? "") !== "";
  }

  /** An input, elements of which may be unknown. */
  input(at: number): KnownTensor {
    return this.#known(at) ?? giveUp();
  }

  /** The shape of an input whose elements need not be known. */
  shape(at: number): readonly Dim[] {
    return this.#shape(at) ?? giveUp();
  }

  /** The integers of a complete input; undefined when the node leaves it out. */
  integers(at: number): number[] | undefined {
    if (!this.has(at)) return undefined;
    const { type, elements } = this.input(at);
    if (!isInteger(type)) giveUp();
    return elements.map(exact);
  }

  attributeInt(name: string): number | undefined {
    const value = this.#plain(name)?.i;
    return value === undefined ? undefined : exact(value);
  }

  attributeInts(name: string): number[] | undefined {
    const given = this.#plain(name);
    return given === undefined || given.i !== undefined ? undefined : given.ints.map(exact);
  }

  /** Axes as an attribute of older versions, or as an input from version `since` on. */
  axes(at: number, since: number): number[] | undefined {
    return this.opset < since ? this.attributeInts("axes") : this.integers(at);
  }

  /** An attribute; one that refers to a function's is not known. */
  #plain(name: string) {
    const given = attribute(this.node, name);
    return given?.ref_attr_name ? giveUp() : given;
  }
}

/** An element as a number that is exactly it; slice ends beyond 2^53 are saturated, which no axis can tell. */
function exact(element: KnownTensor["elements"][number]): number {
  if (typeof element !== "bigint") return giveUp();
  const limit = BigInt(Number.MAX_SAFE_INTEGER);
  return Number(element > limit ? limit : element < -limit ? -limit : element);
}

/** An axis counted from the front. */
export function axisFrom(axis: number, rank: number): number {
  const counted = axis < 0 ? axis + rank : axis;
  return counted >= 0 && counted < rank ? counted : giveUp();
}

/** Several axes counted from the front, in ascending order, none twice. */
export function axesFrom(axes: readonly number[], rank: number): number[] {
  const counted = axes.map((axis) => axisFrom(axis, rank));
  return new Set(counted).size === counted.length ? counted.sort((a, b) => a - b) : giveUp();
}

/** A tensor whose element at `index` is `at(index)`; gives up when it is too large or has a negative dimension. */
export function tensorOf(
  type: number,
  dims: readonly number[],
  at: (index: number) => KnownTensor["elements"][number],
): KnownTensor {
  return { type, dims, elements: Array.from({ length: boundedCount(dims) }, (_, index) => at(index)) };
}

/** How many elements a result has; gives up beyond the limit. */
export function boundedCount(dims: readonly number[]): number {
  if (dims.some((dim) => dim < 0)) giveUp();
  const count = elementCount(dims);
  return count <= EVALUATED_ELEMENTS_MAX ? count : giveUp();
}

/** Steps between neighbours along each axis of a row-major tensor. */
export function stridesOf(dims: readonly number[]): number[] {
  const strides: number[] = new Array(dims.length);
  let step = 1;
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    strides[axis] = step;
    step *= dims[axis]!;
  }
  return strides;
}

/** Place in a tensor with other strides for each index of `dims`. */
export function placesOf(dims: readonly number[], strides: readonly number[], start = 0): number[] {
  const places: number[] = new Array(boundedCount(dims));
  const index = dims.map(() => 0);
  let place = start;
  for (let at = 0; at < places.length; at++) {
    places[at] = place;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      place += strides[axis]!;
      if (++index[axis]! < dims[axis]!) break;
      place -= strides[axis]! * dims[axis]!;
      index[axis] = 0;
    }
  }
  return places;
}

/** The shape that shapes of numbers broadcast to. */
export function broadcastDims(shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map(({ length }) => length));
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = shapes.map((dims) => dims[axis - rank + dims.length] ?? 1).filter((size) => size !== 1);
    return sizes.every((size) => size === sizes[0]) ? sizes[0] ?? 1 : giveUp();
  });
}

/** For each element of the broadcast shape its place in a tensor of the given shape. */
export function broadcastPlaces(dims: readonly number[], to: readonly number[]): number[] {
  const strides = stridesOf(dims);
  const lead = to.length - dims.length;
  return placesOf(to, to.map((_, axis) => axis < lead || dims[axis - lead] === 1 ? 0 : strides[axis - lead]!));
}
