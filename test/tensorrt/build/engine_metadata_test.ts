import assert from "node:assert/strict";
import { join } from "node:path";
import { durationsIn, earlierDurations } from "../../../src/tensorrt/build/engine_metadata.ts";

Deno.test("durations: what cannot be read is no duration, and no mistake", async () => {
  const root = await Deno.makeTempDir({ prefix: "trtd-durations-" });
  try {
    const folder = join(root, "pets", "fp16", "bs4");
    const metadata = join(folder, "pets.engine.json");
    await Deno.mkdir(folder, { recursive: true });
    assert.deepEqual(await earlierDurations(root, "pets"), []);
    for (
      const text of ["{", "null", "{}", '{"durations":7}', '{"durations":[null,{"duration_s":"x"},{"duration_s":-1}]}']
    ) {
      await Deno.writeTextFile(metadata, text);
      assert.deepEqual(await durationsIn(metadata), [], text);
    }
    const one = { duration_s: 3, precision: "fp16", batch: 4, tensorrt: "TensorRT 10.16.1", gpu: null, targets: [89] };
    await Deno.writeTextFile(metadata, JSON.stringify({ durations: [one] }));
    const other = join(folder, ".others", "0123");
    await Deno.mkdir(other, { recursive: true });
    await Deno.writeTextFile(join(other, "pets.engine.json"), JSON.stringify({ durations: [{ ...one, batch: 2 }] }));
    assert.deepEqual(await earlierDurations(root, "pets"), [one, { ...one, batch: 2 }]);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
