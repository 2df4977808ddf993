/** PNG files of one colour, of any size. */
import { crc32, deflateSync } from "node:zlib";

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
/** IHDR after width and height: 8 bits, RGB, deflate, filters by row, not interlaced. */
const RGB = [8, 2, 0, 0, 0];

/** @param colour red, green and blue, 0 to 255 */
export function colourPicture(
  colour: readonly [number, number, number],
  width: number,
  height: number,
): Uint8Array<ArrayBuffer> {
  const row = new Uint8Array(1 + 3 * width);
  for (let x = 0; x < width; x++) row.set(colour, 1 + 3 * x);
  const rows = new Uint8Array(row.length * height);
  for (let y = 0; y < height; y++) rows.set(row, y * row.length);
  const header = new Uint8Array(13);
  new DataView(header.buffer).setUint32(0, width);
  new DataView(header.buffer).setUint32(4, height);
  header.set(RGB, 8);
  const chunks = [
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(rows, { level: 1 })),
    chunk("IEND", new Uint8Array()),
  ];
  return joined([SIGNATURE, ...chunks]);
}

function chunk(type: string, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const typed = joined([new TextEncoder().encode(type), data]);
  return joined([bigEndian(data.length), typed, bigEndian(crc32(typed))]);
}

function bigEndian(number: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
