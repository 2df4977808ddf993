/**
 * Which JPEG files the GPU may decode. Its decoder shows every damage and every colour space as if all were well, so
 * only files of the plain kind go there; all others take the CPU's decoder, which says what is wrong with them. The
 * entropy-coded data are checked by libtrtd (`trtd_jpeg_check`) while the GPU decodes.
 */
import { bytesAt, type ByteView, exifOrientation, u16be, u32be } from "./image_bytes.ts";

/** A JPEG file that the GPU may decode. */
export interface DeviceJpeg {
  /** Pixels, upright as they are stored. */
  readonly width: number;
  readonly height: number;
  /** Bytes up to the end marker: what follows, such as a camera's own notes, is no part of the picture. */
  readonly length: number;
}

const EXIF = 0x45786966;
const JFIF = 0x4a464946;
const ADOBE = 0x41646f62;
/** Sampling factors of luma over chroma of 1 x 1: 4:4:4, 4:2:2, 4:4:0, 4:2:0. */
const LUMA_SAMPLING = [0x11, 0x21, 0x12, 0x22];
const YCBCR = 1;

interface Frame {
  readonly width: number;
  readonly height: number;
  /** Component ids, each with its sampling factors. */
  readonly components: readonly { readonly id: number; readonly sampling: number }[];
}

/**
 * Whether the GPU may decode a JPEG file: baseline, 8 bits, one scan, gray or YCbCr as libjpeg would see it, upright,
 * whole. The number of pixels is the caller's to limit.
 * @returns null for every other file, whatever it is
 */
export function deviceJpeg(bytes: Uint8Array): DeviceJpeg | null {
  const view = bytesAt(bytes);
  if (bytes.length < 4 || u16be(view, 0) !== 0xffd8) return null;
  let frame: Frame | null = null;
  let adobe: number | null = null, jfif = false, restarts = false;
  for (let at = 2; at + 4 <= bytes.length;) {
    const marker = u16be(view, at), length = u16be(view, at + 2);
    const body = at + 4, end = at + 2 + length;
    if (length < 2 || end > bytes.length) return null;
    if (marker === 0xffda) {
      if (frame === null || !isScanOf(frame, view, body, end) || !isYcc(frame, jfif, adobe)) return null;
      const stop = endOfScan(bytes, end, restarts);
      return stop === null ? null : { width: frame.width, height: frame.height, length: stop };
    }
    if (marker === 0xffc0) {
      if (frame !== null) return null;
      frame = frameAt(view, body, end);
      if (frame === null) return null;
    } else if (marker === 0xffdd) {
      restarts = length === 4 && u16be(view, body) > 0;
    } else if (marker === 0xffe0) {
      jfif ||= length >= 7 && u32be(view, body) === JFIF;
    } else if (marker === 0xffe1) {
      if (length >= 8 && u32be(view, body) === EXIF && (exifOrientation(view, body + 6, end) ?? 1) !== 1) return null;
    } else if (marker === 0xffee) {
      if (length >= 14 && u32be(view, body) === ADOBE) adobe = view.getUint8(body + 11);
    } else if (!isHarmless(marker)) return null;
    at = end;
  }
  return null;
}

/** Huffman and quantization tables, application data, comments. */
const isHarmless = (marker: number): boolean =>
  marker === 0xffc4 || marker === 0xffdb || marker === 0xfffe || (marker >= 0xffe0 && marker <= 0xffef);

function frameAt(view: ByteView, from: number, to: number): Frame | null {
  if (to - from < 6 || view.getUint8(from) !== 8) return null;
  const height = u16be(view, from + 1), width = u16be(view, from + 3), count = view.getUint8(from + 5);
  if (width < 1 || height < 1 || (count !== 1 && count !== 3) || to - from !== 6 + 3 * count) return null;
  const components = Array.from({ length: count }, (_, i) => {
    const at = from + 6 + 3 * i;
    return { id: view.getUint8(at), sampling: view.getUint8(at + 1) };
  });
  const [luma, ...chroma] = components.map(({ sampling }) => sampling);
  const sampled = count === 1 ? luma === 0x11 : LUMA_SAMPLING.includes(luma!) && chroma.every((s) => s === 0x11);
  return sampled ? { width, height, components } : null;
}

/** Whether the scan has all components, in their order. */
function isScanOf({ components }: Frame, view: ByteView, from: number, to: number): boolean {
  const count = components.length;
  if (to - from !== 4 + 2 * count || view.getUint8(from) !== count) return false;
  return components.every(({ id }, i) => view.getUint8(from + 1 + 2 * i) === id);
}

/** What libjpeg takes for gray or YCbCr without having to guess. */
function isYcc({ components }: Frame, jfif: boolean, adobe: number | null): boolean {
  if (components.length === 1) return true;
  if (adobe !== null) return adobe === YCBCR;
  return jfif || components.every(({ id }, i) => id === i + 1);
}

/** End of the file's end marker, null when another marker comes first or none. */
function endOfScan(bytes: Uint8Array, from: number, restarts: boolean): number | null {
  for (let at = bytes.indexOf(0xff, from); at >= 0 && at + 1 < bytes.length; at = bytes.indexOf(0xff, at + 2)) {
    const next = bytes[at + 1]!;
    if (next === 0xd9) return at + 2;
    if (next !== 0 && !(restarts && next >= 0xd0 && next <= 0xd7)) return null;
  }
  return null;
}
