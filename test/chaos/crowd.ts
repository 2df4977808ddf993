/** Many connections that never finish a request. */
import { writeAll } from "./client.ts";

/** Connections that are opened at a time: a listener's queue is short. */
const AT_A_TIME = 50;

export class Crowd {
  /** Milliseconds from a connection's first byte to its end by the server. */
  readonly lives: number[] = [];
  readonly #connections: Deno.TcpConn[] = [];
  readonly #readers: Promise<void>[] = [];
  #gone = false;

  /** Open so many, which stay silent. */
  static async of(count: number, address: { readonly host: string; readonly port: number }): Promise<Crowd> {
    const crowd = new Crowd();
    for (let at = 0; at < count; at += AT_A_TIME) {
      await Promise.all(Array.from({ length: Math.min(AT_A_TIME, count - at) }, () => crowd.#join(address)));
    }
    return crowd;
  }

  /** Connections that the server has ended. */
  get closed(): number {
    return this.lives.length;
  }

  get open(): number {
    return this.#connections.length - this.closed;
  }

  /** Send a head that never ends, one byte each `everyMs`, until nobody is left. */
  async drip(everyMs: number): Promise<void> {
    const bytes = new TextEncoder().encode(
      `POST /v1/detect HTTP/1.1\r\nHost: localhost\r\nX-Slow: ${"a".repeat(4000)}`,
    );
    for (let at = 0; !this.#gone && this.open > 0; at++) {
      await Promise.all(
        this.#connections.map((connection) => writeAll(connection, bytes.subarray(at, at + 1)).catch(() => {})),
      );
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  }

  /** Wait until the server has ended all of them, at most `timeoutMs`. */
  async ended(timeoutMs: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([Promise.all(this.#readers), new Promise((resolve) => timer = setTimeout(resolve, timeoutMs))]);
    clearTimeout(timer);
  }

  /** Close those that are left. */
  leave(): void {
    this.#gone = true;
    for (const connection of this.#connections) close(connection);
  }

  async #join({ host, port }: { readonly host: string; readonly port: number }): Promise<void> {
    const connection = await Deno.connect({ hostname: host, port });
    this.#connections.push(connection);
    this.#readers.push(this.#read(connection));
  }

  async #read(connection: Deno.TcpConn): Promise<void> {
    const began = performance.now();
    const buffer = new Uint8Array(4096);
    try {
      while (await connection.read(buffer) !== null);
    } catch (error) {
      if (this.#gone) return;
      if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
    }
    if (!this.#gone) this.lives.push(performance.now() - began);
    close(connection);
  }
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
