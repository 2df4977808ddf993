/**
 * Letterbox as Ultralytics' predictor does it: `LetterBox` with auto=False, scaleup=True, center=True, padding 114 and
 * `cv2.resize` INTER_LINEAR on 8-bit pixels; also YOLOX's (at the top left) and plain stretching.
 */
import type { Preprocess } from "../heads/heads.ts";
import type { Box } from "../detection.ts";
import { f16BitsFromUnsigned } from "./half.ts";
import { LinearResize } from "./linear_resize.ts";
import { roundHalfEven } from "./rounding.ts";

/** Upright picture, `[height, width, 3]` RGB u8. */
export interface Picture {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Where a picture lies in the model's input, in pixels of the input. */
export interface Placement {
  readonly source: Size;
  readonly left: number;
  readonly top: number;
  /** Size of the scaled picture, at least 1x1. */
  readonly width: number;
  readonly height: number;
  /** Input pixels for one picture pixel. */
  readonly scaleX: number;
  readonly scaleY: number;
}

/** Grey around the picture (Ultralytics data/augment.py, YOLOX data_augment.py). */
export const PADDING = 114;

/**
 * Where a picture of size `source` goes in an input of size `target`. A side that Ultralytics would round to 0 (and
 * fail on) becomes 1.
 */
export function placementOf(source: Size, target: Size, fit: Preprocess["fit"]): Placement {
  if (fit === "stretch") {
    const scaleX = target.width / source.width, scaleY = target.height / source.height;
    return { source, left: 0, top: 0, width: target.width, height: target.height, scaleX, scaleY };
  }
  const scale = Math.min(target.height / source.height, target.width / source.width);
  const round = fit === "center" ? roundHalfEven : Math.trunc;
  const width = Math.max(1, round(source.width * scale)), height = Math.max(1, round(source.height * scale));
  const left = fit === "center" ? roundHalfEven((target.width - width) / 2 - 0.1) : 0;
  const top = fit === "center" ? roundHalfEven((target.height - height) / 2 - 0.1) : 0;
  return { source, left, top, width, height, scaleX: scale, scaleY: scale };
}

/**
 * A box of the model's input, `x1, y1, x2, y2`, on the picture: corners in order, clipped to `0..width, 0..height`.
 * @returns null when a coordinate is NaN or nothing of the box lies on the picture
 */
export function boxOnPicture(corners: ArrayLike<number>, at: number, placement: Placement): Box | null {
  const { source, left, top, scaleX, scaleY } = placement;
  const xa = (corners[at]! - left) / scaleX, xb = (corners[at + 2]! - left) / scaleX;
  const ya = (corners[at + 1]! - top) / scaleY, yb = (corners[at + 3]! - top) / scaleY;
  const clip = (value: number, most: number) => Math.min(Math.max(value, 0), most);
  const x1 = clip(Math.min(xa, xb), source.width), x2 = clip(Math.max(xa, xb), source.width);
  const y1 = clip(Math.min(ya, yb), source.height), y2 = clip(Math.max(ya, yb), source.height);
  return x2 > x1 && y2 > y1 ? { x1, y1, x2, y2 } : null;
}

type Values = Float32Array | Uint16Array;

/** Fills input tensors; keeps the tables of the last picture size. One call at a time. */
export class Letterbox {
  /** Size of the model's input in pixels. */
  readonly target: Size;
  readonly #preprocess: Preprocess;
  readonly #valuesF32: Float32Array;
  #valuesF16: Uint16Array | undefined;
  #placement: Placement | undefined;
  #resize: LinearResize | undefined;

  constructor(target: Size, preprocess: Preprocess) {
    this.target = target;
    this.#preprocess = preprocess;
    this.#valuesF32 = Float32Array.from({ length: 256 }, (_, v) => preprocess.range === 1 ? v / 255 : v);
  }

  /**
   * Write one picture as `[3, height, width]` at element `offset` of `out`.
   * @param out f32, or f16 as its bits; range and channel order are the head's
   * @returns where the picture lies, for {@link boxOnPicture}
   */
  fill(picture: Picture, out: Values, offset = 0): Placement {
    const placement = this.#place(picture);
    const values = out instanceof Float32Array ? this.#valuesF32 : this.#halfValues();
    this.#scale(picture, placement, out, offset, values);
    this.#pad(placement, out, offset, values[PADDING]!);
    return placement;
  }

  #place(source: Size): Placement {
    const last = this.#placement?.source;
    if (last === undefined || last.width !== source.width || last.height !== source.height) {
      const size = { width: source.width, height: source.height };
      this.#placement = placementOf(size, this.target, this.#preprocess.fit);
    }
    return this.#placement!;
  }

  #halfValues(): Uint16Array {
    return this.#valuesF16 ??= Uint16Array.from(this.#valuesF32, f16BitsFromUnsigned);
  }

  /** First elements of the red, green and blue planes. */
  #planes(offset: number): [number, number, number] {
    const size = this.target.width * this.target.height;
    const [red, blue] = this.#preprocess.order === "rgb" ? [0, 2] : [2, 0];
    return [offset + red * size, offset + size, offset + blue * size];
  }

  #pad(placement: Placement, out: Values, offset: number, value: number): void {
    const { width, height } = this.target;
    const right = placement.left + placement.width, bottom = placement.top + placement.height;
    for (const plane of this.#planes(offset)) {
      out.fill(value, plane, plane + placement.top * width);
      out.fill(value, plane + bottom * width, plane + height * width);
      if (placement.left === 0 && right === width) continue;
      for (let row = plane + placement.top * width; row < plane + bottom * width; row += width) {
        out.fill(value, row, row + placement.left);
        out.fill(value, row + right, row + width);
      }
    }
  }

  #scale(picture: Picture, placement: Placement, out: Values, offset: number, values: Values): void {
    const resize = this.#resize ??= new LinearResize();
    const stride = this.target.width;
    const half = !(out instanceof Float32Array);
    const planes = this.#planes(offset);
    const bands = resize.bands(picture.data, {
      sourceWidth: picture.width,
      sourceHeight: picture.height,
      width: placement.width,
      height: placement.height,
      stride,
      left: placement.left,
      range: half ? 255 : this.#preprocess.range,
    });
    for (const { from, colors } of bands) {
      const at = (placement.top + from) * stride;
      for (let c = 0; c < 3; c++) {
        const color = colors[c]!, to = planes[c]! + at;
        if (!half) out.set(color, to);
        else for (let i = 0; i < color.length; i++) out[to + i] = values[color[i]!]!;
      }
    }
  }
}
