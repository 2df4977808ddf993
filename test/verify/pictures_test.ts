import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { decodePicture } from "../../src/detect/picture/decode.ts";
import { generatedPictures } from "../../src/verify/generated.ts";
import { bundledPictures, folderPictures } from "../../src/verify/pictures.ts";
import { seededPicture, smoothPicture } from "../detect/seeded_picture.ts";
import { png } from "../detect/png_writer.ts";

Deno.test("gate pictures: the bundled set is three photos and five generated pictures, the same every time", async () => {
  const digests = async () => {
    const found: string[] = [];
    for (const { name, load } of await bundledPictures().list()) {
      const { data, width, height } = await decodePicture(await load());
      found.push(`${name} ${width}x${height} ${createHash("sha256").update(data).digest("hex").slice(0, 8)}`);
    }
    return found;
  };
  const first = await digests();
  assert.deepEqual(first.map((one) => one.replace(/ [0-9a-f]{8}$/, "")), [
    "counter.jpg 1440x974",
    "desk.jpg 1280x853",
    "room.jpg 1500x996",
    "shapes, wide 800x450",
    "shapes, upright 360x640",
    "codes and bars 640x640",
    "photos in tiles 960x720",
    "close-up 480x800",
  ]);
  assert.equal(new Set(first).size, first.length);
  assert.deepEqual(await digests(), first);
});

Deno.test("gate pictures: generated ones are the same bytes on every machine", () => {
  const all = generatedPictures([smoothPicture(300, 200), seededPicture(1, 200, 300)]);
  const digest = createHash("sha256");
  for (const { picture } of all) digest.update(picture.data);
  assert.equal(digest.digest("hex").slice(0, 16), "fee2a709aa629a94");
});

Deno.test("gate pictures: those of a folder are its picture files by name, upright, and named by what is in them", async () => {
  const folder = await Deno.makeTempDir({ prefix: "trtd-gate-" });
  try {
    const file = (value: number) =>
      png({ width: 4, height: 2, colorType: 2, depth: 8, rows: new Uint8Array(24).fill(value) });
    await Deno.writeFile(join(folder, "b.PNG"), file(9));
    await Deno.writeFile(join(folder, "a.png"), file(7));
    await Deno.writeTextFile(join(folder, "notes.txt"), "none");
    await Deno.mkdir(join(folder, "c.png"));
    const set = await folderPictures(folder);
    const pictures = await set.list();
    assert.deepEqual(pictures.map(({ name }) => name), ["a.png", "b.PNG"]);
    const { data, width, height } = await decodePicture(await pictures[1]!.load());
    assert.deepEqual([width, height, [...data]], [4, 2, Array(24).fill(9)]);
    assert.equal((await folderPictures(folder)).id, set.id);
    await Deno.writeFile(join(folder, "b.PNG"), file(8));
    assert.notEqual((await folderPictures(folder)).id, set.id);
    await Deno.writeTextFile(join(folder, "a.png"), "no picture");
    await assert.rejects((await (await folderPictures(folder)).list())[0]!.load(), { code: "IMAGE_CORRUPT" });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("gate pictures: a folder without pictures, and none at all, are errors that name it", async () => {
  const folder = await Deno.makeTempDir({ prefix: "trtd-gate-" });
  try {
    await assert.rejects(folderPictures(folder), {
      code: "FILE_NOT_FOUND",
      message: /There is no JPEG, PNG or WebP file/,
    });
    await assert.rejects(folderPictures(join(folder, "none")), {
      code: "FILE_NOT_FOUND",
      message: /none" does not exist/,
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
