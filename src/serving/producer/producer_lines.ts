/** Lines over a connection whose other end may send nonsense, send nothing, or read nothing. */
import { setImmediate } from "node:timers";
import { TrtdError } from "../../errors.ts";

/** Longest line of a producer. */
export const LINE_BYTES_MAX = 65_536;
/** Answers that a producer does not read, in bytes, before nothing more is read of it. */
const UNREAD_BYTES_MAX = 262_144;
/** Longest wait at the end for a producer to read its last answers. */
const LAST_WORDS_MS = 1000;
/** Lines that are taken in a row before others have a turn. */
const TURN_LINES = 16;
const NEWLINE = 10;

export interface LineTimes {
  /** Longest time to the first whole line. @default 5000 */
  readonly firstMs?: number;
  /** Longest time from the first byte of a later line to its end. @default 10000 */
  readonly lineMs?: number;
  /** Longest time for a producer with many answers to read some of them. @default 10000 */
  readonly readMs?: number;
}

/**
 * Lines without their ends, as long as the connection lasts. A last line without an end is dropped.
 * @throws {TrtdError} `REQUEST_INVALID` for a line that is too long, takes too long, or is not UTF-8
 */
export async function* linesOf(
  connection: Pick<Deno.UnixConn, "read">,
  { firstMs = 5000, lineMs = 10_000 }: LineTimes = {},
): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const buffer = new Uint8Array(2 * LINE_BYTES_MAX);
  let end = 0;
  let deadline: number | null = performance.now() + firstMs;
  for (;;) {
    const count: number | null = await before(deadline, connection.read(buffer.subarray(end)));
    if (count === null) return;
    let start = 0;
    let taken = 0;
    const filled: number = end + count;
    for (let at = buffer.indexOf(NEWLINE, end); at >= 0 && at < filled; at = buffer.indexOf(NEWLINE, start)) {
      if (at - start > LINE_BYTES_MAX) throw tooLong();
      const line = textOf(decoder, buffer.subarray(start, at));
      start = at + 1;
      yield line;
      if (++taken % TURN_LINES === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    if (filled - start > LINE_BYTES_MAX) throw tooLong();
    if (taken > 0 || end === 0 && deadline === null) deadline = filled > start ? performance.now() + lineMs : null;
    buffer.copyWithin(0, start, filled);
    end = filled - start;
  }
}

/** Writes lines one after another. */
export class LineSender {
  readonly #connection: Deno.UnixConn;
  #last: Promise<void> = Promise.resolve();
  #unread = 0;

  constructor(connection: Deno.UnixConn) {
    this.#connection = connection;
  }

  send(message: unknown): void {
    const bytes = new TextEncoder().encode(`${JSON.stringify(message)}\n`);
    this.#unread += bytes.length;
    this.#last = this.#last.then(async () => {
      for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
      this.#unread -= bytes.length;
    }).catch(() => {});
  }

  /**
   * Resolves when the producer has read enough of what was sent, or has gone.
   * @throws {TrtdError} `REQUEST_INVALID` when it does not read
   */
  async room({ readMs = 10_000 }: LineTimes): Promise<void> {
    if (this.#unread <= UNREAD_BYTES_MAX) return;
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => reject(new TrtdError("REQUEST_INVALID", `Answers were not read for ${readMs} ms`)),
      readMs,
    );
    await Promise.race([this.#last, promise]).finally(() => clearTimeout(timer));
  }

  /** Close after what was sent, or after a moment when nobody reads it. */
  async end(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, LAST_WORDS_MS);
    await Promise.race([this.#last, promise]);
    clearTimeout(timer);
    closeQuietly(this.#connection);
  }

  /** Resolves when nothing is being written. Closing ends a write at once; on Deno 2.6 only the other end's going does. */
  get written(): Promise<void> {
    return this.#last;
  }
}

/** Close what may be closed already. */
export function closeQuietly(resource: { close(): void }): void {
  try {
    resource.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

function textOf(decoder: TextDecoder, bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new TrtdError("REQUEST_INVALID", "A line is not UTF-8");
  }
}

const tooLong = () => new TrtdError("REQUEST_INVALID", `A line has more than ${LINE_BYTES_MAX} bytes`);

/** @throws {TrtdError} `REQUEST_INVALID` when the read takes longer; its own end is nobody's business then */
async function before<T>(deadline: number | null, read: Promise<T>): Promise<T> {
  if (deadline === null) return await read;
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new TrtdError("REQUEST_INVALID", "The end of a line did not come in time")),
    Math.max(0, deadline - performance.now()),
  );
  try {
    return await Promise.race([read, promise]);
  } catch (error) {
    read.catch(() => {});
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
