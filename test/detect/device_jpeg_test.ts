import assert from "node:assert/strict";
import { deviceJpeg } from "../../src/detect/picture/device_jpeg.ts";
import { loadSharp } from "../../src/native/sharp.ts";
import { baselineJpeg, concat, exifSegment, type JpegComponent, manyScanJpeg, segment, ycc } from "./jpeg_writer.ts";
import { seededPicture, smoothPicture } from "./seeded_picture.ts";

const WIDTH = 40, HEIGHT = 24;
const planes = ycc(smoothPicture(WIDTH, HEIGHT).data);
const components = (h: number, v: number, chroma = 1): JpegComponent[] =>
  planes.map((plane, i) => ({ plane, h: i === 0 ? h : chroma, v: i === 0 ? v : 1 }));
const gray: JpegComponent[] = [{ plane: planes[0], h: 1, v: 1 }];
const size = { width: WIDTH, height: HEIGHT };
const plain = baselineJpeg({ ...size, components: components(2, 2) });
const ascii = (text: string) => new TextEncoder().encode(text);
const jfif = segment(0xe0, [...ascii("JFIF"), 0, 1, 1, 0, 0, 1, 0, 1, 0, 0]);
const sharp = await loadSharp();
const photo = (() => {
  const { data, width, height } = seededPicture(5, 97, 61);
  return sharp(data, { raw: { width, height, channels: 3 } });
})();

/** The file with `bytes` in place of the first segment FF `marker` with its length. */
function changed(file: Uint8Array, marker: number, change: (segment: Uint8Array) => void): Uint8Array {
  const at = file.findIndex((byte, i) => byte === 0xff && file[i + 1] === marker);
  const out = file.slice();
  change(out.subarray(at));
  return out;
}

const GOOD: readonly (readonly [string, Uint8Array])[] = [
  ...([[1, 1], [2, 1], [1, 2], [2, 2]] as const).map(([h, v]) =>
    [`luma of ${h} x ${v}`, baselineJpeg({ ...size, components: components(h, v) })] as const
  ),
  ["gray", baselineJpeg({ ...size, components: gray })],
  ["JFIF", baselineJpeg({ ...size, components: components(1, 1), segments: [jfif] })],
  ["Adobe's YCbCr", baselineJpeg({ ...size, components: components(1, 1), adobeTransform: 1 })],
  ["EXIF that is upright", baselineJpeg({ ...size, components: gray, segments: [exifSegment(1)] })],
  ["a comment", baselineJpeg({ ...size, components: gray, segments: [segment(0xfe, ascii("a comment"))] })],
  ["restart markers", baselineJpeg({ ...size, components: components(1, 1), restartInterval: 2 })],
];

for (const [what, file] of GOOD) {
  Deno.test(`GPU JPEG: a file with ${what} may go there`, () => {
    assert.deepEqual(deviceJpeg(file), { ...size, length: file.length });
  });
}

Deno.test("GPU JPEG: what a camera leaves behind the end marker is no part of the file", () => {
  for (const behind of [new Uint8Array(100), plain, ascii("SEFH")]) {
    assert.deepEqual(deviceJpeg(concat([plain, behind])), { ...size, length: plain.length });
  }
});

Deno.test("GPU JPEG: files of the picture library may go there, progressive ones may not", async () => {
  for (const chromaSubsampling of ["4:2:0", "4:4:4"]) {
    const file = new Uint8Array(await photo.clone().jpeg({ quality: 90, chromaSubsampling }).toBuffer());
    assert.deepEqual(deviceJpeg(file), { width: 97, height: 61, length: file.length });
  }
  assert.equal(deviceJpeg(new Uint8Array(await photo.clone().jpeg({ progressive: true }).toBuffer())), null);
});

const cmyk = [0, 1, 2, 3].map(() => gray[0]!);
const BAD: readonly (readonly [string, Uint8Array])[] = [
  ["nothing", new Uint8Array()],
  ["a PNG's magic", Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)],
  ["a progressive JPEG", manyScanJpeg(WIDTH, HEIGHT, 3)],
  ["4:1:1", baselineJpeg({ ...size, components: components(4, 1) })],
  ["sampled chroma", baselineJpeg({ ...size, components: components(2, 2, 2) })],
  ["gray of 2 x 2", baselineJpeg({ ...size, components: [{ plane: planes[0], h: 2, v: 2 }] })],
  ["CMYK", baselineJpeg({ ...size, components: cmyk, adobeTransform: 0 })],
  ["YCCK", baselineJpeg({ ...size, components: cmyk, adobeTransform: 2 })],
  ["Adobe's RGB", baselineJpeg({ ...size, components: components(1, 1), adobeTransform: 0 })],
  ["Adobe's RGB in JFIF", baselineJpeg({ ...size, components: components(1, 1), adobeTransform: 0, segments: [jfif] })],
  ["two frames", changed(concat([plain]), 0xdb, (s) => s.set([0xff, 0xc0]))],
  ["12 bits", changed(plain, 0xc0, (s) => s[4] = 12)],
  ["height 0", changed(plain, 0xc0, (s) => s.fill(0, 5, 7))],
  ["width 0", changed(plain, 0xc0, (s) => s.fill(0, 7, 9))],
  ["extended sequential coding", changed(plain, 0xc0, (s) => s[1] = 0xc1)],
  ["arithmetic coding", changed(plain, 0xc0, (s) => s[1] = 0xc9)],
  ["ids that only a guess makes YCbCr", changed(changed(plain, 0xc0, (s) => s[10] = 0x52), 0xda, (s) => s[5] = 0x52)],
  ["a scan of other components", changed(plain, 0xda, (s) => s[5] = 9)],
  ["a scan of one component", changed(plain, 0xda, (s) => s[4] = 1)],
  ["no end marker", plain.subarray(0, plain.length - 2)],
  ["a second scan", concat([plain.subarray(0, plain.length - 2), plain.subarray(plain.indexOf(0xda) - 1)])],
  ["a restart marker without an interval", concat([plain.subarray(0, plain.length - 2), [0xff, 0xd0, 0xff, 0xd9]])],
  ["bytes between segments", concat([plain.subarray(0, 2), [0], plain.subarray(2)])],
  ["a fill byte before the end marker", concat([plain.subarray(0, plain.length - 2), [0xff, 0xff, 0xd9]])],
  ...[2, 3, 4, 5, 6, 7, 8].map((orientation) =>
    [
      `orientation ${orientation}`,
      baselineJpeg({ ...size, components: gray, segments: [exifSegment(orientation)] }),
    ] as const
  ),
];

for (const [what, file] of BAD) {
  Deno.test(`GPU JPEG: ${what} takes the CPU's decoder`, () => assert.equal(deviceJpeg(file), null));
}

Deno.test("GPU JPEG: no beginning of a file may go there, and no damage makes it fail in another way", () => {
  for (let length = 0; length < plain.length; length++) assert.equal(deviceJpeg(plain.subarray(0, length)), null);
  const random = seededPicture(11, 100, 100).data;
  for (let i = 0; i < 20_000; i++) {
    const file = plain.slice();
    file[(random[i]! << 8 | random[i + 1]!) % file.length] = random[i + 2]!;
    const found = deviceJpeg(file);
    assert.ok(found === null || found.length <= file.length);
  }
});
