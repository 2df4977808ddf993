/** The bundled photos and the boxes that the default model is known to find in them. */
import { basename, join, resolve } from "node:path";
import type { Box, Detection } from "../../src/detect/detection.ts";

export const PHOTO_FOLDER = resolve(import.meta.dirname!, "../../models/codes/photos");
export const RECORD = join(import.meta.dirname!, "boxes.json");

/** File name of a photo -> its detections at the model's own thresholds, boxes rounded to 0.1 pixel. */
export type Record = { [photo: string]: Pick<Detection, "label" | "score" | "box">[] };

export function photoPaths(): string[] {
  return [...Deno.readDirSync(PHOTO_FOLDER)].map(({ name }) => name).filter((name) => name.endsWith(".jpg")).sort()
    .map((name) => join(PHOTO_FOLDER, name));
}

export function readRecord(): Record {
  return JSON.parse(Deno.readTextFileSync(RECORD));
}

export const recordName = (path: string): string => basename(path);

export function iou(a: Box, b: Box): number {
  const width = Math.min(a.x2, b.x2) - Math.max(a.x1, b.x1), height = Math.min(a.y2, b.y2) - Math.max(a.y1, b.y1);
  const inter = Math.max(0, width) * Math.max(0, height);
  return inter / ((a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - inter);
}
