/**
 * What a picture file says about itself, read without decoding: type by magic bytes, size, EXIF orientation. Nothing is
 * read past the end of the bytes.
 */
import { TrtdError } from "../../errors.ts";
import {
  bytesAt,
  type ByteView,
  exifOrientation,
  startsWith,
  u16be,
  u16le,
  u24le,
  u32be,
  u32le,
} from "./image_bytes.ts";
import { nameOfForeignType } from "./foreign_types.ts";

export type ImageType = "jpeg" | "png" | "webp";

/** EXIF orientation: 1 is upright, 5 to 8 swap width and height. */
export type Orientation = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

export interface ImageHeader {
  readonly type: ImageType;
  /** Pixels as stored, before the orientation is applied. */
  readonly width: number;
  readonly height: number;
  readonly orientation: Orientation;
  /** Scans of a progressive JPEG, each of which costs a pass over all pixels; 1 for everything else. */
  readonly scans: number;
}

/** Most pixels a side: JPEG's limit, and sharp's. */
export const SIDE_MAX = 65535;

const MAGIC: readonly (readonly [ImageType, readonly number[]])[] = [
  ["jpeg", [0xff, 0xd8, 0xff]],
  ["png", [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]],
  ["webp", [0x52, 0x49, 0x46, 0x46]],
];

/**
 * Type, size and orientation of a picture.
 * @throws {TrtdError} `IMAGE_EMPTY`; `IMAGE_TYPE_UNSUPPORTED` with the name of the type; `IMAGE_CORRUPT` when the header is broken or cut short; `IMAGE_DIMENSIONS_INVALID` when a side is 0 or over 65,535
 */
export function readImageHeader(bytes: Uint8Array): ImageHeader {
  if (bytes.length === 0) throw new TrtdError("IMAGE_EMPTY", "The picture has 0 bytes");
  const type = imageTypeOf(bytes);
  const view = bytesAt(bytes);
  const header = type === "jpeg" ? readJpeg(view) : type === "png" ? readPng(view) : readWebp(view);
  const { width, height } = header;
  if (width < 1 || height < 1 || width > SIDE_MAX || height > SIDE_MAX) {
    throw new TrtdError("IMAGE_DIMENSIONS_INVALID", `The picture's header says ${width} x ${height} pixels`);
  }
  return header;
}

function imageTypeOf(bytes: Uint8Array): ImageType {
  for (const [type, magic] of MAGIC) {
    const short = bytes.length < magic.length;
    if (!startsWith(bytes, short ? magic.slice(0, bytes.length) : magic)) continue;
    if (short) throw cut(type);
    if (type !== "webp") return type;
    if (bytes.length < 12) throw cut(type);
    if (startsWith(bytes.subarray(8), [0x57, 0x45, 0x42, 0x50])) return type;
  }
  const name = nameOfForeignType(bytes);
  throw new TrtdError(
    "IMAGE_TYPE_UNSUPPORTED",
    name === null ? "The bytes are of no known picture type" : `The file is ${name}, not JPEG, PNG or WebP`,
  );
}

const cut = (type: ImageType): TrtdError =>
  new TrtdError("IMAGE_CORRUPT", `The ${type} picture ends within its header`);

const broken = (type: ImageType, what: string): TrtdError =>
  new TrtdError("IMAGE_CORRUPT", `The ${type} picture is damaged: ${what}`);

function readJpeg(view: ByteView): ImageHeader {
  let orientation: Orientation | null = null;
  let frame: { width: number; height: number; progressive: boolean } | null = null;
  let at = 2;
  for (;;) {
    if (at + 2 > view.byteLength) throw cut("jpeg");
    if (view.getUint8(at) !== 0xff) throw broken("jpeg", "a marker is missing");
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    at += 2;
    if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) continue;
    if (marker === 0xd9) throw broken("jpeg", "it ends before the picture begins");
    if (at + 2 > view.byteLength) throw cut("jpeg");
    const length = u16be(view, at);
    if (length < 2) throw broken("jpeg", "a segment has an impossible length");
    if (at + length > view.byteLength) throw cut("jpeg");
    if (marker === 0xda) break;
    // Start of frame: C0 to CF without DHT (C4), JPG (C8) and DAC (CC).
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      if (length < 8) throw broken("jpeg", "the frame header is too short");
      if (frame !== null) throw broken("jpeg", "it has two frame headers");
      frame = { height: u16be(view, at + 3), width: u16be(view, at + 5), progressive: (marker & 3) === 2 };
    }
    if (marker === 0xe1 && length >= 8 && u32be(view, at + 2) === 0x45786966) {
      orientation ??= exifOrientation(view, at + 8, at + length);
    }
    at += length;
  }
  if (frame === null) throw broken("jpeg", "it has no frame header");
  const { width, height, progressive } = frame;
  return { type: "jpeg", width, height, orientation: orientation ?? 1, scans: progressive ? countScans(view, at) : 1 };
}

/** Start-of-scan markers from `at`; inside entropy-coded data FF is always followed by 0 or a restart marker. */
function countScans(view: ByteView, at: number): number {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  let scans = 1;
  for (let i = bytes.indexOf(0xff, at); i >= 0 && i + 1 < bytes.length; i = bytes.indexOf(0xff, i + 1)) {
    if (bytes[i + 1] === 0xda) scans++;
  }
  return scans;
}

function readPng(view: ByteView): ImageHeader {
  if (view.byteLength < 33) throw cut("png");
  if (u32be(view, 8) !== 13 || u32be(view, 12) !== 0x49484452) throw broken("png", "it does not begin with IHDR");
  let orientation: Orientation | null = null;
  for (let at = 33; at + 12 <= view.byteLength && orientation === null;) {
    const length = u32be(view, at), type = u32be(view, at + 4);
    const end = at + 8 + length;
    if (end > view.byteLength || type === 0x49454e44) break;
    if (type === 0x65584966) orientation = exifOrientation(view, at + 8, end);
    at = end + 4;
  }
  return { type: "png", width: u32be(view, 16), height: u32be(view, 20), orientation: orientation ?? 1, scans: 1 };
}

function readWebp(view: ByteView): ImageHeader {
  if (view.byteLength < 30) throw cut("webp");
  const kind = u32be(view, 12);
  let size: { width: number; height: number };
  if (kind === 0x56503820) {
    if ((view.getUint8(20) & 1) !== 0 || (u24le(view, 23)) !== 0x2a019d) throw broken("webp", "VP8 has no key frame");
    size = { width: u16le(view, 26) & 0x3fff, height: u16le(view, 28) & 0x3fff };
  } else if (kind === 0x5650384c) {
    if (view.getUint8(20) !== 0x2f) throw broken("webp", "VP8L has no signature");
    const bits = u32le(view, 21);
    size = { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
  } else if (kind === 0x56503858) {
    size = { width: u24le(view, 24) + 1, height: u24le(view, 27) + 1 };
  } else throw broken("webp", "its first chunk is none of VP8, VP8L and VP8X");
  let orientation: Orientation | null = null;
  for (let at = 12; at + 8 <= view.byteLength && orientation === null;) {
    const length = u32le(view, at + 4), end = at + 8 + length;
    if (end > view.byteLength) break;
    if (u32be(view, at) === 0x45584946) {
      const prefixed = length >= 6 && u32be(view, at + 8) === 0x45786966;
      orientation = exifOrientation(view, at + (prefixed ? 14 : 8), end);
    }
    at = end + (length & 1);
  }
  return { type: "webp", ...size, orientation: orientation ?? 1, scans: 1 };
}
