/** Frames and tensors in host memory as records: their bytes are named by address. */

import { FrameKind } from "./enums.ts";
import { loadShim } from "./load.ts";
import { decode, encodeDims, layoutOf } from "./records.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const FRAME_BYTES = layoutOf("trtd_host_frame").size;
const TENSOR_BYTES = layoutOf("trtd_host_tensor").size;
const DIMS_AT = 16;

/** Where bytes lie; the buffer must be kept until the call that reads them is over. */
function addressOf(data: Bytes): bigint {
  // A view of the buffer, so that the engine holds the bytes outside of its own heap, where they do not move.
  return loadShim().symbols.trtd_address(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

/** Frames as `trtd_host_frame` records. */
export function hostFrames(
  frames: readonly {
    readonly kind: "rgb" | "jpeg";
    readonly data: Bytes;
    readonly width: number;
    readonly height: number;
    readonly placement: {
      readonly left: number;
      readonly top: number;
      readonly width: number;
      readonly height: number;
    };
  }[],
): Bytes {
  const records = new ArrayBuffer(FRAME_BYTES * frames.length);
  frames.forEach(({ kind, data, width, height, placement }, i) => {
    new BigUint64Array(records, FRAME_BYTES * i, 2).set([addressOf(data), BigInt(data.byteLength)]);
    new Int32Array(records, FRAME_BYTES * i + 16, 7).set([
      kind === "jpeg" ? FrameKind.JPEG : FrameKind.RGB,
      width,
      height,
      placement.left,
      placement.top,
      placement.width,
      placement.height,
    ]);
  });
  return new Uint8Array(records);
}

/** A tensor: bytes and shape. */
export interface HostBytes {
  readonly data: Bytes;
  readonly dims: readonly number[];
}

/** Tensors as `trtd_host_tensor` records. */
export function hostTensors(tensors: readonly HostBytes[]): Bytes {
  const records = new Uint8Array(TENSOR_BYTES * tensors.length);
  tensors.forEach(({ data, dims }, i) => {
    new BigUint64Array(records.buffer, TENSOR_BYTES * i, 2).set([addressOf(data), BigInt(data.byteLength)]);
    records.set(encodeDims(dims), TENSOR_BYTES * i + DIMS_AT);
  });
  return records;
}

/** What a call wrote into records of {@link hostTensors}; `memory` is what they named. */
export function readTensors(records: Bytes, memory: readonly Bytes[]): HostBytes[] {
  return memory.map((data, i) => {
    const bytes = Number(new DataView(records.buffer, records.byteOffset).getBigUint64(TENSOR_BYTES * i + 8, true));
    const dims = decode("trtd_dims", records, TENSOR_BYTES * i + DIMS_AT);
    return { data: data.subarray(0, bytes), dims: dims.size.slice(0, Math.max(dims.count, 0)) };
  });
}
