/** The file that keeps everything that TensorRT said during a build. */

/** Bytes after which the file is put aside as `.1` and begun anew: 100,000 lines of a verbose log are about 12 MB. */
export const LOG_LIMIT_BYTES = 64 * 1024 * 1024;

/** Bytes that are gathered before they are written. */
const GATHER_BYTES = 256 * 1024;

/** A log with a head. After a rotation the head stands at the top of the new file too. */
export class BuildLog implements Disposable {
  readonly path: string;
  readonly #head: string;
  readonly #limitBytes: number;
  readonly #encoder = new TextEncoder();
  #file: Deno.FsFile;
  #bytes = 0;
  #waiting: string[] = [];
  #waitingLength = 0;
  #closed = false;

  /** Begins the file anew and writes the head. @throws {Error} of the operating system */
  constructor(path: string, head: readonly string[], options: { limitBytes?: number } = {}) {
    this.path = path;
    this.#head = head.map((line) => `${line}\n`).join("");
    this.#limitBytes = options.limitBytes ?? LOG_LIMIT_BYTES;
    removeIfThere(`${path}.1`);
    this.#file = openEmpty(path);
    this.#put(this.#head);
  }

  /** Adds lines without their line ends; they are in the file after {@link flush}. */
  write(lines: readonly string[]): void {
    for (const line of lines) {
      this.#waiting.push(line);
      this.#waitingLength += line.length + 1;
      if (this.#waitingLength >= GATHER_BYTES) this.flush();
    }
  }

  flush(): void {
    if (this.#waiting.length === 0) return;
    this.#waiting.push("");
    const text = this.#waiting.join("\n");
    this.#waiting = [];
    this.#waitingLength = 0;
    if (this.#bytes >= this.#limitBytes) this.#rotate();
    this.#put(text);
  }

  close(): void {
    if (this.#closed) return;
    this.flush();
    this.#closed = true;
    this.#file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #put(text: string): void {
    const bytes = this.#encoder.encode(text);
    for (let at = 0; at < bytes.length;) at += this.#file.writeSync(bytes.subarray(at));
    this.#bytes += bytes.length;
  }

  #rotate(): void {
    this.#file.close();
    Deno.renameSync(this.path, `${this.path}.1`);
    this.#file = openEmpty(this.path);
    this.#bytes = 0;
    this.#put(this.#head);
  }
}

const openEmpty = (path: string): Deno.FsFile =>
  Deno.openSync(path, { write: true, create: true, truncate: true, mode: 0o644 });

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
