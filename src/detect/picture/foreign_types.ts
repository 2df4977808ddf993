/** Files that people send instead of pictures, by their first bytes: data. */
import { startsWith } from "./image_bytes.ts";

const ascii = (text: string): number[] => Array.from(text, (c) => c.charCodeAt(0));
const any = (n: number): null[] => new Array<null>(n).fill(null);
/** ISO base media: `ftyp` and the major brand behind a size of four bytes. */
const brand = (name: string) => [...any(4), ...ascii(`ftyp${name}`)];

interface ForeignType {
  readonly name: string;
  readonly magic: readonly (readonly (number | null)[])[];
  /** Where the bytes are defined. */
  readonly source: string;
}

/** The first row that fits names the file. */
export const FOREIGN_TYPES: readonly ForeignType[] = [
  { name: "GIF", magic: [ascii("GIF87a"), ascii("GIF89a")], source: "GIF89a specification, 17" },
  {
    name: "TIFF",
    magic: [[0x49, 0x49, 42, 0], [0x4d, 0x4d, 0, 42], [0x49, 0x49, 43, 0], [0x4d, 0x4d, 0, 43]],
    source: "TIFF 6.0, section 2; BigTIFF",
  },
  { name: "BMP", magic: [ascii("BM")], source: "BITMAPFILEHEADER of the Windows API" },
  { name: "AVIF", magic: [brand("avif"), brand("avis")], source: "AVIF specification, 6" },
  {
    name: "HEIF",
    magic: ["heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1"].map(brand),
    source: "ISO/IEC 23008-12, brands",
  },
  { name: "MP4 or another video", magic: [[...any(4), ...ascii("ftyp")]], source: "ISO/IEC 14496-12, 4.3" },
  {
    name: "JPEG XL",
    magic: [[0xff, 0x0a], [0, 0, 0, 12, ...ascii("JXL ")]],
    source: "ISO/IEC 18181-2",
  },
  {
    name: "JPEG 2000",
    magic: [[0, 0, 0, 12, ...ascii("jP  ")], [0xff, 0x4f, 0xff, 0x51]],
    source: "ISO/IEC 15444-1, annexes A and I",
  },
  { name: "PDF", magic: [ascii("%PDF")], source: "ISO 32000-1, 7.5.2" },
  { name: "Matroska or WebM", magic: [[0x1a, 0x45, 0xdf, 0xa3]], source: "RFC 8794, EBML header" },
  { name: "an icon (ICO)", magic: [[0, 0, 1, 0], [0, 0, 2, 0]], source: "ICONDIR of the Windows API" },
  { name: "a Photoshop file", magic: [ascii("8BPS")], source: "Adobe Photoshop File Formats Specification" },
  { name: "a Radiance picture", magic: [ascii("#?RADIANCE"), ascii("#?RGBE")], source: "Radiance file formats" },
  { name: "OpenEXR", magic: [[0x76, 0x2f, 0x31, 0x01]], source: "OpenEXR file layout" },
  { name: "a ZIP archive", magic: [[0x50, 0x4b, 3, 4]], source: "APPNOTE.TXT, 4.3.7" },
  { name: "gzip data", magic: [[0x1f, 0x8b]], source: "RFC 1952, 2.3.1" },
  { name: "another RIFF file (AVI, WAV)", magic: [ascii("RIFF")], source: "RIFF of the Windows API" },
];

/** Most bytes of a text that are searched for its first tag. */
const TEXT_BYTES = 4096;

/** What the file is, for a sentence; null when it is nothing known. */
export function nameOfForeignType(bytes: Uint8Array): string | null {
  const row = FOREIGN_TYPES.find(({ magic }) => magic.some((bytesWanted) => startsWith(bytes, bytesWanted)));
  if (row !== undefined) return row.name;
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, TEXT_BYTES)).replace(/^\xef\xbb\xbf/, "").trimStart();
  if (!text.startsWith("<")) return null;
  if (/<svg[\s>]/i.test(text)) return "SVG";
  return /<html[\s>]|<!doctype html/i.test(text) ? "HTML" : "XML";
}
