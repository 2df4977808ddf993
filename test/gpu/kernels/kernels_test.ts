/** The kernels on this machine's GPU against the CPU path; said to be skipped where there is none. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { buildShim } from "../../../scripts/build_shim.ts";
import type { ScenarioOptions, ScenarioResult } from "../../native/kernels/shim_scenario.ts";

const SCENARIO = join(import.meta.dirname!, "..", "..", "native", "kernels", "shim_scenario.ts");

type Outcome = ScenarioResult | { readonly status: string; readonly code: number; readonly message: string };

async function run(shim: string, options: Omit<ScenarioOptions, "driver">): Promise<Outcome> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", SCENARIO, JSON.stringify({ driver: null, ...options })],
    env: { TRTD_SHIM: shim },
  }).output();
  const decoder = new TextDecoder();
  assert.equal(code, 0, decoder.decode(stderr));
  return JSON.parse(decoder.decode(stdout));
}

/** Why there is no GPU here, null when there is one. */
function noGpu(): string | null {
  const cuInit = { parameters: ["u32"], result: "i32" } as const;
  for (const name of ["libcuda.so.1", "libcuda.so"]) {
    try {
      const result = Deno.dlopen(name, { cuInit }).symbols.cuInit(0);
      return result === 0 ? null : `cuInit gave ${result}`;
    } catch {
      // The next name, or none.
    }
  }
  return "there is no CUDA driver";
}

const missing = noGpu();
const built = missing === null ? await buildShim() : null;
const reason = missing ?? (built?.status === "missing" ? built.reason : null);

function gpuTest(name: string, body: (shim: string) => Promise<void>): void {
  if (built !== null && built.status !== "missing") Deno.test(name, () => body(built.library));
  else Deno.test({ name: `${name} (skipped: ${reason})`, ignore: true, fn: () => {} });
}

gpuTest("gpu: letterbox gives the CPU path's input bit for bit on 1,000 random sizes", async (shim) => {
  const result = await run(shim, { detect: [0, 0], letterbox: [0, 1000], special: false });
  assert.deepEqual(result, { detections: 0, boxes: 0, letterboxes: 1000, special: 0, handles: 0 });
});

gpuTest("gpu: 10,000 random cases of all heads and the adversarial ones give the CPU path's boxes", async (shim) => {
  const result = await run(shim, { detect: [0, 10_000], letterbox: [0, 0], special: true });
  assert.ok("boxes" in result, JSON.stringify(result));
  assert.ok(result.boxes > 50_000 && result.special > 1000);
  assert.deepEqual([result.detections, result.handles], [10_000, 0]);
});
