/** Times of single stages that have a goal of their own, on made-up data with a fixed seed. */
import { Candidates } from "../../detect/heads/candidates.ts";
import { HEADS } from "../../detect/heads/heads.ts";
import { Letterbox } from "../../detect/letterbox/letterbox.ts";
import { nms } from "../../detect/nms.ts";
import { median } from "../statistics.ts";

const CLASSES = 80;
const ANCHORS = 8400;

/** Numbers in 0..1 from a linear congruential generator (Numerical Recipes' constants). */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}

/**
 * A raw YOLOv8 output `[84, 8400]` with `count` scores over 0.25: clusters of overlapping boxes, as a detector makes
 * them around each object, and small scores everywhere else.
 */
export function crowdedOutput(count: number): Float32Array {
  const random = randomFrom(1);
  const output = new Float32Array((4 + CLASSES) * ANCHORS);
  for (let i = 4 * ANCHORS; i < output.length; i++) output[i] = 0.1 * random();
  const clusters = 60;
  for (let i = 0; i < count; i++) {
    const anchor = Math.floor(i * ANCHORS / count);
    const cluster = i % clusters;
    const [x, y] = [40 + 64 * (cluster % 10), 50 + 96 * Math.floor(cluster / 10)];
    [x + 12 * random(), y + 12 * random(), 40 + 20 * random(), 50 + 20 * random()]
      .forEach((value, row) => output[row * ANCHORS + anchor] = value);
    output[(4 + cluster % CLASSES) * ANCHORS + anchor] = 0.26 + 0.7 * random();
  }
  return output;
}

/** Milliseconds from a raw `[1, 84, 8400]` output with 1,370 candidates to the kept boxes: decoding and suppression. */
export function nmsTimes(times: number): number[] {
  const tensor = { type: "float32", dims: [1, 4 + CLASSES, ANCHORS], data: crowdedOutput(1370) } as const;
  const candidates = new Candidates();
  const context = {
    outputs: [tensor],
    image: 0,
    classes: CLASSES,
    score: 0.25,
    wanted: null,
    width: 640,
    height: 640,
    strides: [8, 16, 32],
  };
  return timesOf(times, () => {
    candidates.clear();
    HEADS.yolov8.decode(context, candidates);
    if (candidates.count !== 1370) throw new Error(`${candidates.count} candidates instead of 1370`);
    nms(candidates, { score: 0.25, iou: 0.45, max: 300 });
  });
}

/** Milliseconds from a decoded 1280x720 picture to a `[3, 640, 1152]` f32 tensor. */
export function letterboxTimes(times: number): number[] {
  const random = randomFrom(2);
  const picture = { width: 1280, height: 720, data: Uint8Array.from({ length: 1280 * 720 * 3 }, () => 256 * random()) };
  const letterbox = new Letterbox({ width: 1152, height: 640 }, HEADS.yolov8.preprocess);
  const tensor = new Float32Array(3 * 640 * 1152);
  return timesOf(times, () => letterbox.fill(picture, tensor));
}

function timesOf(times: number, work: () => void): number[] {
  return Array.from({ length: times }, () => {
    const start = performance.now();
    work();
    return performance.now() - start;
  });
}

/** Median of `times` after as many runs that only warm up. */
export const settled = (work: (times: number) => number[], times: number): number =>
  median(work(2 * times).slice(times));
