import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { readModel } from "../../../src/onnx/read.ts";
import { writeModel } from "../../../src/onnx/write.ts";
import {
  derivedPath,
  findDerived,
  type Origin,
  sourcePath,
  withOrigin,
  writeDerived,
} from "../../../src/tensorrt/build/derived_model.ts";
import { floatTensor, model, node, value } from "../../onnx/build_model.ts";

const ORIGIN: Origin = { sha256: "ab".repeat(32), pass: "fp16@1" };

function small(weight: number) {
  return readModel(writeModel(model({
    node: [node("Mul", { inputs: ["images", "w"], outputs: ["output0"] })],
    initializer: [floatTensor("w", [1], [weight])],
    input: [value("images", [1, 3, 8, 8])],
    output: [value("output0", [1, 3, 8, 8])],
  }, { metadata: { stride: "32" } })));
}

async function inFolder(body: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "trtd-derived-" });
  try {
    await body(join(folder, "pets.tofp16.onnx"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("derived: its name is the source's, and leads back to it", () => {
  assert.equal(derivedPath("/m/pets.onnx"), "/m/pets.tofp16.onnx");
  assert.equal(sourcePath("/m/pets.tofp16.onnx"), "/m/pets.onnx");
  assert.equal(sourcePath("/m/pets.onnx"), null);
});

Deno.test("derived: what was kept is found again by its origin, and is a model with the old metadata", () =>
  inFolder(async (path) => {
    assert.deepEqual(await findDerived(path, ORIGIN), { kind: "absent" });
    const written = await writeDerived(path, withOrigin(small(2), ORIGIN));
    const found = await findDerived(path, ORIGIN);
    assert(found.kind === "fits");
    assert.deepEqual({ sha256: found.sha256, bytes: found.bytes }, written);
    assert.equal(written.sha256, createHash("sha256").update(await Deno.readFile(path)).digest("hex"));
    const keys = found.model.metadata_props.map(({ key }) => key);
    assert.deepEqual(keys, ["stride", "trtd.source_sha256", "trtd.pass", "trtd.content_sha256"]);
    assert.deepEqual([...Deno.readDirSync(join(path, ".."))].map(({ name }) => name), ["pets.tofp16.onnx"]);
  }));

Deno.test("derived: of another model, of another pass, changed or cut it is stale, and says why", () =>
  inFolder(async (path) => {
    const whole = withOrigin(small(2), ORIGIN);
    const why = async (origin: Origin = ORIGIN) => {
      const found = await findDerived(path, origin);
      assert(found.kind === "stale", found.kind);
      return found.why;
    };
    await writeDerived(path, whole);
    assert.equal(await why({ ...ORIGIN, sha256: "cd".repeat(32) }), "it was made of another model");
    assert.equal(await why({ ...ORIGIN, pass: "fp16@2" }), "it was made by fp16@1");
    await Deno.writeFile(path, writeModel({ ...small(3), metadata_props: whole.metadata_props }));
    assert.equal(await why(), "it was changed since");
    await Deno.writeFile(path, writeModel(whole).subarray(0, 60));
    assert.equal(await why(), "it is damaged");
  }));

Deno.test("derived: a file that trtd did not make is foreign", () =>
  inFolder(async (path) => {
    await Deno.writeFile(path, writeModel(small(2)));
    assert.deepEqual(await findDerived(path, ORIGIN), { kind: "foreign" });
  }));

Deno.test("derived: where nothing can be written, nothing is left", () =>
  inFolder(async (path) => {
    await Deno.mkdir(join(path, "in the way"), { recursive: true });
    await assert.rejects(writeDerived(path, small(2)));
    assert.deepEqual([...Deno.readDirSync(join(path, ".."))].map(({ name }) => name), ["pets.tofp16.onnx"]);
  }));
