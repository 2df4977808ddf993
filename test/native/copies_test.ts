/** The ways to copy frames into pinned memory, over the fakes. */
import assert from "node:assert/strict";
import { fakeSet, nativeTest, scenario } from "./children.ts";

interface Copied {
  /** Allocations of device and pinned memory for each way. */
  readonly allocated: Readonly<Record<string, readonly number[]>>;
  readonly boxes: number;
  readonly handles: number;
}

nativeTest("pipeline: in whatever way frames are copied, the boxes are the same and memory is made once", async () => {
  const { allocated, boxes, handles } = await scenario<Copied>("copiedInAllWays", { rig: { set: fakeSet("10.16") } }, {
    timeoutMs: 180_000,
  });
  const once = [1, 1];
  assert.deepEqual(allocated, { "": once, "shared": once, "streamed": once, "shared streamed": once });
  assert.ok(boxes > 50, `${boxes} boxes`);
  assert.equal(handles, 0);
});
