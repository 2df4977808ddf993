/** Numbers in picture files, and the one EXIF field that matters. Callers check bounds, except where said. */
import type { Orientation } from "./image_header.ts";

export type ByteView = DataView<ArrayBufferLike>;

export const bytesAt = (bytes: Uint8Array): ByteView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export const u16be = (view: ByteView, at: number): number => view.getUint16(at, false);
export const u16le = (view: ByteView, at: number): number => view.getUint16(at, true);
export const u24le = (view: ByteView, at: number): number => view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
export const u32be = (view: ByteView, at: number): number => view.getUint32(at, false);
export const u32le = (view: ByteView, at: number): number => view.getUint32(at, true);

/** Whether `bytes` begin with `magic`; a null stands for any byte. Reads no further than the bytes go. */
export function startsWith(bytes: Uint8Array, magic: readonly (number | null)[]): boolean {
  return bytes.length >= magic.length && magic.every((byte, i) => byte === null || bytes[i] === byte);
}

const ORIENTATION_TAG = 0x0112;
const SHORT = 3;

/**
 * Orientation in an EXIF block, which is a TIFF file without pixels (EXIF 2.32, 4.6.2). Checks all bounds.
 * @param from first byte of the TIFF header
 * @param to end of the block
 * @returns null when there is none, it is out of 1..8, or the block is broken
 */
export function exifOrientation(view: ByteView, from: number, to: number): Orientation | null {
  const end = Math.min(to, view.byteLength);
  if (from + 8 > end) return null;
  const order = u16be(view, from);
  if (order !== 0x4949 && order !== 0x4d4d) return null;
  const little = order === 0x4949;
  if (view.getUint16(from + 2, little) !== 42) return null;
  const ifd = from + view.getUint32(from + 4, little);
  if (ifd + 2 > end) return null;
  const count = view.getUint16(ifd, little);
  for (let i = 0; i < count; i++) {
    const at = ifd + 2 + 12 * i;
    if (at + 12 > end) return null;
    if (view.getUint16(at, little) !== ORIENTATION_TAG) continue;
    const value = view.getUint16(at + 8, little);
    const fits = view.getUint16(at + 2, little) === SHORT && view.getUint32(at + 4, little) === 1;
    return fits && value >= 1 && value <= 8 ? value as Orientation : null;
  }
  return null;
}
