/** Constants in half precision. */
import { DATA_TYPE, type TensorProto } from "../../proto.ts";

/** What f16 does to the elements of an f32 constant. */
export interface HalfLoss {
  readonly elements: number;
  /** Finite elements that become infinite. */
  readonly outOfRange: number;
  /** Elements other than zero that become zero. */
  readonly flushed: number;
  readonly zeros: number;
}

/** Bits of the least f32 that rounds to infinity, 65,520: halfway between the largest f16 and the next power of two. */
const INFINITE_FROM = 0x477ff000;
/** Bits of f32's infinity. */
const INFINITY_BITS = 0x7f800000;
/** Bits of 2^-25, the largest f32 that rounds to zero: half of the least f16, ties to even. */
const ZERO_UP_TO = 0x33000000;

export function halfLoss(tensor: TensorProto): HalfLoss {
  const bits = wordsOf(tensor);
  let outOfRange = 0, flushed = 0, zeros = 0;
  for (let at = 0; at < bits.length; at++) {
    const magnitude = bits[at]! & 0x7fffffff;
    if (magnitude === 0) zeros++;
    else if (magnitude <= ZERO_UP_TO) flushed++;
    else if (magnitude >= INFINITE_FROM && magnitude < INFINITY_BITS) outOfRange++;
  }
  return { elements: bits.length, outOfRange, flushed, zeros };
}

/**
 * An f32 constant as f16, each element rounded to the nearest, ties to even.
 * @param name of the result
 */
export function halfTensor(tensor: TensorProto, name: string | undefined): TensorProto {
  const bits = wordsOf(tensor);
  const half = new Float16Array(new Float32Array(bits.buffer, bits.byteOffset, bits.length));
  const { float_data: _floats, name: _name, ...rest } = tensor;
  return {
    ...rest,
    data_type: DATA_TYPE.FLOAT16,
    ...(name === undefined ? {} : { name }),
    raw_data: new Uint8Array(half.buffer),
  };
}

/** The elements' bits, in place where they are aligned. */
function wordsOf({ raw_data: raw, float_data: floats }: TensorProto): Uint32Array<ArrayBuffer> {
  const data = raw ?? floats ?? new Uint8Array();
  const aligned = data.byteOffset % 4 === 0 ? data : data.slice();
  return new Uint32Array(aligned.buffer as ArrayBuffer, aligned.byteOffset, aligned.byteLength / 4);
}
