import assert from "node:assert/strict";
import { TrtdError } from "../../../src/errors.ts";
import { settled } from "../fake_clock.ts";
import { scriptedBuilds } from "./scripted_build.ts";

Deno.test("builds: progress goes from the child to the status, and the workers change over at its end", async () => {
  const { builds, clock, started, events, taken } = scriptedBuilds(["codes"]);
  assert.equal(builds.status("codes").state, "none");
  builds.start("codes");
  await settled();
  assert.deepEqual([builds.status("codes").state, builds.retryAfterS("codes")], ["running", 60]);
  const [build] = started;
  build!.say({ type: "expected", seconds: 100 });
  await clock.advance(30_000);
  build!.say({ type: "progress", phase: "Timing tactics", fraction: 0.256 });
  build!.say({ type: "progress", phase: "", fraction: 0.1 });
  assert.deepEqual(builds.status("codes"), {
    model: "codes",
    state: "running",
    phase: "Timing tactics",
    percent: 25,
    elapsed_s: 30,
    expected_s: 100,
    error: null,
  });
  assert.equal(builds.retryAfterS("codes"), 70);
  build!.say({ type: "checking" });
  assert.equal(builds.status("codes").state, "checking");
  assert.equal(builds.isUnderWay("codes"), true);
  build!.end("built");
  await settled();
  assert.deepEqual([builds.status("codes").state, builds.status("codes").percent, taken], ["done", 100, ["codes"]]);
  await clock.advance(5000);
  assert.equal(builds.status("codes").elapsed_s, 30, "the clock of a build stands when it has ended");
  assert.deepEqual(events, [{ type: "build_ended", model: "codes", result: "built", seconds: 30 }]);
  await builds.close();
});

Deno.test("builds: without an expectation the time left follows from the progress", async () => {
  const { builds, clock, started } = scriptedBuilds(["codes"]);
  builds.start("codes");
  await settled();
  await clock.advance(10_000);
  started[0]!.say({ type: "progress", phase: "x", fraction: 0.2 });
  assert.equal(builds.retryAfterS("codes"), 40);
  await builds.close();
});

Deno.test("builds: one at a time, in their order, and one that is under way is not begun twice", async () => {
  const { builds, started } = scriptedBuilds(["a", "b"]);
  for (const model of ["a", "b", "a"]) builds.start(model);
  await settled();
  assert.deepEqual(started.map(({ model }) => model), ["a"]);
  assert.equal(builds.status("b").state, "waiting");
  started[0]!.end("failed", { code: "BUILD_FAILED", detail: "No", remedy: "None" });
  await settled();
  assert.deepEqual(started.map(({ model }) => model), ["a", "b"]);
  assert.deepEqual([builds.status("a").state, builds.status("a").error!.code], ["failed", "BUILD_FAILED"]);
  builds.start("a");
  assert.equal(builds.status("a").state, "waiting", "what failed may be tried again");
  await builds.close();
});

Deno.test("builds: one can be cancelled while it waits and while it runs, and at no other time", async () => {
  const { builds, started, events, taken } = scriptedBuilds(["a", "b"]);
  assert.throws(() => builds.cancel("a"), { code: "BUILD_NOT_RUNNING" });
  assert.throws(() => builds.status("c"), { code: "MODEL_NOT_FOUND" });
  builds.start("a");
  builds.start("b");
  await settled();
  builds.cancel("b");
  builds.cancel("a");
  await settled();
  assert.deepEqual([builds.status("a").state, builds.status("b").state], ["cancelled", "cancelled"]);
  assert.deepEqual([started.length, taken.length, events.map(({ result }) => result)], [1, 0, ["cancelled"]]);
  assert.throws(() => builds.cancel("a"), { code: "BUILD_NOT_RUNNING" });
  await builds.close();
});

Deno.test("builds: an engine that no worker runs is a failure with its reason", async () => {
  const { builds, started } = scriptedBuilds(
    ["codes"],
    () => Promise.reject(new TrtdError("OUT_OF_GPU_MEMORY", "The GPU is full")),
  );
  builds.start("codes");
  await settled();
  started[0]!.end("built");
  await settled();
  const { state, error } = builds.status("codes");
  assert.deepEqual([state, error!.code, error!.detail], ["failed", "OUT_OF_GPU_MEMORY", "The GPU is full"]);
  await builds.close();
});

Deno.test("builds: closing cancels what runs and what waits, and begins nothing", async () => {
  const { builds, started } = scriptedBuilds(["a", "b"]);
  builds.start("a");
  builds.start("b");
  await settled();
  let told = 0;
  builds.watch("b", () => told++);
  await builds.close();
  await settled();
  builds.start("b");
  assert.deepEqual([started.length, builds.closed, builds.status("b").state], [1, true, "cancelled"]);
  assert.ok(told > 0);
});

Deno.test("builds: two kinds of GPU have an engine each, built one after the other, and the one under way is told", async () => {
  const { builds, started, taken } = scriptedBuilds(["codes"], undefined, ["Small", "Large"]);
  assert.deepEqual([builds.status("codes").state, builds.status("codes").gpu], ["none", "Small"]);
  builds.start("codes", "Large");
  assert.deepEqual([builds.isUnderWay("codes", "Large"), builds.isUnderWay("codes", "Small")], [true, false]);
  builds.start("codes", "Small");
  await settled();
  assert.deepEqual(started.map(({ kind }) => kind), ["Large"]);
  assert.deepEqual([builds.status("codes").state, builds.status("codes").gpu], ["running", "Large"]);
  started[0]!.end("failed", { code: "BUILD_FAILED", detail: "No", remedy: "None" });
  await settled();
  assert.deepEqual(started.map(({ kind }) => kind), ["Large", "Small"]);
  assert.deepEqual([builds.status("codes").state, builds.status("codes").gpu], ["running", "Small"]);
  started[1]!.end("built");
  await settled();
  assert.deepEqual(taken, ["codes on Small"]);
  assert.deepEqual(
    [builds.status("codes").state, builds.status("codes").gpu, builds.isUnderWay("codes")],
    ["failed", "Large", false],
    "what is missing is told before what is done",
  );
  await builds.close();
});

Deno.test("builds: to cancel a model's build is to cancel those of all kinds", async () => {
  const { builds, started } = scriptedBuilds(["codes"], undefined, ["Small", "Large"]);
  for (const kind of ["Small", "Large"]) builds.start("codes", kind);
  await settled();
  builds.cancel("codes");
  await settled();
  assert.deepEqual([started.length, builds.status("codes").state, builds.isUnderWay("codes")], [1, "cancelled", false]);
  assert.throws(() => builds.cancel("codes"), { code: "BUILD_NOT_RUNNING" });
  await builds.close();
});
