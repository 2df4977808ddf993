import assert from "node:assert/strict";
import { Origin, Status } from "../../../ffi/enums.ts";
import { ShimError } from "../../../ffi/shim_error.ts";
import { PictureRefused } from "../../../src/backends/backend.ts";
import { type FailureFacts, gpuFailure, isOutOfMemory } from "../../../src/backends/tensorrt/gpu_failure.ts";
import { STICKY_CODES, stickyCode } from "../../../src/backends/tensorrt/sticky_codes.ts";
import { TrtdError } from "../../../src/errors.ts";

const FACTS: FailureFacts = { engine: "/e.engine", stage: "run", lines: [], afterwards: 0 };
const cuda = (code: number) => new ShimError(Status.CUDA_ERROR, "It failed", Origin.CUDA, code);
const execution = () => new ShimError(Status.EXECUTION_FAILED, "TensorRT failed", Origin.TENSORRT);
const line = (text: string) => `2026-11-22T17:40:01.123456Z ERROR tensorrt-10.16.1: ${text}`;

const codeOf = (thrown: unknown, facts: Partial<FailureFacts> = {}) => {
  const failure = gpuFailure(thrown, { ...FACTS, ...facts });
  return failure instanceof TrtdError ? failure.code : failure.name;
};

Deno.test("gpu failure: every sticky code is a fault while running and loading", () => {
  for (const { code, name, cause, source } of STICKY_CODES) {
    for (const stage of ["run", "context", "deserialize"] as const) {
      const failure = gpuFailure(cuda(code), { ...FACTS, stage }) as TrtdError;
      assert.equal(failure.code, "GPU_FAULT", name);
      assert(failure.message.includes(cause) && failure.message.includes(`CUDA_ERROR_${name}, ${code}`));
      assert(failure.row.retryable, "a new process answers");
    }
    assert.match(source, /\S{3}/);
  }
  assert.equal(new Set(STICKY_CODES.map(({ code }) => code)).size, STICKY_CODES.length);
});

Deno.test("gpu failure: errors that leave the context usable are no fault", () => {
  for (const code of [1, 2, 200, 209, 218, 222, 500, 600, 701, 800, 900]) {
    assert.equal(stickyCode(code), null, String(code));
    assert.notEqual(codeOf(cuda(code)), "GPU_FAULT");
  }
  assert.equal(codeOf(cuda(100), { stage: "open" }), "GPU_UNAVAILABLE");
});

Deno.test("gpu failure: a fault that TensorRT hides shows in the next call", () => {
  assert.equal(codeOf(execution(), { afterwards: 700 }), "GPU_FAULT");
  assert.equal(codeOf(execution()), "INFERENCE_FAILED");
});

Deno.test("gpu failure: too little memory has one code, whoever says it", () => {
  const memory = new ShimError(Status.OUT_OF_MEMORY, "No memory", Origin.CUDA, 2);
  for (const stage of ["run", "context"] as const) {
    for (const thrown of [memory, cuda(2)]) assert.equal(codeOf(thrown, { stage }), "OUT_OF_GPU_MEMORY");
  }
  const lines = [line("IExecutionContext::enqueueV3: Error Code 2: OutOfMemory (no sufficient memory)")];
  assert.equal(codeOf(execution(), { lines }), "OUT_OF_GPU_MEMORY");
  assert(isOutOfMemory(memory) && isOutOfMemory(cuda(2)) && !isOutOfMemory(cuda(700)) && !isOutOfMemory(new Error()));
});

Deno.test("gpu failure: the log explains a load that failed", () => {
  const refused = new ShimError(Status.PLAN_REFUSED, "The plan was refused", Origin.TENSORRT);
  const lines = [line(
    "IRuntime::deserializeCudaEngine: Error Code 6: API Usage Error (The engine plan file is generated on an " +
      "incompatible device, expecting compute 8.9 got compute 8.6, please rebuild.)",
  )];
  assert.equal(codeOf(refused, { stage: "deserialize", lines }), "ENGINE_INCOMPATIBLE");
  assert.equal(codeOf(refused, { stage: "deserialize" }), "LOAD_FAILED");
});

Deno.test("gpu failure: a picture that the decoder refuses is no failure of the engine", () => {
  const failure = gpuFailure(new ShimError(Status.PICTURE_REFUSED, "Not mine", Origin.SHIM, 3), FACTS);
  assert(failure instanceof PictureRefused);
  assert.equal(failure.frame, 3);
  const own = new Error("own");
  assert.equal(gpuFailure(own, FACTS), own);
});
