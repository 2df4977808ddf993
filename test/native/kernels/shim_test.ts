import assert from "node:assert/strict";
import { join } from "node:path";
import { fakeSet, GPUS, nativeTest, shimAndFakes } from "../children.ts";
import type { ScenarioOptions } from "./shim_scenario.ts";

async function run(options: Omit<ScenarioOptions, "driver">, env: Record<string, string> = {}): Promise<unknown> {
  const argument: ScenarioOptions = { driver: fakeSet("10.16").cuda, ...options };
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", join(import.meta.dirname!, "shim_scenario.ts"), JSON.stringify(argument)],
    env: { TRTD_SHIM: shimAndFakes().shim, TRTD_FAKE_GPUS: GPUS, TRTD_FAKE: "", ...env },
  }).output();
  const decoder = new TextDecoder();
  assert.equal(code, 0, decoder.decode(stderr));
  return JSON.parse(decoder.decode(stdout));
}

nativeTest(
  "kernels: through libtrtd and a driver that emulates them, boxes and inputs are the CPU path's",
  async () => {
    const result = await run({ detect: [50_000, 400], letterbox: [50_000, 60], special: false });
    assert.ok((result as { boxes: number }).boxes > 1000);
    assert.deepEqual({ ...result as object, boxes: 0 }, {
      detections: 400,
      boxes: 0,
      letterboxes: 60,
      special: 0,
      handles: 0,
    });
  },
);

nativeTest(
  "kernels: a driver that cannot compile them is UNSUPPORTED with its error and the compiler's words",
  async () => {
    const result = await run({ detect: [0, 1], letterbox: [0, 0], special: false }, { TRTD_FAKE: "cuda-module=222" });
    assert.deepEqual(result, {
      status: "UNSUPPORTED",
      code: 222,
      message: "The driver cannot compile the kernels for this GPU (CUDA error 222): ptxas fatal: a wish",
    });
  },
);

nativeTest("kernels: memory that runs out while they are loaded is said as that", async () => {
  const result = await run({ detect: [0, 1], letterbox: [0, 0], special: false }, { TRTD_FAKE: "cuda-module=2" });
  assert.equal((result as { status: string }).status, "OUT_OF_MEMORY");
});
