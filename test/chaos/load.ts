/** Clients that ask without a pause, each one picture after another, and check every answer. */
import assert from "node:assert/strict";
import { Client, TooLate, Unanswered } from "./client.ts";
import { PATIENCE_MS, until } from "../until.ts";
import { type KnownPicture, PICTURES, wrongness } from "./colour_model.ts";

/** Most problems that are kept word for word. */
const TOLD_MAX = 5;

export interface LoadOptions {
  readonly address: { readonly host: string; readonly port: number };
  /** @default 8 */
  readonly clients?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Stop a client when the server says that it closes the connection. @default false */
  readonly untilClosed?: boolean;
  /** @default {@link PICTURES} */
  readonly pictures?: readonly KnownPicture[];
}

/** What came of all requests together. */
export interface Outcome {
  /** Answers by status, those with 200 and the right detections as "right". */
  readonly counts: Readonly<Record<string, number>>;
  /** The first wrong answers, and requests without any. */
  readonly problems: readonly string[];
  /** Milliseconds of each answer. */
  readonly times: readonly number[];
}

export class Load {
  readonly counts: Record<string, number> = {};
  readonly #problems: string[] = [];
  readonly #times: number[] = [];
  readonly #clients: Promise<void>[];
  #stopped = false;

  constructor(options: LoadOptions) {
    this.#clients = Array.from({ length: options.clients ?? 8 }, (_, index) => this.#client(index, options));
  }

  /** Requests that are answered, or never will be. */
  get total(): number {
    return Object.values(this.counts).reduce((sum, count) => sum + count, 0);
  }

  get right(): number {
    return this.counts["right"] ?? 0;
  }

  /** Wait until `count` requests are answered. @throws {Error} after `timeoutMs` */
  async reaches(count: number, timeoutMs = 3 * PATIENCE_MS): Promise<void> {
    const tells = () => `${this.total}, ${this.#problems.join("; ")}`;
    await until(`at ${count} answers`, () => this.total >= count, { timeoutMs, tells });
  }

  /** Ask no more, and wait for the last answers. */
  async stop(): Promise<Outcome> {
    this.#stopped = true;
    return await this.ended();
  }

  /** Wait until every client has stopped. */
  async ended(): Promise<Outcome> {
    await Promise.all(this.#clients);
    return { counts: this.counts, problems: this.#problems, times: this.#times };
  }

  async #client(index: number, options: LoadOptions): Promise<void> {
    const { address, headers = {}, untilClosed = false, pictures = PICTURES } = options;
    const client = new Client(address);
    for (let turn = index; !this.#stopped; turn += 5) {
      const picture = pictures[turn % pictures.length]!;
      try {
        const reply = await client.ask({ body: picture.bytes, headers: { "content-type": "image/png", ...headers } });
        this.#times.push(reply.ms);
        this.#judge(reply.status, reply.body, picture);
        if (untilClosed && reply.headers["connection"] === "close") break;
      } catch (error) {
        if (untilClosed && error instanceof TooLate) break;
        this.#count("lost");
        this.#tell(`lost: ${(error as Error).message}`);
        if (!(error instanceof Unanswered)) await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    client.close();
  }

  #judge(status: number, body: Uint8Array, picture: KnownPicture): void {
    const answer = JSON.parse(new TextDecoder().decode(body));
    if (status !== 200) {
      this.#tell(`${status} ${answer.code}: ${answer.detail}`);
      return this.#count(`${status} ${answer.code}`);
    }
    const wrong = wrongness(answer, picture);
    if (wrong !== null) this.#tell(`wrong: ${wrong}`);
    this.#count(wrong === null ? "right" : "wrong");
  }

  #count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  #tell(problem: string): void {
    if (this.#problems.length < TOLD_MAX) this.#problems.push(problem);
  }
}

/** Every request was answered rightly. @param errors what the server said */
export function assertAllRight({ counts, problems }: Outcome, errors: string): void {
  assert.deepEqual(
    [problems, Object.keys(counts)],
    [[], ["right"]],
    `${JSON.stringify(counts)} ${problems.join("; ")} ${errors}`,
  );
}

/** The value below which a part of the values lie. @param part 0 to 1 */
export function quantile(values: readonly number[], part: number): number {
  return values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))] ?? NaN;
}
