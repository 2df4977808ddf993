/**
 * A load generator in a process of its own, so that neither the server nor whoever measures it pays for it. It reads a
 * {@link LoadSpec} as one line of JSON, opens its connections, writes `ready`, waits for a line `go`, and writes a
 * {@link LoadReport} as one line of JSON. `load_processes.ts` starts as many as are wanted.
 */
import process from "node:process";
import { type Address, type HttpAnswer, HttpConnection, postBytes } from "../../src/bench/over_http/http_client.ts";
import { shareInside } from "../../src/bench/statistics.ts";

export interface LoadSpec {
  readonly address: Address;
  /** Path with query. */
  readonly path: string;
  /** File whose bytes are posted. */
  readonly picture: string;
  readonly contentType: string;
  /** What is sent before the window counts. */
  readonly settleMs: number;
  /** Length of the window. */
  readonly forMs: number;
  readonly traffic:
    /** Each client sends its next request when it has its answer. */
    | { readonly kind: "closed"; readonly clients: number }
    /** Requests at a fixed rate whatever becomes of them, on at most so many connections. */
    | { readonly kind: "open"; readonly perSecond: number; readonly connectionsMax: number };
}

/** What became of one request. */
export interface Outcome {
  readonly status: number;
  /** From the connection's opening, if it is a new one, or the first byte sent, to the answer's last byte. */
  readonly ms: number;
  /** How much of that time lies in the window, 0 to 1. */
  readonly share: number;
  /** Whether the answer says when to come again. */
  readonly retryAfter: boolean;
}

export interface LoadReport {
  readonly outcomes: readonly Outcome[];
  /** Requests without an answer, by what went wrong. */
  readonly failures: Readonly<Record<string, number>>;
  /** Requests of the rate that found no free connection and were not sent. */
  readonly unsent: number;
  /** `Date.now()` at the end of the window: nothing is sent after it. */
  readonly endedMs: number;
  /** How late requests of a fixed rate were sent, in milliseconds: this process' own fault. */
  readonly lateMs: readonly number[];
  /** Means of the answers' `Server-Timing`, in milliseconds by stage. */
  readonly stagesMs: Readonly<Record<string, number>>;
  /** Processor time of this process from `go` to the end, in milliseconds. */
  readonly cpuMs: number;
  readonly wallMs: number;
}

/** The names and durations of a `Server-Timing` header in an answer's head; none without it. */
export function stagesOf(head: string): [name: string, ms: number][] {
  const value = /^server-timing: *(.+)$/im.exec(head)?.[1];
  if (value === undefined) return [];
  return value.split(",").flatMap((entry) => {
    const [name, ms] = /^\s*([\w-]+);dur=([\d.]+)/.exec(entry)?.slice(1) ?? [];
    return name === undefined ? [] : [[name, Number(ms)] as [string, number]];
  });
}

class Generator {
  readonly #spec: LoadSpec;
  readonly #request: Uint8Array<ArrayBuffer>;
  readonly #idle: HttpConnection[] = [];
  readonly #outcomes: Outcome[] = [];
  readonly #failures: Record<string, number> = {};
  readonly #late: number[] = [];
  readonly #stages: Record<string, { sum: number; count: number }> = {};
  #unsent = 0;
  #from = 0;
  #until = 0;

  constructor(spec: LoadSpec, picture: Uint8Array) {
    this.#spec = spec;
    this.#request = postBytes(spec.path, picture, spec);
  }

  async open(): Promise<void> {
    const { traffic, address } = this.#spec;
    const count = traffic.kind === "closed" ? traffic.clients : Math.min(16, traffic.connectionsMax);
    for (let i = 0; i < count; i++) this.#idle.push(await HttpConnection.open(address));
  }

  async run(): Promise<LoadReport> {
    const { traffic, settleMs, forMs } = this.#spec;
    const cpu = process.cpuUsage();
    const begunMs = performance.now();
    this.#from = begunMs + settleMs;
    this.#until = this.#from + forMs;
    if (traffic.kind === "closed") await this.#closed(traffic.clients);
    else await this.#open(begunMs, traffic);
    const { user, system } = process.cpuUsage(cpu);
    for (const connection of this.#idle) connection[Symbol.dispose]();
    return {
      outcomes: this.#outcomes,
      failures: this.#failures,
      unsent: this.#unsent,
      endedMs: Date.now() + this.#until - performance.now(),
      lateMs: this.#late,
      stagesMs: Object.fromEntries(Object.entries(this.#stages).map(([name, { sum, count }]) => [name, sum / count])),
      cpuMs: (user + system) / 1000,
      wallMs: performance.now() - begunMs,
    };
  }

  async #closed(clients: number): Promise<void> {
    await Promise.all(Array.from({ length: clients }, async () => {
      while (performance.now() < this.#until) await this.#send(this.#idle.pop());
    }));
  }

  async #open(begunMs: number, { perSecond, connectionsMax }: { perSecond: number; connectionsMax: number }) {
    const pending = new Set<Promise<void>>();
    const msEach = 1000 / perSecond;
    for (let due = begunMs; due < this.#until; due += msEach) {
      for (let now = performance.now(); now < due; now = performance.now()) {
        await new Promise((resolve) => setTimeout(resolve, due - now));
      }
      if (pending.size >= connectionsMax) {
        this.#unsent++;
        continue;
      }
      this.#late.push(Math.max(0, performance.now() - due));
      const one: Promise<void> = this.#send(this.#idle.pop()).finally(() => pending.delete(one));
      pending.add(one);
    }
    await Promise.all(pending);
  }

  /** @param kept an open connection, undefined for a new one */
  async #send(kept: HttpConnection | undefined): Promise<void> {
    const start = performance.now();
    let connection = kept;
    try {
      connection ??= await HttpConnection.open(this.#spec.address);
      const answer = await connection.send(this.#request);
      this.#take(answer, start);
      if (/^connection: *close/im.test(answer.head)) connection[Symbol.dispose]();
      else this.#idle.push(connection);
    } catch (error) {
      connection?.[Symbol.dispose]();
      const what = error instanceof Error ? error.message : String(error);
      this.#failures[what] = (this.#failures[what] ?? 0) + 1;
      // A closed server must not make this a loop without a pause.
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  #take({ status, head }: HttpAnswer, start: number): void {
    const end = performance.now();
    const share = shareInside(start, end, this.#from, this.#until);
    this.#outcomes.push({ status, ms: end - start, share, retryAfter: /^retry-after: *\d/im.test(head) });
    if (status !== 200 || share === 0) return;
    for (const [name, ms] of stagesOf(head)) {
      const stage = this.#stages[name] ??= { sum: 0, count: 0 };
      stage.sum += ms;
      stage.count++;
    }
  }
}

if (import.meta.main) {
  const lines = linesOf(Deno.stdin.readable);
  const spec: LoadSpec = JSON.parse((await lines.next()).value!);
  const generator = new Generator(spec, await Deno.readFile(spec.picture));
  await generator.open();
  console.log("ready");
  await lines.next();
  console.log(JSON.stringify(await generator.run()));
  Deno.exit(0);
}

/** Lines of a stream of UTF-8, without their ends. */
export async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string, undefined> {
  let rest = "";
  for await (const part of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + part).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
  if (rest !== "") yield rest;
}
