/** The part of a log that an explanation needs, however long the log is. */
const FIRST = 1000;
const LAST = 3000;

const SHIM_LINE = /^\d{4}-\d\d-\d\dT[\d:.]{8,15}Z (FATAL|ERROR|WARN|INFO|VERBOSE) /;

/** Level of a line of libtrtd, null for any other line. */
export function levelOf(line: string): string | null {
  return SHIM_LINE.exec(line)?.[1] ?? null;
}

/** Keeps the first and the last lines that are more than verbose, with the lines that continue them. */
export class KeptLines {
  readonly #first: string[] = [];
  #last: string[] = [];
  #keeping = true;

  add(line: string): void {
    if (!line.startsWith("\t")) this.#keeping = levelOf(line) !== "VERBOSE";
    if (!this.#keeping) return;
    if (this.#first.length < FIRST) this.#first.push(line);
    else {
      this.#last.push(line);
      if (this.#last.length > 2 * LAST) this.#last = this.#last.slice(-LAST);
    }
  }

  lines(): string[] {
    return [...this.#first, ...this.#last.slice(-LAST)];
  }
}
