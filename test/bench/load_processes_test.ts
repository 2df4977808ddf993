import assert from "node:assert/strict";
import { join } from "node:path";
import { type LoadSpec, stagesOf } from "../../scripts/bench/load_generator.ts";
import { partsOf, rateOf, runLoad } from "../../scripts/bench/load_processes.ts";

const SPEC: LoadSpec = {
  address: { hostname: "127.0.0.1", port: 1 },
  path: "/v1/detect",
  picture: "",
  contentType: "image/jpeg",
  settleMs: 50,
  forMs: 1000,
  traffic: { kind: "closed", clients: 5 },
};

/** A server whose every second answer is a refusal. */
async function withServer(body: (spec: LoadSpec, taken: { requests: number; bytes: number }) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  const taken = { requests: 0, bytes: 0 };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    taken.bytes = (await request.arrayBuffer()).byteLength;
    return taken.requests++ % 2 === 0
      ? new Response("{}", { headers: { "Server-Timing": "queue;dur=1.5, total;dur=20" } })
      : new Response("no", { status: 503, headers: { "Retry-After": "1" } });
  });
  try {
    const picture = join(folder, "picture");
    await Deno.writeFile(picture, new Uint8Array(70_000));
    const address = { hostname: "127.0.0.1", port: server.addr.port };
    await body({ ...SPEC, address, picture }, taken);
  } finally {
    await server.shutdown();
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("load: clients of several processes get every answer, with its status and stages", async () => {
  await withServer(async (spec, taken) => {
    let started = 0;
    const load = await runLoad([spec], { processes: 2, onStart: () => started++ });
    assert.equal(started, 1);
    assert.equal(load.outcomes.length, taken.requests);
    assert.equal(taken.bytes, 70_000);
    assert.deepEqual(load.failures, {});
    assert.deepEqual(load.stagesMs, { queue: 1.5, total: 20 });
    const refused = load.outcomes.filter(({ status }) => status === 503);
    assert.ok(refused.length > 0 && refused.every(({ retryAfter }) => retryAfter));
    assert.ok(load.outcomes.every(({ status, retryAfter }) => status === 503 || !retryAfter));
    assert.ok(rateOf(load, 200, spec.forMs) > 0);
    assert.ok(load.busiestCores > 0 && load.cores >= load.busiestCores);
  });
});

Deno.test("load: a fixed rate is kept whatever the answers are", async () => {
  await withServer(async (spec) => {
    const traffic = { kind: "open", perSecond: 200, connectionsMax: 50 } as const;
    const { outcomes, unsent, lateMs } = await runLoad([{ ...spec, traffic }], { processes: 2 });
    // 1050 ms at 200 a second, from two processes
    assert.equal(outcomes.length + unsent, 210);
    assert.equal(lateMs.length, outcomes.length);
  });
});

Deno.test("load: a server that is not there is an error, not a load of nothing", async () => {
  await assert.rejects(runLoad([SPEC]), /ended early/);
});

Deno.test("load: clients, rate and connections are shared among the processes", () => {
  const clients = (processes: number) =>
    partsOf(SPEC, processes).map(({ traffic }) => traffic.kind === "closed" && traffic.clients);
  assert.deepEqual(clients(2), [2, 3]);
  assert.deepEqual(clients(8).length, 5);
  const open: LoadSpec = { ...SPEC, traffic: { kind: "open", perSecond: 90, connectionsMax: 100 } };
  assert.deepEqual(partsOf(open, 3).map(({ traffic }) => traffic), [
    { kind: "open", perSecond: 30, connectionsMax: 34 },
    { kind: "open", perSecond: 30, connectionsMax: 34 },
    { kind: "open", perSecond: 30, connectionsMax: 34 },
  ]);
});

Deno.test("load: Server-Timing is read from an answer's head", () => {
  const head = "HTTP/1.1 200 OK\r\nserver-timing: queue;dur=0.25, inference;dur=31\r\ncontent-length: 2";
  assert.deepEqual(stagesOf(head), [["queue", 0.25], ["inference", 31]]);
  assert.deepEqual(stagesOf("HTTP/1.1 200 OK\r\nserver-timing: cache"), []);
  assert.deepEqual(stagesOf("HTTP/1.1 200 OK"), []);
});
