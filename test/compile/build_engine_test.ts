import assert from "node:assert/strict";
import { join } from "node:path";
import { fakeSet } from "../native/children.ts";
import { detector, filesUnder } from "../tensorrt/build/fake_build.ts";
import { type Box, boxTest } from "./box.ts";
import { CANNOT_FAKE, putFakes } from "./fakes.ts";

/** The environment of a box with the fake TensorRT 10.16, a fake GPU and a model in it. */
function equip(box: Box): Record<string, string> {
  Deno.writeFileSync(join(box.folder, "pets.onnx"), detector([1, 3, 640, 1152]));
  return putFakes(box, fakeSet("10.16"));
}

const ARGS = ["build-engine", "pets.onnx", "--tensorrt", "trt", "--json"];

boxTest("build-engine builds in a child of the same file", async (box) => {
  const { code, stdout, stderr } = await box.run(ARGS, { env: equip(box) });
  assert.equal(code, 0, stderr);
  assert.equal(JSON.parse(stdout).report.outcome, "built");
  const made = ["pets.build.log", "pets.engine", "pets.engine.json", "pets.engine.lock"];
  assert.deepEqual(filesUnder(join(box.folder, "models/trt/pets/f32/bs1")), made);
}, { skipped: CANNOT_FAKE });

boxTest("build-engine outlives a child that aborts", async (box) => {
  const { code, stdout } = await box.run(ARGS, { env: { ...equip(box), TRTD_FAKE: "build=abort" } });
  assert.equal(code, 4);
  assert.equal(JSON.parse(stdout).error.code, "BUILD_CRASHED");
  const left = ["pets.build.log", "pets.engine.lock"];
  assert.deepEqual(filesUnder(join(box.folder, "models/trt/pets/f32/bs1")), left);
}, { skipped: CANNOT_FAKE });
