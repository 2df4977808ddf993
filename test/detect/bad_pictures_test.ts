/** Group A of the hardening facts: at least 60 bad pictures through the real decoder. */
import assert from "node:assert/strict";
import { deflateSync } from "node:zlib";
import { decodePicture } from "../../src/detect/picture/decode.ts";
import { type ErrorCode, ERRORS, TrtdError } from "../../src/errors.ts";
import { loadSharp } from "../../src/native/sharp.ts";
import { baselineJpeg, concat, exifBlock, manyScanJpeg, segment, ycc } from "./jpeg_writer.ts";
import { chunk, ihdr, png, PNG_MAGIC } from "./png_writer.ts";
import { seededPicture, smoothPicture } from "./seeded_picture.ts";

/** A bad picture and every outcome that is right; `ok` is a decoded picture. */
type Case = [what: string, bytes: Uint8Array, ...right: (ErrorCode | "ok")[]];

const RSS_MAX_BYTES = 256e6;
const TIME_MAX_MS = 2000;

const text = (value: string) => new TextEncoder().encode(value);
const sharp = await loadSharp();
const raw = (() => {
  const { data, width, height } = smoothPicture(320, 200);
  return sharp(data, { raw: { width, height, channels: 3 } });
})();
const jpeg = new Uint8Array(await raw.clone().jpeg({ quality: 90 }).toBuffer());
const progressive = new Uint8Array(await raw.clone().jpeg({ quality: 90, progressive: true }).toBuffer());
const noise = seededPicture(1, 64, 48);
const goodPng = png({ width: 64, height: 48, colorType: 2, depth: 8, rows: noise.data });
const webp = new Uint8Array(await raw.clone().webp({ quality: 80 }).toBuffer());
const lossless = new Uint8Array(await raw.clone().webp({ lossless: true }).toBuffer());

const cut = (bytes: Uint8Array, length: number) => bytes.slice(0, length);
const changed = (bytes: Uint8Array, at: number, value: number) => {
  const out = bytes.slice();
  out[at] = value;
  return out;
};
/** Index of the first byte behind a marker FF `marker`. */
const behind = (bytes: Uint8Array, marker: number) =>
  bytes.findIndex((b, i) => b === 0xff && bytes[i + 1] === marker) + 2;

function truncations(): Case[] {
  const cases: Case[] = [];
  for (let k = 1; k <= 20; k++) {
    const length = Math.floor(jpeg.length * k / 21);
    cases.push([`JPEG cut to ${length} of ${jpeg.length} bytes`, cut(jpeg, length), "IMAGE_CORRUPT"]);
  }
  cases.push(["JPEG without its last two bytes", cut(jpeg, jpeg.length - 2), "IMAGE_CORRUPT"]);
  cases.push([
    "JPEG cut in half with an end marker",
    concat([cut(jpeg, jpeg.length >> 1), [0xff, 0xd9]]),
    "IMAGE_CORRUPT",
  ]);
  for (const share of [0.3, 0.6, 0.9]) {
    const part = cut(progressive, Math.floor(progressive.length * share));
    cases.push([`progressive JPEG cut to ${share}`, part, "IMAGE_CORRUPT"]);
    cases.push([`PNG cut to ${share}`, cut(goodPng, Math.floor(goodPng.length * share)), "IMAGE_CORRUPT"]);
    cases.push([`WebP cut to ${share}`, cut(webp, Math.floor(webp.length * share)), "IMAGE_CORRUPT"]);
    cases.push([`lossless WebP cut to ${share}`, cut(lossless, Math.floor(lossless.length * share)), "IMAGE_CORRUPT"]);
  }
  return cases;
}

/** Flips in entropy-coded data may give other pixels that no decoder can tell from right ones. */
function bitFlips(): Case[] {
  const start = behind(jpeg, 0xda) + 12;
  return Array.from({ length: 10 }, (_, k): Case => {
    const at = start + Math.floor((jpeg.length - start - 2) * (k + 0.5) / 10);
    return [`JPEG with a flipped bit at ${at}`, changed(jpeg, at, jpeg[at]! ^ (1 << (k % 8))), "IMAGE_CORRUPT", "ok"];
  });
}

function brokenPngs(): Case[] {
  const idat = goodPng.findIndex((_, i) => new TextDecoder("latin1").decode(goodPng.subarray(i, i + 4)) === "IDAT");
  const rows = deflateSync(new Uint8Array(48 * 193));
  return [
    [
      "PNG with a wrong IDAT CRC",
      changed(goodPng, goodPng.length - 14, goodPng[goodPng.length - 14]! ^ 1),
      "IMAGE_CORRUPT",
    ],
    ["PNG with a wrong IHDR CRC", changed(goodPng, 30, goodPng[30]! ^ 1), "IMAGE_CORRUPT"],
    ["PNG with a flipped bit in IDAT", changed(goodPng, idat + 300, goodPng[idat + 300]! ^ 4), "IMAGE_CORRUPT"],
    ["PNG whose IDAT claims 2 GB", changed(goodPng, idat - 4, 0x7f), "IMAGE_CORRUPT"],
    ["PNG without IDAT", concat([PNG_MAGIC, ihdr(64, 48, 8, 2), chunk("IEND", [])]), "IMAGE_CORRUPT"],
    [
      "PNG with too few rows",
      concat([PNG_MAGIC, ihdr(64, 480, 8, 2), chunk("IDAT", rows), chunk("IEND", [])]),
      "IMAGE_CORRUPT",
    ],
    ["PNG that begins with IDAT", concat([PNG_MAGIC, chunk("IDAT", rows), ihdr(64, 48, 8, 2)]), "IMAGE_CORRUPT"],
    ["PNG with an impossible depth", concat([PNG_MAGIC, ihdr(64, 48, 7, 2), goodPng.subarray(33)]), "IMAGE_CORRUPT"],
    ["PNG of width 0", concat([PNG_MAGIC, ihdr(0, 48, 8, 2), goodPng.subarray(33)]), "IMAGE_DIMENSIONS_INVALID"],
    [
      "PNG of height 2^31",
      concat([PNG_MAGIC, ihdr(1, 2 ** 31, 8, 2), goodPng.subarray(33)]),
      "IMAGE_DIMENSIONS_INVALID",
    ],
    [
      "PNG with a palette index that is missing",
      png({
        width: 8,
        height: 1,
        colorType: 3,
        depth: 8,
        rows: new Uint8Array(8).fill(9),
        chunks: [chunk("PLTE", [1, 2, 3])],
      }),
      "IMAGE_CORRUPT",
      "ok",
    ],
    [
      "PNG without its palette",
      png({ width: 8, height: 1, colorType: 3, depth: 8, rows: new Uint8Array(8) }),
      "IMAGE_CORRUPT",
    ],
  ];
}

const box = (brand: string) => concat([[0, 0, 0, 24], text(`ftyp${brand}`), new Uint8Array(200)]);

function foreign(): Case[] {
  const files: [string, Uint8Array][] = [
    ["GIF", concat([text("GIF89a"), [1, 0, 1, 0, 0, 0, 0, 0x3b]])],
    ["TIFF, little-endian", concat([[0x49, 0x49, 42, 0, 8, 0, 0, 0], new Uint8Array(64)])],
    ["TIFF, big-endian", concat([[0x4d, 0x4d, 0, 42, 0, 0, 0, 8], new Uint8Array(64)])],
    ["BMP", concat([text("BM"), new Uint8Array(64)])],
    ["HEIF", box("heic")],
    ["AVIF", box("avif")],
    ["MP4", box("isom")],
    ["SVG", text('<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')],
    ["SVG with white space", text("\n\n  <svg width='9' height='9'></svg>")],
    ["PDF", text("%PDF-1.7\n%%EOF\n")],
    ["JPEG XL", concat([[0xff, 0x0a], new Uint8Array(64)])],
    ["AVI", concat([text("RIFF"), [64, 0, 0, 0], text("AVI LIST"), new Uint8Array(64)])],
    ["an HTML error page", text("<!DOCTYPE html><html><body>404</body></html>")],
    ["JSON", text('{"image": "..."}')],
    ["zeros", new Uint8Array(4096)],
  ];
  return files.map(([what, bytes]) => [what, bytes, "IMAGE_TYPE_UNSUPPORTED"]);
}

function mislabelled(): Case[] {
  return [
    ["PNG behind JPEG's first bytes", concat([[0xff, 0xd8, 0xff], goodPng]), "IMAGE_CORRUPT"],
    ["JPEG behind PNG's first bytes", concat([PNG_MAGIC, jpeg]), "IMAGE_CORRUPT"],
    ["PNG in a WebP container", concat([text("RIFF"), [0, 9, 0, 0], text("WEBP"), goodPng]), "IMAGE_CORRUPT"],
    [
      "SVG behind JPEG's first bytes",
      concat([[0xff, 0xd8, 0xff], text("<svg width='9' height='9'/>")]),
      "IMAGE_CORRUPT",
    ],
    ["VP8 chunk that holds VP8L", changed(lossless, 15, 0x20), "IMAGE_CORRUPT"],
  ];
}

function tiny(): Case[] {
  return [
    ["0 bytes", new Uint8Array(0), "IMAGE_EMPTY"],
    ["1 byte of a JPEG", cut(jpeg, 1), "IMAGE_CORRUPT"],
    ["1 other byte", new Uint8Array(1), "IMAGE_TYPE_UNSUPPORTED"],
    ["SOI only", cut(jpeg, 2), "IMAGE_CORRUPT"],
    ["SOI and EOI", new Uint8Array([0xff, 0xd8, 0xff, 0xd9]), "IMAGE_CORRUPT"],
    ["PNG's first bytes only", new Uint8Array(PNG_MAGIC), "IMAGE_CORRUPT"],
    ["RIFF only", text("RIFF"), "IMAGE_CORRUPT"],
  ];
}

function frameOf(width: number, height: number): Uint8Array {
  const out = jpeg.slice();
  const at = behind(out, 0xc0) + 3;
  out.set([height >> 8, height & 255, width >> 8, width & 255], at);
  return out;
}

function bombs(): Case[] {
  // One bit a pixel: 24.5 MB of rows become a file of 24 KB.
  const blackPng = (side: number) =>
    concat([
      PNG_MAGIC,
      ihdr(side, side, 1, 0),
      chunk("IDAT", deflateSync(new Uint8Array((1 + Math.ceil(side / 8)) * side))),
      chunk("IEND", []),
    ]);
  const hugeVp8x = concat([
    text("RIFF"),
    [22, 0, 0, 0],
    text("WEBPVP8X"),
    [10, 0, 0, 0, 0, 0, 0, 0, 0xff, 0x3f, 0, 0xff, 0x3f, 0],
  ]);
  return [
    ["JPEG header of 65500x65500", frameOf(65500, 65500), "IMAGE_TOO_MANY_PIXELS"],
    ["PNG of 14000x14000", blackPng(14000), "IMAGE_TOO_MANY_PIXELS"],
    ["PNG of 17000x17000", blackPng(17000), "IMAGE_TOO_MANY_PIXELS"],
    ["WebP of 16384x16384", hugeVp8x, "IMAGE_TOO_MANY_PIXELS"],
    ["progressive JPEG of 6000x6000 with 500 scans", manyScanJpeg(6000, 6000, 500), "IMAGE_TOO_MANY_PIXELS"],
    ["progressive JPEG of 2000x2000 with 150 scans", manyScanJpeg(2000, 2000, 150), "ok"],
    ["progressive JPEG of 2000x2000 with 170 scans", manyScanJpeg(2000, 2000, 170), "IMAGE_TOO_MANY_PIXELS"],
    ["progressive JPEG of 64x64 with 883 scans", manyScanJpeg(64, 64, 883), "ok"],
    ["JPEG of 0x0", frameOf(0, 0), "IMAGE_DIMENSIONS_INVALID"],
    ["JPEG whose header says twice the height", frameOf(320, 400), "IMAGE_CORRUPT"],
    ["VP8 whose canvas is larger", vp8WithCanvas(640, 400), "IMAGE_CORRUPT"],
  ];
}

/** A lossy WebP in the extended format whose canvas differs from its only picture. */
function vp8WithCanvas(width: number, height: number): Uint8Array {
  const payload = webp.subarray(12);
  const [w, h] = [width - 1, height - 1];
  const extended = concat([text("VP8X"), [10, 0, 0, 0, 0, 0, 0, 0, w & 255, w >> 8, 0, h & 255, h >> 8, 0]]);
  const size = 4 + extended.length + payload.length;
  return concat([text("RIFF"), [size & 255, size >> 8 & 255, size >> 16, 0], text("WEBP"), extended, payload]);
}

function extremes(): Case[] {
  const gray = (width: number, height: number) =>
    png({ width, height, colorType: 0, depth: 8, rows: new Uint8Array(width * height).fill(90) });
  const icc = Array.from({ length: 60 }, (_, i) => {
    const part = new Uint8Array(65000).fill(i);
    part.set(concat([text("ICC_PROFILE\0"), [i + 1, 60]]));
    return segment(0xe2, part);
  });
  const exif = new Uint8Array(65533);
  exif.set(text("Exif\0\0"));
  exif.set(exifBlock(6), 6);
  new DataView(exif.buffer).setUint16(6 + 8, 65535);
  const [y] = ycc(noise.data);
  const withSegments = (segments: Uint8Array[]) =>
    baselineJpeg({ width: 64, height: 48, components: [{ plane: y, h: 1, v: 1 }], segments });
  return [
    ["1x1", gray(1, 1), "ok"],
    ["2x2", gray(2, 2), "ok"],
    ["1x65500", gray(1, 65500), "ok"],
    ["65500x1", gray(65500, 1), "ok"],
    ["JPEG with 4 MB of colour profile that is none", withSegments(icc), "ok"],
    ["JPEG with an EXIF of 64 KB that claims 65,535 fields", withSegments([segment(0xe1, exif)]), "ok"],
    [
      "JPEG whose EXIF points outside",
      withSegments([segment(0xe1, [...text("Exif\0\0MM"), 0, 42, 255, 255, 255, 255])]),
      "ok",
    ],
  ];
}

const CASES = [
  ...truncations(),
  ...bitFlips(),
  ...brokenPngs(),
  ...foreign(),
  ...mislabelled(),
  ...tiny(),
  ...bombs(),
  ...extremes(),
];

/** Highest resident memory since {@link resetPeak}. */
const rssPeak = (): number => {
  const kb = /VmHWM:\s+(\d+)/.exec(Deno.readTextFileSync("/proc/self/status"))?.[1];
  return Number(kb) * 1024;
};
const resetPeak = () => Deno.writeTextFileSync("/proc/self/clear_refs", "5");

/** Milliseconds that decoding takes where the machine does nothing else for a moment. */
async function quickest(bytes: Uint8Array): Promise<number> {
  let best = Infinity;
  for (let attempt = 0; attempt < 5 && best >= TIME_MAX_MS; attempt++) {
    const started = performance.now();
    await decodePicture(bytes).catch(() => {});
    best = Math.min(best, performance.now() - started);
  }
  return best;
}

Deno.test("bad pictures: there are at least 60, and each may end in a documented way only", () => {
  assert.ok(CASES.length >= 60, String(CASES.length));
  for (const [what, , ...right] of CASES) {
    assert.ok(right.length > 0, what);
    for (const code of right) assert.ok(code === "ok" || ERRORS[code].http < 500, what);
  }
});

for (const [what, bytes, ...right] of CASES) {
  Deno.test(`bad pictures: ${what} gives ${right.join(" or ")}`, async () => {
    const rss = Deno.memoryUsage().rss;
    let outcome: string;
    try {
      const { data, width, height } = await decodePicture(bytes);
      assert.equal(data.length, 3 * width * height);
      outcome = "ok";
    } catch (error) {
      assert.ok(error instanceof TrtdError, String(error));
      assert.ok(error.message.length < 300 && !error.message.endsWith("."), error.message);
      outcome = error.code;
    }
    assert.ok((right as string[]).includes(outcome), outcome);
    assert.ok(Deno.memoryUsage().rss - rss < RSS_MAX_BYTES);
    const ms = await quickest(bytes);
    assert.ok(ms < TIME_MAX_MS, `${ms} ms`);
  });
}

Deno.test("bad pictures: 400 files with random bytes changed give a picture or an error with a code", async () => {
  let state = 3;
  const random = (below: number) => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % below;
  const outcomes = new Set<string>();
  for (let round = 0; round < 400; round++) {
    const bytes = [jpeg, progressive, goodPng, webp, lossless][round % 5]!.slice();
    for (let edits = 1 + random(8); edits > 0; edits--) bytes[random(bytes.length)] = random(256);
    outcomes.add(
      await decodePicture(bytes).then(() => "ok", (error) => {
        assert.ok(error instanceof TrtdError && error.code.startsWith("IMAGE_"), String(error));
        return error.code;
      }),
    );
    assert.ok(await quickest(bytes) < TIME_MAX_MS);
  }
  assert.ok(outcomes.has("IMAGE_CORRUPT"));
});

Deno.test({
  name: "bad pictures: all together raise the peak of memory by at most 256 MB",
  ignore: Deno.build.os !== "linux",
  async fn() {
    resetPeak();
    const before = Deno.memoryUsage().rss;
    for (const [, bytes] of CASES) await decodePicture(bytes).catch(() => {});
    assert.ok(rssPeak() - before < RSS_MAX_BYTES, `${rssPeak() - before} bytes`);
  },
});
