/** Operators that compute new elements. Only what every runtime computes alike, bit for bit, is here. */
import { DATA_TYPE } from "../proto.ts";
import {
  axesFrom,
  boundedCount,
  broadcastDims,
  broadcastPlaces,
  type Call,
  giveUp,
  placesOf,
  stridesOf,
} from "./evaluate_call.ts";
import { type Element, EVALUATED_TYPES, isInteger, type KnownTensor, UNKNOWN } from "./evaluate_tensor.ts";
import type { Kernel } from "./evaluate_movement.ts";

const { FLOAT, FLOAT16, DOUBLE, INT64, BOOL } = DATA_TYPE;

type Known = bigint | number | boolean;

/** Types of arithmetic; f16 is only moved and cast to others, as runtimes round it after each step or later. */
const isFloat = (type: number): boolean => type === FLOAT || type === DOUBLE;

/** An integer in its type's range. Runtimes differ about overflow. */
function integer(type: number, value: bigint): bigint {
  const bits = type === INT64 ? 64 : 32;
  return BigInt.asIntN(bits, value) === value ? value : giveUp();
}

/** The sum, difference, product or quotient of two f32 rounded from f64 is the one that f32 arithmetic gives. */
const rounded = (type: number, value: number): number => type === FLOAT ? Math.fround(value) : value;

/** The sign of a new NaN is the processor's choice. */
const number = (value: number): number => Number.isNaN(value) ? giveUp() : value;

interface Arithmetic {
  readonly integers: (a: bigint, b: bigint) => bigint;
  readonly floats: (a: number, b: number) => number;
}

/** NaN and zeros of two signs are where runtimes differ. */
function ordered(a: number, b: number, choose: (a: number, b: number) => number): number {
  if (Number.isNaN(a) || Number.isNaN(b) || (a === 0 && b === 0 && !Object.is(a, b))) return giveUp();
  return choose(a, b);
}

const ADD: Arithmetic = { integers: (a, b) => a + b, floats: (a, b) => a + b };
const SUB: Arithmetic = { integers: (a, b) => a - b, floats: (a, b) => a - b };
const MUL: Arithmetic = { integers: (a, b) => a * b, floats: (a, b) => a * b };
const DIV: Arithmetic = { integers: (a, b) => b === 0n ? giveUp() : a / b, floats: (a, b) => a / b };
const MIN: Arithmetic = { integers: (a, b) => a < b ? a : b, floats: (a, b) => ordered(a, b, Math.min) };
const MAX: Arithmetic = { integers: (a, b) => a > b ? a : b, floats: (a, b) => ordered(a, b, Math.max) };
/** With the sign of the dividend, as C does. */
const FMOD: Arithmetic = {
  integers: (a, b) => b === 0n ? giveUp() : a % b,
  floats: (a, b) => b === 0 ? giveUp() : a % b,
};
/** With the sign of the divisor, as Python does. */
const MOD: Arithmetic = { integers: (a, b) => b === 0n ? giveUp() : ((a % b) + b) % b, floats: giveUp };

/** Elements of two tensors, broadcast, through a function of two known elements. */
function combined(
  [left, right]: readonly [KnownTensor, KnownTensor],
  type: number,
  combine: (a: Known, b: Known) => Known,
  unknown: (a: Element, b: Element) => Element = () => UNKNOWN,
): KnownTensor {
  if (left.type !== right.type) return giveUp();
  const dims = broadcastDims([left.dims, right.dims]);
  boundedCount(dims);
  const [as, bs] = [broadcastPlaces(left.dims, dims), broadcastPlaces(right.dims, dims)];
  const elements = as.map((place, at): Element => {
    const [a, b] = [left.elements[place]!, right.elements[bs[at]!]!];
    return typeof a === "string" || typeof b === "string" ? unknown(a, b) : combine(a, b);
  });
  return { type, dims, elements };
}

function calculated(
  pair: readonly [KnownTensor, KnownTensor],
  { integers, floats }: Arithmetic,
  unknown?: (a: Element, b: Element) => Element,
): KnownTensor {
  const { type } = pair[0];
  if (isFloat(type)) {
    return combined(pair, type, (a, b) => number(rounded(type, floats(a as number, b as number))), unknown);
  }
  if (!isInteger(type)) return giveUp();
  return combined(pair, type, (a, b) => integer(type, integers(a as bigint, b as bigint)), unknown);
}

const binary = (arithmetic: Arithmetic, unknown?: (a: Element, b: Element) => Element): Kernel => (call) => [
  calculated([call.input(0), call.input(1)], arithmetic, unknown),
];

const variadic = (arithmetic: Arithmetic): Kernel => (call) => [
  call.node.input.map((_, at) => call.input(at)).reduce((sum, next) => calculated([sum, next], arithmetic)),
];

const compared = (test: (a: Known, b: Known) => boolean, types: (type: number) => boolean): Kernel => (call) => {
  const [a, b] = [call.input(0), call.input(1)];
  return types(a.type) ? [combined([a, b], BOOL, test)] : giveUp();
};
const isNumeric = (type: number) => isInteger(type) || isFloat(type);

const logical = (combine: (a: boolean, b: boolean) => boolean): Kernel => (call) => {
  const [a, b] = [call.input(0), call.input(1)];
  return a.type === BOOL ? [combined([a, b], BOOL, (x, y) => combine(x as boolean, y as boolean))] : giveUp();
};

const unary =
  (compute: (element: Known, type: number) => Known, types: (type: number) => boolean): Kernel => (call) => {
    const { type, dims, elements } = call.input(0);
    if (!types(type)) return giveUp();
    return [{ type, dims, elements: elements.map((one) => typeof one === "string" ? UNKNOWN : compute(one, type)) }];
  };

/** Sums and products only of integers: the order of an f32 sum is the runtime's choice. */
const reduced = (arithmetic: Arithmetic, axesInputSince: number): Kernel => (call) => {
  const data = call.input(0);
  // ONNX Runtime 1.30 keeps the axes of an empty tensor whatever `keepdims` says.
  if (!isInteger(data.type) || data.elements.length === 0) return giveUp();
  const given = call.axes(1, axesInputSince);
  if (given?.length === 0 || given === undefined) {
    if (call.attributeInt("noop_with_empty_axes") === 1) return [data];
  }
  const rank = data.dims.length;
  const axes = given === undefined || given.length === 0 ? data.dims.map((_, axis) => axis) : axesFrom(given, rank);
  const strides = stridesOf(data.dims);
  const kept = data.dims.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const inner = placesOf(axes.map((axis) => data.dims[axis]!), axes.map((axis) => strides[axis]!));
  const outer = placesOf(kept.map((axis) => data.dims[axis]!), kept.map((axis) => strides[axis]!));
  const elements = outer.map((start) =>
    inner.map((step) => data.elements[start + step]!).reduce((sum, next) =>
      typeof sum === "string" || typeof next === "string"
        ? UNKNOWN
        : integer(data.type, arithmetic.integers(sum as bigint, next as bigint))
    )
  );
  const dims = call.attributeInt("keepdims") === 0
    ? kept.map((axis) => data.dims[axis]!)
    : data.dims.map((dim, axis) => axes.includes(axis) ? 1 : dim);
  return [{ type: data.type, dims, elements }];
};

/** Up to here f64 has every integer. */
const EXACT = 2n ** 53n;

/** One element in another type, where all runtimes agree. */
function cast(element: Known, from: number, to: number): Known {
  if (to === from) return element;
  if (to === BOOL) return typeof element === "bigint" ? element !== 0n : element !== 0 || giveUpOnFalse(element);
  if (isFloat(to)) {
    if (typeof element === "bigint" && (element > EXACT || element < -EXACT)) return giveUp();
    const value = rounded(to, Number(element));
    return Number.isFinite(value) || !Number.isFinite(Number(element)) ? value : giveUp();
  }
  if (typeof element === "number") {
    return Number.isFinite(element) ? integer(to, BigInt(Math.trunc(element))) : giveUp();
  }
  return integer(to, BigInt(element));
}

const giveUpOnFalse = (element: Known): boolean => Number.isNaN(element) ? giveUp() : false;

export const ARITHMETIC: Readonly<Record<string, Kernel>> = {
  Add: binary(ADD, (a, b) => a === 0n ? b : b === 0n ? a : UNKNOWN),
  Sub: binary(SUB, (a, b) => b === 0n ? a : UNKNOWN),
  Mul: binary(MUL, (a, b) => a === 1n ? b : b === 1n ? a : UNKNOWN),
  Div: binary(DIV, (a, b) => b === 1n ? a : UNKNOWN),
  Mod: (call) => binary(call.attributeInt("fmod") === 1 ? FMOD : MOD)(call),
  Min: variadic(MIN),
  Max: variadic(MAX),
  Neg: unary((a, type) => typeof a === "bigint" ? integer(type, -a) : -(a as number), isNumeric),
  Abs: unary((a, type) => typeof a === "bigint" ? integer(type, a < 0n ? -a : a) : Math.abs(a as number), isNumeric),
  Floor: unary((a) => Math.floor(a as number), isFloat),
  Ceil: unary((a) => Math.ceil(a as number), isFloat),
  Not: unary((a) => !a, (type) => type === BOOL),
  Equal: compared((a, b) => a === b, () => true),
  Less: compared((a, b) => a < b, isNumeric),
  Greater: compared((a, b) => a > b, isNumeric),
  LessOrEqual: compared((a, b) => a <= b, isNumeric),
  GreaterOrEqual: compared((a, b) => a >= b, isNumeric),
  And: logical((a, b) => a && b),
  Or: logical((a, b) => a || b),
  Xor: logical((a, b) => a !== b),
  ReduceProd: reduced(MUL, 18),
  ReduceSum: reduced(ADD, 13),
  ReduceMin: reduced(MIN, 18),
  ReduceMax: reduced(MAX, 18),

  Cast: (call) => {
    const { type, dims, elements } = call.input(0);
    const to = call.attributeInt("to") ?? giveUp();
    if (!EVALUATED_TYPES.includes(to) || (to === FLOAT16 && type !== FLOAT16)) return giveUp();
    const keeps = to === type || (isInteger(type) && isInteger(to));
    return [{
      type: to,
      dims,
      elements: elements.map((one) => typeof one !== "string" ? cast(one, type, to) : keeps ? one : UNKNOWN),
    }];
  },

  NonZero: (call) => {
    const { dims, elements } = call.input(0);
    // Runtimes differ about how many axes a scalar has here.
    if (dims.length === 0) return giveUp();
    const places = elements.flatMap((one, at) => typeof one === "string" ? giveUp() : Number(one) === 0 ? [] : [at]);
    const made = [dims.length, places.length];
    boundedCount(made);
    const indices = stridesOf(dims).flatMap((stride, axis) =>
      places.map((place) => BigInt(Math.floor(place / stride) % dims[axis]!))
    );
    return [{ type: INT64, dims: made, elements: indices }];
  },

  Range: (call) => {
    const [start, limit, delta] = [0, 1, 2].map((at) => scalar(call, at)) as [Known, Known, Known];
    const { type } = call.input(0);
    if (!isNumeric(type)) return giveUp();
    if ([1, 2].some((at) => call.input(at).type !== type)) return giveUp();
    const [from, to, step] = [start, limit, delta].map(whole) as [bigint, bigint, bigint];
    if (step === 0n) return giveUp();
    const distance = to - from;
    const count = (distance + step + (step > 0n ? -1n : 1n)) / step;
    const length = boundedCount([Number(count > 0n ? count : 0n)]);
    const elements = Array.from({ length }, (_, at): Element => {
      const value = from + BigInt(at) * step;
      return isInteger(type) ? integer(type, value) : Number(value);
    });
    return [{ type, dims: [length], elements }];
  },
};

function scalar(call: Call, at: number): Known {
  const { elements } = call.input(at);
  const [element] = elements;
  return elements.length !== 1 || element === undefined || typeof element === "string" ? giveUp() : element;
}

/** An integer, or a float that holds a small one: sums of those are exact however they are made. */
function whole(value: Known): bigint {
  if (typeof value === "bigint") return value;
  const isSmall = typeof value === "number" && Number.isInteger(value) && Math.abs(value) < 2 ** 23 &&
    !Object.is(value, -0);
  return isSmall ? BigInt(value) : giveUp();
}
