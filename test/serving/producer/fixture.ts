/** A producers' socket in this process before a manager with a fake worker, and a producer that keeps what it is told. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ServingManager } from "../../../src/serving/manager/manager.ts";
import type { LineTimes } from "../../../src/serving/producer/producer_lines.ts";
import { ProducerSocket } from "../../../src/serving/producer/producer_socket.ts";
import { Ring } from "../../../src/serving/ring/ring.ts";
import { FAKE_MODEL, type FakeWorker } from "../fake_worker.ts";
import { until } from "../../until.ts";

export const folder = Deno.makeTempDirSync({ prefix: "trtd-test-" });
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

/** A producer that keeps what it is told. */
export class TestProducer {
  readonly told: Record<string, unknown>[] = [];
  readonly ended: Promise<void>;
  readonly #connection: Deno.UnixConn;
  #over = false;

  constructor(connection: Deno.UnixConn) {
    this.#connection = connection;
    this.ended = this.#read().finally(() => this.#over = true);
  }

  static async connect(path: string): Promise<TestProducer> {
    return new TestProducer(await Deno.connect({ transport: "unix", path }));
  }

  async say(message: unknown): Promise<void> {
    const text = typeof message === "string" ? message : JSON.stringify(message);
    await this.#connection.write(new TextEncoder().encode(`${text}\n`));
  }

  /** The next line of all that came. */
  async next(): Promise<Record<string, unknown>> {
    await until("told anything", () => this.told.length > 0 || this.#over, { everyMs: 1 });
    return this.told.shift() ?? assert.fail("No line came");
  }

  close(): void {
    try {
      this.#connection.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }

  async #read(): Promise<void> {
    let rest = "";
    try {
      for await (const text of this.#connection.readable.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + text).split("\n");
        rest = lines.pop()!;
        this.told.push(...lines.map((line) => JSON.parse(line)));
      }
    } catch {
      return;
    }
  }
}

export const SETTINGS = { max_pixels: 40_000_000, iou: 0.6 };

/** What makes a raw picture's message one about a file. */
export const FILE = { kind: "file", width: undefined, height: undefined };

export interface FixtureOptions {
  /** @default 1 */
  readonly rings?: number;
  /** @default 120000 */
  readonly requestTimeoutMs?: number;
  readonly times?: LineTimes;
}

/** Rings have 128 KiB. */
export async function fixture(worker: FakeWorker, options: FixtureOptions = {}) {
  const { rings = 1, requestTimeoutMs = 120_000, times = {} } = options;
  const errors: string[] = [];
  const path = join(folder, `socket-${crypto.randomUUID().slice(0, 8)}`);
  const manager = new ServingManager({
    models: [FAKE_MODEL],
    startWorker: () => worker,
    queueLimit: 4,
    requestTimeoutMs,
  });
  await manager.started;
  const all = Array.from({ length: rings }, () => Ring.create({ bytes: 131_072, folder }));
  const socket = await ProducerSocket.listen({
    path,
    service: manager,
    settings: SETTINGS,
    rings: all,
    models: [FAKE_MODEL],
    times,
    onError: ({ code }) => errors.push(code),
  });
  return {
    path,
    manager,
    socket,
    errors,
    rings: all,
    async [Symbol.asyncDispose]() {
      await socket.close();
      await manager.close();
      for (const ring of all) ring.close();
      assert.throws(() => Deno.statSync(path), Deno.errors.NotFound);
    },
  };
}

/** A producer that has said hello, and its ring. */
export async function greeted(path: string, slot_bytes = 8192): Promise<{ producer: TestProducer; ring: Deno.FsFile }> {
  const producer = await TestProducer.connect(path);
  await producer.say({ type: "hello", protocol: 1, slot_bytes });
  const { type, path: file } = await producer.next();
  assert.equal(type, "ring");
  return { producer, ring: Deno.openSync(file as string, { read: true, write: true }) };
}

/** {@link greeted}, once a ring is free. */
export async function greetedAtLast(path: string): ReturnType<typeof greeted> {
  let visit: Awaited<ReturnType<typeof greeted>> | undefined;
  await until("given a ring", async () => (visit = await greeted(path).catch(() => undefined)) !== undefined);
  return visit!;
}

/** Write into a ring. */
export function write(ring: Deno.FsFile, offset: number, bytes: Uint8Array): void {
  ring.seekSync(offset, Deno.SeekMode.Start);
  assert.equal(ring.writeSync(bytes), bytes.length);
}
