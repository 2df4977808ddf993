import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { fakeSet, shimAndFakes, skipReason } from "../native/children.ts";
import { detector, filesUnder } from "../tensorrt/build/fake_build.ts";
import { type Box, boxTest } from "./box.ts";

const skipped = skipReason === undefined ? "" : ` (skipped: ${skipReason})`;

/** The environment of a box with libtrtd, the fake TensorRT 10.16 and a fake GPU in it. */
function equip(box: Box): Record<string, string> {
  const { core, parser, plugins, cuda } = fakeSet("10.16");
  const shim = join(box.folder, "libtrtd.so");
  Deno.copyFileSync(shimAndFakes().shim, shim);
  for (const [folder, files] of [["trt", [core, parser, plugins!]], ["cuda", [cuda]]] as const) {
    Deno.mkdirSync(join(box.folder, folder));
    for (const file of files) Deno.copyFileSync(file, join(box.folder, folder, file.slice(dirname(file).length + 1)));
  }
  Deno.writeFileSync(join(box.folder, "pets.onnx"), detector([1, 3, 640, 1152]));
  const gpus = "NVIDIA Fake 4090:8.9:24564";
  return { TRTD_SHIM: shim, TRTD_FAKE_GPUS: gpus, LD_LIBRARY_PATH: join(box.folder, "cuda") };
}

const ARGS = ["build-engine", "pets.onnx", "--tensorrt", "trt", "--json"];

boxTest("build-engine builds in a child of the same file", async (box) => {
  const { code, stdout, stderr } = await box.run(ARGS, { env: equip(box) });
  assert.equal(code, 0, stderr);
  assert.equal(JSON.parse(stdout).report.outcome, "built");
  const made = ["pets.build.log", "pets.engine", "pets.engine.json"].map((name) => `pets/f32/bs1/${name}`);
  assert.deepEqual(filesUnder(join(box.folder, "models/trt")), made);
}, { skipped });

boxTest("build-engine outlives a child that aborts", async (box) => {
  const { code, stdout } = await box.run(ARGS, { env: { ...equip(box), TRTD_FAKE: "build=abort" } });
  assert.equal(code, 4);
  assert.equal(JSON.parse(stdout).error.code, "BUILD_CRASHED");
  assert.deepEqual(filesUnder(join(box.folder, "models/trt")), ["pets/f32/bs1/pets.build.log"]);
}, { skipped });
