/**
 * A gate before a server whose runtime neither caps connections nor times them out (`node:http` in Deno 2.6). It accepts
 * at the public address, passes bytes both ways to the real server at the loopback, and looks at nothing but time:
 * how long the first head takes, and how long a connection goes without an answer.
 */
import { getLogger } from "@logtape/logtape";

const log = getLogger(["trtd", "http"]);

const PIECE_BYTES = 64 * 1024;
/** Between two pieces of one answer less time passes, so that a longer silence is its end. */
const QUIET_MS = 50;

export interface GateSettings {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  /** Port of the real server at 127.0.0.1. */
  readonly behindPort: number;
  readonly maxConnections: number;
  /** Longest time until the first head is complete. */
  readonly headTimeoutMs: number;
  /** Longest time after an answer until the next request begins. */
  readonly idleTimeoutMs: number;
  /** Longest time without a byte from the server while a request is under way. */
  readonly answerTimeoutMs: number;
  /** What a client is told whose first head does not arrive in time: a whole HTTP answer. */
  lateHead(): Uint8Array;
}

/** One client's connection and its twin to the server. */
interface Pair {
  readonly client: Deno.TcpConn;
  readonly server: Deno.TcpConn;
  /** Our port of the connection to the server. */
  readonly serverPort: number;
  timer: ReturnType<typeof setTimeout> | undefined;
  /** Whether the first head has arrived. */
  headSeen: boolean;
  /** The last characters before the first head is complete. */
  tail: string;
  /** Whether bytes of a request have come since the last answer. */
  waiting: boolean;
  /** Bytes of an answer that are being written to the client now. */
  writing: number;
  /** `performance.now()` of the last byte of an answer. */
  answeredMs: number;
  closed: boolean;
}

export class ConnectionGate {
  readonly port: number;
  readonly #settings: GateSettings;
  readonly #listener: Deno.TcpListener;
  readonly #pairs = new Set<Pair>();
  /** By the port of the connection to the server. */
  readonly #clients = new Map<number, string>();
  #accepted = 0;
  #open = true;

  /** Listen. Throws what `Deno.listen` throws. */
  constructor(settings: GateSettings) {
    this.#settings = settings;
    this.#listener = Deno.listen({ hostname: settings.host, port: settings.port });
    this.port = this.#listener.addr.port;
    void this.#accept();
  }

  /** Address of the client whose bytes come to the server from this port of the loopback, null when there is none. */
  clientOf(port: number): string | null {
    return this.#clients.get(port) ?? null;
  }

  /** Take no new connection. Calling it twice is harmless. */
  stopListening(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#listener.close();
  }

  /** Wait until the answers that are on their way have reached their clients, at most `timeoutMs`. */
  async settle(timeoutMs: number): Promise<void> {
    const until = performance.now() + timeoutMs;
    const busy = (pair: Pair) => pair.waiting || pair.writing > 0 || performance.now() - pair.answeredMs < QUIET_MS;
    while (performance.now() < until && [...this.#pairs].some(busy)) {
      await new Promise((resolve) => setTimeout(resolve, QUIET_MS / 5));
    }
  }

  /** Close every connection. Calling it twice is harmless. */
  close(): void {
    this.stopListening();
    for (const pair of [...this.#pairs]) this.#end(pair);
  }

  async #accept(): Promise<void> {
    while (this.#open) {
      let client: Deno.TcpConn;
      try {
        client = await this.#listener.accept();
      } catch (error) {
        if (!this.#open) return;
        log.error("A connection cannot be accepted: {error}", { error });
        await new Promise((resolve) => setTimeout(resolve, 50));
        continue;
      }
      if (this.#accepted >= this.#settings.maxConnections) {
        log.warning("A connection over the limit of {max} was closed", { max: this.#settings.maxConnections });
        client.close();
        continue;
      }
      this.#accepted++;
      void this.#pass(client).finally(() => this.#accepted--);
    }
  }

  async #pass(client: Deno.TcpConn): Promise<void> {
    let server: Deno.TcpConn;
    try {
      server = await Deno.connect({ hostname: "127.0.0.1", port: this.#settings.behindPort });
      client.setNoDelay(true);
      server.setNoDelay(true);
    } catch (error) {
      log.warning("The server behind the gate does not answer: {error}", { error });
      client.close();
      return;
    }
    const pair: Pair = {
      client,
      server,
      serverPort: server.localAddr.port,
      timer: undefined,
      headSeen: false,
      tail: "",
      waiting: false,
      writing: 0,
      answeredMs: 0,
      closed: false,
    };
    this.#pairs.add(pair);
    this.#clients.set(pair.serverPort, client.remoteAddr.hostname);
    pair.timer = setTimeout(() => void this.#late(pair), this.#settings.headTimeoutMs);
    await Promise.all([this.#toServer(pair), this.#toClient(pair)]);
    this.#end(pair);
  }

  /** Only the first bytes of a request start the wait for its answer, or one byte a minute would hold a place for ever. */
  async #toServer(pair: Pair): Promise<void> {
    const ended = await copy(pair.client, pair.server, (piece) => {
      if (!pair.headSeen) {
        const text = pair.tail + String.fromCharCode(...piece.subarray(0, 32 * 1024));
        pair.headSeen = /\r?\n\r?\n/.test(text) || piece.length > 32 * 1024;
        pair.tail = text.slice(-3);
        if (!pair.headSeen) return;
      }
      if (!pair.waiting) this.#setTimer(pair, this.#settings.answerTimeoutMs);
      pair.waiting = true;
    });
    if (ended) await pair.server.closeWrite().catch(() => {});
    else this.#end(pair);
  }

  async #toClient(pair: Pair): Promise<void> {
    await copy(pair.server, pair.client, (piece) => {
      pair.writing = piece.length;
      pair.waiting = false;
      this.#setTimer(pair, this.#settings.idleTimeoutMs);
    }, () => {
      pair.writing = 0;
      pair.answeredMs = performance.now();
    });
    this.#end(pair);
  }

  #setTimer(pair: Pair, ms: number): void {
    if (pair.closed) return;
    clearTimeout(pair.timer);
    pair.timer = setTimeout(() => this.#end(pair), ms);
  }

  async #late(pair: Pair): Promise<void> {
    try {
      await pair.client.write(this.#settings.lateHead());
      await pair.client.closeWrite();
    } catch (error) {
      log.debug("A late client is gone: {error}", { error });
    }
    this.#end(pair);
  }

  #end(pair: Pair): void {
    if (pair.closed) return;
    pair.closed = true;
    clearTimeout(pair.timer);
    this.#pairs.delete(pair);
    this.#clients.delete(pair.serverPort);
    for (const connection of [pair.client, pair.server]) {
      try {
        connection.close();
      } catch (error) {
        if (!(error instanceof Deno.errors.BadResource)) throw error;
      }
    }
  }
}

/** @returns true at the end of the source, false when either side failed */
async function copy(
  from: Deno.TcpConn,
  to: Deno.TcpConn,
  onRead: (piece: Uint8Array) => void,
  onWritten: () => void = () => {},
): Promise<boolean> {
  const buffer = new Uint8Array(PIECE_BYTES);
  try {
    for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
      const piece = buffer.subarray(0, count);
      onRead(piece);
      for (let at = 0; at < count;) at += await to.write(piece.subarray(at));
      onWritten();
    }
    return true;
  } catch {
    return false;
  }
}
