/** Pictures that a script in another language can make too. */
import type { Picture } from "../../src/detect/letterbox/letterbox.ts";

/** Noise: every byte is a hash of its index and the seed (scripts/record_letterbox.py has the same function). */
export function seededPicture(seed: number, width: number, height: number): Picture {
  const data = new Uint8Array(3 * width * height);
  for (let i = 0; i < data.length; i++) {
    let v = (Math.imul(i, 2654435761) + Math.imul(seed, 40503)) >>> 0;
    v ^= v >>> 15;
    v = Math.imul(v, 2246822519) >>> 0;
    v ^= v >>> 13;
    data[i] = v >>> 24;
  }
  return { data, width, height };
}

/** Smooth colours with a white square in the top left corner, so that each corner differs. */
export function smoothPicture(width: number, height: number): Picture {
  const data = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const white = x < width / 4 && y < height / 4;
      const color = white ? [255, 255, 255] : [40 + 180 * x / width, 40 + 180 * y / height, 120 - 60 * x / width];
      data.set(color.map(Math.round), 3 * (y * width + x));
    }
  }
  return { data, width, height };
}
