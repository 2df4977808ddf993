/** Random letterbox cases from a seed, and what the CPU path makes of them. */
import type { Preprocess } from "../../../src/detect/heads/heads.ts";
import { Letterbox, type Picture, placementOf } from "../../../src/detect/letterbox/letterbox.ts";
import type { LetterboxCase } from "./emulator.ts";
import { Random } from "./random_case.ts";

/** A letterbox case with the preprocess that makes it. */
export interface FramesCase extends LetterboxCase {
  readonly fit: Preprocess["fit"];
}

/** Noise with flat parts. */
export function noise(random: Random, width: number, height: number): Picture {
  const data = new Uint8Array(3 * width * height);
  let word = random.integer(0, 2 ** 31);
  for (let i = 0; i < data.length; i++) {
    word = (Math.imul(word, 1664525) + 1013904223) >>> 0;
    data[i] = i % 97 < 9 ? 255 : word >>> 24;
  }
  return { data, width, height };
}

/** What a random case is to be like. */
export interface FramesOptions {
  /** Most pixels of a side of the input. @default 150 */
  readonly targetMax?: number;
  /** @default 250 */
  readonly sourceMax?: number;
  /** @default 1 */
  readonly framesMax?: number;
}

/** Frames of random sizes: scaled up and down, halved exactly, one pixel wide, or of the input's own size. */
export function randomFrames(seed: number, options: FramesOptions = {}): FramesCase {
  const random = new Random(seed);
  const width = random.integer(1, options.targetMax ?? 150), height = random.integer(1, options.targetMax ?? 150);
  const most = options.sourceMax ?? 250;
  const fit = random.pick(["center", "center", "top_left", "stretch"] as const);
  const frames = Array.from({ length: random.integer(1, options.framesMax ?? 1) }, () => {
    const [w, h] = random.pick([
      () => [random.integer(1, most), random.integer(1, most)],
      () => [random.integer(1, most), random.integer(1, most)],
      () => [2 * width, 2 * height],
      () => [width, height],
      () => [1, random.integer(1, most)],
      () => [random.integer(1, most), 2],
    ])() as [number, number];
    const picture = noise(random, w, h);
    return { picture, placement: placementOf(picture, { width, height }, fit) };
  });
  return {
    width,
    height,
    type: random.pick(["float32", "float32", "float16"]),
    bgr: random.next() < 0.3,
    range: random.pick([1, 1, 255]),
    frames,
    fit,
  };
}

/** The CPU path's input tensor, as its bytes. */
export function referenceInput(c: FramesCase): Uint8Array<ArrayBuffer> {
  const size = 3 * c.width * c.height;
  const out = c.type === "float16" ? new Uint16Array(size * c.frames.length) : new Float32Array(size * c.frames.length);
  const letterbox = new Letterbox(c, { fit: c.fit, order: c.bgr ? "bgr" : "rgb", range: c.range });
  c.frames.forEach(({ picture }, i) => letterbox.fill(picture, out, i * size));
  return new Uint8Array(out.buffer);
}
