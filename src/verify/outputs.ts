/** How far raw outputs are apart. */
import type { Tensor } from "../backends/backend.ts";
import type { OutputLimits } from "./limits.ts";

export interface Difference {
  /** Largest absolute difference. */
  readonly max_abs: number;
  /** The same in parts of the largest magnitude of the reference. */
  readonly max_relative: number;
  /** Values that are not numbers on one side only. */
  readonly strange: number;
  readonly elements: number;
}

/** @throws {RangeError} when the lengths differ */
export function differenceOf(found: ArrayLike<number>, reference: ArrayLike<number>): Difference {
  if (found.length !== reference.length) {
    throw new RangeError(`The result has ${found.length} elements, the reference ${reference.length}`);
  }
  const largest = largestOf(reference);
  let [most, strange] = [0, 0];
  for (let i = 0; i < reference.length; i++) {
    const [a, b] = [found[i]!, reference[i]!];
    if (Number.isFinite(a) && Number.isFinite(b)) most = Math.max(most, Math.abs(a - b));
    else if (!Object.is(a, b)) strange++;
  }
  return { max_abs: most, max_relative: largest === 0 ? most : most / largest, strange, elements: reference.length };
}

/** Numbers of a tensor. */
export function numbersOf({ type, data }: Tensor): ArrayLike<number> {
  if (type === "float16") return new Float16Array(data.buffer as ArrayBuffer, data.byteOffset, data.length);
  return data instanceof BigInt64Array ? Array.from(data, Number) : data;
}

/** Largest magnitude of the numbers among the values. */
function largestOf(values: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) largest = Math.max(largest, Math.abs(values[i]!));
  }
  return largest;
}

/** Outputs of one picture, in the same order on both sides. */
export interface OutputPair {
  readonly picture: string;
  readonly found: readonly Tensor[];
  readonly reference: readonly Tensor[];
}

export interface OutputParity {
  readonly passed: boolean;
  /** Values of all outputs, and those of them that are within the limit. */
  readonly compared: number;
  readonly matched: number;
  /** In parts of the largest magnitude of the output, over all values that are numbers. */
  readonly worst: number;
  /** Values that are not numbers on one side only. */
  readonly strange: number;
  /** Shapes that differ, in sentences. */
  readonly shapes: readonly string[];
}

/** Compares raw outputs: each output on its own must have enough values within the limit. */
export function compareOutputs(pairs: readonly OutputPair[], limits: OutputLimits): OutputParity {
  let [compared, matched, worst, strange, enough] = [0, 0, 0, 0, true];
  const shapes: string[] = [];
  for (const { picture, found, reference } of pairs) {
    for (const [at, theirs] of reference.entries()) {
      const ours = found[at];
      if (ours === undefined || ours.dims.join() !== theirs.dims.join()) {
        shapes.push(`Output ${at} of "${picture}" has the shape ${ours?.dims.join("x")}, not ${theirs.dims.join("x")}`);
        continue;
      }
      const difference = differenceOf(numbersOf(ours), numbersOf(theirs));
      const near = countNear(numbersOf(ours), numbersOf(theirs), limits.relative);
      compared += difference.elements;
      matched += near;
      worst = Math.max(worst, difference.max_relative);
      strange += difference.strange;
      enough &&= 100 * near >= limits.percent * difference.elements;
    }
  }
  return { passed: enough && strange === 0 && shapes.length === 0, compared, matched, worst, strange, shapes };
}

function countNear(found: ArrayLike<number>, reference: ArrayLike<number>, relative: number): number {
  const most = relative * largestOf(reference);
  let near = 0;
  for (let i = 0; i < reference.length; i++) {
    const [a, b] = [found[i]!, reference[i]!];
    if (Object.is(a, b) || Math.abs(a - b) <= most) near++;
  }
  return near;
}

/** Whether outputs say the same of every picture, so that equal ones prove nothing. */
export function areConstant(outputs: readonly (readonly Tensor[])[]): boolean {
  const [first, ...others] = outputs;
  return first !== undefined &&
    others.every((other) =>
      other.every(({ data }, at) => data.every((value: number | bigint, i: number) => value === first[at]!.data[i]))
    );
}
