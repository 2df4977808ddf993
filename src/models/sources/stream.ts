/** One GET: its head, and a body of which nothing is lost that arrived before the connection broke. */
import type { Agent, Dispatcher } from "undici";

export interface Streamed {
  readonly status: number;
  /** By lower-case name; several values of one name are a list. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Pieces of the body in order; what ends it too early is thrown after them. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Ends the request. */
  close(): void;
}

/** Bytes that may wait to be read before the connection is told to wait. */
const WAITING_BYTES_MAX = 1_048_576;

/**
 * Sends the request.
 * @throws what undici throws, or the signal's reason
 */
export function getStreamed(
  agent: Agent,
  { url, headers, signal }: {
    readonly url: URL;
    readonly headers: Readonly<Record<string, string>>;
    signal: AbortSignal;
  },
): Promise<Streamed> {
  const begun = Promise.withResolvers<Streamed>();
  const body = new Body();
  const fail = (reason: unknown) => {
    begun.reject(reason);
    body.end(reason);
    signal.removeEventListener("abort", onAbort);
  };
  const onAbort = () => {
    body.controller?.abort(new Error("The request was ended"));
    fail(signal.reason);
  };
  if (signal.aborted) return Promise.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  agent.dispatch({ origin: url.origin, path: url.pathname + url.search, method: "GET", headers }, {
    onRequestStart(controller) {
      body.controller = controller;
      if (signal.aborted) controller.abort(new Error("The request was ended"));
    },
    onResponseStart(_controller, status, received) {
      if (status < 200) return;
      begun.resolve({ status, headers: received, body, close: () => body.close() });
    },
    onResponseData: (_controller, chunk) => body.add(chunk),
    onResponseEnd() {
      body.end(null);
      signal.removeEventListener("abort", onAbort);
    },
    onResponseError: (_controller, error) => fail(error),
  });
  return begun.promise;
}

class Body implements AsyncIterable<Uint8Array> {
  controller: Dispatcher.DispatchController | null = null;
  #chunks: Uint8Array[] = [];
  #waiting = 0;
  #ended = false;
  #error: unknown = null;
  #wake: () => void = () => {};

  add(chunk: Uint8Array): void {
    if (this.#ended) return;
    this.#chunks.push(chunk);
    this.#waiting += chunk.length;
    if (this.#waiting > WAITING_BYTES_MAX) this.controller?.pause();
    this.#wake();
  }

  /** @param error null: the body is whole */
  end(error: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#wake();
  }

  close(): void {
    if (!this.#ended) this.controller?.abort(new Error("The body is not wanted"));
    this.#chunks = [];
    this.end(null);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#waiting -= chunk.length;
        if (this.#waiting <= WAITING_BYTES_MAX && this.controller?.paused === true) this.controller.resume();
        yield chunk;
      } else if (this.#ended) {
        if (this.#error !== null) throw this.#error;
        return;
      } else {
        await new Promise<void>((done) => this.#wake = done);
      }
    }
  }
}
