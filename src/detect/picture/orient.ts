/** EXIF orientation applied to pixels. */
import type { Orientation } from "./image_header.ts";
import type { Picture } from "../letterbox/letterbox.ts";

/**
 * How the upright picture is read from the stored one (EXIF 2.32, tag 0112): whether rows and columns are swapped, and
 * then whether columns and rows of the stored picture run backwards.
 */
const READ: Readonly<Record<Orientation, readonly [swap: boolean, flipX: boolean, flipY: boolean]>> = {
  1: [false, false, false],
  2: [false, true, false],
  3: [false, true, true],
  4: [false, false, true],
  5: [true, false, false],
  6: [true, false, true],
  7: [true, true, true],
  8: [true, true, false],
};

/** Square of pixels that is turned at once, so that both sides stay in the cache. */
const TILE = 32;

/** The picture as it is to be looked at; the same object when it is upright already. */
export function upright(picture: Picture, orientation: Orientation): Picture {
  if (orientation === 1) return picture;
  const [swap, flipX, flipY] = READ[orientation];
  const { data, width: storedWidth, height: storedHeight } = picture;
  const width = swap ? storedHeight : storedWidth, height = swap ? storedWidth : storedHeight;
  const out = new Uint8Array(3 * width * height);
  // Source step in bytes for one step right and one step down in the upright picture.
  const stepX = 3 * (flipX ? -1 : 1), stepY = 3 * storedWidth * (flipY ? -1 : 1);
  const start = 3 * ((flipY ? storedHeight - 1 : 0) * storedWidth + (flipX ? storedWidth - 1 : 0));
  const [right, down] = swap ? [stepY, stepX] : [stepX, stepY];
  for (let top = 0; top < height; top += TILE) {
    for (let left = 0; left < width; left += TILE) {
      const bottom = Math.min(top + TILE, height), end = Math.min(left + TILE, width);
      for (let y = top; y < bottom; y++) {
        let from = start + y * down + left * right;
        for (let to = 3 * (y * width + left); to < 3 * (y * width + end); to += 3, from += right) {
          out[to] = data[from]!;
          out[to + 1] = data[from + 1]!;
          out[to + 2] = data[from + 2]!;
        }
      }
    }
  }
  return { data: out, width, height };
}
