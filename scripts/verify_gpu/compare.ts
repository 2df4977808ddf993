/** Raw results of an engine as tensors. */
import type { Tensor, TensorType } from "../../src/backends/backend.ts";

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
