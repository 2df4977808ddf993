import assert from "node:assert/strict";
import { join } from "node:path";
import { TrtdError } from "../../../src/errors.ts";
import {
  discard,
  type EnginePlace,
  enginePlace,
  makePlace,
  settleEngine,
  temporaryName,
} from "../../../src/tensorrt/build/engine_place.ts";
import { durationsIn, earlierDurations } from "../../../src/tensorrt/build/engine_metadata.ts";
import { filesUnder } from "./fake_build.ts";

async function inPlace(body: (place: EnginePlace, folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "trtd-place-" });
  try {
    const place = enginePlace(folder, { model: "pets", precision: "fp16", batch: 4 });
    await makePlace(place);
    await body(place, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("place: model, precision and batch lead to an engine", () => {
  assert.deepEqual(enginePlace("/models", { model: "pets", precision: "f32", batch: 1 }), {
    folder: "/models/trt/pets/f32/bs1",
    engine: "/models/trt/pets/f32/bs1/pets.engine",
    metadata: "/models/trt/pets/f32/bs1/pets.engine.json",
    log: "/models/trt/pets/f32/bs1/pets.build.log",
  });
});

Deno.test("place: an engine and its metadata replace the ones before", () =>
  inPlace(async (place) => {
    for (const text of ["first", "second"]) {
      const part = temporaryName(place);
      await Deno.writeTextFile(part, text);
      await settleEngine(place, part, { of: text });
    }
    assert.equal(await Deno.readTextFile(place.engine), "second");
    assert.deepEqual(JSON.parse(await Deno.readTextFile(place.metadata)), { of: "second" });
    assert.deepEqual(filesUnder(place.folder), ["pets.engine", "pets.engine.json"]);
  }));

Deno.test("place: an engine that cannot be put there leaves neither metadata nor temporary files", () =>
  inPlace(async (place) => {
    await Deno.mkdir(join(place.engine, "in the way"), { recursive: true });
    await Deno.writeTextFile(place.metadata, "{}");
    const part = temporaryName(place);
    await Deno.writeTextFile(part, "plan");
    await assert.rejects(
      settleEngine(place, part, {}),
      (error) => error instanceof TrtdError && error.code === "OUTPUT_UNWRITABLE",
    );
    await discard(part);
    assert.deepEqual([...Deno.readDirSync(place.folder)].map(({ name }) => name), ["pets.engine"]);
  }));

Deno.test("place: a folder that cannot be made is told", async () => {
  const place = enginePlace("/proc/nowhere", { model: "pets", precision: "f32", batch: 1 });
  await assert.rejects(makePlace(place), (error) => error instanceof TrtdError && error.code === "OUTPUT_UNWRITABLE");
});

Deno.test("durations: what cannot be read is no duration, and no mistake", () =>
  inPlace(async (place, folder) => {
    assert.deepEqual(await earlierDurations(folder, "pets"), []);
    for (
      const text of ["{", "null", "{}", '{"durations":7}', '{"durations":[null,{"duration_s":"x"},{"duration_s":-1}]}']
    ) {
      await Deno.writeTextFile(place.metadata, text);
      assert.deepEqual(await durationsIn(place.metadata), [], text);
    }
    const one = { duration_s: 3, precision: "fp16", batch: 4, tensorrt: "TensorRT 10.16.1", gpu: null, targets: [89] };
    await Deno.writeTextFile(place.metadata, JSON.stringify({ durations: [one] }));
    assert.deepEqual(await earlierDurations(folder, "pets"), [one]);
  }));
