import assert from "node:assert/strict";
import { TrtdError } from "../../src/errors.ts";
import { PICTURES_PER_WORKER, ServingManager, type ServingOptions } from "../../src/serving/manager.ts";
import { FakeWorker } from "./fake_worker.ts";

const PICTURE = new Uint8Array(8);

function managerOf(workers: FakeWorker[], options: Partial<ServingOptions> = {}): ServingManager {
  let next = 0;
  return new ServingManager({
    startWorker: () => workers[next++] ?? new FakeWorker(),
    queueLimit: 4,
    requestTimeoutMs: 5000,
    ...options,
  });
}

const ask = (manager: ServingManager, extra: { signal?: AbortSignal; arrivedMs?: number } = {}) =>
  manager.detect({
    model: "codes",
    bytes: PICTURE,
    options: {},
    annotate: false,
    arrivedMs: performance.now(),
    ...extra,
  });

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(() => "fulfilled", (error) => error instanceof TrtdError ? error.code : String(error));

const turns = async (count = 5) => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setTimeout(resolve, 0));
};

Deno.test("manager: before the first worker is ready requests are told so", async () => {
  const worker = new FakeWorker({ loading: true });
  const manager = managerOf([worker]);
  assert.equal(manager.state.status, "starting");
  assert.equal(await codeOf(ask(manager)), "MODEL_NOT_READY");
  worker.becomeReady();
  await manager.started;
  assert.equal(manager.state.status, "ready");
  assert.equal(await codeOf(ask(manager)), "fulfilled");
  await manager.close();
});

Deno.test("manager: a request over the limit is refused at once with a time to wait", async () => {
  const worker = new FakeWorker({ automatic: false });
  const manager = managerOf([worker]);
  await manager.started;
  const inside = Array.from({ length: PICTURES_PER_WORKER + 4 }, () => codeOf(ask(manager)));
  await assert.rejects(ask(manager), (error: TrtdError) => error.code === "QUEUE_FULL" && error.retryAfterS! >= 1);
  assert.throws(() => manager.admit(), { code: "QUEUE_FULL" });
  worker.automatic = true;
  while (worker.held.length > 0) {
    worker.held[0]!.answer();
    await turns();
  }
  assert.deepEqual(await Promise.all(inside), inside.map(() => "fulfilled"));
  assert.equal(await codeOf(ask(manager)), "fulfilled");
  await manager.close();
});

Deno.test("manager: the deadline is kept in the queue and while the worker is busy", async () => {
  const worker = new FakeWorker({ automatic: false });
  const manager = managerOf([worker], { requestTimeoutMs: 60, hangTimeoutMs: 10_000 });
  await manager.started;
  const started = performance.now();
  const all = Array.from({ length: PICTURES_PER_WORKER + 2 }, () => codeOf(ask(manager)));
  assert.deepEqual(new Set(await Promise.all(all)), new Set(["DEADLINE_EXCEEDED"]));
  assert.ok(performance.now() - started < 1000);
  assert.equal(worker.seen.length, PICTURES_PER_WORKER, "what waited never reaches the worker");
  assert.equal(await codeOf(ask(manager, { arrivedMs: performance.now() - 100 })), "DEADLINE_EXCEEDED");
  await manager.close();
});

Deno.test("manager: a client that has gone leaves the queue", async () => {
  const worker = new FakeWorker({ automatic: false });
  const manager = managerOf([worker]);
  await manager.started;
  const inside = Array.from({ length: PICTURES_PER_WORKER }, () => codeOf(ask(manager)));
  const client = new AbortController();
  const waiting = codeOf(ask(manager, { signal: client.signal }));
  assert.equal(manager.state.queue.waiting, 1);
  client.abort();
  assert.equal(await waiting, "CLIENT_CLOSED");
  assert.equal(manager.state.queue.waiting, 0);
  while (worker.held.length > 0) worker.held[0]!.answer();
  assert.deepEqual(new Set(await Promise.all(inside)), new Set(["fulfilled"]));
  await manager.close();
});

Deno.test("manager: a dead worker's requests fail, those that wait are answered by its successor", async () => {
  const first = new FakeWorker({ automatic: false });
  const second = new FakeWorker();
  const manager = managerOf([first, second]);
  await manager.started;
  const inside = Array.from({ length: PICTURES_PER_WORKER }, () => codeOf(ask(manager)));
  const waiting = [codeOf(ask(manager)), codeOf(ask(manager))];
  first.kill();
  assert.deepEqual(new Set(await Promise.all(inside)), new Set(["WORKER_DIED"]));
  assert.deepEqual(await Promise.all(waiting), ["fulfilled", "fulfilled"]);
  assert.equal(second.seen.length, 2);
  assert.equal(manager.state.status, "ready");
  await manager.close();
});

Deno.test("manager: a worker that does not answer is killed and replaced", async () => {
  const hung = new FakeWorker({ automatic: false });
  const manager = managerOf([hung], { requestTimeoutMs: 5000, hangTimeoutMs: 50 });
  await manager.started;
  assert.equal(await codeOf(ask(manager)), "WORKER_DIED");
  await turns();
  assert.equal(await codeOf(ask(manager)), "fulfilled");
  await manager.close();
});

Deno.test("manager: a model that cannot be loaded is told to whoever waits for the start", async () => {
  const manager = managerOf([new FakeWorker({ failure: new TrtdError("MODEL_INVALID", "The model is wrong") })]);
  assert.equal(await codeOf(manager.started), "MODEL_INVALID");
  await manager.close();
});

Deno.test("manager: workers that keep failing are started again ever more slowly", async () => {
  let starts = 0;
  const manager = new ServingManager({
    startWorker: () => {
      starts++;
      return new FakeWorker({ failure: new TrtdError("BACKEND_UNAVAILABLE", "No backend") });
    },
    queueLimit: 4,
    requestTimeoutMs: 1000,
  });
  await new Promise((resolve) => setTimeout(resolve, 450));
  assert.ok(starts >= 3 && starts <= 5, `${starts} starts in 450 ms`);
  assert.equal(await codeOf(ask(manager)), "MODEL_NOT_READY");
  assert.match(manager.state.reason!, /No backend/);
  await manager.close();
});

Deno.test("manager: closing refuses what waits and what comes", async () => {
  const worker = new FakeWorker({ automatic: false });
  const manager = managerOf([worker]);
  await manager.started;
  const inside = Array.from({ length: PICTURES_PER_WORKER + 1 }, () => codeOf(ask(manager)));
  await manager.close();
  assert.equal((await Promise.all(inside)).at(-1), "SHUTTING_DOWN");
  assert.equal(await codeOf(ask(manager)), "SHUTTING_DOWN");
  await manager.close();
});

Deno.test("manager: two workers share the pictures", async () => {
  const workers = [new FakeWorker({ automatic: false }), new FakeWorker({ automatic: false })];
  const manager = managerOf(workers, { workers: 2 });
  await manager.started;
  await turns();
  const all = [codeOf(ask(manager)), codeOf(ask(manager))];
  assert.deepEqual(workers.map((worker) => worker.held.length), [1, 1]);
  for (const worker of workers) worker.held[0]!.answer();
  assert.deepEqual(await Promise.all(all), ["fulfilled", "fulfilled"]);
  await manager.close();
});
