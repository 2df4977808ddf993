/** What an engine file is, without TensorRT. */
import { TrtdError } from "../../errors.ts";
import { foreignFormat } from "../../onnx/foreign_formats.ts";
import { type Product, PRODUCT_NAMES, type Version, versionText } from "../versions.ts";

/**
 * The head of a plan, little-endian:
 *
 *     0   4  "ftrt" TensorRT, "vtrt" TensorRT-RTX
 *     4   4  platform tag, 0 for Linux x86_64
 *     8   8  number of entries
 *    16   8  size of the plan in bytes
 *    24   4  major, minor, patch, build of the library
 *
 * Source: trtexec --getPlanVersionOnly of NVIDIA/TensorRT v9.3.0 to v11.1 (magic, version); plans of TensorRT-RTX
 * 1.4.0.76 and 1.7.1.116 and their complaints about changed ones (size). Plans of 8.5 and older were not seen.
 */
const HEADER_BYTES = 28;
const MAGICS: Readonly<Record<string, Product>> = { ftrt: "tensorrt", vtrt: "tensorrt-rtx" };
/** More JSON than this before a plan is not Ultralytics' metadata. */
const JSON_LIMIT_BYTES = 1 << 20;

export interface PlanHeader {
  readonly product: Product;
  /** Null where the bytes hold no release, as in plans of 8.5 and older. The build is its last byte only. */
  readonly version: Version | null;
  /** Bytes 4 to 7: 0 for a plan of Linux x86_64; another machine's plan has another. */
  readonly platformTag: number;
  readonly entries: number;
  /** Bytes before the plan: 0, or the length of Ultralytics' metadata with its length field. */
  readonly planOffset: number;
  /** Bytes of the plan, as it says and as the file has. */
  readonly planBytes: number;
  /** Ultralytics' metadata, null without. A plain runtime refuses a file that has it. */
  readonly ultralytics: Readonly<Record<string, unknown>> | null;
}

export interface PlanHeaderOptions {
  /** Size of the file when `bytes` is only its beginning. @default bytes.length */
  readonly fileBytes?: number;
}

/**
 * Read the head of an engine file.
 * @param bytes the file, or its beginning: 28 bytes, and up to 1 MiB more for Ultralytics' metadata
 * @throws {TrtdError} `ENGINE_CORRUPT` empty, cut short, or longer than the plan; `ENGINE_NOT_A_PLAN` something else,
 * such as an ONNX model
 */
export function readPlanHeader(bytes: Uint8Array, options: PlanHeaderOptions = {}): PlanHeader {
  const fileBytes = options.fileBytes ?? bytes.length;
  if (fileBytes === 0 || bytes.length === 0) {
    throw new TrtdError("ENGINE_CORRUPT", "The engine file is empty", { remedy: "Build the engine again" });
  }
  const ultralytics = ultralyticsPrefix(bytes);
  const planOffset = ultralytics?.length ?? 0;
  const product = magicAt(bytes, planOffset);
  if (product === null) throw notAPlan(bytes, ultralytics !== null);
  if (bytes.length < planOffset + HEADER_BYTES) {
    throw new TrtdError("ENGINE_CORRUPT", `The engine file ends after ${bytes.length} bytes, within its header`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset + planOffset, HEADER_BYTES);
  const declared = view.getBigUint64(16, true);
  const present = fileBytes - planOffset;
  if (declared !== BigInt(present)) throw wrongSize(declared, present);
  const entries = view.getBigUint64(8, true);
  return {
    product,
    version: versionAt(view),
    platformTag: view.getUint32(4, true),
    entries: Number(entries),
    planOffset,
    planBytes: present,
    ultralytics: ultralytics?.metadata ?? null,
  };
}

/** `TensorRT-RTX 1.7.1.116`, or the product alone when the version cannot be read. */
export function planProducer({ product, version }: PlanHeader): string {
  return version === null ? PRODUCT_NAMES[product] : `${PRODUCT_NAMES[product]} ${versionText(version)}`;
}

function magicAt(bytes: Uint8Array, offset: number): Product | null {
  if (bytes.length < offset + 4) return null;
  return MAGICS[String.fromCharCode(...bytes.subarray(offset, offset + 4))] ?? null;
}

function versionAt(view: DataView): Version | null {
  const [major, minor, patch, build] = [24, 25, 26, 27].map((at) => view.getUint8(at)) as [
    number,
    number,
    number,
    number,
  ];
  return major === 0 ? null : { major, minor, patch, build };
}

function wrongSize(declared: bigint, present: number): TrtdError {
  return BigInt(present) < declared
    ? new TrtdError(
      "ENGINE_CORRUPT",
      `The engine file is cut short: the plan has ${declared} bytes, but ${present} are there`,
    )
    : new TrtdError(
      "ENGINE_CORRUPT",
      `The engine file has ${BigInt(present) - declared} bytes after the end of its plan of ${declared} bytes`,
    );
}

interface Prefix {
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Bytes with the length field. */
  readonly length: number;
}

/**
 * Metadata before the plan: its length as a 32-bit number, then JSON. Source: engine export of ultralytics.
 * @throws {TrtdError} `ENGINE_CORRUPT` when the file ends within it
 */
function ultralyticsPrefix(bytes: Uint8Array): Prefix | null {
  if (bytes.length < 6 || bytes[4] !== 0x7b) return null;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  if (length < 2 || length > JSON_LIMIT_BYTES) return null;
  const json = bytes.subarray(4, 4 + length);
  if (json.length < length) {
    throw new TrtdError("ENGINE_CORRUPT", `The engine file ends within the ${length} bytes of JSON before its plan`);
  }
  try {
    const metadata: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json));
    const isObject = typeof metadata === "object" && metadata !== null && !Array.isArray(metadata);
    return isObject ? { metadata: metadata as Record<string, unknown>, length: length + 4 } : null;
  } catch {
    return null;
  }
}

function notAPlan(bytes: Uint8Array, afterJson: boolean): TrtdError {
  if (afterJson) return new TrtdError("ENGINE_NOT_A_PLAN", "The file has Ultralytics' metadata, but no plan after it");
  if (looksLikeOnnx(bytes)) {
    return new TrtdError("ENGINE_NOT_A_PLAN", "The file is an ONNX model, not an engine", {
      remedy: "Run trtd build-engine on it to make an engine",
    });
  }
  const format = foreignFormat(bytes);
  return new TrtdError(
    "ENGINE_NOT_A_PLAN",
    format === null
      ? 'The file does not begin with "ftrt" or "vtrt", as engines of TensorRT and TensorRT-RTX do'
      : `The file is ${format}, not an engine`,
  );
}

/** Field numbers of onnx.ModelProto as protobuf tags: what may follow `ir_version`. Source: onnx.proto of ONNX 1.17. */
const MODEL_TAGS: ReadonlySet<number> = new Set([0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42, 0x72, 0xa2, 0xca]);

/** An ONNX model of usual exporters begins with `ir_version` 1 to 31, then another field of the model. */
function looksLikeOnnx(bytes: Uint8Array): boolean {
  return bytes[0] === 0x08 && bytes[1]! >= 1 && bytes[1]! < 32 && MODEL_TAGS.has(bytes[2] ?? 0);
}
