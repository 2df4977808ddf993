import assert from "node:assert/strict";
import fc from "fast-check";
import { FOREIGN_TYPES, nameOfForeignType } from "../../src/detect/picture/foreign_types.ts";
import { type ImageHeader, readImageHeader } from "../../src/detect/picture/image_header.ts";
import { TrtdError } from "../../src/errors.ts";
import { loadSharp } from "../../src/native/sharp.ts";
import { baselineJpeg, concat, exifBlock, exifSegment, manyScanJpeg, segment } from "./jpeg_writer.ts";
import { chunk, png } from "./png_writer.ts";

const sharp = await loadSharp();
const WIDTH = 37, HEIGHT = 21;
const picture = () =>
  sharp(new Uint8Array(3 * WIDTH * HEIGHT).fill(99), { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });
const jpegWith = (segments: Uint8Array[]) =>
  baselineJpeg({ width: 16, height: 8, components: [{ plane: new Float32Array(128), h: 1, v: 1 }], segments });
const pngWith = (chunks: Uint8Array[]) =>
  png({ width: WIDTH, height: HEIGHT, colorType: 0, depth: 8, rows: new Uint8Array(WIDTH * HEIGHT), chunks });

const GOOD: [what: string, bytes: Uint8Array, header: Partial<ImageHeader>][] = [
  ["baseline JPEG", await picture().jpeg().toBuffer(), { type: "jpeg", width: WIDTH, height: HEIGHT, scans: 1 }],
  ["progressive JPEG", manyScanJpeg(40, 24, 12), { type: "jpeg", width: 40, height: 24, scans: 12 }],
  ["PNG", await picture().png().toBuffer(), { type: "png", width: WIDTH, height: HEIGHT }],
  ["lossy WebP", await picture().webp().toBuffer(), { type: "webp", width: WIDTH, height: HEIGHT }],
  ["lossless WebP", await picture().webp({ lossless: true }).toBuffer(), {
    type: "webp",
    width: WIDTH,
    height: HEIGHT,
  }],
  [
    "extended WebP with EXIF",
    await picture().withExif({ IFD0: { Copyright: "x" } }).withMetadata({ orientation: 6 }).webp().toBuffer(),
    { type: "webp", width: WIDTH, height: HEIGHT, orientation: 6 },
  ],
  ["JPEG with EXIF", await picture().withMetadata({ orientation: 5 }).jpeg().toBuffer(), { orientation: 5 }],
  ["JPEG with fill bytes between segments", jpegWith([concat([[0xff, 0xff], exifSegment(3)])]), { orientation: 3 }],
  ["JPEG with XMP before EXIF", jpegWith([segment(0xe1, [1, 2, 3, 4, 5, 6, 7]), exifSegment(8)]), { orientation: 8 }],
  ["PNG with EXIF", pngWith([chunk("tEXt", [65, 0, 66]), chunk("eXIf", exifBlock(7))]), { orientation: 7 }],
];

for (const [what, bytes, header] of GOOD) {
  Deno.test(`image header: ${what} is read without decoding`, () => {
    assert.deepEqual({ ...readImageHeader(bytes), ...header }, readImageHeader(bytes));
  });
}

Deno.test("image header: a prefix of a picture is read or refused, at every length", () => {
  for (const [, bytes] of GOOD) {
    const whole = readImageHeader(bytes);
    for (let length = 0; length < bytes.length; length++) {
      try {
        const { type, width, height } = readImageHeader(bytes.subarray(0, length));
        assert.deepEqual([type, width, height], [whole.type, whole.width, whole.height]);
      } catch (error) {
        assert.ok(error instanceof TrtdError, String(error));
        assert.match(error.code, length === 0 ? /IMAGE_EMPTY/ : /IMAGE_CORRUPT/);
      }
    }
  }
});

Deno.test("image header: 10,000 damaged headers give a header or an error with a code", () => {
  const starts = GOOD.map(([, bytes]) => bytes.slice(0, 400));
  const damage = fc.record({
    start: fc.constantFrom(...starts),
    edits: fc.array(fc.tuple(fc.nat(399), fc.integer({ min: 0, max: 255 })), { maxLength: 12 }),
    length: fc.nat(400),
  });
  fc.assert(
    fc.property(damage, ({ start, edits, length }) => {
      const bytes = start.slice(0, length);
      for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
      try {
        const { width, height, orientation, scans } = readImageHeader(bytes);
        assert.ok(width >= 1 && width <= 65535 && height >= 1 && height <= 65535);
        assert.ok(orientation >= 1 && orientation <= 8 && scans >= 1);
      } catch (error) {
        assert.ok(error instanceof TrtdError && error.code.startsWith("IMAGE_"), String(error));
      }
    }),
    { numRuns: 10_000, seed: 3 },
  );
});

Deno.test("image header: 10,000 random byte strings never fail in another way", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      assert.throws(() => readImageHeader(bytes), TrtdError);
    }),
    { numRuns: 10_000, seed: 3 },
  );
});

Deno.test("image header: every foreign type is named by its own first bytes", () => {
  for (const { name, magic } of FOREIGN_TYPES) {
    for (const wanted of magic) {
      const bytes = Uint8Array.from(wanted, (byte) => byte ?? 0);
      assert.equal(nameOfForeignType(bytes), name);
      assert.throws(() => readImageHeader(concat([bytes, new Uint8Array(64)])), (error: TrtdError) => {
        return error.code === "IMAGE_TYPE_UNSUPPORTED" && error.message.includes(name);
      });
    }
  }
});
