/** Text as coverage masks, from bundled outlines: no font of the system is needed. */
import { ASCENT, DESCENT, GLYPHS, UNITS_PER_EM } from "./label_font.ts";

/** How much of each pixel is ink, 0..1, row by row. */
export interface Mask {
  readonly data: Float32Array;
  readonly width: number;
  readonly height: number;
}

interface Glyph {
  readonly advance: number;
  readonly contours: string;
}

/** What stands for a character without an outline. */
const MISSING = 0xfffd;
/** Straight pieces of a curve: at label sizes more cannot be seen. */
const CURVE_STEPS = 5;

let glyphs: Map<number, Glyph> | undefined;

function glyphOf(codePoint: number): Glyph {
  glyphs ??= new Map(GLYPHS.map((line) => {
    const [code, advance, ...contours] = line.split(" ");
    return [parseInt(code!, 16), { advance: Number(advance), contours: contours.join(" ") }];
  }));
  return glyphs.get(codePoint) ?? glyphs.get(MISSING)!;
}

/** Pixels from the top of a line to its bottom. */
export const lineHeight = (size: number): number => Math.ceil((ASCENT + DESCENT) * size / UNITS_PER_EM);

/** Pixels that a text is wide. */
export function textWidth(text: string, size: number): number {
  let units = 0;
  for (const char of text) units += glyphOf(char.codePointAt(0)!).advance;
  return Math.ceil(units * size / UNITS_PER_EM);
}

/** A line of text, `size` pixels an em; as wide as {@link textWidth}, as high as {@link lineHeight}. */
export function textMask(text: string, size: number): Mask {
  const width = textWidth(text, size), height = lineHeight(size), scale = size / UNITS_PER_EM;
  const area = new AreaBuffer(width, height);
  let pen = 0;
  for (const char of text) {
    const glyph = glyphOf(char.codePointAt(0)!);
    drawContours(glyph.contours, area, { x: pen * scale, y: ASCENT * scale, scale });
    pen += glyph.advance;
  }
  return { data: area.coverage(), width, height };
}

interface Origin {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
}

function drawContours(contours: string, area: AreaBuffer, origin: Origin): void {
  let x = 0, y = 0, startX = 0, startY = 0;
  const lineTo = (toX: number, toY: number) => {
    const { scale } = origin;
    area.line(origin.x + x * scale, origin.y - y * scale, origin.x + toX * scale, origin.y - toY * scale);
    x = toX, y = toY;
  };
  for (const [, command, numbers] of contours.matchAll(/([mlq])([-\d ]+)/g)) {
    const [a, b, c, d] = numbers!.split(" ").map(Number) as [number, number, number?, number?];
    if (command === "m") {
      const nextX = x + a, nextY = y + b;
      lineTo(startX, startY);
      x = startX = nextX, y = startY = nextY;
    } else if (command === "l") lineTo(x + a, y + b);
    else {
      const fromX = x, fromY = y, midX = x + a, midY = y + b, endX = x + c!, endY = y + d!;
      for (let step = 1; step <= CURVE_STEPS; step++) {
        const t = step / CURVE_STEPS, u = 1 - t;
        lineTo(u * u * fromX + 2 * u * t * midX + t * t * endX, u * u * fromY + 2 * u * t * midY + t * t * endY);
      }
    }
  }
  lineTo(startX, startY);
}

/**
 * Exact area under directed lines: every line adds to each pixel the signed area to the right of it, as differences
 * along the row; a running sum is the coverage.
 */
class AreaBuffer {
  readonly #width: number;
  readonly #height: number;
  readonly #deltas: Float32Array;

  constructor(width: number, height: number) {
    this.#width = width;
    this.#height = height;
    this.#deltas = new Float32Array((width + 2) * height);
  }

  line(x0: number, y0: number, x1: number, y1: number): void {
    if (y0 === y1) return;
    const sign = y0 < y1 ? 1 : -1;
    const [topX, topY, bottomX, bottomY] = y0 < y1 ? [x0, y0, x1, y1] : [x1, y1, x0, y0];
    const slope = (bottomX - topX) / (bottomY - topY);
    const first = Math.max(0, Math.floor(topY)), last = Math.min(this.#height, Math.ceil(bottomY));
    for (let row = first; row < last; row++) {
      const from = Math.max(topY, row), to = Math.min(bottomY, row + 1);
      if (to <= from) continue;
      this.#span(row, topX + (from - topY) * slope, topX + (to - topY) * slope, sign * (to - from));
    }
  }

  /** A piece within one row from `xa` to `xb` that covers `dy` of the row's height. */
  #span(row: number, xa: number, xb: number, dy: number): void {
    const clamp = (x: number) => Math.min(Math.max(x, 0), this.#width);
    const left = clamp(Math.min(xa, xb)), right = clamp(Math.max(xa, xb));
    const at = row * (this.#width + 2);
    const first = Math.floor(left), end = Math.max(first + 1, Math.ceil(right));
    for (let column = first; column < end; column++) {
      const l = Math.max(left, column), r = Math.min(right, column + 1);
      const share = right > left ? dy * (r - l) / (right - left) : dy;
      // Of the pixel itself, what lies right of the middle of the piece; of all further ones, everything.
      const inside = share * (column + 1 - (l + r) / 2);
      this.#deltas[at + column]! += inside;
      this.#deltas[at + column + 1]! += share - inside;
    }
  }

  coverage(): Float32Array {
    const out = new Float32Array(this.#width * this.#height);
    for (let row = 0; row < this.#height; row++) {
      let sum = 0;
      for (let column = 0; column < this.#width; column++) {
        sum += this.#deltas[row * (this.#width + 2) + column]!;
        out[row * this.#width + column] = Math.min(1, Math.abs(sum));
      }
    }
    return out;
  }
}
