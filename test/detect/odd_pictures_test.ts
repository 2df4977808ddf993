/** Group A+ of the hardening facts: odd but valid pictures, which must be seen as they are meant. */
import assert from "node:assert/strict";
import { decodePicture } from "../../src/detect/picture/decode.ts";
import { readImageHeader } from "../../src/detect/picture/image_header.ts";
import type { Picture } from "../../src/detect/letterbox/letterbox.ts";
import { loadSharp } from "../../src/native/sharp.ts";
import { baselineJpeg, concat, exifBlock, exifSegment, type JpegComponent, ycc } from "./jpeg_writer.ts";
import { chunk, png } from "./png_writer.ts";
import { smoothPicture } from "./seeded_picture.ts";

const sharp = await loadSharp();
const WIDTH = 64, HEIGHT = 40;
const smooth = smoothPicture(WIDTH, HEIGHT);
const gray = (v: number) => Math.round(v);

/** Mean and largest difference of two pictures of one size. */
function difference(a: Picture, b: Picture): { mean: number; most: number } {
  assert.deepEqual([a.width, a.height], [b.width, b.height]);
  let sum = 0, most = 0;
  for (let i = 0; i < a.data.length; i++) {
    const d = Math.abs(a.data[i]! - b.data[i]!);
    sum += d;
    most = Math.max(most, d);
  }
  return { mean: sum / a.data.length, most };
}

async function assertLooksLike(bytes: Uint8Array, expected: Picture, meanMax: number): Promise<void> {
  const { mean } = difference(await decodePicture(bytes), expected);
  assert.ok(mean <= meanMax, `mean difference ${mean}`);
}

/** The stored picture that, turned by `orientation`, is upright: EXIF 2.32, tag 0112, written out as a rule for each. */
function stored(upright: Picture, orientation: number): Picture {
  const { width: w, height: h } = upright;
  const [width, height] = orientation > 4 ? [h, w] : [w, h];
  const data = new Uint8Array(3 * w * h);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      // Where the stored pixel (x, y) is to be seen.
      const [ux, uy] = ([
        [x, y],
        [w - 1 - x, y],
        [w - 1 - x, h - 1 - y],
        [x, h - 1 - y],
        [y, x],
        [w - 1 - y, x],
        [w - 1 - y, h - 1 - x],
        [y, h - 1 - x],
      ] as const)[orientation - 1]!;
      const from = 3 * (uy * w + ux);
      data.set(upright.data.subarray(from, from + 3), 3 * (y * width + x));
    }
  }
  return { data, width, height };
}

const rgbComponents = (rgb: Uint8Array, luma: [number, number], chroma: [number, number]): JpegComponent[] => {
  const [y, cb, cr] = ycc(rgb);
  return [
    { plane: y, h: luma[0], v: luma[1] },
    { plane: cb, h: chroma[0], v: chroma[1] },
    { plane: cr, h: chroma[0], v: chroma[1] },
  ];
};

for (let orientation = 1; orientation <= 8; orientation++) {
  Deno.test(`odd pictures: EXIF orientation ${orientation} is upright in JPEG, PNG and WebP`, async () => {
    // 41 x 67 is no multiple of the tile that turns pixels.
    const upright = smoothPicture(67, 41);
    const { data, width, height } = stored(upright, orientation);
    const components = rgbComponents(data, [1, 1], [1, 1]);
    for (const littleEndian of [false, true]) {
      const jpeg = baselineJpeg({ width, height, components, segments: [exifSegment(orientation, littleEndian)] });
      assert.equal(readImageHeader(jpeg).orientation, orientation);
      await assertLooksLike(jpeg, upright, 2);
    }
    const file = png({
      width,
      height,
      colorType: 2,
      depth: 8,
      rows: data,
      chunks: [chunk("eXIf", exifBlock(orientation))],
    });
    assert.deepEqual(await decodePicture(file), { ...upright, data: (await decodePicture(file)).data });
    assert.deepEqual(difference(await decodePicture(file), upright), { mean: 0, most: 0 });
    const webp = await sharp(data, { raw: { width, height, channels: 3 } }).webp({ lossless: true }).toBuffer();
    assert.equal(difference(await decodePicture(withExif(webp, orientation)), upright).most, 0);
  });
}

/** A simple lossless WebP in the extended format with an EXIF chunk at its end. */
function withExif(webp: Uint8Array, orientation: number): Uint8Array {
  const { width, height } = readImageHeader(webp);
  const text = (value: string) => new TextEncoder().encode(value);
  const u24 = (n: number) => [n & 255, n >> 8 & 255, n >> 16 & 255];
  const exif = exifBlock(orientation, true);
  const body = concat([
    text("WEBPVP8X"),
    [10, 0, 0, 0, 8, 0, 0, 0, ...u24(width - 1), ...u24(height - 1)],
    webp.subarray(12),
    text("EXIF"),
    [exif.length, 0, 0, 0],
    exif,
  ]);
  return concat([text("RIFF"), [...u24(body.length), 0], body]);
}

Deno.test("odd pictures: an orientation out of 1..8, of another type or twice is no reason to fail", async () => {
  const components = rgbComponents(smooth.data, [1, 1], [1, 1]);
  const bad = exifSegment(3);
  bad[bad.length - 8 - 6] = 9;
  for (const segments of [[exifSegment(0)], [exifSegment(9)], [bad], [exifSegment(1), exifSegment(6)]]) {
    await assertLooksLike(baselineJpeg({ width: WIDTH, height: HEIGHT, components, segments }), smooth, 2);
  }
});

Deno.test("odd pictures: gray JPEG becomes three equal channels", async () => {
  const [y] = ycc(smooth.data);
  const bytes = baselineJpeg({ width: WIDTH, height: HEIGHT, components: [{ plane: y, h: 1, v: 1 }] });
  const expected = smooth.data.map((_, i) => gray(y[Math.floor(i / 3)]!));
  await assertLooksLike(bytes, { ...smooth, data: expected }, 1.5);
  const { data } = await decodePicture(bytes);
  for (let i = 0; i < data.length; i += 3) assert.ok(data[i] === data[i + 1] && data[i] === data[i + 2]);
});

/** Inverted ink as Adobe writes it: 255 is none. */
function inverted(rgb: Uint8Array): Float32Array[] {
  const planes = Array.from({ length: 4 }, () => new Float32Array(rgb.length / 3));
  for (let i = 0; i < rgb.length / 3; i++) {
    for (let c = 0; c < 3; c++) planes[c]![i] = rgb[3 * i + c]!;
    planes[3]![i] = 255;
  }
  return planes;
}

/** Inks have no fixed colours: only light stays light, red stays red. */
async function assertColorsKept(bytes: Uint8Array): Promise<void> {
  const { data } = await decodePicture(bytes);
  const at = (x: number, y: number) => data.subarray(3 * (y * WIDTH + x), 3 * (y * WIDTH + x) + 3);
  assert.ok(at(4, 4).every((v) => v > 230), `white is ${at(4, 4)}`);
  const [redRight, , blueRight] = at(WIDTH - 2, HEIGHT >> 2), [redLeft] = at(1, HEIGHT - 2);
  assert.ok(redRight! > redLeft! + 60 && redRight! > blueRight! + 60);
}

Deno.test("odd pictures: CMYK JPEG keeps its colours", async () => {
  const components = inverted(smooth.data).map((plane) => ({ plane, h: 1, v: 1 }));
  await assertColorsKept(baselineJpeg({ width: WIDTH, height: HEIGHT, components, adobeTransform: 0 }));
});

Deno.test("odd pictures: YCCK JPEG keeps its colours", async () => {
  const [c, m, y, k] = inverted(smooth.data);
  // YCCK is the YCbCr of the inverted inks' complement, as libjpeg reads it.
  const complement = new Uint8Array(smooth.data.length);
  for (let i = 0; i < c!.length; i++) {
    complement.set([255 - c![i]!, 255 - m![i]!, 255 - y![i]!], 3 * i);
  }
  const components = [...ycc(complement), k!].map((plane) => ({ plane, h: 1, v: 1 }));
  await assertColorsKept(baselineJpeg({ width: WIDTH, height: HEIGHT, components, adobeTransform: 2 }));
});

Deno.test("odd pictures: progressive JPEG is seen like the baseline one", async () => {
  const raw = sharp(smooth.data, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });
  const progressive = await raw.clone().jpeg({ quality: 95, progressive: true }).toBuffer();
  assert.ok(readImageHeader(progressive).scans > 1);
  await assertLooksLike(progressive, await decodePicture(await raw.jpeg({ quality: 95 }).toBuffer()), 0.5);
});

for (
  const [name, luma, chroma] of [
    ["4:4:4", [1, 1], [1, 1]],
    ["4:2:2", [2, 1], [1, 1]],
    ["4:4:0", [1, 2], [1, 1]],
    ["4:2:0", [2, 2], [1, 1]],
    ["4:1:1", [4, 1], [1, 1]],
  ] as [string, [number, number], [number, number]][]
) {
  Deno.test(`odd pictures: JPEG with subsampling ${name} keeps its colours`, async () => {
    const components = rgbComponents(smooth.data, luma, chroma);
    await assertLooksLike(baselineJpeg({ width: WIDTH, height: HEIGHT, components }), smooth, 3);
  });
}

Deno.test("odd pictures: JPEG with stray bytes before its end is taken", async () => {
  const bytes = baselineJpeg({ width: WIDTH, height: HEIGHT, components: rgbComponents(smooth.data, [1, 1], [1, 1]) });
  const stray = concat([bytes.subarray(0, bytes.length - 2), [0x12, 0x34, 0x56], [0xff, 0xd9]]);
  await assertLooksLike(stray, smooth, 2);
});

const samples16 = (data: Uint8Array, low: number) => {
  const out = new Uint8Array(2 * data.length);
  for (let i = 0; i < data.length; i++) out[2 * i] = data[i]!, out[2 * i + 1] = low;
  return out;
};

Deno.test("odd pictures: 16-bit PNG is cut to its high bytes, as OpenCV does", async () => {
  const rows = samples16(smooth.data, 0xc0);
  const bytes = png({ width: WIDTH, height: HEIGHT, colorType: 2, depth: 16, rows });
  assert.deepEqual(difference(await decodePicture(bytes), smooth), { mean: 0, most: 0 });
});

Deno.test("odd pictures: gray PNG of 1, 8 and 16 bits becomes three equal channels", async () => {
  const ramp = Uint8Array.from({ length: 256 }, (_, i) => i);
  const picture = { width: 256, height: 1, data: Uint8Array.from({ length: 768 }, (_, i) => Math.floor(i / 3)) };
  const of = (depth: 1 | 8 | 16, rows: Uint8Array, width = 256) =>
    decodePicture(png({ width, height: 1, colorType: 0, depth, rows }));
  assert.equal(difference(await of(8, ramp), picture).most, 0);
  assert.equal(difference(await of(16, samples16(ramp, 7)), picture).most, 0);
  assert.deepEqual([...(await of(1, Uint8Array.of(0b10100000), 3)).data], [255, 255, 255, 0, 0, 0, 255, 255, 255]);
});

Deno.test("odd pictures: palette PNG, with and without transparency, shows the palette's colours", async () => {
  const palette = [10, 20, 30, 200, 100, 50];
  const expected = { width: 4, height: 1, data: Uint8Array.of(10, 20, 30, 200, 100, 50, 200, 100, 50, 10, 20, 30) };
  for (const extra of [[], [chunk("tRNS", [0, 128])]]) {
    const rows = Uint8Array.of(0, 1, 1, 0);
    const bytes = png({
      width: 4,
      height: 1,
      colorType: 3,
      depth: 8,
      rows,
      chunks: [chunk("PLTE", palette), ...extra],
    });
    assert.deepEqual(difference(await decodePicture(bytes), expected), { mean: 0, most: 0 });
  }
});

Deno.test("odd pictures: alpha is dropped and the stored colour shows, in PNG and WebP", async () => {
  const rgba = new Uint8Array(4 * WIDTH * HEIGHT);
  for (let i = 0; i < WIDTH * HEIGHT; i++) rgba.set([...smooth.data.subarray(3 * i, 3 * i + 3), i % 256], 4 * i);
  const file = png({ width: WIDTH, height: HEIGHT, colorType: 6, depth: 8, rows: rgba });
  assert.equal(difference(await decodePicture(file), smooth).most, 0);
  const webp = await sharp(rgba, { raw: { width: WIDTH, height: HEIGHT, channels: 4 } })
    .webp({ lossless: true, exact: true }).toBuffer();
  assert.equal(difference(await decodePicture(webp), smooth).most, 0);
  const grayAlpha = png({ width: 2, height: 1, colorType: 4, depth: 8, rows: Uint8Array.of(70, 0, 90, 255) });
  assert.deepEqual([...(await decodePicture(grayAlpha)).data], [70, 70, 70, 90, 90, 90]);
});
