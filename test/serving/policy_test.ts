import assert from "node:assert/strict";
import { backOffMs, MAX_BACK_OFF_MS, nextMean, retryAfterS } from "../../src/serving/policy.ts";

Deno.test("policy: the first restart is at once, later ones wait longer up to a limit", () => {
  assert.deepEqual([1, 2, 3, 4].map(backOffMs), [0, 100, 200, 400]);
  assert.equal(backOffMs(1000), MAX_BACK_OFF_MS);
});

Deno.test("policy: Retry-After follows the queue and stays between 1 and 60 seconds", () => {
  assert.equal(retryAfterS({ requests: 0, workers: 1, meanMs: null }), 1);
  assert.equal(retryAfterS({ requests: 64, workers: 1, meanMs: 100 }), 4);
  assert.equal(retryAfterS({ requests: 64, workers: 2, meanMs: 100 }), 2);
  assert.equal(retryAfterS({ requests: 10_000, workers: 1, meanMs: 5000 }), 60);
});

Deno.test("policy: the mean starts with the first sample and moves towards later ones", () => {
  assert.equal(nextMean(null, 80), 80);
  assert.equal(nextMean(80, 160), 90);
});
