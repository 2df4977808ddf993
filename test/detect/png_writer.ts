/** A small PNG writer (W3C PNG, third edition) for every colour type and depth, and for broken files. */
import { crc32, deflateSync } from "node:zlib";
import { concat } from "./jpeg_writer.ts";

export interface PngOptions {
  readonly width: number;
  readonly height: number;
  /** 0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGBA. */
  readonly colorType: 0 | 2 | 3 | 4 | 6;
  /** Bits a sample. */
  readonly depth: 1 | 2 | 4 | 8 | 16;
  /** Rows without filter bytes; each row begins on a byte. */
  readonly rows: Uint8Array;
  /** Further chunks before IDAT. */
  readonly chunks?: readonly Uint8Array[];
}

export const PNG_MAGIC = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** Length, type, data and CRC. */
export function chunk(type: string, data: ArrayLike<number>): Uint8Array {
  const body = concat([new TextEncoder().encode(type), data]);
  const out = concat([new Uint8Array(4), body, new Uint8Array(4)]);
  const view = new DataView(out.buffer);
  view.setUint32(0, data.length);
  view.setUint32(out.length - 4, crc32(body));
  return out;
}

export function ihdr(width: number, height: number, depth: number, colorType: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(13));
  view.setUint32(0, width);
  view.setUint32(4, height);
  view.setUint8(8, depth);
  view.setUint8(9, colorType);
  return chunk("IHDR", new Uint8Array(view.buffer));
}

export function png({ width, height, colorType, depth, rows, chunks = [] }: PngOptions): Uint8Array<ArrayBuffer> {
  const bytes = rows.length / height;
  const filtered = new Uint8Array((bytes + 1) * height);
  for (let y = 0; y < height; y++) filtered.set(rows.subarray(y * bytes, (y + 1) * bytes), y * (bytes + 1) + 1);
  return concat([
    PNG_MAGIC,
    ihdr(width, height, depth, colorType),
    ...chunks,
    chunk("IDAT", deflateSync(filtered)),
    chunk("IEND", []),
  ]);
}
