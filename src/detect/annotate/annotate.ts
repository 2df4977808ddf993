/** Detections drawn on their picture. */
import { loadSharp } from "../../native/sharp.ts";
import type { Box, Detection } from "../detection.ts";
import { lineHeight, textMask, textWidth } from "./label_text.ts";
import type { Picture } from "../letterbox/letterbox.ts";

type Color = readonly [red: number, green: number, blue: number];

/** One colour for each class, then from the start again: 20 hues that differ in lightness from their neighbours. */
const PALETTE: readonly Color[] = [
  "e6194b",
  "3cb44b",
  "ffe119",
  "0082c8",
  "f58231",
  "911eb4",
  "46f0f0",
  "f032e6",
  "d2f53c",
  "fa7d9c",
  "008080",
  "b58cff",
  "aa6e28",
  "ffd9a0",
  "b00020",
  "7dffb2",
  "808000",
  "2337ff",
  "ff9d6b",
  "5c7cba",
].map((hex): Color => [parseInt(hex.slice(0, 2), 16), parseInt(hex.slice(2, 4), 16), parseInt(hex.slice(4), 16)]);

const JPEG_QUALITY = 90;
const FONT_MIN = 6;

/** Sizes for a picture, in pixels: lines of 0.3 % and letters of 1.7 % of its mean side. */
function stylesFor(picture: Picture): { line: number; font: number } {
  const side = (picture.width + picture.height) / 2;
  return { line: Math.max(1, Math.round(side * 0.003)), font: Math.max(11, Math.round(side * 0.017)) };
}

/** Black or white, whichever stands out more (relative luminance of WCAG 2, threshold of equal contrast). */
function textColorOn([red, green, blue]: Color): Color {
  const linear = (v: number) => v <= 10 ? v / 3294.6 : ((v / 255 + 0.055) / 1.055) ** 2.4;
  const luminance = 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  return luminance > 0.179 ? [0, 0, 0] : [255, 255, 255];
}

/**
 * A picture with boxes and labels, stronger detections on top.
 * @param picture is left as it is
 * @returns a JPEG file, quality 90, without chroma subsampling so that thin lines keep their colour
 */
export async function annotatePicture(picture: Picture, detections: readonly Detection[]): Promise<Uint8Array> {
  const sharp = await loadSharp();
  const { width, height } = picture;
  const canvas: Picture = { data: Uint8Array.from(picture.data), width, height };
  drawDetections(canvas, detections);
  return await sharp(canvas.data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: JPEG_QUALITY, chromaSubsampling: "4:4:4" }).toBuffer();
}

/** Draw boxes, then labels, into the picture's own pixels. */
export function drawDetections(canvas: Picture, detections: readonly Detection[]): void {
  const { line, font } = stylesFor(canvas);
  const weakestFirst = detections.toSorted((a, b) => a.score - b.score);
  const colorOf = ({ class_id }: Detection) => PALETTE[class_id % PALETTE.length]!;
  for (const detection of weakestFirst) drawFrame(canvas, detection.box, line, colorOf(detection));
  for (const detection of weakestFirst) {
    const text = `${detection.label} ${detection.score.toFixed(2)}`;
    drawLabel(canvas, detection.box, { text, font, line, color: colorOf(detection) });
  }
}

function fill(canvas: Picture, x1: number, y1: number, x2: number, y2: number, color: Color): void {
  const left = Math.max(0, x1), right = Math.min(canvas.width, x2);
  for (let y = Math.max(0, y1); y < Math.min(canvas.height, y2); y++) {
    for (let at = 3 * (y * canvas.width + left); at < 3 * (y * canvas.width + right); at += 3) {
      canvas.data[at] = color[0];
      canvas.data[at + 1] = color[1];
      canvas.data[at + 2] = color[2];
    }
  }
}

/** Lines lie on the edge of the box, half inside and half outside, pushed into the picture at its border. */
function drawFrame(canvas: Picture, box: Box, line: number, color: Color): void {
  const outside = line >> 1;
  const x1 = clamp(Math.round(box.x1) - outside, 0, canvas.width - line);
  const y1 = clamp(Math.round(box.y1) - outside, 0, canvas.height - line);
  const x2 = clamp(Math.round(box.x2) + outside, x1 + line, canvas.width);
  const y2 = clamp(Math.round(box.y2) + outside, y1 + line, canvas.height);
  fill(canvas, x1, y1, x2, y1 + line, color);
  fill(canvas, x1, y2 - line, x2, y2, color);
  fill(canvas, x1, y1, x1 + line, y2, color);
  fill(canvas, x2 - line, y1, x2, y2, color);
}

const clamp = (value: number, least: number, most: number): number => Math.max(least, Math.min(value, most));

interface Label {
  readonly text: string;
  readonly font: number;
  readonly line: number;
  readonly color: Color;
}

/** The plate stands on the box, or hangs inside it where there is no room above; always within the picture. */
function drawLabel(canvas: Picture, box: Box, label: Label): void {
  const space = canvas.width - 2 * label.line;
  const wide = textWidth(label.text, label.font);
  const font = wide <= space ? label.font : Math.max(FONT_MIN, Math.floor(label.font * space / wide));
  const mask = textMask(label.text, font);
  const width = mask.width + 2 * label.line, height = lineHeight(font);
  const outside = label.line >> 1;
  const left = clamp(Math.round(box.x1) - outside, 0, canvas.width - width);
  const above = Math.round(box.y1) - outside - height;
  const top = clamp(above >= 0 ? above : Math.round(box.y1), 0, canvas.height - height);
  fill(canvas, left, top, left + width, top + height, label.color);
  const ink = textColorOn(label.color);
  for (let y = 0; y < mask.height && top + y < canvas.height; y++) {
    for (let x = 0; x < mask.width && left + label.line + x < canvas.width; x++) {
      const share = mask.data[y * mask.width + x]!;
      if (share === 0) continue;
      const at = 3 * ((top + y) * canvas.width + left + label.line + x);
      for (let c = 0; c < 3; c++) {
        canvas.data[at + c] = Math.round(label.color[c]! + share * (ink[c]! - label.color[c]!));
      }
    }
  }
}
