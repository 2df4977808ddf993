import { call, callLong, cText, outU64 } from "./call.ts";
import { Owned } from "./handle.ts";

/** Bytes that TensorRT made: a plan, a timing cache, a runtime cache. */
export class Blob extends Owned {
  constructor(handle: bigint) {
    super(handle);
  }

  /** Size in bytes. */
  get size(): number {
    return Number(outU64((out) => call((symbols, error) => symbols.trtd_blob_size(this.handle, out, error))));
  }

  /** `length` bytes from `offset` on; all by default. */
  read(offset = 0, length: number = this.size - offset): Uint8Array<ArrayBuffer> {
    const data = new Uint8Array(length);
    call((symbols, error) => symbols.trtd_blob_read(this.handle, BigInt(offset), data, BigInt(length), error));
    return data;
  }

  /** Writes and fsyncs a file; give a temporary name and rename it. @throws {ShimError} `IO_ERROR` */
  async writeFile(path: string): Promise<void> {
    const name = cText(path);
    await callLong([name], (symbols, error) => symbols.trtd_blob_write_file(this.handle, name, error));
  }

  /** Writes to an open descriptor. @throws {ShimError} `IO_ERROR` */
  async writeDescriptor(descriptor: number): Promise<void> {
    await callLong([], (symbols, error) => symbols.trtd_blob_write_descriptor(this.handle, descriptor, error));
  }
}
