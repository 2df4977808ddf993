/** Reading a request's body within its limits. */
import type { Readable } from "node:stream";
import { TrtdError } from "../../errors.ts";

/** Bytes that all requests together may hold; what is taken must be given back. */
export class BodyBudget {
  readonly #limit: number;
  #taken = 0;

  /** @param limitBytes at least one body's limit */
  constructor(limitBytes: number) {
    this.#limit = limitBytes;
  }

  /** @throws {TrtdError} `QUEUE_FULL` when too much is held already */
  take(bytes: number): void {
    if (this.#taken + bytes > this.#limit) {
      throw new TrtdError("QUEUE_FULL", `The pictures of waiting requests fill ${this.#limit} bytes`, {
        retryAfterS: 1,
      });
    }
    this.#taken += bytes;
  }

  give(bytes: number): void {
    this.#taken -= bytes;
  }
}

export interface BodyLimits {
  readonly maxBytes: number;
  /** Time left for the body to arrive. */
  readonly timeoutMs: number;
  /** Value of Content-Length, null when the body is chunked. */
  readonly declaredBytes: number | null;
  readonly budget: BodyBudget;
}

/**
 * The whole body. Its bytes are taken from the budget; the caller gives back as many as it has. What comes
 * after the first byte over the limit is forgotten; the stream is left open, so that the answer still goes out.
 * @throws {TrtdError} `BODY_TOO_LARGE`, `BODY_TIMEOUT`, `CLIENT_CLOSED`, `REQUEST_INVALID`, `QUEUE_FULL`
 */
export function readBody(stream: Readable, limits: BodyLimits): Promise<Uint8Array<ArrayBuffer>> {
  const { maxBytes, declaredBytes, budget } = limits;
  if (declaredBytes !== null && declaredBytes > maxBytes) return Promise.reject(tooLarge(maxBytes));
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array<ArrayBuffer>>();
  const pieces: Uint8Array[] = [];
  let count = 0;

  const stop = () => {
    clearTimeout(timer);
    stream.off("data", onData).off("end", onEnd).off("close", onClose).off("error", onError);
    stream.on("error", () => {});
  };
  const refuse = (error: TrtdError) => {
    stop();
    stream.resume();
    budget.give(count);
    reject(error);
  };
  const onData = (piece: Uint8Array) => {
    if (count + piece.length > maxBytes) return refuse(tooLarge(maxBytes));
    try {
      budget.take(piece.length);
    } catch (error) {
      return refuse(error as TrtdError);
    }
    count += piece.length;
    pieces.push(piece);
  };
  const onEnd = () => {
    stop();
    resolve(joined(pieces, count));
  };
  const onClose = () => refuse(new TrtdError("CLIENT_CLOSED", `The client closed the connection after ${count} bytes`));
  const onError = (error: Error & { code?: string }) => {
    if (error.code === "ECONNRESET" || /cancelled|aborted/.test(error.message)) onClose();
    else refuse(new TrtdError("REQUEST_INVALID", `The body cannot be read: ${error.message}`, { cause: error }));
  };
  const timer = setTimeout(() => {
    refuse(new TrtdError("BODY_TIMEOUT", `Only ${count} bytes of the body arrived in time`));
  }, Math.max(0, limits.timeoutMs));
  stream.on("data", onData).on("end", onEnd).on("close", onClose).on("error", onError);
  return promise;
}

function tooLarge(maxBytes: number): TrtdError {
  return new TrtdError("BODY_TOO_LARGE", `The body has more than ${maxBytes} bytes`);
}

function joined(pieces: readonly Uint8Array[], count: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(count);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
