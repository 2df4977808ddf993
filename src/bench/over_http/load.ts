/** Requests against a running server: how long one takes, and how many it answers a second. */
import { TrtdError } from "../../errors.ts";
import { type Address, type HttpAnswer, HttpConnection, postBytes } from "./http_client.ts";
import { shareInside } from "../statistics.ts";

/** A detection service that takes a JPEG body. */
export interface Target {
  readonly name: string;
  readonly address: Address;
  /** Path with query. */
  readonly path: string;
}

/** The part of an answer that both services have. */
export interface DetectionAnswer {
  readonly detections: readonly {
    readonly label: string;
    readonly score: number;
    readonly box: { readonly x1: number; readonly y1: number; readonly x2: number; readonly y2: number };
  }[];
  readonly timings_ms: { readonly inference: number };
}

/** Milliseconds of each request, and of the model's run inside it as the server tells. */
export interface Latencies {
  readonly total: readonly number[];
  readonly inference: readonly number[];
  readonly answer: DetectionAnswer;
}

/**
 * `count` requests one after another on one connection.
 * @throws {TrtdError} `INTERNAL` when the server does not answer 200
 */
export async function measureLatency(target: Target, jpeg: Uint8Array, count: number): Promise<Latencies> {
  using connection = await HttpConnection.open(target.address);
  const request = requestOf(target, jpeg);
  const total: number[] = [], inference: number[] = [];
  let answer: DetectionAnswer | undefined;
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    const response = await connection.send(request);
    total.push(performance.now() - start);
    answer = answerOf(target, response);
    inference.push(answer.timings_ms.inference);
  }
  return { total, inference, answer: answer! };
}

/** Requests a second with `clients` connections that each send their next request at once, counted for `forMs`. */
export async function measureThroughput(
  target: Target,
  jpeg: Uint8Array,
  options: { clients: number; forMs: number; settleMs?: number },
): Promise<number> {
  const { clients, forMs, settleMs = forMs / 5 } = options;
  const request = requestOf(target, jpeg);
  const from = performance.now() + settleMs;
  const until = from + forMs;
  let answered = 0;
  await Promise.all(Array.from({ length: clients }, async () => {
    using connection = await HttpConnection.open(target.address);
    while (performance.now() < until) {
      const start = performance.now();
      const response = await connection.send(request);
      const end = performance.now();
      if (response.status !== 200) answerOf(target, response);
      answered += shareInside(start, end, from, until);
    }
  }));
  return answered / forMs * 1000;
}

const requestOf = ({ path, address }: Target, jpeg: Uint8Array) =>
  postBytes(path, jpeg, { contentType: "image/jpeg", address });

function answerOf(target: Target, { status, body }: HttpAnswer): DetectionAnswer {
  const text = new TextDecoder().decode(body);
  if (status !== 200) throw new TrtdError("INTERNAL", `The ${target.name} answered ${status}: ${text.slice(0, 300)}`);
  return JSON.parse(text);
}
