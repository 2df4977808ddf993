import assert from "node:assert/strict";
import { modelFacts } from "../../../src/onnx/facts.ts";
import { readModel } from "../../../src/onnx/read.ts";
import { type MachineMemory, memoryForecast } from "../../../src/tensorrt/plan/memory_forecast.ts";
import { computePrecision } from "../../../src/tensorrt/plan/model_precision.ts";
import { type BuildWishes, planBuild, type PlanMachine } from "../../../src/tensorrt/plan/plan.ts";
import { incidentModel } from "../build/incident_model.ts";

const read = readModel(incidentModel({ batch: "batch" }));
const model = { facts: modelFacts(read), precision: computePrecision(read) };

const machine = (gpu: boolean): PlanMachine => ({
  tensorrt: {
    product: gpu ? "tensorrt" : "tensorrt-rtx",
    version: gpu ? "10.16.1" : "1.7.1.116",
    kind: "full",
    core: "/lib/core.so",
    parser: "/lib/parser.so",
    plugins: null,
    cuda: null,
  },
  gpu: gpu ? { index: 0, name: "NVIDIA RTX 4090", uuid: "GPU-1", computeCapability: "8.9" } : null,
  gpuMissing: null,
  platform: "linux-x86_64",
  driver: "580.65.06",
  driverCuda: "13.0",
  cudaDriver: null,
});

function forecast(memory: Partial<MachineMemory>, wishes: BuildWishes = {}) {
  const plan = planBuild(model, machine(wishes.targets === undefined), { batch: 1, ...wishes });
  const whole = { host_available: null, gpu_free: null, gpu_total: null, integrated: false, ...memory };
  return memoryForecast({ plan, facts: model.facts }, whole);
}

/** What TensorRT-RTX 1.7.1.116 and 1.4.0.76 logged as "Total Activation Memory" of this model, f32. */
const MEASURED = [[1, 47_185_920], [1, 64_558_080], [4, 265_584_640], [4, 241_909_760]] as const;

Deno.test("forecast: weights are the model's, activations are near those of the log", () => {
  for (const [batch, bytes] of MEASURED) {
    const { weights, activations } = forecast({}, { batch });
    assert(Math.abs(weights - 44_808_000) < 10_000, String(weights));
    assert(activations / bytes > 0.9 && activations / bytes < 2.2, `batch ${batch}: ${activations} of ${bytes}`);
  }
  assert(forecast({}, { batch: 4, precision: "fp16" }).activations < 0.6 * forecast({}, { batch: 4 }).activations);
});

Deno.test("forecast: with plenty of memory, or where nobody knows it, there is nothing to say", () => {
  for (const memory of [{}, { host_available: 16e9, gpu_free: 8e9 }]) {
    assert.deepEqual([forecast(memory).verdict, forecast(memory).detail], ["enough", null]);
  }
});

Deno.test("forecast: a GPU that is nearly full is tight, one that is full is too little", () => {
  const tight = forecast({ host_available: 16e9, gpu_free: 300e6 });
  assert.equal(tight.verdict, "tight");
  assert.match(tight.detail!, /^The GPU has 300 MB of free memory; this build takes usually about \d+ MB$/);
  const full = forecast({ host_available: 16e9, gpu_free: 50e6 });
  assert.equal(full.verdict, "too-little");
  assert.match(full.detail!, /^The GPU has 50 MB of free memory; this build takes at least 1\d\d MB$/);
  assert.equal(forecast({ gpu_free: 300e6 }, { batch: 32 }).verdict, "too-little");
});

Deno.test("forecast: a build for other GPUs needs the host's memory only", () => {
  const { gpu, verdict } = forecast({ host_available: 16e9, gpu_free: 0 }, { targets: "86" });
  assert.deepEqual([gpu, verdict], [null, "enough"]);
  assert.equal(forecast({ host_available: 300e6 }, { targets: "86" }).verdict, "tight");
  assert.equal(forecast({ host_available: 60e6 }, { targets: "86" }).verdict, "too-little");
});

Deno.test("forecast: the host's need is what the process was seen to have at most", () => {
  const { host } = forecast({}, { targets: "86" });
  assert(Math.abs(host.usual - 407e6) < 20e6, String(host.usual));
});

Deno.test("forecast: where the GPU takes the host's memory, both needs are one", () => {
  const shared = forecast({ host_available: 1e9, gpu_free: 100e6, integrated: true });
  assert.equal(shared.gpu, null);
  assert.equal(shared.verdict, "tight");
  assert.match(shared.detail!, /^This device has 1000 MB/);
});
