/** The CUDA driver: devices, memory, streams. */

import { call, callLong, cText, outI32, outU64, outU64Long } from "./call.ts";
import { Owned } from "./handle.ts";
import { allocate, decode, type RecordOf } from "./records.ts";

/** `trtd_cuda_info`. */
export type CudaFacts = RecordOf<"trtd_cuda_info">;

/** Facts of one device. */
export interface DeviceFacts extends Omit<RecordOf<"trtd_device_info">, "uuid" | "memory_free" | "memory_known"> {
  /** As NVIDIA writes it: `GPU-` or `MIG-` and 32 digits in five groups. */
  readonly uuid: string;
  /** Bytes, null when it was not asked for. */
  readonly memory_free: number | null;
}

/**
 * Opens and starts the driver, from `path` or the loader's path.
 * @throws {ShimError} `NO_DRIVER`, `CUDA_ERROR`
 */
export async function openCuda(path?: string): Promise<CudaFacts> {
  const name = path === undefined ? null : cText(path);
  const info = allocate("trtd_cuda_info");
  const buffers = name === null ? [info] : [info, name];
  await callLong(buffers, (symbols, error) => symbols.trtd_cuda_open(name, info, error));
  return decode("trtd_cuda_info", info);
}

function uuidText(bytes: Uint8Array, mig: boolean): string {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const groups = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)];
  return `${mig ? "MIG" : "GPU"}-${groups.join("-")}`;
}

/**
 * Facts of device `index`.
 * @param options.memory also ask for the free memory, which starts the device's context for a moment
 */
export async function cudaDevice(index: number, options: { memory?: boolean } = {}): Promise<DeviceFacts> {
  const info = allocate("trtd_device_info");
  const withMemory = options.memory === true ? 1 : 0;
  await callLong([info], (symbols, error) => symbols.trtd_cuda_device(index, withMemory, info, error));
  const { memory_known, memory_free, uuid, ...facts } = decode("trtd_device_info", info);
  return { ...facts, uuid: uuidText(uuid, facts.mig === 1), memory_free: memory_known === 1 ? memory_free : null };
}

/** Version of the CUDA runtime library, major * 1000 + minor * 10. @throws {ShimError} `LIBRARY_NOT_LOADED` */
export function cudaRuntimeVersion(path?: string): number {
  const name = path === undefined ? null : cText(path);
  return outI32((out) => call((symbols, error) => symbols.trtd_cuda_runtime_version(name, out, error)));
}

/** A device with its primary context. */
export class Device extends Owned {
  readonly index: number;

  private constructor(handle: bigint, index: number) {
    super(handle);
    this.index = index;
  }

  /** Holds device `index` until closed. @throws {ShimError} `INVALID_ARGUMENT`, `NO_DRIVER`, `CUDA_ERROR` */
  static async open(index: number): Promise<Device> {
    const handle = await outU64Long((out) =>
      callLong([out], (symbols, error) => symbols.trtd_device_open(index, out, error))
    );
    return new Device(handle, index);
  }

  /** @throws {ShimError} `OUT_OF_MEMORY` */
  allocate(bytes: number): DeviceMemory {
    const handle = outU64((out) =>
      call((symbols, error) => symbols.trtd_memory_allocate(this.handle, BigInt(bytes), out, error))
    );
    return new DeviceMemory(handle, bytes);
  }

  /** A stream that does not wait for the default stream. */
  createStream(): Stream {
    return new Stream(
      outU64((out) => call((symbols, error) => symbols.trtd_stream_create(this.handle, out, error))),
    );
  }
}

/** Memory on a device. */
export class DeviceMemory extends Owned {
  readonly bytes: number;

  constructor(handle: bigint, bytes: number) {
    super(handle);
    this.bytes = bytes;
  }

  /** Copies `data` to the device, from byte `offset` on. */
  write(data: Uint8Array<ArrayBuffer>, offset = 0): void {
    call((symbols, error) =>
      symbols.trtd_memory_write(this.handle, BigInt(offset), data, BigInt(data.byteLength), error)
    );
  }

  /** Copies `length` bytes from byte `offset` on; all by default. */
  read(offset = 0, length: number = this.bytes - offset): Uint8Array<ArrayBuffer> {
    const data = new Uint8Array(length);
    call((symbols, error) => symbols.trtd_memory_read(this.handle, BigInt(offset), data, BigInt(length), error));
    return data;
  }
}

/** A queue of work on a device. */
export class Stream extends Owned {
  constructor(handle: bigint) {
    super(handle);
  }

  /** Waits for all work. @throws {ShimError} `CUDA_ERROR`; after code 700 or 719 restart the process */
  async synchronize(): Promise<void> {
    await callLong([], (symbols, error) => symbols.trtd_stream_synchronize(this.handle, error));
  }
}
