/** ONNX's element types: width and where their data may be. */
import type { ElementType } from "./model_facts.ts";
import { DATA_TYPE, type TensorProto } from "./proto.ts";

export interface ElementTypeRow {
  readonly name: ElementType;
  /** Bits of one element in `raw_data`, which packs narrow elements without gaps; 0: `raw_data` is not allowed. */
  readonly bits: number;
  /** The field that may hold the data instead of `raw_data`. */
  readonly field: "float_data" | "int32_data" | "int64_data" | "double_data" | "uint64_data" | "string_data";
  /** Entries of that field for one element. */
  readonly entries: number;
}

const row = (name: ElementType, bits: number, field: ElementTypeRow["field"], entries = 1): ElementTypeRow => ({
  name,
  bits,
  field,
  entries,
});

/** Rows by `data_type`. Source: the comments of `TensorProto` in onnx.proto 1.23, and `onnx.helper.make_tensor`. */
export const ELEMENT_TYPES: Readonly<Record<number, ElementTypeRow>> = {
  [DATA_TYPE.FLOAT]: row("float32", 32, "float_data"),
  [DATA_TYPE.UINT8]: row("uint8", 8, "int32_data"),
  [DATA_TYPE.INT8]: row("int8", 8, "int32_data"),
  [DATA_TYPE.UINT16]: row("uint16", 16, "int32_data"),
  [DATA_TYPE.INT16]: row("int16", 16, "int32_data"),
  [DATA_TYPE.INT32]: row("int32", 32, "int32_data"),
  [DATA_TYPE.INT64]: row("int64", 64, "int64_data"),
  [DATA_TYPE.STRING]: row("string", 0, "string_data"),
  [DATA_TYPE.BOOL]: row("bool", 8, "int32_data"),
  [DATA_TYPE.FLOAT16]: row("float16", 16, "int32_data"),
  [DATA_TYPE.DOUBLE]: row("float64", 64, "double_data"),
  [DATA_TYPE.UINT32]: row("uint32", 32, "uint64_data"),
  [DATA_TYPE.UINT64]: row("uint64", 64, "uint64_data"),
  [DATA_TYPE.COMPLEX64]: row("complex64", 64, "float_data", 2),
  [DATA_TYPE.COMPLEX128]: row("complex128", 128, "double_data", 2),
  [DATA_TYPE.BFLOAT16]: row("bfloat16", 16, "int32_data"),
  [DATA_TYPE.FLOAT8E4M3FN]: row("float8e4m3fn", 8, "int32_data"),
  [DATA_TYPE.FLOAT8E4M3FNUZ]: row("float8e4m3fnuz", 8, "int32_data"),
  [DATA_TYPE.FLOAT8E5M2]: row("float8e5m2", 8, "int32_data"),
  [DATA_TYPE.FLOAT8E5M2FNUZ]: row("float8e5m2fnuz", 8, "int32_data"),
  [DATA_TYPE.UINT4]: row("uint4", 4, "int32_data", 1 / 2),
  [DATA_TYPE.INT4]: row("int4", 4, "int32_data", 1 / 2),
  [DATA_TYPE.FLOAT4E2M1]: row("float4e2m1", 4, "int32_data", 1 / 2),
  [DATA_TYPE.FLOAT8E8M0]: row("float8e8m0", 8, "int32_data"),
  [DATA_TYPE.UINT2]: row("uint2", 2, "int32_data", 1 / 4),
  [DATA_TYPE.INT2]: row("int2", 2, "int32_data", 1 / 4),
  [DATA_TYPE.FLOAT6E2M3]: row("float6e2m3", 6, "int32_data"),
  [DATA_TYPE.FLOAT6E3M2]: row("float6e3m2", 6, "int32_data"),
};

/** The product of dimensions, 1 for a scalar; may exceed what a number holds exactly, or be NaN for 0 times infinity. */
export const elementCount = (dims: readonly number[]): number =>
  dims.includes(0) ? 0 : dims.reduce((product, dim) => product * dim, 1);

const VARINT_BYTES_MAX = 10;

/** Number of varints in packed bytes, null when they are malformed. */
export function varintCount(packed: Uint8Array): number | null {
  let count = 0;
  let start = 0;
  for (let at = 0; at < packed.length; at++) {
    if (packed[at]! < 0x80) {
      count++;
      start = at + 1;
    } else if (at - start === VARINT_BYTES_MAX - 1) {
      return null;
    }
  }
  return start === packed.length ? count : null;
}

/**
 * The elements of an INT64 tensor that has passed the checks, whichever field holds them. Numbers lose precision beyond
 * 2^53, which no caller cares about.
 */
export function int64Elements(tensor: TensorProto): number[] {
  const elements: number[] = [];
  forEachInt64(tensor, (low, high) => elements.push(high * 2 ** 32 + (low >>> 0)));
  return elements;
}

/** Visit each element of an INT64 tensor as its low and high 32 bits, both signed. */
export function forEachInt64(tensor: TensorProto, visit: (low: number, high: number) => void): void {
  if (tensor.raw_data !== undefined) {
    const { buffer, byteOffset, byteLength } = tensor.raw_data;
    const view = new DataView(buffer, byteOffset, byteLength);
    for (let at = 0; at < byteLength; at += 8) visit(view.getInt32(at, true), view.getInt32(at + 4, true));
    return;
  }
  let low = 0, high = 0, shift = 0;
  const packed = tensor.int64_data ?? new Uint8Array();
  for (let at = 0; at < packed.length; at++) {
    const byte = packed[at]!;
    const bits = byte & 0x7f;
    if (shift < 28) {
      low |= bits << shift;
    } else if (shift === 28) {
      low |= bits << 28;
      high = bits >> 4;
    } else {
      high |= bits << (shift - 32);
    }
    shift += 7;
    if (byte < 0x80) {
      visit(low, high);
      low = high = shift = 0;
    }
  }
}
