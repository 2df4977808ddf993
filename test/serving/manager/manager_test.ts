import assert from "node:assert/strict";
import { TrtdError } from "../../../src/errors.ts";
import { pictureFile } from "../../../src/serving/detection_worker.ts";
import type { ServingEvent } from "../../../src/serving/manager/events.ts";
import { ServingManager, type ServingOptions } from "../../../src/serving/manager/manager.ts";
import { picturesPerWorker } from "../../../src/serving/policy/load.ts";
import { FakeClock, settled } from "../fake_clock.ts";
import { FAKE_BACKEND, FAKE_MODEL, fakeAnswer, FakeWorker } from "../fake_worker.ts";
import { until } from "../../until.ts";

const PICTURES = picturesPerWorker({ batch: 1, lanes: 1 });

interface Fixture {
  readonly manager: ServingManager;
  readonly clock: FakeClock;
  readonly events: ServingEvent[];
  /** Workers that were started so far. */
  readonly started: FakeWorker[];
  /** A request whose code is what becomes of it. */
  ask(extra?: { picture?: Uint8Array; signal?: AbortSignal; timeoutMs?: number; arrivedMs?: number }): Promise<string>;
}

/** A manager with the given workers, then with willing ones. */
async function fixture(workers: FakeWorker[], options: Partial<ServingOptions> = {}): Promise<Fixture> {
  const clock = new FakeClock();
  const events: ServingEvent[] = [];
  const started: FakeWorker[] = [];
  const manager = new ServingManager({
    models: [FAKE_MODEL],
    startWorker: () => {
      const worker = workers[started.length] ?? new FakeWorker();
      started.push(worker);
      return worker;
    },
    queueLimit: 4,
    requestTimeoutMs: 30_000,
    clock,
    availableBytes: () => null,
    onEvent: (event) => events.push(event),
    ...options,
  });
  await settled();
  return {
    manager,
    clock,
    events,
    started,
    ask: ({ picture = new Uint8Array(8), ...extra } = {}) =>
      codeOf(manager.detect({
        model: FAKE_MODEL,
        picture: pictureFile(picture),
        options: {},
        annotate: false,
        arrivedMs: clock.now(),
        ...extra,
      })),
  };
}

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(() => "fulfilled", (error) => error instanceof TrtdError ? error.code : String(error));

const many = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make);

/** Digests that are being made on another thread. */
let digests = 0;
const digest = crypto.subtle.digest.bind(crypto.subtle);
crypto.subtle.digest = (algorithm, data) => {
  digests++;
  return digest(algorithm, data).finally(() => digests--);
};

/** All is done that had to wait for a digest. */
async function digested(): Promise<void> {
  await settled();
  await until("digested", () => digests === 0, { everyMs: 0 });
  await settled();
}

Deno.test("manager: before the first worker is ready requests are told so", async () => {
  const worker = new FakeWorker({ loading: true });
  const { manager, ask } = await fixture([worker]);
  assert.equal(manager.state.status, "starting");
  assert.match(manager.state.reason!, /being loaded for 0 s, at most 120 s/);
  assert.equal(await ask(), "MODEL_NOT_READY");
  worker.becomeReady();
  await manager.started;
  assert.equal(manager.state.status, "ready");
  assert.equal(await ask(), "fulfilled");
  await manager.close();
});

Deno.test("manager: a worker counts as ready once it has answered the canary", async () => {
  const canary = Promise.withResolvers<void>();
  const worker = new FakeWorker({ canary: (request) => canary.promise.then(() => fakeAnswer(request)) });
  const { manager } = await fixture([worker]);
  assert.equal(manager.state.status, "starting");
  canary.resolve();
  await settled();
  assert.equal(manager.state.status, "ready");
  await manager.close();
});

Deno.test("manager: a worker that is not ready in time is killed and started again", async () => {
  const slow = new FakeWorker({ loading: true });
  const { manager, clock, events, started } = await fixture([slow], { limits: { startTimeoutMs: 20_000 } });
  await clock.advance(22_000);
  assert.deepEqual(events.filter(({ type }) => type === "worker_ended"), [
    { type: "worker_ended", model: FAKE_MODEL, cause: "start_timeout" },
  ]);
  assert.equal(started.length, 2);
  assert.equal(manager.state.status, "ready");
  await manager.close();
});

Deno.test("manager: a request over the limit is refused at once with a time to wait", async () => {
  const worker = new FakeWorker({ automatic: false });
  const { manager, ask } = await fixture([worker]);
  const inside = many(PICTURES + 4, ask);
  await settled();
  assert.equal(await ask(), "QUEUE_FULL");
  assert.throws(() => manager.admit(FAKE_MODEL), (error: TrtdError) => error.retryAfterS! >= 1);
  worker.automatic = true;
  while (worker.held.length > 0) {
    worker.held[0]!.answer();
    await settled();
  }
  assert.deepEqual(await Promise.all(inside), inside.map(() => "fulfilled"));
  assert.equal(await ask(), "fulfilled");
  await manager.close();
});

Deno.test("manager: the deadline is kept before the queue, in it and while the worker is busy", async () => {
  const worker = new FakeWorker({ automatic: false });
  const { manager, clock, events, ask } = await fixture([worker]);
  const all = many(PICTURES + 2, () => ask({ timeoutMs: 60 }));
  await clock.advance(61);
  assert.deepEqual(new Set(await Promise.all(all)), new Set(["DEADLINE_EXCEEDED"]));
  assert.equal(worker.seen.length, PICTURES, "what waited never reaches the worker");
  assert.equal(await ask({ arrivedMs: clock.now() - 60_000 }), "DEADLINE_EXCEEDED");
  const where = events.flatMap((event) => event.type === "expired" ? [event.where] : []);
  assert.deepEqual(where.sort(), ["queue", "queue", "queue", "worker", "worker", "worker"]);
  await manager.close();
});

Deno.test("manager: a request may ask for less time than the server gives, not for more", async () => {
  const worker = new FakeWorker({ automatic: false });
  const { manager, clock, ask } = await fixture([worker], { requestTimeoutMs: 4000 });
  const longer = ask({ timeoutMs: 100_000 });
  await clock.advance(4001);
  assert.equal(await longer, "DEADLINE_EXCEEDED");
  await manager.close();
});

Deno.test("manager: a client that has gone leaves the queue", async () => {
  const worker = new FakeWorker({ automatic: false });
  const { manager, ask } = await fixture([worker]);
  const inside = many(PICTURES, ask);
  const client = new AbortController();
  const waiting = ask({ signal: client.signal });
  assert.equal(manager.state.queue.waiting, 1);
  client.abort();
  assert.equal(await waiting, "CLIENT_CLOSED");
  assert.equal(manager.state.queue.waiting, 0);
  assert.equal(await ask({ signal: AbortSignal.abort() }), "CLIENT_CLOSED");
  while (worker.held.length > 0) worker.held[0]!.answer();
  assert.deepEqual(new Set(await Promise.all(inside)), new Set(["fulfilled"]));
  await manager.close();
});

Deno.test("manager: what a killed worker had is answered by its successor, several at a time", async () => {
  const first = new FakeWorker({ automatic: false });
  const second = new FakeWorker({ automatic: false });
  const { manager, clock, ask } = await fixture([first, second]);
  const all = many(PICTURES + 2, ask);
  first.die("SIGKILL");
  await clock.advance(1);
  assert.equal(second.held.length, PICTURES);
  assert.equal(manager.state.status, "ready");
  second.automatic = true;
  while (second.held.length > 0) {
    second.held[0]!.answer();
    await settled();
  }
  assert.deepEqual(await Promise.all(all), all.map(() => "fulfilled"));
  await manager.close();
});

Deno.test("manager: a killed worker's request is tried again until its deadline", async () => {
  const workers = many(8, () => new FakeWorker({ automatic: false }));
  const { manager, clock, ask } = await fixture(workers, { crashLimit: 5 });
  const request = ask({ timeoutMs: 60_000, picture: new Uint8Array(9) });
  for (const worker of workers) {
    assert.equal(worker.held.length, 1);
    worker.die("SIGKILL");
    await clock.advance(1);
  }
  assert.equal(await request, "fulfilled");
  await manager.close();
});

Deno.test("manager: a worker that is killed from outside while it is started is started again, and requests wait", async () => {
  const killed = many(12, () => new FakeWorker({ loading: true }));
  const first = new FakeWorker({ automatic: false });
  const { manager, clock, started, ask } = await fixture([first, ...killed], { crashLimit: 3 });
  const request = ask();
  await settled();
  first.die("SIGKILL");
  for (const worker of killed) {
    for (let i = 0; i < 12 && started.at(-1) !== worker; i++) await clock.advance(100);
    worker.die("SIGKILL");
  }
  await clock.advance(1100);
  assert.equal(await request, "fulfilled");
  assert.equal(started.length, 14);
  await manager.close();
});

Deno.test("manager: when a lost GPU ends two starts in a row, the next worker is told to leave it alone", async () => {
  const told: boolean[] = [];
  const fault = () => new FakeWorker({ failure: new TrtdError("GPU_FAULT", "CUDA error 700") });
  const { manager, clock } = await fixture([], {
    startWorker: (_model, { withoutGpu }) => (told.push(withoutGpu), withoutGpu ? new FakeWorker() : fault()),
  });
  await clock.advance(1000);
  assert.deepEqual(told, [false, false, true]);
  assert.equal(manager.state.status, "ready");
  await manager.close();
});

Deno.test("manager: what a crashed worker had is tried one by one, the others wait", async () => {
  const first = new FakeWorker({ automatic: false });
  const second = new FakeWorker({ automatic: false });
  const { manager, clock, ask } = await fixture([first, second]);
  const all = many(PICTURES + 1, ask);
  first.die("SIGSEGV");
  await clock.advance(1);
  for (let i = 0; i < PICTURES; i++) {
    assert.equal(second.held.length, 1, `suspect ${i} runs alone`);
    second.held[0]!.answer();
    await settled();
  }
  assert.equal(second.held.length, 1, "then the rest");
  second.held[0]!.answer();
  assert.deepEqual(await Promise.all(all), all.map(() => "fulfilled"));
  await manager.close();
});

Deno.test("manager: a picture of which two workers die alone is refused, and remembered for a while", async () => {
  const dying = many(3, () => new FakeWorker({ automatic: false }));
  const { manager, clock, events, started, ask } = await fixture(dying, { poisonMemoryMs: 60_000 });
  const poison = Uint8Array.of(1, 2, 3);
  const good = Uint8Array.of(3, 2, 1);
  const both = [ask({ picture: good }), ask({ picture: poison })];
  dying[0]!.die("SIGSEGV");
  await clock.advance(1);
  dying[1]!.held[0]!.answer();
  assert.equal(await both[0], "fulfilled", "the innocent one is answered");
  await settled();
  dying[1]!.die("SIGSEGV");
  await digested();
  await clock.advance(1);
  assert.equal(dying[2]!.held.length, 1, "alone once is not enough");
  dying[2]!.die("SIGSEGV");
  await digested();
  await clock.advance(1);
  assert.equal(await both[1], "REQUEST_POISONOUS");
  assert.equal(started.length, 4);
  assert.equal(await ask({ picture: poison }), "REQUEST_POISONOUS");
  assert.equal(started[3]!.seen.length, 0, "it reaches no worker any more");
  assert.equal(await ask({ picture: good }), "fulfilled");
  assert.equal(manager.state.status, "ready", "it was not the worker's failure");
  assert.equal(events.filter(({ type }) => type === "poisonous").length, 1);
  await clock.advance(61_000);
  assert.equal(await ask({ picture: poison }), "fulfilled", "it is forgotten");
  await manager.close();
});

Deno.test("manager: a picture that is answered after a death is not suspected any more", async () => {
  const first = new FakeWorker({ automatic: false });
  const second = new FakeWorker();
  const third = new FakeWorker({ automatic: false });
  const { manager, clock, ask } = await fixture([first, second, third]);
  const once = ask();
  await settled();
  first.die("SIGABRT");
  await digested();
  await clock.advance(1);
  assert.equal(await once, "fulfilled");
  await digested();
  second.die("SIGKILL");
  await clock.advance(1);
  const again = ask();
  await settled();
  third.die("SIGABRT");
  await digested();
  await clock.advance(1);
  assert.equal(await again, "fulfilled");
  await manager.close();
});

Deno.test("manager: a busy worker that does not answer is killed, and its request tried again", async () => {
  const hung = new FakeWorker({ automatic: false });
  const { manager, clock, events, ask } = await fixture([hung]);
  const request = ask();
  await clock.advance(4000);
  assert.equal(manager.state.queue.running, 1);
  await clock.advance(3000);
  await digested();
  await clock.advance(1);
  assert.equal(await request, "fulfilled");
  assert.ok(events.some((event) => event.type === "worker_ended" && event.cause === "hang"));
  await manager.close();
});

Deno.test("manager: an idle worker that gives no sign of life is killed and replaced", async () => {
  const stopped: FakeWorker = new FakeWorker({
    canary: (request) => stopped.responsive ? Promise.resolve(fakeAnswer(request)) : new Promise(() => {}),
  });
  const { manager, clock, events, started } = await fixture([stopped]);
  stopped.responsive = false;
  await clock.advance(8000);
  assert.ok(events.some((event) => event.type === "worker_ended" && event.cause === "hang"));
  assert.equal(started.length, 2);
  assert.equal(manager.state.status, "ready");
  await manager.close();
});

Deno.test("manager: time in which the manager itself slept is not held against a worker", async () => {
  const worker = new FakeWorker({ automatic: false });
  const { manager, clock, started, ask } = await fixture([worker], { requestTimeoutMs: 3_600_000 });
  void ask();
  await clock.advance(2000);
  clock.sleep(600_000);
  await clock.advance(1500);
  assert.equal(started.length, 1);
  await clock.advance(6000);
  assert.equal(started.length, 2, "from then on it is");
  await manager.close();
});

Deno.test("manager: a worker over its memory limit is killed, and the request that ran alone is blamed", async () => {
  const fat = many(2, () => new FakeWorker({ automatic: false }));
  const { manager, clock, ask } = await fixture(fat, { limits: { memoryBytes: 1000 } });
  const request = ask();
  for (const worker of fat) {
    await settled();
    worker.rssBytes = 1001;
    await clock.advance(1000);
    await digested();
    await clock.advance(1);
  }
  assert.equal(await request, "REQUEST_POISONOUS");
  await manager.close();
});

Deno.test("manager: after a sticky GPU error the worker is replaced and nothing is lost", async () => {
  const broken = new FakeWorker({ automatic: false });
  const { manager, clock, events, ask } = await fixture([broken]);
  const all = [ask(), ask()];
  await settled();
  broken.held[0]!.fail(new TrtdError("GPU_FAULT", "CUDA error 700"));
  await clock.advance(1);
  assert.deepEqual(await Promise.all(all), ["fulfilled", "fulfilled"]);
  assert.ok(events.some((event) => event.type === "worker_ended" && event.cause === "gpu_fault"));
  await manager.close();
});

Deno.test("manager: a worn worker is replaced, the new one first, and no request notices", async () => {
  const old = new FakeWorker();
  const fresh = new FakeWorker({ loading: true });
  const { manager, clock, started, ask } = await fixture([old, fresh], {
    limits: { wear: { requests: 3, rssBytes: 0 } },
  });
  for (let i = 0; i < 3; i++) assert.equal(await ask(), "fulfilled");
  await settled();
  assert.deepEqual([started.length, old.closed], [2, false]);
  assert.equal(await ask(), "fulfilled");
  assert.equal(old.seen.length, 4);
  old.automatic = false;
  const late = ask();
  fresh.becomeReady();
  await settled();
  assert.deepEqual([await ask(), fresh.seen.length, old.closed], ["fulfilled", 1, false]);
  old.held[0]!.answer();
  assert.equal(await late, "fulfilled");
  await settled();
  assert.equal(old.closed, true);
  assert.equal(manager.state.status, "ready");
  await clock.advance(1);
  assert.equal(started.length, 2);
  await manager.close();
});

Deno.test("manager: where memory is short the old worker ends first and requests wait for the new one", async () => {
  const old = new FakeWorker();
  old.rssBytes = 1000;
  const { manager, clock, started, ask } = await fixture([old], {
    limits: { wear: { requests: 0, rssBytes: 1000 } },
    availableBytes: () => 1100,
  });
  await clock.advance(1001);
  assert.equal(old.closed, true);
  const waiting = ask();
  await clock.advance(1);
  assert.equal(await waiting, "fulfilled");
  assert.deepEqual([started.length, started[1]!.seen.length], [2, 1]);
  await manager.close();
});

Deno.test("manager: a reload that fails leaves the old worker in its place", async () => {
  const broken = new FakeWorker({ failure: new TrtdError("MODEL_INVALID", "The model is wrong") });
  const { manager, started, ask } = await fixture([new FakeWorker(), broken, new FakeWorker()]);
  await assert.rejects(manager.reload(FAKE_MODEL), { code: "MODEL_INVALID" });
  assert.equal(await ask(), "fulfilled");
  assert.equal(started[0]!.closed, false);
  await manager.reload(FAKE_MODEL);
  assert.equal(await ask(), "fulfilled");
  assert.deepEqual([started.length, started[0]!.closed, started[2]!.seen.length], [3, true, 1]);
  await manager.close();
});

Deno.test("manager: answers say which backend made them before and after a swap", async () => {
  const gpu = new FakeWorker({ backend: { ...FAKE_BACKEND, name: "tensorrt", device: "cuda:0" } });
  const { manager } = await fixture([new FakeWorker(), gpu]);
  assert.equal(manager.models[0]!.backend.name, "onnxruntime");
  await manager.reload(FAKE_MODEL);
  assert.equal(manager.models[0]!.backend.name, "tensorrt");
  await manager.close();
});

Deno.test("manager: the canary runs when nobody asks, and not when requests are answered", async () => {
  const worker = new FakeWorker();
  const { manager, clock, ask } = await fixture([worker], { limits: { intervalMs: 10_000 } });
  assert.equal(worker.canaries, 1);
  for (let i = 0; i < 20; i++) {
    await clock.advance(1000);
    assert.equal(await ask(), "fulfilled");
  }
  assert.equal(worker.canaries, 1);
  await clock.advance(20_500);
  assert.ok(worker.canaries >= 4, `${worker.canaries} canaries`);
  assert.equal(manager.state.status, "ready");
  await manager.close();
});

Deno.test("manager: a worker whose canary comes back different is replaced", async () => {
  let wrong = false;
  const worker = new FakeWorker({
    canary: (request) => {
      const answer = fakeAnswer(request);
      return Promise.resolve(wrong ? { ...answer, result: { ...answer.result, detections: [] } } : answer);
    },
  });
  const { manager, clock, events, started } = await fixture([worker]);
  wrong = true;
  await clock.advance(7000);
  assert.ok(events.some((event) => event.type === "worker_ended" && event.cause === "wrong_answer"));
  assert.equal(started.length, 2);
  assert.equal(manager.state.status, "ready");
  await manager.close();
});

Deno.test("manager: without a right answer within the interval it is not ready, and the reason says so", async () => {
  const failing: FakeWorker = new FakeWorker({
    canary: (request) =>
      failing.canaries === 1
        ? Promise.resolve(fakeAnswer(request))
        : Promise.reject(new TrtdError("INFERENCE_FAILED", "No")),
  });
  const { manager, clock } = await fixture([failing], { limits: { intervalMs: 10_000 } });
  await clock.advance(9000);
  assert.equal(manager.state.status, "ready");
  await clock.advance(2000);
  assert.equal(manager.state.status, "restarting");
  assert.match(manager.state.reason!, /has not answered within the interval/);
  await manager.close();
});

Deno.test("manager: a model that cannot be loaded is told to whoever waits for the start", async () => {
  const { manager } = await fixture([
    new FakeWorker({ failure: new TrtdError("MODEL_INVALID", "The model is wrong") }),
  ]);
  assert.equal(await codeOf(manager.started), "MODEL_INVALID");
  await manager.close();
});

Deno.test("manager: a crash loop is given up with its reason, and a reload begins anew", async () => {
  let broken = true;
  const failing = () => new FakeWorker(broken ? { failure: new TrtdError("BACKEND_UNAVAILABLE", "No backend") } : {});
  let starts = 0;
  const { manager, clock, events, ask } = await fixture([], {
    startWorker: () => (starts++, failing()),
    crashLimit: 4,
  });
  await clock.advance(99);
  assert.equal(starts, 2);
  await clock.advance(2);
  assert.equal(starts, 3);
  await clock.advance(60_000);
  assert.equal(starts, 4);
  assert.equal(manager.state.status, "failed");
  assert.match(manager.state.reason!, /Given up: No backend/);
  assert.equal(await ask(), "MODEL_NOT_READY");
  assert.deepEqual(events.filter(({ type }) => type === "gave_up").length, 1);
  broken = false;
  await manager.reload(FAKE_MODEL);
  assert.equal(await ask(), "fulfilled");
  await manager.close();
});

Deno.test("manager: a worker that the system does not start for now is tried until it works", async () => {
  let refuses = false;
  const workers: FakeWorker[] = [];
  const { manager, clock, events, ask } = await fixture([], {
    startWorker: () => {
      if (refuses) throw new Error("Too many open files (os error 24)");
      return workers[workers.push(new FakeWorker()) - 1]!;
    },
    crashLimit: 3,
  });
  assert.equal(await ask(), "fulfilled");
  refuses = true;
  workers[0]!.die("SIGKILL");
  for (let i = 0; i < 20; i++) await clock.advance(10_000);
  assert.equal(manager.state.status, "restarting");
  assert.match(manager.state.reason!, /Too many open files/);
  assert.equal(await ask(), "MODEL_NOT_READY");
  assert.deepEqual(events.filter(({ type }) => type === "gave_up"), []);
  refuses = false;
  await clock.advance(10_000);
  assert.equal(await ask(), "fulfilled");
  await manager.close();
});

Deno.test("manager: closing refuses what waits and what comes", async () => {
  const worker = new FakeWorker({ automatic: false });
  const { manager, ask } = await fixture([worker]);
  const inside = many(PICTURES + 1, ask);
  await manager.close();
  assert.deepEqual(new Set(await Promise.all(inside)), new Set(["SHUTTING_DOWN"]));
  assert.equal(await ask(), "SHUTTING_DOWN");
  await manager.close();
});

Deno.test("manager: two workers share the pictures", async () => {
  const workers = [new FakeWorker({ automatic: false }), new FakeWorker({ automatic: false })];
  const { manager, ask } = await fixture(workers, { instances: 2 });
  const all = [ask(), ask()];
  await settled();
  assert.deepEqual(workers.map((worker) => worker.held.length), [1, 1]);
  for (const worker of workers) worker.held[0]!.answer();
  assert.deepEqual(await Promise.all(all), ["fulfilled", "fulfilled"]);
  await manager.close();
});

Deno.test("manager: a model that is not served is told so", async () => {
  const { manager } = await fixture([]);
  assert.throws(() => manager.admit("other"), { code: "MODEL_NOT_FOUND" });
  await assert.rejects(manager.reload("other"), { code: "MODEL_NOT_FOUND" });
  await manager.close();
});
