import assert from "node:assert/strict";
import { placementOf } from "../../../src/detect/letterbox/letterbox.ts";
import { emulate, emulatorTest, letterboxBytes } from "./emulator.ts";
import { Random } from "./random_case.ts";
import { type FramesCase, noise, randomFrames, referenceInput } from "./random_frames.ts";

async function compare(cases: readonly FramesCase[], options: { sanitized?: boolean } = {}): Promise<void> {
  const { code, stderr, results } = await emulate(cases.map(letterboxBytes), options);
  assert.equal(code, 0, stderr);
  assert.equal(results.length, cases.length);
  cases.forEach((c, i) => {
    const expected = referenceInput(c), result = results[i]!;
    assert.equal(result.length, expected.length);
    const at = result.findIndex((byte, k) => byte !== expected[k]);
    assert.equal(at, -1, `case ${i}: ${JSON.stringify({ ...c, frames: c.frames.map(({ placement }) => placement) })}`);
  });
}

const seeds = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);

emulatorTest("kernels: letterbox gives the CPU path's input bit for bit on 1,000 random sizes", async () => {
  for (let from = 0; from < 1000; from += 100) await compare(seeds(from, 100).map((seed) => randomFrames(seed)));
});

emulatorTest("kernels: letterbox takes frames of different sizes in one launch", async () => {
  const cases = seeds(5000, 20).map((seed) => randomFrames(seed, { framesMax: 32, targetMax: 70, sourceMax: 90 }));
  assert.ok(cases.some(({ frames }) => frames.length > 20));
  await compare(cases);
});

emulatorTest("kernels: letterbox of 1280x720 in 640x1152 and of tall pictures in wide inputs", async () => {
  const random = new Random(3);
  const sizes = [[1280, 720, 1152, 640], [300, 4000, 320, 192], [4000, 30, 130, 700]] as const;
  await compare(sizes.map(([w, h, width, height]): FramesCase => {
    const picture = noise(random, w, h), target = { width, height };
    const frames = [{ picture, placement: placementOf(picture, target, "center") }];
    return { ...target, type: "float32", bgr: false, range: 1, frames, fit: "center" };
  }));
});

emulatorTest("kernels: letterbox runs clean under AddressSanitizer and UndefinedBehaviorSanitizer", async () => {
  await compare(seeds(7000, 150).map((seed) => randomFrames(seed, { framesMax: 3 })), { sanitized: true });
});

emulatorTest("kernels: a frame that lies beside the input is refused", async () => {
  const c = randomFrames(1);
  const [{ picture, placement }] = c.frames as [FramesCase["frames"][number]];
  const frames = [{ picture, placement: { ...placement, left: c.width, width: 1 } }];
  const { code, stderr } = await emulate([letterboxBytes({ ...c, frames })]);
  assert.equal(code, 2);
  assert.match(stderr, /^"left" must be 0 to \d+, current value is \d+\n$/);
});
