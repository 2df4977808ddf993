/** Calling the functions of libtrtd: texts, buffers, errors. */

import type { Status } from "./enums.ts";
import { allocate, decode, type RecordName, type RecordOf } from "./records.ts";
import { loadShim } from "./load.ts";
import { check, errorRecord } from "./shim_error.ts";
import { Status as StatusValue } from "./enums.ts";
import type { Symbols } from "./symbols.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Buffers of calls under way: the collector must not take what another thread writes to. */
const pinned = new Set<readonly Uint8Array[]>();

/** A text as C wants it. */
export function cText(text: string): Bytes {
  return encoder.encode(text + "\0");
}

/** Runs a call that does not block for long. @throws {ShimError} */
export function call(run: (symbols: Symbols, error: Bytes) => Status): void {
  const error = errorRecord();
  check(run(loadShim().symbols, error), error);
}

/**
 * Runs a call on another thread. `buffers` are all memory that it reads or writes.
 * @throws {ShimError}
 */
export async function callLong(
  buffers: readonly Uint8Array[],
  run: (symbols: Symbols, error: Bytes) => Promise<Status>,
): Promise<void> {
  const error = errorRecord();
  const pin = [...buffers, error];
  pinned.add(pin);
  try {
    check(await run(loadShim().symbols, error), error);
  } finally {
    pinned.delete(pin);
  }
}

/** One number that a call writes. */
export function outI32(run: (out: Bytes) => void): number {
  const out = new Int32Array(1);
  run(new Uint8Array(out.buffer));
  return out[0]!;
}

/** One 64-bit number that a call writes. */
export function outU64(run: (out: Bytes) => void): bigint {
  const out = new BigUint64Array(1);
  run(new Uint8Array(out.buffer));
  return out[0]!;
}

/** {@link outU64} of a long call, which gets the buffer to pin. */
export async function outU64Long(run: (out: Bytes) => Promise<void>): Promise<bigint> {
  const out = new BigUint64Array(1);
  await run(new Uint8Array(out.buffer));
  return out[0]!;
}

/** One record that a call writes. */
export function outRecord<N extends RecordName>(name: N, run: (out: Bytes) => void): RecordOf<N> {
  const out = allocate(name);
  run(out);
  return decode(name, out);
}

/** A text that a call gives, of any length. @throws {ShimError} */
export function outText(
  run: (symbols: Symbols, text: Bytes, capacity: bigint, length: Bytes, error: Bytes) => Status,
): string {
  let text: Bytes = new Uint8Array(4096);
  for (let attempt = 0; attempt < 3; attempt++) {
    const length = new BigUint64Array(1);
    const error = errorRecord();
    const status = run(loadShim().symbols, text, BigInt(text.length), new Uint8Array(length.buffer), error);
    if (status !== StatusValue.BUFFER_TOO_SMALL) {
      check(status, error);
      return decoder.decode(text.subarray(0, Number(length[0])));
    }
    if (attempt === 2) check(status, error);
    text = new Uint8Array(Number(length[0]) + 1);
  }
  return "";
}
