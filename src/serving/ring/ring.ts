/**
 * Shared memory between processes: one file of slots under /dev/shm. The process that made it owns it; every slot has
 * one owner at a time; others read what they are told to. The format is docs/ring.md.
 */
import { join } from "node:path";
import { getLogger } from "@logtape/logtape";
import { TrtdError } from "../../errors.ts";
import { ownedName, removeLeftovers } from "./owned_name.ts";
import { SlotMap } from "./slot_map.ts";

const log = getLogger(["trtd", "serving"]);

/** Where Linux keeps POSIX shared memory (shm_overview(7)). */
const SHARED_MEMORY = "/dev/shm";
/** Bytes of a slot; pages are 4 KiB, on some aarch64 kernels 64 KiB. */
export const SLOT_BYTES = 65_536;
const ZEROS_BYTES = 1_048_576;

export interface RingOptions {
  /** Size of the ring, rounded up to whole slots. */
  readonly bytes: number;
  /** Bytes of a slot. @default 65536 */
  readonly slotBytes?: number;
  /** @default {@link sharedMemoryFolder} */
  readonly folder?: string;
}

/** Bytes of a ring, from its start. */
export interface Region {
  readonly offset: number;
  readonly length: number;
}

/** The owner's side of a ring. */
export class Ring {
  readonly path: string;
  readonly bytes: number;
  readonly slotBytes: number;
  readonly #file: Deno.FsFile;
  #slots: SlotMap;
  #closed = false;

  private constructor(path: string, file: Deno.FsFile, slots: number, slotBytes: number) {
    this.path = path;
    this.bytes = slots * slotBytes;
    this.slotBytes = slotBytes;
    this.#file = file;
    this.#slots = new SlotMap(slots);
  }

  /**
   * Make a ring that only this user can open. Its memory is reserved by writing all of it: a memory that ends later
   * would be a SIGBUS in whoever maps it.
   * @throws {TrtdError} `SHARED_MEMORY_UNAVAILABLE`; nothing is left behind
   */
  static create({ bytes, slotBytes = SLOT_BYTES, folder = sharedMemoryFolder() }: RingOptions): Ring {
    const slots = Math.max(1, Math.ceil(bytes / slotBytes));
    const path = join(folder, ownedName("ring"));
    let file: Deno.FsFile | undefined;
    try {
      file = Deno.openSync(path, { createNew: true, read: true, write: true, mode: 0o600 });
      reserve(file, slots * slotBytes);
      return new Ring(path, file, slots, slotBytes);
    } catch (cause) {
      file?.close();
      remove(path);
      const needed = `${Math.ceil(slots * slotBytes / 1_048_576)} MB of shared memory`;
      const why = cause instanceof Error ? cause.message.replace(/\.$/, "") : String(cause);
      throw new TrtdError("SHARED_MEMORY_UNAVAILABLE", `Cannot reserve ${needed} in "${folder}": ${why}`, { cause });
    }
  }

  /** Whether {@link put} has room for so many bytes now. */
  fits(length: number): boolean {
    return this.#slots.fits(this.#slotsOf(length));
  }

  /** Whether nothing is in it. */
  get empty(): boolean {
    return this.#slots.free === this.#slots.slots;
  }

  /** Bytes of the slots that are taken. */
  get usedBytes(): number {
    return (this.#slots.slots - this.#slots.free) * this.slotBytes;
  }

  /** Copy bytes into free slots. @returns null when there are not enough in a row */
  put(bytes: Uint8Array): Region | null {
    const region = this.take(bytes.length);
    if (region === null) return null;
    this.#file.seekSync(region.offset, Deno.SeekMode.Start);
    for (let at = 0; at < bytes.length;) at += this.#file.writeSync(bytes.subarray(at));
    return region;
  }

  /** Take free slots for somebody else to write to. @returns null when there are not enough in a row */
  take(length: number): Region | null {
    const first = this.#slots.take(this.#slotsOf(length));
    return first === null ? null : { offset: first * this.slotBytes, length };
  }

  /** Give a region's slots back, once nobody reads them any more. */
  give({ offset }: Region): void {
    if (!this.#closed) this.#slots.give(offset / this.slotBytes);
  }

  /** A copy of a region. */
  read(region: Region): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(region.length);
    readRegion(this.#file, region, bytes);
    return bytes;
  }

  /** Whether its file has its name still, which others of this user can take away. */
  get present(): boolean {
    try {
      // Below a file there is nothing to remove. After the manager's revoke no other question about /dev is answered.
      Deno.removeSync(join(this.path, "none"));
      return true;
    } catch (error) {
      return !(error instanceof Deno.errors.NotFound);
    }
  }

  /** Give its file the size again that others of this user can take away. @throws {Error} when there is no memory for that */
  mend(): void {
    const size = this.#file.seekSync(0, Deno.SeekMode.End);
    if (size > this.bytes) this.#file.truncateSync(this.bytes);
    else if (size < this.bytes) reserve(this.#file, this.bytes - size);
  }

  /** Take all slots back: whoever had them is gone. */
  reset(): void {
    this.#slots = new SlotMap(this.#slots.slots);
  }

  /** Remove it and let go of it. Calling it twice is harmless. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    remove(this.path);
    this.#file.close();
  }

  #slotsOf(length: number): number {
    return Math.max(1, Math.ceil(length / this.slotBytes));
  }
}

/** Fill `into` from a region's start. @throws {TrtdError} `SHARED_MEMORY_UNAVAILABLE` when the file ends before */
export function readRegion(file: Deno.FsFile, { offset }: Region, into: Uint8Array): void {
  file.seekSync(offset, Deno.SeekMode.Start);
  for (let at = 0; at < into.length;) {
    const count = file.readSync(into.subarray(at));
    if (count === null) throw new TrtdError("SHARED_MEMORY_UNAVAILABLE", "The shared memory ends inside a picture");
    at += count;
  }
}

let warned = false;

/** `/dev/shm`; where it is missing or not writable the temporary folder, with a warning. */
export function sharedMemoryFolder(): string {
  try {
    const probe = Deno.makeTempDirSync({ dir: SHARED_MEMORY, prefix: "trtd-probe-" });
    Deno.removeSync(probe);
    return SHARED_MEMORY;
  } catch (error) {
    const folder = Deno.env.get("TMPDIR") ?? "/tmp";
    if (!warned) log.warning("Pictures travel through files in {folder}, slower: {error}", { folder, error });
    warned = true;
    return folder;
  }
}

/** Remove the rings and sockets of processes that are gone. */
export function removeStale(folders: readonly string[]): void {
  for (const folder of new Set(folders)) {
    const names = removeLeftovers(folder);
    if (names.length > 0) {
      log.warning("{count} leftovers of a dead process were removed from {folder}", { count: names.length, folder });
    }
  }
}

function reserve(file: Deno.FsFile, bytes: number): void {
  const zeros = new Uint8Array(Math.min(bytes, ZEROS_BYTES));
  for (let at = 0; at < bytes;) at += file.writeSync(zeros.subarray(0, Math.min(zeros.length, bytes - at)));
}

function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
