/** The kernels on this machine's GPU against the CPU path; said to be skipped where there is none. */
import assert from "node:assert/strict";
import type { ScenarioOptions, ScenarioResult } from "../../native/kernels/shim_scenario.ts";
import { gpuTest, runScenario, sanitizerMissing, scenario } from "../gpu.ts";

const SCRIPT = "../native/kernels/shim_scenario.ts";

const run = (options: Omit<ScenarioOptions, "driver">) =>
  scenario<ScenarioResult>(SCRIPT, { driver: null, ...options });

gpuTest("gpu: letterbox gives the CPU path's input bit for bit on 1,000 random sizes", async () => {
  const result = await run({ detect: [0, 0], letterbox: [0, 1000], special: false });
  assert.deepEqual(result, { detections: 0, boxes: 0, letterboxes: 1000, special: 0, handles: 0 });
});

gpuTest("gpu: 10,000 random cases of all heads and the adversarial ones give the CPU path's boxes", async () => {
  const result = await run({ detect: [0, 10_000], letterbox: [0, 0], special: true });
  assert.ok(result.boxes > 50_000 && result.special > 1000, JSON.stringify(result));
  assert.deepEqual([result.detections, result.handles], [10_000, 0]);
});

const sanitizer = await sanitizerMissing();
for (const tool of ["memcheck", "racecheck", "synccheck"]) {
  gpuTest(`gpu: compute-sanitizer's ${tool} finds nothing in the kernels`, async () => {
    const cases = { driver: null, detect: [0, 60], letterbox: [0, 12], special: false };
    const under = ["compute-sanitizer", "--target-processes", "all", "--tool", tool];
    const { code, stdout, stderr } = await runScenario(SCRIPT, cases, { under, timeoutMs: 60_000 });
    const said = stdout + stderr;
    assert.equal(code, 0, said);
    assert.match(said, /"detections":60/);
    assert.match(said, tool === "racecheck" ? /RACECHECK SUMMARY: 0 hazards/ : /ERROR SUMMARY: 0 errors/);
  }, sanitizer);
}
