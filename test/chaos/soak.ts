/** A long run in which one request of a hundred goes wrong, and workers die now and then. */
import assert from "node:assert/strict";
import type { ChaosContext } from "./chaos_case.ts";
import { Client, writeAll } from "./client.ts";
import { PICTURES } from "./colour_model.ts";
import { Load, quantile } from "./load.ts";
import { ChaosServer, residentKb } from "./program.ts";

/** Of the requests. */
const FAULTS = 0.01;
const KILL_EVERY_MS = 15_000;
/** Part of the whole time after which memory has settled. */
const WARM_UP = 0.25;
const MORE_MEMORY_MAX = 0.05;
const SEED = 7;

/** What one measurement saw while nothing was asked. */
interface Sample {
  /** Resident memory of the server and of its worker, kB. */
  readonly serverKb: number;
  readonly workerKb: number;
  readonly descriptors: number;
}

/**
 * Ask for `ms` milliseconds with faults among the requests.
 * @throws {Error} for a wrong or lost answer, and when memory or descriptors have grown
 */
export async function soak({ program, model, report }: ChaosContext, ms: number): Promise<void> {
  await using server = await ChaosServer.start(program, { flags: ["--model", model] });
  await server.ready();
  const began = performance.now();
  const random = randomFrom(SEED);
  const counts: Record<string, number> = {};
  const before: Sample[] = [];
  const after: Sample[] = [];
  let kills = 0;
  let killedMs = began;
  while (performance.now() - began < ms) {
    const load = new Load({ address: server, clients: 6 });
    const until = performance.now() + Math.min(10_000, ms / 20);
    let faults = 0;
    while (performance.now() < until) {
      if (faults < load.total * FAULTS) {
        const fault = FAULT_KINDS[Math.floor(random() * FAULT_KINDS.length)]!;
        counts[fault.name] = (counts[fault.name] ?? 0) + 1;
        await fault.commit(server);
        faults++;
      }
      if (performance.now() - killedMs > KILL_EVERY_MS) {
        Deno.kill(await server.worker(), random() < 0.8 ? "SIGKILL" : "SIGABRT");
        killedMs = performance.now();
        kills++;
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const outcome = await load.stop();
    for (const [what, count] of Object.entries(outcome.counts)) counts[what] = (counts[what] ?? 0) + count;
    const { right = 0, ...others } = outcome.counts;
    assert.deepEqual([others, right > 0], [{}, true], `${outcome.problems.join("; ")} ${server.errors}`);
    await server.ready();
    await new Promise((resolve) => setTimeout(resolve, 500));
    const part = (performance.now() - began) / ms;
    if (part >= WARM_UP) (part < WARM_UP + (1 - WARM_UP) / 2 ? before : after).push(await sampleOf(server));
  }
  const [first, last] = [middleOf(before), middleOf(after)];
  const growth = last.serverKb / first.serverKb - 1;
  report(
    `soak of ${Math.round(ms / 1000)} s: ${JSON.stringify(counts)}, ${kills} kills; server ${first.serverKb} to ` +
      `${last.serverKb} kB (${(100 * growth).toFixed(1)} %), worker ${first.workerKb} to ${last.workerKb} kB, ` +
      `descriptors ${first.descriptors} to ${last.descriptors}`,
  );
  assert.ok(growth <= MORE_MEMORY_MAX, `the server grew by ${(100 * growth).toFixed(1)} %`);
  assert.ok(last.descriptors <= first.descriptors, `${last.descriptors} descriptors, ${first.descriptors} before`);
  assert.equal(await server.stop(), 0, server.errors);
}

interface Fault {
  readonly name: string;
  commit(server: ChaosServer): Promise<void>;
}

const PNG = { "content-type": "image/png" };

const FAULT_KINDS: readonly Fault[] = [
  { name: "damaged picture", commit: (server) => ask(server, PICTURES[0]!.bytes.slice(0, 60), PNG, [400, 422]) },
  { name: "no picture", commit: (server) => ask(server, new TextEncoder().encode("nothing"), PNG, [400, 415, 422]) },
  {
    name: "no time",
    commit: (server) => ask(server, PICTURES[1]!.bytes, { ...PNG, "x-request-timeout-ms": "1" }, [200, 504]),
  },
  { name: "aborted body", commit: (server) => abandon(server, PICTURES[2]!.bytes.slice(0, 40)) },
  { name: "aborted answer", commit: (server) => abandon(server, PICTURES[2]!.bytes) },
];

async function ask(
  server: ChaosServer,
  body: Uint8Array,
  headers: Readonly<Record<string, string>>,
  statuses: readonly number[],
): Promise<void> {
  const client = new Client(server);
  const reply = await client.ask({ body, headers });
  client.close();
  assert.ok(statuses.includes(reply.status), `${reply.status}: ${new TextDecoder().decode(reply.body)}`);
}

/** Send a part of a request and go away. */
async function abandon(server: ChaosServer, body: Uint8Array): Promise<void> {
  const connection = await Deno.connect({ hostname: server.host, port: server.port });
  const head = "POST /v1/detect HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: " +
    `${PICTURES[2]!.bytes.length}\r\n\r\n`;
  await writeAll(connection, new TextEncoder().encode(head));
  await writeAll(connection, body);
  connection.close();
}

async function sampleOf(server: ChaosServer): Promise<Sample> {
  const worker = await server.worker();
  return {
    serverKb: residentKb(server.pid),
    workerKb: residentKb(worker),
    descriptors: [...Deno.readDirSync(`/proc/${server.pid}/fd`)].length,
  };
}

function middleOf(samples: readonly Sample[]): Sample {
  const middle = (read: (sample: Sample) => number) => quantile(samples.map(read), 0.5);
  return {
    serverKb: middle(({ serverKb }) => serverKb),
    workerKb: middle(({ workerKb }) => workerKb),
    descriptors: middle(({ descriptors }) => descriptors),
  };
}

/** Numbers from 0 to 1, the same for the same seed (xorshift). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
