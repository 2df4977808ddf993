import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { TrtdError } from "../../../src/errors.ts";
import type { Model } from "../../../src/models/model.ts";
import { pictureFile, type WorkerRequest } from "../../../src/serving/detection_worker.ts";
import { Ring } from "../../../src/serving/ring/ring.ts";
import { RingPool } from "../../../src/serving/ring/ring_pool.ts";
import { WorkerProcess } from "../../../src/serving/worker/worker_process.ts";
import { isAlive, killQuietly } from "../../server/process.ts";
import { writeTinyModel } from "../../server/tiny_model.ts";
import { grayPicture } from "../gray_picture.ts";
import { until } from "../../until.ts";

const folder = Deno.makeTempDirSync({ prefix: "trtd-test-" });
const rings = RingPool.create(1, { bytes: 1_048_576, folder });
globalThis.addEventListener("unload", () => {
  rings.close();
  Deno.removeSync(folder, { recursive: true });
});
const tiny = modelOf("tiny", writeTinyModel(folder));

function modelOf(name: string, path: string): Model {
  return { name, path, manifest: { name, file: `${name}.onnx` } };
}

const start = (model: Model, foreignRings: readonly Ring[] = []) =>
  new WorkerProcess({
    model,
    rings,
    foreignRings,
    settings: { backend: "onnxruntime", max_pixels: 1_000_000, threads: 1 },
    args: ["--log-level", "error"],
  });

const request = (extra: Partial<WorkerRequest> = {}): WorkerRequest => ({
  picture: pictureFile(grayPicture()),
  options: {},
  annotate: false,
  deadline: Date.now() + 120_000,
  ...extra,
});

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(() => "fulfilled", (error) => error instanceof TrtdError ? error.code : String(error));

Deno.test("worker: it loads the model and answers those that are asked", async () => {
  const worker = start(tiny);
  const { name, labels, batch } = await worker.ready;
  assert.deepEqual([name, labels, batch], ["tiny", ["qr_code", "aztec"], 1]);
  const answers = await Promise.all(Array.from({ length: 5 }, () => worker.detect(request())));
  for (const { result, annotated } of answers) {
    assert.equal(result.detections[0]!.label, "qr_code");
    assert.equal(annotated, null);
  }
  const { annotated } = await worker.detect(request({ annotate: true }));
  assert.deepEqual(annotated!.subarray(0, 3), Uint8Array.of(0xff, 0xd8, 0xff));
  assert.equal((await worker.detect(request({ options: { score: 0.95 } }))).result.detections.length, 0);
  await worker.ping();
  assert.ok(worker.rssBytes! > 10_000_000);
  await worker.close();
  assert.equal(isAlive(worker.pid), false);
});

Deno.test("worker: its allocator has two arenas that keep picture buffers, or what the environment says", async () => {
  const names = ["MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"];
  const valuesOf = async (): Promise<(string | undefined)[]> => {
    const worker = start(tiny);
    await worker.ready;
    const entries = Deno.readTextFileSync(`/proc/${worker.pid}/environ`).split("\0");
    await worker.close();
    return names.map((name) => entries.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1));
  };
  const before = names.map((name) => Deno.env.get(name));
  try {
    for (const name of names) Deno.env.delete(name);
    assert.deepEqual(await valuesOf(), ["2", "33554432", "67108864"]);
    Deno.env.set("MALLOC_ARENA_MAX", "7");
    assert.deepEqual(await valuesOf(), ["7", "33554432", "67108864"]);
    Deno.env.set("MALLOC_TRIM_THRESHOLD_", "131072");
    assert.deepEqual(await valuesOf(), ["7", "33554432", "131072"]);
  } finally {
    names.forEach((name, at) => before[at] === undefined ? Deno.env.delete(name) : Deno.env.set(name, before[at]));
  }
});

Deno.test("worker: failures come back with their codes and it goes on", async () => {
  const worker = start(tiny);
  await worker.ready;
  const file = (bytes: Uint8Array) => ({ picture: pictureFile(bytes) });
  const cases: [Partial<WorkerRequest>, string][] = [
    [file(grayPicture().slice(0, 40)), "IMAGE_CORRUPT"],
    [file(new TextEncoder().encode("GIF89a")), "IMAGE_TYPE_UNSUPPORTED"],
    [{ options: { classes: ["nothing"] } }, "PARAMETER_INVALID"],
    [{ deadline: Date.now() - 1 }, "DEADLINE_EXCEEDED"],
    [file(new Uint8Array(2_000_000)), "BODY_TOO_LARGE"],
  ];
  for (const [extra, code] of cases) assert.equal(await codeOf(worker.detect(request(extra))), code);
  assert.equal(await codeOf(worker.detect(request())), "fulfilled");
  await worker.close();
});

Deno.test("worker: a full ring tells so, and has room again after the answers", async () => {
  const worker = start(tiny);
  await worker.ready;
  const large = pictureFile(joinedWithZeros(grayPicture(), 400_000));
  const answers = [worker.detect(request({ picture: large })), worker.detect(request({ picture: large }))];
  assert.equal(worker.fits(large), false);
  assert.equal(worker.fits(pictureFile(grayPicture())), true);
  await Promise.allSettled(answers);
  assert.equal(worker.fits(large), true);
  await worker.close();
});

Deno.test("worker: a picture may lie in another ring", async () => {
  const producer = Ring.create({ bytes: 100_000, folder });
  const worker = start(tiny, [producer]);
  await worker.ready;
  const region = producer.put(grayPicture())!;
  const { result } = await worker.detect(request({ picture: { kind: "file", place: { ring: producer, region } } }));
  assert.equal(result.detections.length, 1);
  await worker.close();
  producer.close();
});

Deno.test("worker: a model that cannot be loaded keeps its code", async () => {
  const path = join(folder, "broken.onnx");
  Deno.writeTextFileSync(path, "this is not a model");
  const cases = [[modelOf("broken", path), "MODEL_NOT_PROTOBUF"], [
    modelOf("none", `${path}x`),
    "FILE_NOT_FOUND",
  ]] as const;
  for (const [model, code] of cases) {
    const worker = start(model);
    assert.equal(await codeOf(worker.ready), code);
    await worker.close();
  }
});

Deno.test("worker: when it is killed what it had fails, nothing of it stays, and its ring is free again", async () => {
  const worker = start(tiny);
  await worker.ready;
  assert.throws(() => start(tiny), { code: "SHARED_MEMORY_UNAVAILABLE" }, "a ring has one owner at a time");
  Deno.kill(worker.pid, "SIGSTOP");
  const pending = [codeOf(worker.detect(request())), codeOf(worker.detect(request())), codeOf(worker.ping())];
  worker.kill("hang");
  assert.deepEqual(await Promise.all(pending), ["WORKER_DIED", "WORKER_DIED", "WORKER_DIED"]);
  assert.deepEqual(await worker.ended, { cause: "hang", how: "SIGKILL" });
  assert.equal(await codeOf(worker.detect(request())), "WORKER_DIED");
  await worker.close();
  const successor = start(tiny);
  assert.equal(await codeOf(successor.ready), "fulfilled");
  await successor.close();
});

Deno.test("worker: its end tells the cause", async () => {
  for (const [signal, cause] of [["SIGKILL", "killed"], ["SIGSEGV", "crash"], ["SIGABRT", "crash"]] as const) {
    const worker = start(tiny);
    await worker.ready;
    // Rust's handler of stack overflows takes the first SIGSEGV that no access caused.
    await until("dead", () => {
      killQuietly(worker.pid, signal);
      return !isAlive(worker.pid);
    }, { everyMs: 10 });
    assert.deepEqual(await worker.ended, { cause, how: signal });
  }
});

Deno.test("worker: one that ends before it has connected is told so", async () => {
  const worker = start(tiny);
  worker.kill("start_timeout");
  assert.equal(await codeOf(worker.ready), "WORKER_DIED");
  await worker.close();
});

Deno.test("worker: when its manager is killed it ends and removes the shared memory", async () => {
  const script = join(folder, "manager.ts");
  const url = (path: string) => JSON.stringify(new URL(`../../../src/serving/${path}`, import.meta.url).href);
  Deno.writeTextFileSync(
    script,
    `import { RingPool } from ${url("ring/ring_pool.ts")};
     import { WorkerProcess } from ${url("worker/worker_process.ts")};
     const rings = RingPool.create(2, { bytes: 100_000, folder: ${JSON.stringify(folder)} });
     const worker = new WorkerProcess({ model: ${JSON.stringify(tiny)}, rings,
       settings: { backend: "onnxruntime", max_pixels: 1000, threads: 1 } });
     await worker.ready;
     console.log(worker.pid);
     setInterval(() => {}, 1000);`,
  );
  const manager = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-lock", "--allow-all", "--config", configPath(), script],
    stdout: "piped",
  }).spawn();
  const reader = manager.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const worker = Number((await reader.read()).value);
  assert.ok(isAlive(worker));
  const ringOf = (pid: number) => [...Deno.readDirSync(folder)].filter(({ name }) => name.includes(`-ring-${pid}.`));
  assert.equal(ringOf(manager.pid).length, 2);
  manager.kill("SIGKILL");
  await manager.status;
  await reader.cancel();
  await until("rid of the worker and its ring", () => !isAlive(worker) && ringOf(manager.pid).length <= 1);
  assert.equal(ringOf(manager.pid).length, 1, "the spare ring is removed at the next start");
});

const configPath = (): string => join(dirname(import.meta.dirname!), "..", "..", "deno.json");

function joinedWithZeros(bytes: Uint8Array, length: number): Uint8Array {
  const all = new Uint8Array(length);
  all.set(bytes);
  return all;
}
