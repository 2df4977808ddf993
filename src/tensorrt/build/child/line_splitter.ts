/** Characters of a line that are kept unless told otherwise; the rest of a longer one is dropped. */
const LINE_LIMIT = 64 * 1024;

/**
 * Lines out of chunks that may end anywhere, inside a character too. Bytes that are not UTF-8 become U+FFFD.
 */
export class LineSplitter {
  readonly #decoder = new TextDecoder();
  readonly #limit: number;
  #rest = "";
  #overlong = false;

  constructor(options: { limit?: number } = {}) {
    this.#limit = options.limit ?? LINE_LIMIT;
  }

  /** Lines that are complete after `chunk`, without their line ends. */
  push(chunk: Uint8Array): string[] {
    return this.#split(this.#decoder.decode(chunk, { stream: true }));
  }

  /** What is left at the end of the stream. */
  end(): string[] {
    const lines = this.#split(this.#decoder.decode());
    if (this.#rest !== "") lines.push(this.#rest);
    this.#rest = "";
    return lines;
  }

  #split(text: string): string[] {
    const parts = text.split("\n");
    const last = parts.pop()!;
    if (parts.length > 0) {
      parts[0] = this.#overlong ? this.#rest : this.#rest + parts[0];
      this.#rest = "";
      this.#overlong = false;
    }
    if (!this.#overlong) this.#rest += last;
    if (this.#rest.length > this.#limit) {
      this.#rest = this.#rest.slice(0, this.#limit);
      this.#overlong = true;
    }
    return parts.map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line).slice(0, this.#limit));
  }
}
