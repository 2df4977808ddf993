import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { fakeSet } from "../native/children.ts";
import { filesUnder } from "../tensorrt/build/fake_build.ts";
import { type Box, boxTest } from "./box.ts";
import { ROOT } from "./compiled_file.ts";
import { CANNOT_FAKE, putFakes } from "./fakes.ts";

const MODEL = join(ROOT, "models/codes/codes.onnx");

for (const precision of ["f32", "fp16"]) {
  boxTest(`the model inside the file becomes a ${precision} engine, which is found again`, async (box) => {
    const env = putFakes(box, fakeSet("10.16"));
    const args = ["build-engine", "codes", "--precision", precision, "--tensorrt", "trt", "--json"];
    for (const cache of ["built", "hit"]) {
      const { code, stdout, stderr } = await box.run(args, { env });
      assert.equal(code, 0, stderr);
      assert.equal(JSON.parse(stdout).cache, cache);
    }
    assert.ok(filesUnder(join(box.folder, `models/trt/codes/${precision}/bs1`)).includes("codes.engine"));
    const key = await box.run(["cache", "key", "codes", "--precision", precision, "--tensorrt", "trt"], { env });
    assert.equal(key.code, 0, key.stderr);
    const digest = createHash("sha256").update(await Deno.readFile(MODEL)).digest("hex");
    assert.match(key.stdout, new RegExp(`"model_sha256": "${digest}"`));
    assert.equal(memosOf(box).filter((text) => text.includes("codes.onnx")).length, 0, "it has no inode to know it by");
  }, { skipped: CANNOT_FAKE });
}

/** Texts of what is remembered about files. */
function memosOf({ cache }: Box): string[] {
  const folder = join(cache, "digests");
  return [...Deno.readDirSync(folder)].map(({ name }) => Deno.readTextFileSync(join(folder, name)));
}
