import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { boxOnPicture, Letterbox, placementOf } from "../../src/detect/letterbox/letterbox.ts";
import type { Preprocess } from "../../src/detect/heads/heads.ts";
import records from "./letterbox_records.json" with { type: "json" };
import { seededPicture } from "./seeded_picture.ts";

const RGB: Preprocess = { fit: "center", order: "rgb", range: 1 };

Deno.test("letterbox: equals OpenCV bit for bit on every recorded picture", () => {
  assert.ok(records.length >= 100);
  for (const [seed, width, height, targetWidth, targetHeight, fit, crc] of records) {
    const target = { width: Number(targetWidth), height: Number(targetHeight) };
    const letterbox = new Letterbox(target, { fit: fit as Preprocess["fit"], order: "rgb", range: 255 });
    const out = new Float32Array(3 * target.width * target.height);
    letterbox.fill(seededPicture(Number(seed), Number(width), Number(height)), out);
    assert.equal(crc32(Uint8Array.from(out)), crc, `seed ${seed}`);
  }
});

Deno.test("letterbox: values are bytes divided by 255 in f32, and one instance takes pictures of any size in turn", () => {
  const target = { width: 96, height: 64 };
  const [unit, bytes] = [new Letterbox(target, RGB), new Letterbox(target, { ...RGB, range: 255 })];
  const size = 3 * 96 * 64;
  const [a, b] = [new Float32Array(size), new Float32Array(size)];
  for (const [w, h] of [[50, 70], [300, 20], [96, 64], [192, 128], [2, 900], [50, 70]] as const) {
    unit.fill(seededPicture(w, w, h), a);
    bytes.fill(seededPicture(w, w, h), b);
    for (let i = 0; i < size; i++) assert.equal(a[i], Math.fround(b[i]! / 255));
  }
});

Deno.test("letterbox: BGR swaps the planes, and an offset writes the second picture of a batch only", () => {
  const target = { width: 64, height: 32 }, plane = 64 * 32;
  const picture = seededPicture(5, 41, 33);
  const rgb = new Float32Array(3 * plane), bgr = new Float32Array(6 * plane).fill(-1);
  new Letterbox(target, RGB).fill(picture, rgb);
  new Letterbox(target, { ...RGB, order: "bgr" }).fill(picture, bgr, 3 * plane);
  assert.ok(bgr.subarray(0, 3 * plane).every((v) => v === -1));
  for (const [from, to] of [[0, 5], [1, 4], [2, 3]] as const) {
    assert.deepEqual(bgr.subarray(to * plane, (to + 1) * plane), rgb.subarray(from * plane, (from + 1) * plane));
  }
});

Deno.test("letterbox: f16 inputs get the nearest half of every value", () => {
  const target = { width: 64, height: 64 };
  const f32 = new Float32Array(3 * 64 * 64), f16 = new Uint16Array(f32.length);
  for (const [width, height] of [[30, 50], [64, 64], [128, 128]] as const) {
    const picture = seededPicture(9, width, height);
    new Letterbox(target, RGB).fill(picture, f32);
    new Letterbox(target, RGB).fill(picture, f16);
    for (let i = 0; i < f32.length; i++) assert.equal(f16[i], nearestHalf(f32[i]!), `${f32[i]}`);
  }
});

/** Search all halves in 0..1 for the nearest, even on a tie. */
function nearestHalf(value: number): number {
  const of = (bits: number) => (bits >> 10 === 0 ? bits : (1024 + (bits & 1023)) * 2 ** ((bits >> 10) - 1)) * 2 ** -24;
  let low = 0, high = 0x3c00;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (of(middle) <= value) low = middle;
    else high = middle;
  }
  const [below, above] = [value - of(low), of(high) - value];
  return below < above || (below === above && low % 2 === 0) ? low : high;
}

Deno.test("letterbox: placements are Ultralytics' for even and odd rests", () => {
  const at = (w: number, h: number) => {
    const { left, top, width, height } = placementOf({ width: w, height: h }, { width: 640, height: 640 }, "center");
    return [left, top, width, height];
  };
  assert.deepEqual(at(1280, 720), [0, 140, 640, 360]);
  assert.deepEqual(at(1280, 722), [0, 139, 640, 361]);
  assert.deepEqual(at(500, 333), [0, 107, 640, 426]);
  assert.deepEqual(at(100, 640), [270, 0, 100, 640]);
  assert.deepEqual(at(1, 65500), [319, 0, 1, 640]);
});

Deno.test("letterbox: boxes go back to the picture for every fit", () => {
  for (const fit of ["center", "top_left", "stretch"] as const) {
    const source = { width: 1000, height: 600 };
    const placement = placementOf(source, { width: 640, height: 640 }, fit);
    const { left, top, scaleX, scaleY } = placement;
    const corners = [100 * scaleX + left, 50 * scaleY + top, 900 * scaleX + left, 550 * scaleY + top];
    const box = boxOnPicture([0, ...corners], 1, placement)!;
    for (const [key, value] of Object.entries({ x1: 100, y1: 50, x2: 900, y2: 550 })) {
      assert.ok(Math.abs(box[key as keyof typeof box] - value) < 1e-9, `${fit} ${key}`);
    }
  }
});

Deno.test("letterbox: boxes are clipped to the picture, put in order, and dropped when nothing is left", () => {
  const placement = placementOf({ width: 100, height: 100 }, { width: 200, height: 200 }, "center");
  assert.deepEqual(boxOnPicture([250, 60, -50, 20], 0, placement), { x1: 0, y1: 10, x2: 100, y2: 30 });
  assert.deepEqual(boxOnPicture([-Infinity, 0, Infinity, 20], 0, placement), { x1: 0, y1: 0, x2: 100, y2: 10 });
  assert.equal(boxOnPicture([210, 0, 250, 20], 0, placement), null);
  assert.equal(boxOnPicture([20, 20, 20, 40], 0, placement), null);
  assert.equal(boxOnPicture([NaN, 0, 10, 20], 0, placement), null);
});

Deno.test("letterbox: 1280x720 to 1152x640 takes a few milliseconds", () => {
  const letterbox = new Letterbox({ width: 1152, height: 640 }, RGB);
  const out = new Float32Array(3 * 1152 * 640);
  const picture = seededPicture(1, 1280, 720);
  const times: number[] = [];
  for (let round = 0; round < 40 || Math.min(...times) >= 20 && round < 400; round++) {
    const start = performance.now();
    letterbox.fill(picture, out);
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  if (Deno.env.get("TRTD_TIMES")) console.log("letterbox ms", times[0], times[20]);
  assert.ok(times[0]! < 20, `${times[0]} ms`);
});
