/** `trtd serve --in-process` when its GPU is lost: there is no worker that could be replaced. */
import assert from "node:assert/strict";
import { nativeTest } from "../native/children.ts";
import { detectOn, FakeMachine } from "./fake_machine.ts";

const GPU = "NVIDIA Fake 4090:8.9:24564";

nativeTest("serve: in process, a GPU that is lost ends the server with its reason, and who waits is told", async () => {
  await using machine = await FakeMachine.make([GPU]);
  await machine.build("0");
  await using serve = await machine.serve(["--in-process"], "run=700 run-spared=8");
  await serve.ready();
  let status = 200;
  for (let i = 0; i < 20 && status === 200; i++) {
    const { status: one, answer } = await detectOn(serve);
    status = one;
    if (one === 200) assert.equal(answer.backend.name, "tensorrt", JSON.stringify(answer));
    else assert.equal(answer.code, "SHUTTING_DOWN", JSON.stringify(answer));
  }
  assert.equal(status, 503, "the picture that met the fault is answered with an error");
  assert.equal((await serve.status).code, 3);
  const log = await serve.allStderr();
  assert.match(log, /CUDA_ERROR_ILLEGAL_ADDRESS, 700/);
  assert.match(log, /^trtd: GPU_FAULT: The GPU is lost to this process, which has no worker that could be replaced$/m);
  assert.match(log, /remedy: Let a service manager start it again \(systemd: Restart=on-failure\)/);
});

nativeTest(
  "serve: in process, a GPU that is lost while the model is loaded leaves the CPU, unless TensorRT was told",
  async () => {
    await using machine = await FakeMachine.make([GPU]);
    await machine.build("0");
    {
      await using serve = await machine.serve(["--in-process"], "run=700");
      await serve.ready();
      const { status, answer } = await detectOn(serve);
      assert.deepEqual([status, answer.backend.name], [200, "onnxruntime"]);
      assert.match(answer.backend.degraded, /The GPU failed again and again/);
      assert.equal(await serve.stop(), 0, serve.stderr);
    }
    await using serve = await machine.serve(["--in-process", "--backend", "tensorrt"], "run=700");
    assert.equal((await serve.status).code, 3);
    assert.match(await serve.allStderr(), /^trtd: GPU_FAULT: The GPU is lost to this process/m);
  },
);
