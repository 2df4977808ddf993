import assert from "node:assert/strict";
import { cpuTimesFrom, waitUntilIdle } from "../../src/bench/idle.ts";

Deno.test("idle: the first line of /proc/stat is summed without guest time, which user time holds already", () => {
  const stat = "cpu  100 20 30 400 50 1 2 3 99 99\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
  assert.deepEqual(cpuTimesFrom(stat), { idle: 450, all: 606 });
});

Deno.test("idle: the wait ends at its limit when the machine never is", async () => {
  const became = await waitUntilIdle({ share: 1.01, timeoutMs: 300 });
  assert.equal(became, Deno.build.os !== "linux");
});

Deno.test("idle: any machine is idle enough for a share of zero", async () => {
  assert.equal(await waitUntilIdle({ share: 0 }), true);
});
