import assert from "node:assert/strict";
import { join } from "node:path";
import { STICKY_CODES } from "../../../src/backends/tensorrt/sticky_codes.ts";
import { nativeTest, shimAndFakes } from "../../native/children.ts";
import { scenario } from "./run_scenario.ts";

nativeTest("tensorrt: the GPU's way finds what the CPU's finds, in f32 and fp16, for all questions", async () => {
  const { boxes, handles } = await scenario("answers");
  assert.equal(Object.keys(boxes).length, 8);
  for (const [name, count] of Object.entries(boxes)) assert(Number(count) > 200, `${name}: ${count}`);
  assert.equal(handles, 0);
});

nativeTest("tensorrt: kernels that the driver refuses leave the CPU's letterbox, which the answer says", async () => {
  const { degraded, lanes, boxes } = await scenario("host");
  assert.match(degraded, /^Pictures are scaled and boxes are chosen on the CPU: The driver cannot compile the kernels/);
  assert.equal(lanes, 2);
  assert(boxes > 500);
});

nativeTest(
  "tensorrt: fixed and dynamic batches, also of narrow profiles, take any number of pictures, also in calls that overlap",
  async () => {
    const { found, handles } = await scenario("batches");
    assert.deepEqual(found, {
      "3 ": [3, 2],
      "3 cuda-module=222": [3, 2],
      "1,4 ": [4, 2],
      "1,4 cuda-module=222": [4, 2],
      "4,4 ": [4, 2],
      "4,4 cuda-module=222": [4, 2],
      "2,5 ": [5, 2],
      "2,5 cuda-module=222": [5, 2],
    });
    assert.equal(handles, 0);
  },
);

nativeTest(
  "tensorrt: batches of RTX are filled up to sizes that were compiled, and answers stay the same",
  async () => {
    assert.deepEqual(await scenario("filled"), { batchMax: 6, handles: 0 });
  },
);

nativeTest("tensorrt: in the steady state each run is one graph and nothing is allocated", async () => {
  const { graphs, kernels, live, handles } = await scenario("steady");
  assert.deepEqual([graphs, kernels, handles], [50, 0, 0]);
  assert.deepEqual(Object.values(live), [0, 0, 0, 0, 0], "closing frees all of the device");
});

nativeTest("tensorrt: without CUDA graphs, be they refused or not wanted, the answers are the same", async () => {
  const { off, refused, on } = await scenario("graphs");
  assert.deepEqual([off.launches, refused.launches], [0, 0]);
  assert(on.launches > 0);
  assert.equal(off.boxes, on.boxes);
  assert.equal(refused.boxes, on.boxes);
});

nativeTest("tensorrt: too little memory means fewer lanes, then an error, and never a leak", async () => {
  const { none, lanes, codes, run, after, handles } = await scenario("memory");
  assert.equal(none, "OUT_OF_GPU_MEMORY");
  assert.deepEqual(lanes, [1, 2, 3]);
  assert.deepEqual(codes, ["OUT_OF_GPU_MEMORY"]);
  assert.equal(run[0], "OUT_OF_GPU_MEMORY");
  assert.match(run[1], /"\/engines\/pets\.engine" failed while it ran: .*CUDA_ERROR_OUT_OF_MEMORY/);
  assert.equal(after, "fine", "the same picture goes through once there is memory");
  assert.equal(handles, 0);
});

nativeTest("tensorrt: a run that TensorRT refuses fails with its words, and the next one goes well", async () => {
  const { code, message, after } = await scenario("refused");
  assert.equal(code, "INFERENCE_FAILED");
  assert.match(message, /an illegal wish was encountered/);
  assert.equal(after, "fine");
});

const FAULTS = ["run=700", "cuda-sync=719", "cuda-fault=999", "cuda-graph-launch=714", "cuda-fault=214"];

for (const fault of FAULTS) {
  nativeTest(`tensorrt: ${fault} is a fault after which nothing is tried again in the process`, async () => {
    const { first, second, message, told, codes, ms } = await scenario("fault", { TRTD_TEST_FAULT: fault });
    assert.deepEqual([first, second, told], ["GPU_FAULT", "GPU_FAULT", "GPU_FAULT"]);
    const code = Number(fault.split("=")[1]);
    const { name } = STICKY_CODES.find((row) => row.code === code)!;
    assert.match(message, new RegExp(`\\(CUDA_ERROR_${name}, ${code}\\) while "/engines/pets\\.engine" was run`));
    assert.deepEqual(codes, ["GPU_FAULT", "GPU_FAULT", "GPU_FAULT"]);
    assert(ms < 60_000, `${ms} ms`);
  });
}

nativeTest("tensorrt: wrong tensors are refused by name before the engine is asked", async () => {
  const { said, dims, ones, closed, strangers } = await scenario("tensors");
  const expected = [
    /"images" is missing/,
    /no input "other"; it has "images"/,
    /"images" must be float32, current type is float16/,
    /from \[1, 3, 64, 96\] to \[4, 3, 64, 96\], current shape is \[5, 3, 64, 96\]/,
    /must be 18432 elements, current data is 7/,
    /current shape is \[3, 64, 96\]/,
  ];
  expected.forEach((pattern, i) => assert.match(said[i], pattern));
  for (const text of said) assert.match(text, /^INFERENCE_FAILED: /);
  assert.deepEqual([dims, ones, closed], [[2, 6, 126], true, "INFERENCE_FAILED"]);
  assert.match(strangers, /^The engine has no output "output0" as the model has; it has "other"$/);
});

nativeTest(
  "tensorrt: an engine that TensorRT does not load has the code of its reason, and leaves nothing",
  async () => {
    const { found, handles } = await scenario("engines");
    assert.deepEqual(found, {
      "load=capability": "ENGINE_INCOMPATIBLE",
      "load=silent": "LOAD_FAILED",
      "load=gpu": "GPU_UNSUPPORTED",
      "context=null": "OUT_OF_GPU_MEMORY",
      "after": "fine",
    });
    assert.equal(handles, 0);
  },
);

nativeTest(
  "tensorrt: RTX's kernels are compiled once for all lanes, kept, and compiled anew when damaged",
  async () => {
    const { first, second, third, files } = await scenario("kernels");
    // One compilation takes 4 s.
    const told = `${first}, ${second}, ${third} ms`;
    assert(first >= 4000 && first - second < 7000, `once, not twice: ${told}`);
    assert(second < 4000, told);
    assert(third >= 4000, told);
    assert.deepEqual(files, ["kernels.cache", "kernels.cache.sha256"]);
  },
);

nativeTest("tensorrt: JPEG files are decoded on the GPU, and on the CPU where it refuses them", async () => {
  const env = { LD_LIBRARY_PATH: join(shimAndFakes().fakes, "nvjpeg") };
  const { told, equal, sameAsCpu, handles } = await scenario("jpeg", env);
  assert.deepEqual(told, ["fine", "fine", "IMAGE_CORRUPT", "fine", "fine"]);
  assert.deepEqual(equal, [true, true, true, true, true]);
  assert.equal(sameAsCpu, true);
  assert.equal(handles, 0);
});
