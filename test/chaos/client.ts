/** One kept HTTP connection, by hand, so that nothing is sent twice behind the test's back. */

export interface Reply {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly ms: number;
}

export interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

/** Longest wait for an answer: the server's own deadline comes first. */
const ANSWER_MS = 60_000;

/** The server ended the connection before it answered. */
export class Unanswered extends Error {}

/** A kept connection that was not used at once had been ended meanwhile: the request was never taken. */
export class TooLate extends Unanswered {}

/** For so long after an answer a server that stops still takes the next request (http/listen/server.ts). */
const GRACE_MS = 100;

export class Client {
  readonly #address: { readonly host: string; readonly port: number };
  #connection: Deno.TcpConn | undefined;
  /** When the last answer on the connection came, null before. */
  #answeredMs: number | null = null;

  constructor(address: { readonly host: string; readonly port: number }) {
    this.#address = address;
  }

  /** Ask once. Throws the error of `Deno.connect` when nothing listens, {@link Unanswered} when no answer came. */
  async ask({ method = "POST", path = "/v1/detect", headers = {}, body = new Uint8Array() }: Asked): Promise<Reply> {
    this.#connection ??= await Deno.connect({ hostname: this.#address.host, port: this.#address.port });
    const connection = this.#connection;
    connection.setNoDelay(true);
    const lines = Object.entries({ host: "localhost", "content-length": String(body.length), ...headers });
    const head = `${method} ${path} HTTP/1.1\r\n${lines.map((line) => `${line.join(": ")}\r\n`).join("")}\r\n`;
    const began = performance.now();
    const answeredMs = this.#answeredMs;
    let idleMs = Infinity;
    const timer = setTimeout(() => this.close(), ANSWER_MS);
    try {
      await writeAll(connection, new TextEncoder().encode(head));
      await writeAll(connection, body);
      if (answeredMs !== null) idleMs = performance.now() - answeredMs;
      const reply = await readReply(connection);
      this.#answeredMs = performance.now();
      if (reply.headers["connection"] === "close") this.close();
      return { ...reply, ms: performance.now() - began };
    } catch (error) {
      this.close();
      const message = `After ${Math.round(performance.now() - began)} ms: ${(error as Error).message}`;
      throw answeredMs !== null && idleMs >= GRACE_MS ? new TooLate(message) : new Unanswered(message);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Status of a GET over a connection of its own; 0 when there is no answer. */
  async askOnce(path: string): Promise<number> {
    try {
      return (await this.ask({ method: "GET", path })).status;
    } catch (error) {
      if (error instanceof Unanswered || error instanceof Deno.errors.ConnectionRefused) return 0;
      throw error;
    } finally {
      this.close();
    }
  }

  /** Close the connection; the next question opens another. Calling it twice is harmless. */
  close(): void {
    try {
      this.#connection?.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
    this.#connection = undefined;
    this.#answeredMs = null;
  }
}

export async function writeAll(to: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await to.write(bytes.subarray(at));
}

async function readReply(from: Deno.TcpConn): Promise<Omit<Reply, "ms">> {
  let bytes = new Uint8Array(0);
  const more = async () => {
    const piece = new Uint8Array(65_536);
    const count = await from.read(piece);
    if (count === null) throw new Error("The connection ended before the answer did");
    const grown = new Uint8Array(bytes.length + count);
    grown.set(bytes);
    grown.set(piece.subarray(0, count), bytes.length);
    bytes = grown;
  };
  const latin = new TextDecoder("latin1");
  let end = -1;
  while (end < 0) {
    await more();
    end = latin.decode(bytes).indexOf("\r\n\r\n");
  }
  const [first, ...lines] = latin.decode(bytes.subarray(0, end)).split("\r\n");
  const headers = Object.fromEntries(lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  }));
  const status = Number(first!.split(" ")[1]);
  bytes = bytes.slice(end + 4);
  if (headers["content-length"] === undefined) return { status, headers, body: await readChunks() };
  const length = Number(headers["content-length"]);
  while (bytes.length < length) await more();
  return { status, headers, body: bytes.subarray(0, length) };

  async function readChunks(): Promise<Uint8Array<ArrayBuffer>> {
    const parts: number[] = [];
    for (;;) {
      let line = latin.decode(bytes).indexOf("\r\n");
      for (; line < 0; line = latin.decode(bytes).indexOf("\r\n")) await more();
      const size = parseInt(latin.decode(bytes.subarray(0, line)), 16);
      while (bytes.length < line + 4 + size) await more();
      parts.push(...bytes.subarray(line + 2, line + 2 + size));
      bytes = bytes.slice(line + 4 + size);
      if (size === 0) return Uint8Array.from(parts);
    }
  }
}
