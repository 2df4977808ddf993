/** What the child processes of pipeline_test.ts do. */

import assert from "node:assert/strict";
import { liveHandles } from "../../ffi/handle.ts";
import type { Boxes, Question } from "../../ffi/kernels.ts";
import { type HostFrame, Pipeline, type PipelineSpec } from "../../ffi/pipeline.ts";
import { type Counts, jpegFrame, randomFrame, randomQuestion, Rig, type RigOptions } from "./pipeline_rig.ts";
import { attempt, type Failure, journalOf } from "./scenario_steps.ts";

const fake = (words: string) => Deno.env.set("TRTD_FAKE", `head=yolov8 ${words}`);

interface Job {
  readonly frames: readonly HostFrame[];
  readonly questions: readonly Question[];
}

/** Frames and questions of a run, by its seed. */
function jobOf(seed: number, count: number, sideMax?: number): Job {
  const frames = Array.from({ length: count }, (_, i) => randomFrame(100 * seed + i, sideMax));
  return { frames, questions: frames.map((frame, i) => randomQuestion(100 * seed + i, frame)) };
}

async function boxesOf(pipeline: Pipeline, { frames, questions }: Job): Promise<Boxes[]> {
  await pipeline.run(frames, questions);
  return frames.map((_, i) => pipeline.read(i));
}

/** What is left when everything is closed. */
function leftOf(counts: Counts) {
  const { liveMemory, livePinned, liveStreams, liveEvents, liveGraphs } = counts;
  return { handles: liveHandles(), liveMemory, livePinned, liveStreams, liveEvents, liveGraphs };
}

/** Compares runs of random batches with the same work step by step. */
export async function pipelineEqual(
  { rig: options, runs, cudaGraph }: { rig: RigOptions; runs: number; cudaGraph: boolean },
) {
  fake("");
  const journal = journalOf(options.set);
  let boxes = 0, result;
  const { counts } = await (async () => {
    using rig = await Rig.open(options);
    const reference = await rig.reference(), pipeline = await rig.pipeline({ cudaGraph });
    for (let run = 0; run < runs; run++) {
      // 1, 4, 3, 2 and again, five runs each.
      const count = 1 + 3 * Math.floor(run / 5) % rig.letterbox.framesMax;
      const job = jobOf(run, count);
      const found = await boxesOf(pipeline, job);
      assert.deepEqual(found, await reference(job.frames, job.questions), `run ${run} of ${count}`);
      boxes += found.reduce((sum, { labels }) => sum + labels.length, 0);
    }
    const { captures, graphLaunches } = rig.counts();
    result = { boxes, captures, graphLaunches, facts: pipeline.facts() };
    return rig;
  })();
  const stale = journal().filter((line) => line === "STALE RUN").length;
  return { ...result!, stale, left: leftOf(counts()) };
}

/** Allocations of runs with frames that grow, shrink and stay. */
export async function pipelineMemory({ rig: options }: { rig: RigOptions }) {
  fake("");
  using rig = await Rig.open(options);
  const pipeline = await rig.pipeline();
  const allocations: Record<string, number[]> = {};
  const during = async (name: string, body: () => Promise<unknown>) => {
    const before = rig.counts();
    await body();
    const after = rig.counts();
    allocations[name] = [
      after.allocations - before.allocations,
      after.pinnedAllocations - before.pinnedAllocations,
    ];
  };
  const sizes: [string, () => Job][] = [
    ["first", () => jobOf(1, 4)],
    ["same", () => jobOf(1, 4)],
    ["others", () => jobOf(2, 2)],
    ["larger", () => largeJob(700)],
    ["smaller", () => largeJob(500)],
    ["a little larger", () => largeJob(750)],
    ["much larger", () => largeJob(1100)],
    ["within the double", () => largeJob(1180)],
  ];
  for (const [name, job] of sizes) await during(name, () => pipeline.run(job().frames, job().questions));
  await during("fifty", async () => {
    for (let run = 0; run < 50; run++) {
      await pipeline.run(jobOf(run, 1 + run % 4).frames, jobOf(run, 1 + run % 4).questions);
    }
  });
  return { allocations, facts: pipeline.facts() };
}

/** A black frame of `side` by `side` pixels and its question. */
function largeJob(side: number): Job {
  const data = new Uint8Array(3 * side * side);
  const placement = { left: 0, top: 0, width: 32, height: 32 };
  const frame: HostFrame = { kind: "rgb", data, width: side, height: side, placement };
  return { frames: [frame], questions: [{ score: 0.5, iou: 0.7, max: 5 }] };
}

/** Growing where there is memory for the frames, and not for twice as much as before. */
export async function pipelineTight({ rig: options }: { rig: RigOptions }) {
  fake("");
  using rig = await Rig.open(options);
  const pipeline = await rig.pipeline();
  const [three, four] = [largeJob(1000), largeJob(1100)];
  await pipeline.run(three.frames, three.questions);
  const before = pipeline.facts();
  fake("cuda-oom=1");
  await pipeline.run(four.frames, four.questions);
  const after = pipeline.facts();
  const megabytes = (key: "deviceBytes" | "pinnedBytes") => (after[key] - before[key]) / 2 ** 20;
  return [megabytes("deviceBytes"), megabytes("pinnedBytes")];
}

/** Making a pipeline when the first, second, ... allocation fails. */
export async function pipelineScarce({ rig: options }: { rig: RigOptions }) {
  fake("");
  const failed: unknown[] = [];
  const { counts } = await (async () => {
    using rig = await Rig.open(options);
    const spec = await rig.spec(), job = jobOf(1, 2);
    for (let at = 1;; at++) {
      const before = rig.counts();
      fake(`cuda-oom=${at}`);
      const made = await attempt(() => Pipeline.create(spec));
      fake("");
      if (made instanceof Pipeline) {
        await boxesOf(rig.keep(made), job);
        return rig;
      }
      const { liveMemory, livePinned, liveStreams, liveEvents } = rig.counts();
      assert.deepEqual(
        [liveMemory, livePinned, liveStreams, liveEvents],
        [before.liveMemory, before.livePinned, before.liveStreams, before.liveEvents],
      );
      failed.push((made as Failure).status);
    }
  })();
  return { failed, left: leftOf(counts()) };
}

/** A run with a wish of failure, then one without. */
export async function pipelineFailing(
  { rig: options, fake: words, before = 1, side }: { rig: RigOptions; fake: string; before?: number; side?: number },
) {
  fake("");
  const outcome = await (async () => {
    using rig = await Rig.open(options);
    const pipeline = await rig.pipeline();
    const reference = await rig.reference();
    const job = jobOf(3, 2);
    const expected = await reference(job.frames, job.questions);
    for (let run = 0; run < before; run++) await boxesOf(pipeline, job);
    fake(words);
    const wished = side === undefined ? job : jobOf(4, 4, side);
    const failed = await attempt(async () => {
      await pipeline.run(wished.frames, wished.questions);
      return "a good run";
    });
    const unread = await attempt(() => pipeline.read(0).found);
    fake("");
    const after = await attempt(async () => {
      assert.deepEqual(await boxesOf(pipeline, job), expected);
      assert.deepEqual(await boxesOf(pipeline, job), expected);
      return "as before";
    });
    return { failed, unread, after, facts: pipeline.facts(), rig };
  })();
  const { rig, ...rest } = outcome;
  return { ...rest, left: leftOf(rig.counts()) };
}

/** Making a pipeline from a spec that does not fit. */
export async function pipelineRefused(
  { rig: options, changes, fake: words = "" }: { rig: RigOptions; changes: Partial<PipelineSpec>; fake?: string },
) {
  fake("");
  using rig = await Rig.open(options);
  const { letterbox, detections, ...rest } = changes;
  const spec = await rig.spec({
    ...rest,
    letterbox: { ...rig.letterbox, ...letterbox },
    detections: { ...rig.detections, ...detections },
  });
  fake(words);
  return await attempt(async () => {
    rig.keep(await Pipeline.create(spec));
    return "made";
  });
}

/** Frames that do not fit, and calls at the wrong time. */
export async function pipelineMisused({ rig: options }: { rig: RigOptions }) {
  fake("");
  using rig = await Rig.open(options);
  const pipeline = await rig.pipeline();
  const frame = randomFrame(1), question = randomQuestion(1, frame);
  const tried: Record<string, unknown> = {};
  tried["read before a run"] = await attempt(() => pipeline.read(0).found);
  const runs: Record<string, [HostFrame[], Question[]]> = {
    "no frames": [[], []],
    "too many frames": [Array(5).fill(frame), Array(5).fill(question)],
    "bytes missing": [[{ ...frame, data: frame.data.slice(1) }], [question]],
    "outside the input": [[{ ...frame, placement: { ...frame.placement, left: 47, width: 9 } }], [question]],
    "a JPEG without a decoder": [[{ ...frame, kind: "jpeg" }], [question]],
    "a threshold that is no number": [[frame], [{ ...question, score: NaN }]],
    "too many boxes": [[frame], [{ ...question, max: 21 }]],
  };
  for (const [name, [frames, questions]] of Object.entries(runs)) {
    tried[name] = await attempt(async () => void await pipeline.run(frames, questions));
  }
  fake("cuda-slow=300");
  const first = pipeline.run([frame], [question]);
  tried["two at once"] = await pipeline.run([frame], [question]).catch(String);
  tried["read during a run"] = await attempt(() => pipeline.read(0)).catch(String);
  await first;
  tried["a picture too many"] = await attempt(() => pipeline.read(1).found);
  pipeline.close();
  tried["closed"] = await attempt(async () => void await pipeline.run([frame], [question]));
  return tried;
}

/** Several pipelines at once, each from its own thread. */
export async function pipelinesAtOnce({ rig: options, lanes, runs }: { rig: RigOptions; lanes: number; runs: number }) {
  fake("");
  const journal = journalOf(options.set);
  let boxes = 0;
  const rig = await (async () => {
    using rig = await Rig.open(options);
    const reference = await rig.reference();
    const jobs = Array.from({ length: 6 }, (_, i) => jobOf(i, 1 + i % 4));
    const expected: Boxes[][] = [];
    for (const job of jobs) expected.push(await reference(job.frames, job.questions));
    await Promise.all(Array.from({ length: lanes }, async (_, lane) => {
      const pipeline = await rig.pipeline({ cudaGraph: lane % 3 !== 2, spinUs: lane % 2 === 0 ? 1500 : 0 });
      for (let run = 0; run < runs; run++) {
        const which = (Math.floor(run / 3) + lane) % jobs.length;
        const found = await boxesOf(pipeline, jobs[which]!);
        assert.deepEqual(found, expected[which], `lane ${lane}, run ${run}`);
        boxes += found.reduce((sum, { labels }) => sum + labels.length, 0);
      }
    }));
    return rig;
  })();
  return { boxes, stale: journal().includes("STALE RUN"), left: leftOf(rig.counts()) };
}

/** How long stages take, and how a thread waits. */
export async function pipelineTimes({ rig: options }: { rig: RigOptions }) {
  fake("");
  using rig = await Rig.open(options);
  const job = jobOf(3, 2);
  const timedPipeline = await rig.pipeline({ spinUs: 0 }), asking = await rig.pipeline({ spinUs: 1_000_000 });
  const timed = await timedPipeline.run(job.frames, job.questions, { timed: true });
  const timedBoxes = job.frames.map((_, i) => timedPipeline.read(i));
  assert.deepEqual(timedBoxes, await boxesOf(timedPipeline, job));
  const launched = rig.counts().graphLaunches;
  const again = await timedPipeline.run(job.frames, job.questions, { timed: true });
  const graphs = rig.counts().graphLaunches - launched;
  const repeated = await timedPipeline.timeAgain(5);
  const repeats = rig.counts().graphLaunches - launched - graphs;
  assert.deepEqual(job.frames.map((_, i) => timedPipeline.read(i)), timedBoxes);
  await boxesOf(asking, job);
  fake("cuda-slow=20");
  const slept = rig.counts().sleeps;
  const plain = await asking.run(job.frames, job.questions);
  const asked = rig.counts().sleeps - slept;
  await timedPipeline.run(job.frames, job.questions);
  const woken = rig.counts().sleeps - slept - asked;
  const untimed = await attempt(() => asking.timeAgain(1));
  return { timed, again, plain, graphs, repeated: [...repeated], repeats, untimed, asked, woken };
}

/** Runs that are begun on the calling thread. */
export async function pipelineHere({ rig: options }: { rig: RigOptions }) {
  fake("");
  const tried: Record<string, unknown> = {};
  let boxes = 0;
  const rig = await (async () => {
    using rig = await Rig.open(options);
    const reference = await rig.reference();
    const pipeline = await rig.pipeline(), sleeping = await rig.pipeline({ spinUs: 0 });
    for (const one of [pipeline, sleeping]) {
      for (let run = 0; run < 12; run++) {
        const job = jobOf(run, 1 + Math.floor(run / 3) % 4);
        await one.run(job.frames, job.questions, { here: true });
        const found = job.frames.map((_, i) => one.read(i));
        assert.deepEqual(found, await reference(job.frames, job.questions), `run ${run}`);
        boxes += found.reduce((sum, { labels }) => sum + labels.length, 0);
      }
    }
    tried["launches"] = rig.counts().graphLaunches;
    const job = jobOf(3, 1), here = { here: true };
    for (let run = 0; run < 2; run++) await pipeline.run(job.frames, job.questions, here);
    // Without a graph, and with one that is no longer launched, the run is made all the same.
    const plain = await rig.pipeline({ cudaGraph: false });
    await plain.run(job.frames, job.questions, here);
    assert.deepEqual(plain.read(0), pipeline.read(0));
    fake("cuda-graph-launch=2");
    await pipeline.run(job.frames, job.questions, here);
    assert.deepEqual(plain.read(0), pipeline.read(0));
    tried["refusal"] = pipeline.facts().graphRefusal;
    fake("cuda-slow=20");
    const slow = sleeping.run(job.frames, job.questions, here);
    tried["two at once"] = await sleeping.run(job.frames, job.questions, here).catch(String);
    await slow;
    await sleeping.run(job.frames, job.questions, here);
    fake("");
    await sleeping.run(job.frames, job.questions, here);
    fake("cuda-sync=700");
    tried["fault"] = await attempt(async () => void await sleeping.run(job.frames, job.questions, here));
    tried["after"] = await attempt(async () => void await sleeping.run(job.frames, job.questions, here));
    return rig;
  })();
  return { ...tried, boxes, left: leftOf(rig.counts()) };
}

/** JPEG files and RGB frames in one run. */
export async function pipelineJpeg({ rig: options, nvjpeg }: { rig: RigOptions; nvjpeg: string }) {
  fake("nvjpeg-hardware=1");
  using rig = await Rig.open(options);
  const pipeline = await rig.pipeline({ jpeg: await rig.jpeg(nvjpeg) });
  const reference = await rig.reference();
  const rgbOf = (red: number, green: number, blue: number): HostFrame => {
    const frame = jpegFrame("");
    const data = new Uint8Array(3 * 16 * 8);
    for (let i = 0; i < 16 * 8; i++) data.set([red + i % 16, green + Math.floor(i / 16), blue], 3 * i);
    return { ...frame, kind: "rgb", data };
  };
  const frames = [jpegFrame("230 10 10"), randomFrame(5), jpegFrame("10 230 250")];
  const same = [rgbOf(230, 10, 10), frames[1]!, rgbOf(10, 230, 250)];
  const questions = frames.map((frame) => ({ ...randomQuestion(4, frame), score: 0.05, wanted: null }));
  const expected = await reference(same, questions);
  let boxes = 0;
  for (let run = 0; run < 4; run++) {
    const found = await boxesOf(pipeline, { frames, questions });
    assert.deepEqual(found, expected);
    boxes += found.reduce((sum, { labels }) => sum + labels.length, 0);
  }
  const bad = [frames[1]!, frames[0]!, jpegFrame("1 2 3 unsupported")];
  const refused = await attempt(async () => void await pipeline.run(bad, questions));
  assert.deepEqual(await boxesOf(pipeline, { frames, questions }), expected);
  return { boxes, refused };
}
