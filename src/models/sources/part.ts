/**
 * A file on its way: what has arrived, and what it is a part of.
 *
 *     <folder>/<stem>.part        the bytes so far
 *     <folder>/<stem>.part.json   which source they belong to
 *
 * Whoever uses a part holds the lock of its stem.
 */
import { createHash, type Hash } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import {
  infoOf,
  openRegular,
  removeIfThere,
  UnusableFile,
  writeAll,
  writeNew,
  writeWhole,
} from "../../cache/disk/files.ts";
import { faultPoint } from "../../cache/disk/fault.ts";

const PART_MODE = 0o644;
const CHUNK_BYTES = 1_048_576;

const noteSchema = z.strictObject({
  format: z.literal(1),
  /** SHA-256 of the source's identity, which may hold secrets. */
  source: z.string(),
  /** Strong ETag or date that the server gave; null when it gave none. */
  validator: z.string().nullable(),
  total: z.number().int().nonnegative().nullable(),
  /** Since which start of the machine the bytes are there: those that no fsync followed may be lost with it. */
  boot: z.string().nullable(),
});

type Note = z.output<typeof noteSchema>;

/** What a server says of the file. */
export interface PartFacts {
  readonly validator: string | null;
  /** Size of the whole file; null when the server does not say. */
  readonly total: number | null;
}

export interface PartOptions {
  readonly folder: string;
  readonly stem: string;
  /** All that tells the source from others. */
  readonly identity: string;
  /** Whether a digest decides in the end, so that bytes of uncertain origin do no harm. */
  readonly pinned: boolean;
}

/** The bytes so far with their running SHA-256. Disposing closes the file and leaves it. */
export class Part implements Disposable {
  readonly path: string;
  readonly #note: string;
  readonly #source: string;
  #file: Deno.FsFile | null = null;
  #hash: Hash = createHash("sha256");
  #bytes = 0;
  #beginnings = 0;
  #facts: PartFacts = { validator: null, total: null };

  private constructor(private readonly options: PartOptions) {
    this.path = join(options.folder, `${options.stem}.part`);
    this.#note = `${this.path}.json`;
    this.#source = createHash("sha256").update(options.identity).digest("hex");
  }

  /** Takes up what an earlier process left, when it fits; else begins anew. */
  static async open(options: PartOptions): Promise<Part> {
    const part = new Part(options);
    if (!await part.#takeUp()) await part.reset();
    return part;
  }

  /** Bytes that are there. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How often it was begun anew. */
  get beginnings(): number {
    return this.#beginnings;
  }

  get facts(): PartFacts {
    return this.#facts;
  }

  /** Lower-case SHA-256 of the bytes so far. */
  get sha256(): string {
    return this.#hash.copy().digest("hex");
  }

  /** Whether another request may ask for the rest. */
  get resumable(): boolean {
    return this.#bytes > 0 && (this.#facts.validator !== null || this.options.pinned);
  }

  /** Throws away what is there. */
  async reset(): Promise<void> {
    this.close();
    await this.remove();
    await writeNew(this.path, new Uint8Array(), PART_MODE);
    this.#file = await Deno.open(this.path, { read: true, write: true });
    this.#hash = createHash("sha256");
    this.#bytes = 0;
    this.#beginnings++;
    this.#facts = { validator: null, total: null };
  }

  /** Remembers what the server says of the file, beside the bytes. */
  async describe(facts: PartFacts): Promise<void> {
    if (facts.validator === this.#facts.validator && facts.total === this.#facts.total) return;
    this.#facts = facts;
    const note: Note = { format: 1, source: this.#source, ...facts, boot: await bootOf() };
    await writeWhole(this.#note, `${JSON.stringify(note)}\n`, 0o600);
  }

  async append(bytes: Uint8Array): Promise<void> {
    await writeAll(this.#file!, bytes, this.path);
    this.#hash.update(bytes);
    this.#bytes += bytes.length;
  }

  /** All bytes are on the disk when this resolves. */
  async sync(): Promise<void> {
    faultPoint("fsync", this.path);
    await this.#file!.sync();
  }

  close(): void {
    this.#file?.close();
    this.#file = null;
  }

  /** Removes the file and the note. */
  async remove(): Promise<void> {
    this.close();
    await removeIfThere(this.#note);
    await removeIfThere(this.path);
  }

  /** Removes the note of a part that got another name. */
  async forget(): Promise<void> {
    this.close();
    await removeIfThere(this.#note);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #takeUp(): Promise<boolean> {
    const note = await this.#readNote();
    const info = await infoOf(this.path);
    if (note === null || info === null || !info.isFile || (info.nlink ?? 1) !== 1) return false;
    if (note.source !== this.#source) return false;
    if (!this.options.pinned && (note.validator === null || note.boot === null || note.boot !== await bootOf())) {
      return false;
    }
    if (note.total !== null && info.size > note.total) return false;
    const file = await Deno.open(this.path, { read: true, write: true });
    // The last byte of a whole part is asked for again, so that the server says whether it is still the same file.
    const keep = note.total === info.size && !this.options.pinned ? Math.max(0, info.size - 1) : info.size;
    const buffer = new Uint8Array(CHUNK_BYTES);
    while (this.#bytes < keep) {
      const count = await file.read(buffer.subarray(0, Math.min(CHUNK_BYTES, keep - this.#bytes)));
      if (count === null) break;
      this.#hash.update(buffer.subarray(0, count));
      this.#bytes += count;
    }
    await file.truncate(this.#bytes);
    await file.seek(this.#bytes, Deno.SeekMode.Start);
    this.#file = file;
    this.#facts = { validator: note.validator, total: note.total };
    return true;
  }

  async #readNote(): Promise<Note | null> {
    try {
      using opened = await openRegular(this.#note);
      if (opened.info.size > 65_536) return null;
      return noteSchema.safeParse(JSON.parse(await Deno.readTextFile(this.#note))).data ?? null;
    } catch (thrown) {
      if (thrown instanceof UnusableFile || thrown instanceof SyntaxError) return null;
      throw thrown;
    }
  }
}

/** Name of this start of the machine, null where the kernel does not tell. */
async function bootOf(): Promise<string | null> {
  try {
    return (await Deno.readTextFile("/proc/sys/kernel/random/boot_id")).trim();
  } catch {
    return null;
  }
}
