/** IEEE 754 half precision, carried as its bits. */
import { roundHalfEven } from "./rounding.ts";

let table: Float32Array | undefined;

/** Every f16 value as f32; NaN stays NaN, infinities stay. */
export function f32FromF16(bits: Uint16Array): Float32Array {
  table ??= Float32Array.from({ length: 65536 }, (_, b) => valueOf(b));
  const out = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) out[i] = table[bits[i]!]!;
  return out;
}

function valueOf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

/** The nearest f16, ties to even, of a number in 0..65504. */
export function f16BitsFromUnsigned(value: number): number {
  if (value < 2 ** -14) return roundHalfEven(value * 2 ** 24);
  const exponent = Math.floor(Math.log2(value));
  const fraction = roundHalfEven((value / 2 ** exponent - 1) * 1024);
  return ((exponent + 15) << 10) + fraction;
}
