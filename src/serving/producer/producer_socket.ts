/** The Unix socket at which local programs lend shared memory with pictures in it; the protocol is docs/ring.md. */
import { getLogger } from "@logtape/logtape";
import { TrtdError, trtdErrorFrom } from "../../errors.ts";
import type { Ring } from "../ring/ring.ts";
import { ProducerConnection, type ProducerService, type ProducerSettings } from "./producer_connection.ts";
import { closeQuietly, LineSender, linesOf, type LineTimes } from "./producer_lines.ts";
import { errorFields } from "./producer_messages.ts";
import { listenPrivately, type PrivateListener } from "./producer_path.ts";

const log = getLogger(["trtd", "serving"]);

/** Connections beyond one for each ring: of programs that have not said hello yet, or are told that they are too many. */
const WAITING_MAX = 16;
const SLOTS_MAX = 64;
/** Longest wait for answers when the server ends at once. */
const CLOSE_WAIT_MS = 2000;

export interface ProducerSocketOptions {
  readonly path: string;
  readonly service: ProducerService;
  readonly settings: ProducerSettings;
  /** One for each producer at a time. */
  readonly rings: readonly Ring[];
  /** Names of the served models; the first is the default. */
  readonly models: readonly string[];
  /** Most slots of a producer. @default 64 */
  readonly slotsMax?: number;
  readonly times?: LineTimes;
  /** Told every error that answers a request or a connection. */
  readonly onError?: ((error: TrtdError) => void) | undefined;
}

export class ProducerSocket {
  readonly #options: ProducerSocketOptions;
  readonly #listener: PrivateListener;
  /** Longest unused first. */
  readonly #free: Ring[];
  readonly #connections = new Set<Deno.UnixConn>();
  readonly #producers = new Set<ProducerConnection>();
  readonly #quiet = Promise.withResolvers<void>();
  #draining = false;
  #closed = false;

  private constructor(options: ProducerSocketOptions, listener: PrivateListener) {
    this.#options = options;
    this.#listener = listener;
    this.#free = [...options.rings];
    void this.#accept();
  }

  /** Listen where only this user may connect. @throws {TrtdError} `ADDRESS_UNAVAILABLE` */
  static async listen(options: ProducerSocketOptions): Promise<ProducerSocket> {
    return new ProducerSocket(options, await listenPrivately(options.path));
  }

  /** Bytes of slots that producers have lent. */
  get lentBytes(): number {
    return [...this.#producers].reduce((sum, { lentBytes }) => sum + lentBytes, 0);
  }

  /** Programs that are connected now. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Take no more producers and no more requests; resolves when what they asked is answered. */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#listener.close();
    for (const producer of this.#producers) producer.drain();
    while (!this.#closed && [...this.#producers].some(({ busy }) => busy)) {
      await Promise.race([this.#quiet.promise, new Promise((resolve) => setTimeout(resolve, 10))]);
    }
  }

  /** Wait a moment for answers that are due, cut off all producers, remove the socket. Calling it twice is harmless. */
  async close(): Promise<void> {
    const timer = setTimeout(() => this.#end(), CLOSE_WAIT_MS);
    await this.drain();
    clearTimeout(timer);
    this.#end();
  }

  #end(): void {
    this.#closed = true;
    this.#quiet.resolve();
    for (const connection of this.#connections) closeQuietly(connection);
  }

  async #accept(): Promise<void> {
    while (!this.#draining) {
      try {
        const connection = await this.#listener.accept();
        void this.#serve(connection);
      } catch (error) {
        if (this.#draining) return;
        // For one: too many open files. The next producer may find things better.
        log.error("A producer could not be taken: {error}", { error });
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  async #serve(connection: Deno.UnixConn): Promise<void> {
    const { service, settings, models, rings, slotsMax = SLOTS_MAX, times = {}, onError } = this.#options;
    const sender = new LineSender(connection);
    if (this.#connections.size >= rings.length + WAITING_MAX) {
      const detail = `${this.#connections.size} programs are connected already`;
      this.#endWith(sender, new TrtdError("PRODUCERS_FULL", detail, { retryAfterS: 1 }));
      return await sender.end();
    }
    this.#connections.add(connection);
    let ring: Ring | null = null;
    const takeRing = () => ring = this.#takeRing();
    const send = (message: unknown) => sender.send(message);
    const producer = new ProducerConnection({ service, settings, models, slotsMax, takeRing, send, onError });
    if (this.#draining) producer.drain();
    this.#producers.add(producer);
    try {
      for await (const line of linesOf(connection, times)) {
        producer.take(line);
        await sender.room(times);
      }
    } catch (thrown) {
      if (!isGone(thrown)) this.#endWith(sender, trtdErrorFrom(thrown));
    }
    const idle = producer.close();
    await sender.end();
    void sender.written.then(() => this.#connections.delete(connection));
    await idle;
    this.#producers.delete(producer);
    if (ring !== null) this.#giveBack(ring);
  }

  #endWith(sender: LineSender, error: TrtdError): void {
    this.#options.onError?.(error);
    if (error.code === "INTERNAL") log.error("A producer is cut off: {error}", { error });
    else log.debug("A producer is cut off: {code}: {detail}", { code: error.code, detail: error.message });
    sender.send({ ...errorFields(error), id: null });
  }

  #takeRing(): Ring {
    for (let ring = this.#free.shift(); ring !== undefined; ring = this.#free.shift()) {
      if (this.#isSound(ring)) return ring;
    }
    const { rings } = this.#options;
    throw new TrtdError("PRODUCERS_FULL", `No ring is free, there are ${rings.length}`, { retryAfterS: 1 });
  }

  #giveBack(ring: Ring): void {
    if (!this.#closed && this.#isSound(ring)) this.#free.push(ring);
  }

  /** What a producer did to the file itself is undone where that is possible; else the ring is given to nobody any more. */
  #isSound(ring: Ring): boolean {
    if (!ring.present) {
      log.error("A producer has deleted its ring {path}, which is lost until trtd is started again: see docs/ring.md", {
        path: ring.path,
      });
      return false;
    }
    try {
      ring.mend();
      return true;
    } catch (error) {
      log.error("The ring {path} was cut short and cannot be made whole: {error}", { path: ring.path, error });
      return false;
    }
  }
}

const isGone = (error: unknown): boolean =>
  error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BadResource ||
  error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.Interrupted;
