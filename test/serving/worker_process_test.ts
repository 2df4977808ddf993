import assert from "node:assert/strict";
import { join } from "node:path";
import { TrtdError } from "../../src/errors.ts";
import type { Model } from "../../src/models/model.ts";
import { warmUpPicture } from "../../src/serving/warm_up_picture.ts";
import { WorkerProcess } from "../../src/serving/worker_process.ts";
import { isAlive, writeTinyModel } from "../http/serve_process.ts";

const folder = Deno.makeTempDirSync({ prefix: "trtd-test-" });
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
const tiny = modelOf("tiny", writeTinyModel(folder));

function modelOf(name: string, path: string): Model {
  return { name, path, manifest: { name, file: `${name}.onnx` } };
}

const start = (models: readonly Model[]) =>
  new WorkerProcess({
    models,
    settings: { backend: "auto", max_pixels: 1_000_000, threads: 1 },
    args: ["--log-level", "error"],
  });

const request = (extra: Record<string, unknown> = {}) => ({
  model: "tiny",
  bytes: warmUpPicture() as Uint8Array,
  options: {},
  annotate: false,
  deadline: Date.now() + 10_000,
  ...extra,
});

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(() => "fulfilled", (error) => error instanceof TrtdError ? error.code : String(error));

Deno.test("worker: it loads the model, answers a picture first, and then those that are asked", async () => {
  const worker = start([tiny]);
  const models = await worker.ready;
  assert.deepEqual(models.map(({ name, labels }) => [name, labels]), [["tiny", ["qr_code", "aztec"]]]);
  const answers = await Promise.all(Array.from({ length: 5 }, () => worker.detect(request())));
  for (const { result, annotated } of answers) {
    assert.equal(result.detections[0]!.label, "qr_code");
    assert.equal(annotated, null);
  }
  const { annotated } = await worker.detect(request({ annotate: true }));
  assert.deepEqual(annotated!.subarray(0, 3), Uint8Array.of(0xff, 0xd8, 0xff));
  assert.equal((await worker.detect(request({ options: { score: 0.95 } }))).result.detections.length, 0);
  await worker.close();
  assert.equal(isAlive(worker.pid), false);
});

Deno.test("worker: failures come back with their codes and it goes on", async () => {
  const worker = start([tiny]);
  await worker.ready;
  const cases: [Record<string, unknown>, string][] = [
    [{ bytes: warmUpPicture().slice(0, 40) }, "IMAGE_CORRUPT"],
    [{ bytes: new TextEncoder().encode("GIF89a") }, "IMAGE_TYPE_UNSUPPORTED"],
    [{ model: "other" }, "MODEL_NOT_FOUND"],
    [{ options: { classes: ["nothing"] } }, "PARAMETER_INVALID"],
    [{ deadline: Date.now() - 1 }, "DEADLINE_EXCEEDED"],
  ];
  for (const [extra, code] of cases) assert.equal(await codeOf(worker.detect(request(extra))), code);
  assert.equal(await codeOf(worker.detect(request())), "fulfilled");
  await worker.close();
});

Deno.test("worker: two models are told apart by name", async () => {
  const second = modelOf("second", writeTinyModel(folder, "second"));
  const worker = start([tiny, second]);
  assert.deepEqual((await worker.ready).map(({ name }) => name), ["tiny", "second"]);
  assert.equal((await worker.detect(request({ model: "second" }))).result.model, "second");
  await worker.close();
});

Deno.test("worker: a model that cannot be loaded keeps its code", async () => {
  const path = join(folder, "broken.onnx");
  Deno.writeTextFileSync(path, "this is not a model");
  for (
    const [model, code] of [[modelOf("broken", path), "MODEL_NOT_PROTOBUF"], [
      modelOf("none", `${path}x`),
      "FILE_NOT_FOUND",
    ]] as const
  ) {
    const worker = start([model]);
    assert.equal(await codeOf(worker.ready), code);
    await worker.close();
  }
});

Deno.test("worker: when it is killed what it had fails, and nothing of it stays", async () => {
  const worker = start([tiny]);
  await worker.ready;
  Deno.kill(worker.pid, "SIGSTOP");
  const pending = [codeOf(worker.detect(request())), codeOf(worker.detect(request()))];
  worker.kill();
  assert.deepEqual(await Promise.all(pending), ["WORKER_DIED", "WORKER_DIED"]);
  assert.match(await worker.ended, /SIGKILL/);
  assert.equal(await codeOf(worker.detect(request())), "WORKER_DIED");
  await worker.close();
});

Deno.test("worker: one that ends before it has connected is told so", async () => {
  const worker = start([tiny]);
  worker.kill();
  assert.equal(await codeOf(worker.ready), "WORKER_DIED");
  await worker.close();
});
