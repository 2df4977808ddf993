import assert from "node:assert/strict";
import { nativeTest } from "../../native/children.ts";
import { scenario } from "./run_scenario.ts";

nativeTest("tensorrt: anchors of an NMS that was cut off are the kernels' too, with the CPU's boxes", async () => {
  const { count, degraded, handles } = await scenario("", {}, "cut_nms_scenario.ts");
  assert.ok(count > 60, `${count} boxes`);
  assert.deepEqual([degraded, handles], [null, 0]);
});
