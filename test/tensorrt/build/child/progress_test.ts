import assert from "node:assert/strict";
import { type BuildDuration, expectedSeconds } from "../../../../src/tensorrt/build/engine_metadata.ts";
import { frameFrom, messageFrom } from "../../../../src/tensorrt/build/child/messages.ts";
import { loggedPhase, type PhaseEvent, ProgressTree } from "../../../../src/tensorrt/build/child/progress_tree.ts";

const start = (phase: string, parent: string | null, steps: number): PhaseEvent => ({
  kind: "phase-start",
  phase,
  parent,
  steps,
});
const step = (phase: string, done: number): PhaseEvent => ({ kind: "phase-step", phase, step: done });
const finish = (phase: string): PhaseEvent => ({ kind: "phase-finish", phase });

Deno.test("progress: a phase inside another is a part of its running step", () => {
  const tree = new ProgressTree();
  const seen = (event: PhaseEvent) => {
    tree.take(event);
    return tree.progress;
  };
  assert.deepEqual(seen(start("Building", null, 2)), { phase: "Building", fraction: 0 });
  assert.deepEqual(seen(start("Timing", "Building", 4)), { phase: "Timing", fraction: 0 });
  assert.deepEqual(seen(step("Timing", 0)), { phase: "Timing", fraction: 1 / 8 });
  assert.deepEqual(seen(step("Timing", 3)), { phase: "Timing", fraction: 1 / 2 });
  assert.deepEqual(seen(finish("Timing")), { phase: "Building", fraction: 1 / 2 });
  assert.deepEqual(seen(step("Building", 0)), { phase: "Building", fraction: 1 / 2 });
  assert.deepEqual(seen(finish("Building")), { phase: "Building", fraction: 1 });
});

Deno.test("progress: the fraction stays between 0 and 1 and never falls, whatever is reported", () => {
  const tree = new ProgressTree();
  const events = [
    step("nothing", 3),
    finish("nothing"),
    start("child of nobody", "nobody", 0),
    start("root", null, -3),
    step("root", 99),
    start("root", null, 10),
    step("root", 1),
    step("root", -1),
  ];
  let before = 0;
  for (const event of events) {
    tree.take(event);
    const { fraction } = tree.progress;
    assert(fraction >= before && fraction <= 1, `${JSON.stringify(event)}: ${fraction}`);
    before = fraction;
  }
});

Deno.test("progress: lines of a release without a monitor tell the phase", () => {
  const line =
    "2026-11-22T18:39:41.796118Z VERBOSE tensorrt-8.6.1: Applying generic optimizations to the graph for inference.";
  assert.equal(loggedPhase(line)?.phase, "Optimizing the graph");
  assert.equal(loggedPhase("2026-11-22T18:39:41.796118Z VERBOSE tensorrt-8.6.1: Tactic: 0x1"), null);
});

const duration = (changes: Partial<BuildDuration>): BuildDuration => ({
  duration_s: 1,
  precision: "f32",
  batch: 1,
  tensorrt: "TensorRT 10.16.1",
  gpu: "A",
  targets: [89],
  optimization_level: null,
  ...changes,
});

Deno.test("estimate: the most alike earlier build counts, and of equals the newest", () => {
  const wanted = duration({});
  const other = duration({ duration_s: 50, tensorrt: "TensorRT 8.6.1" });
  const old = duration({ duration_s: 7 });
  const newest = duration({ duration_s: 9 });
  assert.equal(expectedSeconds(wanted, [other, newest, old]), 9);
  assert.equal(expectedSeconds(wanted, [other, duration({ duration_s: 30, gpu: "B" })]), 30);
  assert.equal(expectedSeconds(wanted, [duration({ duration_s: 5, batch: 8 }), old]), 7);
  assert.equal(expectedSeconds(wanted, []), null);
});

Deno.test("frames: a message stands on its own line, and nothing else is taken for one", () => {
  const message = { event: "stage", stage: "build" } as const;
  const [before, frame, after] = `half a line${frameFrom(message)}`.split("\n");
  assert.equal(before, "half a line");
  assert.deepEqual(messageFrom(frame!), message);
  assert.equal(after, "");
  for (const line of ["", "@trtd-build {", "@trtd-build null", "@trtd-build {}", `x${frame}`, '{"event":"stage"}']) {
    assert.equal(messageFrom(line), null, line);
  }
});
