/** Anchors that lie outside the engine, over the fakes. */
import assert from "node:assert/strict";
import { type ChildOptions, fakeSet, nativeTest, scenario } from "./children.ts";
import { type RigOptions, writeBoxes } from "./pipeline_rig.ts";
import type { Failure } from "./scenario_steps.ts";

/** Runs `body` with the outputs of the fake engine in a folder that is gone afterwards. */
async function withBoxes(body: (options: ChildOptions) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "trtd-boxes-" });
  try {
    await writeBoxes(folder);
    await body({ env: { TRTD_FAKE_OUTPUTS: folder } });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const rigOf = (options: Partial<RigOptions>): RigOptions => ({ set: fakeSet("10.16"), ...options });

for (
  const [title, options] of [["all pictures", { anchors: "shared" }], ["each picture", { anchors: "own" }]] as const
) {
  nativeTest(
    `pipeline: anchors of ${title} that the engine does not have are those of the steps one by one`,
    async () => {
      await withBoxes(async (env) => {
        for (const cudaGraph of [true, false]) {
          const rig = rigOf({ ...options, fixed: true });
          const { boxes, left } = await scenario<{ boxes: number; left: { handles: number; liveMemory: number } }>(
            "pipelineEqual",
            { rig, runs: 20, cudaGraph },
            env,
          );
          assert.ok(boxes > 20, `${boxes} boxes`);
          assert.deepEqual([left.handles, left.liveMemory], [0, 0]);
        }
      });
    },
  );
}

const SOME = Array(160).fill(1);
const REFUSED: readonly [title: string, rig: Partial<RigOptions>, anchors: number[] | null, message: RegExp][] = [
  ["too few anchors", { anchors: "shared" }, [1, 2, 3, 4], /^4 numbers are given for anchors, the layout has 160$/],
  ["one picture's anchors for four", { anchors: "own" }, SOME, /^160 numbers .* the layout has 640$/],
  ["anchors of a layout without", {}, SOME, /^The layout has no anchors, or the engine gives them$/],
  ["a run before the anchors are set", { anchors: "shared" }, null, /^The anchors are not set$/],
];

for (const [title, rig, anchors, message] of REFUSED) {
  nativeTest(`pipeline: ${title} is refused in words`, async () => {
    const failure = await scenario<Failure>("pipelineOfAnchors", { rig: rigOf(rig), anchors });
    assert.equal(failure.status, "INVALID_ARGUMENT", JSON.stringify(failure));
    assert.match(failure.message, message);
  });
}
