import assert from "node:assert/strict";
import { annotatePicture, drawDetections } from "../../src/detect/annotate/annotate.ts";
import { decodePicture } from "../../src/detect/picture/decode.ts";
import type { Detection } from "../../src/detect/detection.ts";
import { readImageHeader } from "../../src/detect/picture/image_header.ts";
import { lineHeight, textMask, textWidth } from "../../src/detect/annotate/label_text.ts";
import type { Picture } from "../../src/detect/letterbox/letterbox.ts";

const blank = (width: number, height: number): Picture => ({
  data: new Uint8Array(3 * width * height).fill(128),
  width,
  height,
});
const found = (label: string, classId: number, [x1, y1, x2, y2]: [number, number, number, number]): Detection => ({
  label,
  class_id: classId,
  score: 0.87,
  box: { x1, y1, x2, y2 },
});

/** Bounds of the pixels that are not the blank's gray: left, top, right, bottom. */
function bounds({ data, width, height }: Picture): [number, number, number, number] {
  let [left, top, right, bottom] = [width, height, 0, 0];
  for (let i = 0; i < width * height; i++) {
    if (data[3 * i] === 128 && data[3 * i + 1] === 128 && data[3 * i + 2] === 128) continue;
    const x = i % width, y = Math.floor(i / width);
    left = Math.min(left, x), right = Math.max(right, x + 1), top = Math.min(top, y), bottom = Math.max(bottom, y + 1);
  }
  return [left, top, right, bottom];
}

Deno.test("annotate: the frame surrounds the box and the label stands on it", () => {
  const canvas = blank(400, 300);
  drawDetections(canvas, [found("qr_code", 0, [100, 150, 320, 250])]);
  const [left, top, right, bottom] = bounds(canvas);
  assert.deepEqual([left, right, bottom], [100, 320, 250]);
  assert.equal(top, 150 - lineHeight(11));
});

Deno.test("annotate: a label at any border stays within the picture and is as wide as it is elsewhere", () => {
  const boxes: [number, number, number, number][] = [[0, 0, 20, 20], [380, 0, 400, 20], [380, 280, 400, 300], [
    0,
    280,
    20,
    300,
  ]];
  for (const box of boxes) {
    const canvas = blank(400, 300);
    drawDetections(canvas, [found("linear_barcode", 4, box)]);
    const [left, , right] = bounds(canvas);
    assert.ok(right - left >= textWidth("linear_barcode 0.87", 11), `${box}`);
  }
});

Deno.test("annotate: labels that are wider than the picture are drawn smaller, on any size down to one pixel", () => {
  for (const [width, height] of [[1, 1], [2, 300], [300, 2], [40, 40], [120, 90]] as const) {
    const canvas = blank(width, height);
    drawDetections(canvas, [found("a very long label that fits nowhere", 3, [0, 0, width, height])]);
    assert.ok(canvas.data.some((v) => v !== 128));
  }
});

Deno.test("annotate: neighbouring classes have different colours, and text stands out from its plate", () => {
  const colors = new Set<string>();
  for (let id = 0; id < 20; id++) {
    const canvas = blank(200, 200);
    drawDetections(canvas, [found("x", id, [50, 50, 150, 150])]);
    const line = 3 * (149 * 200 + 100);
    const [r, g, b] = canvas.data.subarray(line, line + 3);
    colors.add(`${r},${g},${b}`);
    let darkest = 255, lightest = 0;
    for (let y = 38; y < 48; y++) {
      for (let x = 52; x < 80; x++) {
        const at = 3 * (y * 200 + x);
        const light = (canvas.data[at]! + canvas.data[at + 1]! + canvas.data[at + 2]!) / 3;
        darkest = Math.min(darkest, light), lightest = Math.max(lightest, light);
      }
    }
    assert.ok(lightest - darkest > 70, `class ${id}`);
  }
  assert.equal(colors.size, 20);
});

Deno.test("annotate: the result is a JPEG of the same size, and the picture itself is left as it is", async () => {
  const picture = blank(320, 200);
  const jpeg = await annotatePicture(picture, [found("aztec", 2, [20, 40, 120, 160])]);
  assert.ok(picture.data.every((v) => v === 128));
  const { type, width, height } = readImageHeader(jpeg);
  assert.deepEqual([type, width, height], ["jpeg", 320, 200]);
  const drawn = await decodePicture(jpeg);
  const [r, g, b] = drawn.data.subarray(3 * (159 * 320 + 60));
  assert.ok(r! > 200 && g! > 180 && b! < 110, `the yellow line is ${r}, ${g}, ${b}`);
});

Deno.test("annotate: letters have ink of the right amount, and unknown characters a stand-in", () => {
  const ink = (text: string) => textMask(text, 40).data.reduce((sum, share) => sum + share, 0);
  assert.ok(ink("l") > 0 && ink("m") > 2 * ink("l"));
  assert.ok(Math.abs(ink("ll") - 2 * ink("l")) < 1e-2);
  assert.equal(ink(" "), 0);
  assert.equal(ink("\u65e5"), ink("\ufffd"));
  // The stem of "l" is 360 of 2048 units wide and 1556 high.
  assert.ok(Math.abs(ink("l") / (40 * 40) - 360 * 1556 / 2048 ** 2) < 0.005, `${ink("l") / 1600}`);
});
