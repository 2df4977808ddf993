/** Instances of a model on several GPUs. */
import assert from "node:assert/strict";
import type { BackendInfo } from "../../../src/backends/backend.ts";
import { TrtdError } from "../../../src/errors.ts";
import { pictureFile } from "../../../src/serving/detection_worker.ts";
import type { WorkerStart } from "../../../src/serving/manager/crew.ts";
import { ServingManager, type ServingOptions } from "../../../src/serving/manager/manager.ts";
import { gpuDevice, type Place } from "../../../src/serving/policy/places.ts";
import { FakeClock, settled } from "../fake_clock.ts";
import { FAKE_BACKEND, FAKE_MODEL, FakeWorker, type FakeWorkerOptions } from "../fake_worker.ts";

const place = (index: number, name: string): Place => {
  const gpu = { index, name, uuid: `GPU-a${index}a${index}a${index}a${index}`, compute_capability: "8.9" };
  return { gpu, device: gpu.uuid };
};

const SMALL = place(0, "Small");
const LARGE = place(1, "Large");

const onGpu = ({ gpu }: Place): BackendInfo => ({
  name: "tensorrt",
  device: gpuDevice(gpu!),
  precision: "fp16",
  engine: "/models/codes.engine",
  degraded: null,
});

const onCpu = (degraded: string): BackendInfo => ({ ...FAKE_BACKEND, degraded });

interface Started {
  readonly how: WorkerStart;
  readonly worker: FakeWorker;
}

interface Fixture {
  readonly manager: ServingManager;
  readonly clock: FakeClock;
  readonly started: Started[];
  /** Started in a place, oldest first. */
  at(place: Place): FakeWorker[];
  ask(): Promise<string>;
}

/** A manager on both GPUs; `workerFor` tells how the next worker of a place behaves. @default it runs there */
async function fixture(
  workerFor: (how: WorkerStart, before: number) => FakeWorkerOptions | undefined = () => undefined,
  options: Partial<ServingOptions> = {},
): Promise<Fixture> {
  const clock = new FakeClock();
  const started: Started[] = [];
  const at = (place: Place) => started.filter(({ how }) => how.place === place).map(({ worker }) => worker);
  const manager = new ServingManager({
    models: [FAKE_MODEL],
    startWorker: (_model, how) => {
      const worker = new FakeWorker(workerFor(how, at(how.place).length) ?? { backend: onGpu(how.place) });
      started.push({ how, worker });
      return worker;
    },
    places: [SMALL, LARGE],
    queueLimit: 100,
    requestTimeoutMs: 30_000,
    clock,
    availableBytes: () => null,
    ...options,
  });
  await settled();
  const ask = () =>
    manager.detect({
      model: FAKE_MODEL,
      picture: pictureFile(new Uint8Array(8)),
      options: {},
      annotate: false,
      arrivedMs: clock.now(),
    }).then(() => "fulfilled", (error) => error instanceof TrtdError ? error.code : String(error));
  return { manager, clock, started, at, ask };
}

const instancesOf = (manager: ServingManager) =>
  manager.modelStates[0]!.instances.map(({ place, status, backend }) => [place.gpu?.index, status, backend?.device]);

const backendOf = (manager: ServingManager) => manager.models[0]!.backend;

Deno.test("places: each GPU has so many instances of a model, and each instance says where it is", async () => {
  const { manager, started } = await fixture(undefined, { instances: 2 });
  assert.deepEqual(started.map(({ how }) => how.place.gpu!.index), [0, 1, 0, 1]);
  assert.deepEqual(manager.state.workers, { ready: 4, total: 4 });
  assert.deepEqual(instancesOf(manager), [
    [0, "ready", "cuda:0 Small"],
    [1, "ready", "cuda:1 Large"],
    [0, "ready", "cuda:0 Small"],
    [1, "ready", "cuda:1 Large"],
  ]);
  assert.equal(backendOf(manager).degraded, null);
  await manager.close();
});

Deno.test("places: requests go to all GPUs", async () => {
  const { manager, at, ask } = await fixture(({ place }) => ({ automatic: false, backend: onGpu(place) }));
  const all = [ask(), ask()];
  await settled();
  for (const one of [SMALL, LARGE]) {
    assert.equal(at(one)[0]!.held.length, 1);
    at(one)[0]!.held[0]!.answer();
  }
  assert.deepEqual(await Promise.all(all), ["fulfilled", "fulfilled"]);
  await manager.close();
});

Deno.test("places: a worker that is started again has its predecessor's GPU", async () => {
  const { manager, clock, at } = await fixture();
  at(LARGE)[0]!.die("SIGKILL");
  await clock.advance(1);
  assert.deepEqual([at(SMALL).length, at(LARGE).length], [1, 2]);
  at(SMALL)[0]!.die("SIGSEGV");
  await clock.advance(1);
  assert.deepEqual([at(SMALL).length, at(LARGE).length], [2, 2]);
  assert.equal(manager.state.workers.ready, 2);
  await manager.close();
});

Deno.test("places: a GPU on which every worker crashes is given up and told, and the other one answers", async () => {
  const { manager, clock, at, ask } = await fixture(({ place }) => place === LARGE ? { loading: true } : undefined, {
    crashLimit: 3,
  });
  for (let i = 0; i < 3; i++) {
    at(LARGE).at(-1)!.die("SIGSEGV");
    await clock.advance(1000);
  }
  assert.equal(at(LARGE).length, 3, "it is not started any more");
  assert.equal(manager.state.status, "ready");
  assert.deepEqual(manager.state.workers, { ready: 1, total: 2 });
  assert.deepEqual(backendOf(manager), {
    ...onGpu(SMALL),
    degraded: "GPU 1 (Large): Given up: The worker process ended with SIGSEGV",
  });
  assert.deepEqual(instancesOf(manager), [[0, "ready", "cuda:0 Small"], [1, "failed", undefined]]);
  assert.equal(await ask(), "fulfilled");
  await manager.close();
});

Deno.test("places: with one GPU given up, what the other one's dead worker had waits for its successor", async () => {
  const { manager, clock, at, ask } = await fixture(({ place }, before) => {
    if (place === LARGE) return { loading: true };
    return before === 0 ? { automatic: false, backend: onGpu(SMALL) } : undefined;
  }, { crashLimit: 1 });
  at(LARGE)[0]!.die("SIGSEGV");
  await clock.advance(1);
  const request = ask();
  await settled();
  at(SMALL)[0]!.die("SIGKILL");
  await settled();
  assert.equal(manager.state.status, "restarting");
  const later = ask();
  await clock.advance(1);
  assert.deepEqual([await request, await later], ["fulfilled", "fulfilled"]);
  await manager.close();
});

Deno.test("places: a lost GPU's instance goes to the CPU, says so, and gets what the other GPU has no room for", async () => {
  const { manager, clock, at, ask } = await fixture(({ place, withoutGpu }) => {
    if (place === SMALL) return { automatic: false, backend: onGpu(SMALL) };
    if (withoutGpu) return { automatic: false, backend: onCpu("The GPU failed") };
    return { failure: new TrtdError("GPU_FAULT", "CUDA error 700") };
  });
  await clock.advance(1000);
  assert.equal(at(LARGE).length, 3);
  assert.deepEqual(backendOf(manager), { ...onGpu(SMALL), degraded: "GPU 1 (Large): The GPU failed" });
  const all = Array.from({ length: 4 }, ask);
  await settled();
  const [gpu, cpu] = [at(SMALL)[0]!, at(LARGE)[2]!];
  assert.deepEqual([gpu.held.length, cpu.held.length], [3, 1]);
  for (const worker of [gpu, cpu]) while (worker.held.length > 0) worker.held[0]!.answer();
  assert.deepEqual(await Promise.all(all), all.map(() => "fulfilled"));
  assert.equal(backendOf(manager).name, "tensorrt", "the last answer was the CPU's, the model is on the GPU");
  await manager.close();
});

Deno.test("places: a sticky error on one GPU ends its worker alone, and its request is answered", async () => {
  const { manager, clock, at, ask } = await fixture(({ place }, before) =>
    before === 0 ? { automatic: false, backend: onGpu(place) } : undefined
  );
  const [first, second] = [ask(), ask()];
  await settled();
  at(LARGE)[0]!.held[0]!.fail(new TrtdError("GPU_FAULT", "CUDA error 700"));
  await clock.advance(1);
  assert.equal(at(SMALL).length, 1);
  assert.equal(at(LARGE).length, 2);
  at(SMALL)[0]!.held[0]!.answer();
  assert.deepEqual(await Promise.all([first, second]), ["fulfilled", "fulfilled"]);
  await manager.close();
});

Deno.test("places: a reason that all GPUs have is told without their names, different ones with them", async () => {
  const reasons = new Map([[SMALL, "There is no engine"], [LARGE, "There is no engine"]]);
  const { manager } = await fixture(({ place }) => ({ backend: onCpu(reasons.get(place)!) }));
  assert.equal(backendOf(manager).degraded, "There is no engine");
  reasons.set(LARGE, "The driver is too old");
  await manager.reload(FAKE_MODEL, [LARGE]);
  assert.equal(backendOf(manager).degraded, "GPU 0 (Small): There is no engine; GPU 1 (Large): The driver is too old");
  await manager.close();
});

Deno.test("places: one GPU whose model cannot be loaded is no failed start, all of them are", async () => {
  const failure = new TrtdError("BACKEND_UNAVAILABLE", "No engine");
  const slow: FakeWorkerOptions = { loading: true, backend: onGpu(SMALL) };
  const { manager, at } = await fixture(({ place }) => place === LARGE ? { failure } : slow);
  let started = "not yet";
  void manager.started.then(() => started = "yes", () => started = "failed");
  await settled();
  assert.deepEqual([started, manager.state.status], ["not yet", "starting"]);
  assert.match(manager.state.reason!, /^The model is being loaded for/);
  at(SMALL)[0]!.becomeReady();
  await settled();
  assert.equal(started, "yes");
  assert.equal(backendOf(manager).degraded, "GPU 1 (Large): No engine");
  await manager.close();

  const none = await fixture(() => ({ failure }));
  await assert.rejects(none.manager.started, { code: "BACKEND_UNAVAILABLE" });
  await none.manager.close();
});

Deno.test("places: an engine's workers change over where it is for, and nowhere else", async () => {
  const { manager, at } = await fixture();
  await manager.reload(FAKE_MODEL, [LARGE]);
  assert.deepEqual([at(SMALL).length, at(LARGE).length], [1, 2]);
  assert.equal(at(SMALL)[0]!.closed, false);
  await manager.close();
});

Deno.test("places: a reload that fails on one GPU is done on the others, and says where it failed", async () => {
  const { manager, at } = await fixture(({ place }, before) =>
    place === SMALL && before > 0 ? { failure: new TrtdError("MODEL_INVALID", "It is wrong") } : undefined
  );
  await assert.rejects(manager.reload(FAKE_MODEL), { code: "MODEL_INVALID", message: "GPU 0 (Small): It is wrong" });
  assert.equal(at(SMALL)[0]!.closed, false, "the old one goes on");
  assert.deepEqual([at(LARGE).length, at(LARGE)[0]!.closed], [2, true]);
  assert.deepEqual(manager.state.workers, { ready: 2, total: 2 });
  await manager.close();
});

Deno.test("places: where workers are to rest they get no request, until they may", async () => {
  let resting = true;
  const { manager, at, ask } = await fixture(({ place }) => ({ automatic: false, backend: onGpu(place) }), {
    rests: (_model, place) => resting && place === LARGE,
  });
  const first = [ask(), ask()];
  await settled();
  assert.deepEqual([at(SMALL)[0]!.held.length, at(LARGE)[0]!.held.length], [2, 0]);
  resting = false;
  first.push(ask());
  await settled();
  assert.deepEqual([at(SMALL)[0]!.held.length, at(LARGE)[0]!.held.length], [2, 1]);
  for (const one of [SMALL, LARGE]) while (at(one)[0]!.held.length > 0) at(one)[0]!.held[0]!.answer();
  assert.deepEqual(await Promise.all(first), first.map(() => "fulfilled"));
  await manager.close();
});

Deno.test("places: an instance's backend is what it said with its last answer", async () => {
  let now = onGpu(SMALL);
  const { manager, ask } = await fixture(({ place }) =>
    place === LARGE ? { loading: true } : {
      get backend() {
        return now;
      },
    }
  );
  now = { ...now, degraded: "The kernels are refused" };
  assert.equal(await ask(), "fulfilled");
  assert.match(
    backendOf(manager).degraded!,
    /^GPU 0 \(Small\): The kernels are refused; GPU 1 \(Large\): The model is being/,
  );
  await manager.close();
});
