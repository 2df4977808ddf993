/** How far raw results are apart. */
import type { Tensor, TensorType } from "../../src/backends/backend.ts";

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
  let [most, largest, strange] = [0, 0, 0];
  for (let i = 0; i < reference.length; i++) {
    const [a, b] = [found[i]!, reference[i]!];
    if (!Number.isFinite(a) || !Number.isFinite(b)) {
      if (!Object.is(a, b)) strange++;
      continue;
    }
    most = Math.max(most, Math.abs(a - b));
    largest = Math.max(largest, Math.abs(b));
  }
  return { max_abs: most, max_relative: largest === 0 ? most : most / largest, strange, elements: reference.length };
}

const TYPES: Readonly<Record<string, TensorType>> = {
  FLOAT32: "float32",
  FLOAT16: "float16",
  INT32: "int32",
  INT64: "int64",
};

/** A tensor of raw values, of the type that TensorRT names. @throws {TypeError} for a type that no detector gives */
export function tensorFrom(bytes: Uint8Array<ArrayBuffer>, name: string, dims: readonly number[]): Tensor {
  const type = TYPES[name];
  const { buffer } = new Uint8Array(bytes);
  switch (type) {
    case "float32":
      return { type, dims, data: new Float32Array(buffer) };
    case "float16":
      return { type, dims, data: new Uint16Array(buffer) };
    case "int32":
      return { type, dims, data: new Int32Array(buffer) };
    case "int64":
      return { type, dims, data: new BigInt64Array(buffer) };
    default:
      throw new TypeError(`Values of type ${name} are not compared`);
  }
}

/** Numbers of a tensor. */
export function numbersOf({ type, data }: Tensor): ArrayLike<number> {
  if (type === "float16") return new Float16Array(data.buffer as ArrayBuffer, data.byteOffset, data.length);
  return data instanceof BigInt64Array ? Array.from(data, Number) : data;
}
