import assert from "node:assert/strict";
import { crowdedOutput, letterboxTimes, nmsTimes, settled } from "../../../src/bench/over_http/kernels.ts";

Deno.test("kernels: the crowded output has exactly the candidates that were asked for", () => {
  const output = crowdedOutput(1370);
  assert.equal(output.length, 84 * 8400);
  assert.equal(output.subarray(4 * 8400).filter((score) => score >= 0.25).length, 1370);
  assert.deepEqual(crowdedOutput(1370), output);
});

Deno.test("kernels: times are of every run, and the warm-up is left out of the median", () => {
  assert.equal(nmsTimes(3).length, 3);
  assert.equal(letterboxTimes(2).filter((ms) => ms > 0).length, 2);
  assert.equal(settled((times) => Array.from({ length: times }, (_, i) => i < 3 ? 100 : i), 3), 4);
});
