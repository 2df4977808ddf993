/** The ways to copy frames into pinned memory, over the fakes. */
import assert from "node:assert/strict";
import { fakeSet, nativeTest, scenario } from "./children.ts";

interface Copied {
  readonly ways: Readonly<Record<string, { readonly allocated: number[]; readonly writeCombined: boolean }>>;
  readonly boxes: number;
  readonly handles: number;
}

nativeTest("pipeline: in whatever way frames are copied, the boxes are the same and memory is made once", async () => {
  const { ways, boxes, handles } = await scenario<Copied>("copiedInAllWays", { rig: { set: fakeSet("10.16") } }, {
    timeoutMs: 180_000,
  });
  assert.equal(Object.keys(ways).length, 8);
  for (const [way, { allocated, writeCombined }] of Object.entries(ways)) {
    assert.deepEqual([allocated, writeCombined], [[1, 1], way.includes("writeCombined")], way);
  }
  assert.ok(boxes > 100, `${boxes} boxes`);
  assert.equal(handles, 0);
});
