/** Files that people take for ONNX models, by their first bytes. */

interface ForeignFormat {
  /** Bytes that the file starts with, after `offset`. */
  readonly magic: string;
  /** @default 0 */
  readonly offset?: number;
  /** Completes the sentence "The file is ...". */
  readonly what: string;
  readonly source: string;
}

/** Magic numbers; a character is a byte. */
export const FOREIGN_FORMATS: readonly ForeignFormat[] = [
  { magic: "ftrt", what: "a TensorRT engine (plan)", source: "first bytes of plans of TensorRT 8.6 to 11" },
  { magic: "vtrt", what: "a TensorRT-RTX engine (plan)", source: "first bytes of plans of TensorRT-RTX 1.3 to 1.7" },
  { magic: "PK\x03\x04", what: "a zip archive (perhaps a PyTorch .pt checkpoint)", source: "APPNOTE.TXT 4.3.7" },
  { magic: "\x80\x02", what: "a Python pickle (perhaps an old .pt checkpoint)", source: "pickle protocol 2" },
  { magic: "\x80\x03", what: "a Python pickle", source: "pickle protocol 3" },
  { magic: "\x80\x04", what: "a Python pickle", source: "pickle protocol 4" },
  { magic: "\x80\x05", what: "a Python pickle", source: "pickle protocol 5" },
  { magic: "TFL3", offset: 4, what: "a TensorFlow Lite model", source: "TensorFlow Lite schema, file_identifier" },
  { magic: "ORTM", offset: 4, what: "a model in ONNX Runtime's own format (.ort)", source: "ort.fbs, file_identifier" },
  { magic: "\x89HDF", what: "an HDF5 file (perhaps a Keras model)", source: "HDF5 format, superblock signature" },
  { magic: "GGUF", what: "a GGUF model", source: "ggml docs/gguf.md" },
  { magic: '{"', offset: 8, what: "a safetensors file", source: "safetensors format: length, then JSON" },
  { magic: '{"', offset: 4, what: "an engine with Ultralytics' JSON before it", source: "ultralytics engine export" },
  { magic: "\x1f\x8b", what: "a gzip archive", source: "RFC 1952 2.3.1" },
  { magic: "7z\xbc\xaf", what: "a 7-Zip archive", source: "7zFormat.txt" },
  { magic: "\x7fELF", what: "a program or library", source: "System V ABI, ELF header" },
  { magic: "\xff\xd8\xff", what: "a JPEG picture", source: "ITU T.81" },
  { magic: "\x89PNG", what: "a PNG picture", source: "RFC 2083" },
  { magic: "version https://git-lfs", what: 'a Git LFS pointer (run "git lfs pull")', source: "git-lfs docs/spec.md" },
];

const TEXT_SAMPLE_BYTES = 512;
const TEXT_MIN_BYTES = 4;

/** What the file is instead of an ONNX model, null when nothing speaks against one. */
export function foreignFormat(bytes: Uint8Array): string | null {
  if (bytes.length === 0) return "empty";
  for (const { magic, offset = 0, what } of FOREIGN_FORMATS) {
    if (magic.length + offset > bytes.length) continue;
    if ([...magic].every((char, index) => bytes[offset + index] === char.charCodeAt(0))) return what;
  }
  const sample = bytes.subarray(0, TEXT_SAMPLE_BYTES);
  if (sample.length < TEXT_MIN_BYTES || !sample.every(isTextByte)) return null;
  const text = String.fromCharCode(...sample).trimStart().toLowerCase();
  if (text.startsWith("<!doctype html") || text.startsWith("<html")) {
    return "an HTML page (perhaps the error page of a download)";
  }
  if (text.startsWith("<?xml")) return "an XML file";
  if (text.startsWith("{") || text.startsWith("[")) return "a JSON file";
  return "a text file";
}

const isTextByte = (byte: number): boolean =>
  byte === 0x09 || byte === 0x0a || byte === 0x0d || (byte >= 0x20 && byte !== 0x7f);
