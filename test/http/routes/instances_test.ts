/** Which worker is on which GPU, as clients are told. */
import assert from "node:assert/strict";
import type { Place } from "../../../src/serving/policy/places.ts";
import { FAKE_BACKEND, FakeWorker } from "../../serving/fake_worker.ts";
import { testServer } from "../fixtures.ts";

const place = (index: number): Place => {
  const gpu = {
    index,
    name: "NVIDIA Fake",
    uuid: `GPU-a${index}a${index}a${index}a${index}`,
    compute_capability: "8.9",
  };
  return { gpu, device: gpu.uuid };
};

const linesOf = (text: string, name: string) => text.split("\n").filter((line) => line.startsWith(`${name}{`));

Deno.test("models: one instance without a GPU of its own says who runs the model", async () => {
  await using test = await testServer();
  const { instances } = await (await fetch(`${test.url}/v1/models/codes`)).json();
  assert.deepEqual(instances, [{ gpu: null, status: "ready", backend: FAKE_BACKEND, pid: null, reason: null }]);
  const metrics = await (await fetch(`${test.url}/metrics`)).text();
  assert.deepEqual(linesOf(metrics, "trtd_gpu_workers_ready"), []);
  assert.equal(linesOf(metrics, "trtd_backend_info").length, 1);
});

Deno.test("models: instances on several GPUs say where each is, and what is missing is told as degraded", async () => {
  const onFirst = { ...FAKE_BACKEND, name: "tensorrt", device: "cuda:0 NVIDIA Fake" } as const;
  const onCpu = { ...FAKE_BACKEND, degraded: "There is no engine" };
  const places = [place(0), place(1)];
  await using test = await testServer({
    serving: {
      places,
      instances: 2,
      startWorker: (_model, how) => new FakeWorker({ backend: how.place === places[0] ? onFirst : onCpu }),
    },
  });
  const { models: [model] } = await (await fetch(`${test.url}/v1/models`)).json();
  const told = (index: number, backend: typeof FAKE_BACKEND) => ({
    gpu: { index, name: "NVIDIA Fake", uuid: places[index]!.device },
    status: "ready",
    backend,
    pid: null,
    reason: null,
  });
  assert.deepEqual(model.instances, [told(0, onFirst), told(1, onCpu), told(0, onFirst), told(1, onCpu)]);
  const { status, degraded, workers } = await (await fetch(`${test.url}/health/ready`)).json();
  assert.deepEqual([status, degraded, workers], [
    "ready",
    "GPU 1 (NVIDIA Fake): There is no engine",
    { ready: 4, total: 4 },
  ]);
  const metrics = await (await fetch(`${test.url}/metrics`)).text();
  assert.deepEqual(linesOf(metrics, "trtd_gpu_workers_ready"), [
    'trtd_gpu_workers_ready{model="codes",device="cuda:0 NVIDIA Fake"} 2',
    'trtd_gpu_workers_ready{model="codes",device="cuda:1 NVIDIA Fake"} 0',
  ]);
  assert.deepEqual(linesOf(metrics, "trtd_gpu_workers_configured").map((line) => line.at(-1)), ["2", "2"]);
  assert.equal(linesOf(metrics, "trtd_backend_info").length, 2);
  assert.deepEqual(linesOf(metrics, "trtd_degraded"), ['trtd_degraded{model="codes"} 1']);
});
