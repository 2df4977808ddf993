import assert from "node:assert/strict";
import { type BatchLimits, nextBatch } from "../../../src/serving/policy/batch.ts";
import { type EndCause, endCause, isBlamed, isSuspect, type KillReason } from "../../../src/serving/policy/blame.ts";
import { canaryDifference } from "../../../src/serving/policy/canary.ts";
import { hangLimitMs, hasRoomForTwo, isCanaryDue, isFresh, wearOf } from "../../../src/serving/policy/health.ts";
import { nextMean, picturesPerWorker, queueRoom, retryAfterS } from "../../../src/serving/policy/load.ts";
import {
  backOffMs,
  failuresAfter,
  givesUp,
  type Life,
  MAX_BACK_OFF_MS,
  pauseMs,
} from "../../../src/serving/policy/restart.ts";

Deno.test("policy: a worker's end has one cause, and what is counted against whom follows from it", () => {
  const rows: [signal: string | null, killedFor: KillReason | null, EndCause, blamed: boolean, suspect: boolean][] = [
    ["SIGSEGV", null, "crash", true, true],
    ["SIGABRT", null, "crash", true, true],
    ["SIGBUS", null, "crash", true, true],
    ["SIGILL", null, "crash", true, true],
    ["SIGFPE", null, "crash", true, true],
    ["SIGSEGV", "replaced", "crash", true, true],
    ["SIGKILL", "memory", "memory", true, true],
    ["SIGKILL", "hang", "hang", true, true],
    ["SIGKILL", null, "killed", false, false],
    ["SIGTERM", null, "killed", false, false],
    ["SIGKILL", "gpu_fault", "gpu_fault", false, true],
    [null, "gpu_fault", "gpu_fault", false, true],
    ["SIGKILL", "wrong_answer", "wrong_answer", false, false],
    ["SIGKILL", "start_timeout", "start_timeout", false, true],
    ["SIGKILL", "protocol", "protocol", false, true],
    [null, "replaced", "replaced", false, false],
    [null, null, "exit", false, true],
  ];
  for (const [signal, killedFor, cause, blamed, suspect] of rows) {
    const what = `${signal} ${killedFor}`;
    assert.equal(endCause(signal, killedFor), cause, what);
    assert.equal(isBlamed(cause, 1), blamed, what);
    assert.equal(isBlamed(cause, 2), false, `${what}: not alone`);
    assert.equal(isBlamed(cause, 0), false, `${what}: nothing ran`);
    assert.equal(isSuspect(cause), suspect, what);
  }
});

Deno.test("policy: the first restart is at once, later ones wait longer up to a limit", () => {
  assert.deepEqual([0, 1, 2, 3, 4].map(backOffMs), [0, 0, 100, 200, 400]);
  assert.equal(backOffMs(1000), MAX_BACK_OFF_MS);
  assert.deepEqual([pauseMs(0, 1), pauseMs(0, 3), pauseMs(0, 1000), pauseMs(6, 3)], [0, 200, 1000, 1600]);
});

Deno.test("policy: failures in a row are those that a worker has by itself", () => {
  const life: Life = { failures: 3, cause: "crash", readyMs: 500, answered: 0, blamed: false };
  const rows: [Partial<Life>, number][] = [
    [{}, 4],
    [{ readyMs: null }, 4],
    [{ readyMs: null, cause: "killed" }, 3],
    [{ answered: 1 }, 0],
    [{ readyMs: 10_000 }, 0],
    [{ cause: "killed" }, 0],
    [{ cause: "replaced" }, 0],
    [{ blamed: true }, 3],
    [{ cause: "gpu_fault" }, 4],
  ];
  for (const [extra, failures] of rows) {
    assert.equal(failuresAfter({ ...life, ...extra }), failures, JSON.stringify(extra));
  }
  assert.deepEqual([givesUp(4, 5), givesUp(5, 5)], [false, true]);
});

Deno.test("policy: a worker may be silent for ten canaries, at least 5 seconds", () => {
  assert.deepEqual([null, 80, 500, 2000].map(hangLimitMs), [5000, 5000, 5000, 20_000]);
});

Deno.test("policy: readiness lasts an interval, longer where one answer takes longer; the canary comes before its end", () => {
  const at = (sinceGoodMs: number, canaryMs = 80) => ({ sinceGoodMs, intervalMs: 10_000, canaryMs });
  assert.deepEqual([isFresh(at(10_000)), isFresh(at(10_001))], [true, false]);
  assert.deepEqual([isFresh(at(20_000, 5000)), isFresh(at(20_001, 5000))], [true, false]);
  assert.deepEqual([isCanaryDue(at(4999), true), isCanaryDue(at(5000), true)], [false, true]);
  assert.deepEqual([isCanaryDue(at(7499), false), isCanaryDue(at(7500), false)], [false, true]);
});

Deno.test("policy: a worker is worn after its requests or at its size, never without a limit", () => {
  const limits = { requests: 100, rssBytes: 1_048_576 };
  assert.equal(wearOf({ answered: 99, rssBytes: 1_048_575 }, limits), null);
  assert.match(wearOf({ answered: 100, rssBytes: null }, limits)!, /100 requests/);
  assert.match(wearOf({ answered: 0, rssBytes: 1_048_576 }, limits)!, /grew to 1 MB/);
  assert.equal(wearOf({ answered: 1e9, rssBytes: 1e12 }, { requests: 0, rssBytes: 0 }), null);
});

Deno.test("policy: two workers at a time need room for the second", () => {
  assert.deepEqual([hasRoomForTwo(100, 125), hasRoomForTwo(100, 124), hasRoomForTwo(null, 0), hasRoomForTwo(1, null)], [
    true,
    false,
    true,
    true,
  ]);
});

Deno.test("policy: Retry-After follows the queue and stays between 1 and 60 seconds", () => {
  assert.equal(retryAfterS({ requests: 0, workers: 1, meanMs: null }), 1);
  assert.equal(retryAfterS({ requests: 64, workers: 1, meanMs: 100 }), 4);
  assert.equal(retryAfterS({ requests: 64, workers: 2, meanMs: 100 }), 2);
  assert.equal(retryAfterS({ requests: 10_000, workers: 1, meanMs: 5000 }), 60);
});

Deno.test("policy: so many may wait as are answered in time, eight always, never more than the limit", () => {
  const bounds = { limit: 64, waitMs: 1500, workers: 1 };
  const rows: [number | null, workers: number, number][] = [
    [null, 1, 64],
    [0, 1, 64],
    [1, 1, 64],
    [50, 1, 30],
    [50, 2, 60],
    [1000, 1, 8],
  ];
  for (const [meanMs, workers, room] of rows) assert.equal(queueRoom({ ...bounds, workers, meanMs }), room);
  assert.equal(queueRoom({ ...bounds, limit: 4, meanMs: 1000 }), 4);
});

Deno.test("policy: the mean starts with the first sample and moves towards later ones", () => {
  assert.equal(nextMean(null, 80), 80);
  assert.equal(nextMean(80, 160), 90);
});

Deno.test("policy: a worker has what runs, what is decoded and what waits for them", () => {
  assert.deepEqual([picturesPerWorker({ batch: 1, lanes: 1 }), picturesPerWorker({ batch: 8, lanes: 2 })], [3, 32]);
});

Deno.test("policy: a batch begins when it is full or its oldest picture has waited, while a run is free", () => {
  const single: BatchLimits = { batch: 1, lanes: 1, delayMs: 0 };
  const eager: BatchLimits = { batch: 4, lanes: 1, delayMs: 0 };
  const patient: BatchLimits = { batch: 4, lanes: 1, delayMs: 5 };
  const rows: [BatchLimits, waiting: number, running: number, oldestMs: number, take: number, waitMs: number | null][] =
    [
      [single, 0, 0, 0, 0, null],
      [single, 1, 0, 0, 1, null],
      [single, 5, 2, 0, 1, null],
      [single, 5, 3, 0, 0, null],
      [eager, 1, 0, 0, 1, null],
      [eager, 9, 1, 0, 4, null],
      [eager, 9, 2, 0, 0, null],
      [patient, 3, 0, 0, 0, 5],
      [patient, 3, 0, 4, 0, 1],
      [patient, 3, 0, 5, 3, null],
      [patient, 4, 0, 0, 4, null],
      [patient, 9, 2, 99, 0, null],
    ];
  for (const [limits, waiting, running, oldestMs, take, waitMs] of rows) {
    assert.deepEqual(
      nextBatch({ waiting, running, oldestMs }, limits),
      { take, waitMs },
      JSON.stringify([limits, waiting]),
    );
  }
});

Deno.test("policy: the canary's answer may differ by rounding and in its weakest box, not more", () => {
  const box = { x1: 10, y1: 10, x2: 50, y2: 50 };
  const one = (score: number, extra: Partial<typeof box> = {}, class_id = 0) => ({
    label: "qr_code",
    class_id,
    score,
    box: { ...box, ...extra },
  });
  assert.equal(canaryDifference([one(0.9)], [one(0.905, { x2: 50.4 })]), null);
  assert.match(canaryDifference([one(0.9)], [])!, /0\.9000 is missing among 0/);
  assert.match(canaryDifference([one(0.9)], [one(0.8)])!, /missing/);
  assert.match(canaryDifference([one(0.9)], [one(0.9, {}, 1)])!, /missing/);
  assert.match(canaryDifference([one(0.9)], [one(0.9, { x1: 30 })])!, /missing/);
  assert.equal(canaryDifference([one(0.9), one(0.001, { x1: 0 })], [one(0.9)]), null);
  assert.equal(canaryDifference([], []), null);
  assert.match(canaryDifference([], [one(0.5)])!, /1 detections where none were/);
});
