import assert from "node:assert/strict";
import type { BuildPlan } from "../../../src/tensorrt/plan/plan.ts";
import { RETRY_KINDS, retryLadder, retryText } from "../../../src/tensorrt/plan/retry_ladder.ts";
import { fakePlan } from "./fake_plan.ts";

const MIB = 1_048_576;

const steps = (subject: BuildPlan, allowed: Parameters<typeof retryLadder>[1]["allowed"], memoryBytes: number | null) =>
  retryLadder(subject, { allowed, memoryBytes }).map((rung) => rung.steps.at(-1)).slice(1)
    .map((step) => [step!.kind, step!.from, step!.to]);

Deno.test("ladder: the plan itself is first, and alone when nothing is allowed", () => {
  const wanted = fakePlan();
  const rungs = retryLadder(wanted, { allowed: [], memoryBytes: 8192 * MIB });
  assert.deepEqual(rungs, [{ plan: wanted, steps: [] }]);
});

Deno.test("ladder: first a smaller workspace, then a lower level, then a smaller batch, each on top of the last", () => {
  const rungs = retryLadder(fakePlan(), { allowed: RETRY_KINDS, memoryBytes: 8192 * MIB });
  assert.deepEqual(
    rungs.map(({ plan: { workspace_bytes: size, optimization_level: level, batch } }) => [
      size === null ? null : size / MIB,
      level,
      batch,
    ]),
    [
      [null, null, 8],
      [2048, null, 8],
      [512, null, 8],
      [512, 1, 8],
      [512, 0, 8],
      [512, 0, 4],
      [512, 0, 2],
      [512, 0, 1],
    ],
  );
  assert.deepEqual(rungs.map((rung) => rung.steps.length), [0, 1, 2, 3, 4, 5, 6, 7]);
  assert.deepEqual(rungs.at(-2)!.plan.profile, [
    { input: "images", min: [2, 3, 64, 64], opt: [2, 3, 64, 64], max: [2, 3, 64, 64] },
    { input: "table", min: [2, 1], opt: [2, 2], max: [2, 4] },
  ]);
  assert.deepEqual(rungs.at(-1)!.steps.map(retryText), [
    "a workspace of 2048 MiB",
    "a workspace of 512 MiB",
    "optimization level 1",
    "optimization level 0",
    "a batch of 4",
    "a batch of 2",
    "a batch of 1",
  ]);
});

Deno.test("ladder: what makes no difference is no rung", () => {
  assert.deepEqual(steps(fakePlan({ workspace_bytes: 100 * MIB }), ["workspace"], 8192 * MIB), [
    ["workspace", 100 * MIB, 64 * MIB],
  ]);
  assert.deepEqual(steps(fakePlan({ workspace_bytes: 64 * MIB }), ["workspace"], null), []);
  assert.deepEqual(steps(fakePlan({ optimization_level: 1 }), ["optimization-level"], null), [[
    "optimization-level",
    1,
    0,
  ]]);
  assert.deepEqual(steps(fakePlan({ optimization_level: 0 }), ["optimization-level"], null), []);
  assert.deepEqual(steps(fakePlan({ batch: 1 }), ["batch"], null), []);
  assert.deepEqual(steps(fakePlan({ profile: [] }), ["batch"], null), [], "a fixed batch stays");
});

Deno.test("ladder: TensorRT 8.5 has no optimization level", () => {
  const old = fakePlan({ tensorrt: { product: "tensorrt", version: "8.5.3", family: "8.5" } });
  assert.deepEqual(steps(old, ["optimization-level"], null), []);
});

Deno.test("ladder: it depends on the plan and the GPU alone", () => {
  const rungs = () => retryLadder(fakePlan(), { allowed: RETRY_KINDS, memoryBytes: 24_564 * MIB });
  assert.deepEqual(rungs(), rungs());
});
