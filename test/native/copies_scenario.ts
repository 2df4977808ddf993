/** What the child processes of copies_test.ts and anchors_test.ts do. */
import assert from "node:assert/strict";
import { liveHandles } from "../../ffi/handle.ts";
import type { CopyOptions, HostFrame } from "../../ffi/pipeline.ts";
import { randomFrame, randomQuestion, Rig, type RigOptions } from "./pipeline_rig.ts";
import { attempt } from "./scenario_steps.ts";

/** Larger than what one thread copies alone: four of them have 7 MB. */
const SIDE = 780;
const BATCH = 4;

/** A random frame with its pixels side by side until it is `SIDE` wide and high. */
function tiled(seed: number): HostFrame {
  const { data: tile, placement } = randomFrame(seed);
  const data = new Uint8Array(3 * SIDE * SIDE);
  for (let at = 0; at < data.length; at += tile.length) data.set(tile.subarray(0, data.length - at), at);
  return { kind: "rgb", data, width: SIDE, height: SIDE, placement };
}

function jobOf(frames: readonly HostFrame[]) {
  return { frames, questions: frames.map((frame, i) => randomQuestion(i, frame)) };
}

/** Runs with frames large and small, copied in each way. */
export async function copiedInAllWays({ rig: options }: { rig: RigOptions }) {
  Deno.env.set("TRTD_FAKE", "head=yolov8");
  const allocated: Record<string, number[]> = {};
  let boxes = 0;
  await (async () => {
    using rig = await Rig.open(options);
    const jobs = [
      jobOf(Array.from({ length: BATCH }, (_, i) => tiled(i))),
      jobOf(Array.from({ length: BATCH }, (_, i) => randomFrame(i))),
      jobOf([tiled(9)]),
    ];
    const reference = await rig.reference();
    const expected = [];
    for (const { frames, questions } of jobs) expected.push(await reference(frames, questions));
    for (let bits = 0; bits < 4; bits++) {
      const copies: CopyOptions = { shared: (bits & 1) > 0, streamed: (bits & 2) > 0 };
      const pipeline = await rig.pipeline({ copies });
      const before = { ...rig.counts() };
      for (let run = 0; run < 9; run++) {
        const { frames, questions } = jobs[run % 3]!;
        await pipeline.run(frames, questions);
        const found = frames.map((_, i) => pipeline.read(i));
        assert.deepEqual(found, expected[run % 3], JSON.stringify(copies));
        boxes += found.reduce((sum, { labels }) => sum + labels.length, 0);
      }
      const { allocations, pinnedAllocations } = rig.counts();
      const way = Object.entries(copies).flatMap(([name, on]) => on ? [name] : []).join(" ");
      allocated[way] = [allocations - before.allocations, pinnedAllocations - before.pinnedAllocations];
    }
  })();
  return { allocated, boxes, handles: liveHandles() };
}

/** Makes and runs a pipeline with other anchors than its engine's. */
export async function pipelineOfAnchors(
  { rig: options, anchors }: { rig: RigOptions; anchors: readonly number[] | null },
) {
  Deno.env.set("TRTD_FAKE", "head=yolov8");
  using rig = await Rig.open(options);
  const { frames, questions } = jobOf([randomFrame(1)]);
  return await attempt(async () => {
    const pipeline = await rig.pipeline({ anchors: anchors === null ? null : Float32Array.from(anchors) });
    await pipeline.run(frames, questions);
    return "a run";
  });
}
