/** A worker's side of rings: it reads what it is told to, into memory that is used again. */
import { TrtdError } from "../../errors.ts";
import { readRegion, type Region } from "./ring.ts";

/** A buffer from {@link RingReader.read}. */
export interface Borrowed {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Give the memory back; `bytes` must not be used after that. Calling it twice is harmless. */
  release(): void;
}

/** Fresh memory costs more than the copy, so buffers are kept; no more than these. */
const KEPT_MAX = 8;

/** Rings by path, opened once and for reading alone. */
export class RingReader {
  readonly #files = new Map<string, Deno.FsFile>();
  readonly #kept: Uint8Array<ArrayBuffer>[] = [];

  /** Open a ring. @throws {Error} when it is not there */
  attach(path: string): void {
    if (!this.#files.has(path)) this.#files.set(path, Deno.openSync(path, { read: true }));
  }

  /** The bytes of a region. @throws {TrtdError} `SHARED_MEMORY_UNAVAILABLE` when the ring is not open or ends before */
  read(path: string, region: Region): Borrowed {
    const file = this.#files.get(path);
    if (file === undefined) throw new TrtdError("SHARED_MEMORY_UNAVAILABLE", `The ring "${path}" is not open`);
    const memory = this.#memory(region.length);
    const bytes = memory.subarray(0, region.length);
    readRegion(file, region, bytes);
    let released = false;
    return {
      bytes,
      release: () => {
        if (released) return;
        released = true;
        this.#kept.push(memory);
        if (this.#kept.length > KEPT_MAX) this.#kept.shift();
      },
    };
  }

  /** Close all rings. Calling it twice is harmless. */
  close(): void {
    for (const file of this.#files.values()) file.close();
    this.#files.clear();
    this.#kept.length = 0;
  }

  #memory(length: number): Uint8Array<ArrayBuffer> {
    const at = this.#kept.findIndex((memory) => memory.length >= length);
    if (at >= 0) return this.#kept.splice(at, 1)[0]!;
    return new Uint8Array(2 ** Math.ceil(Math.log2(Math.max(4096, length))));
  }
}
