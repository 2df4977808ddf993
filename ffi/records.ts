/** The records of `cpp/include/trtd.h`, which is their manual; `scripts/check_abi.ts` compares the two. */

type Scalar = "i32" | "u32" | "i64" | "u64";
/** Name, type, and for arrays the number of elements. */
type Field =
  | readonly [name: string, type: Scalar]
  | readonly [name: string, type: Scalar | "u8" | "char", count: number]
  | readonly [name: string, type: "trtd_dims"];

/** Fields of each record, in the order of the header. */
export const records = {
  trtd_error: [
    ["status", "i32"],
    ["origin", "i32"],
    ["code", "i32"],
    ["length", "u32"],
    ["message", "char", 2032],
  ],
  trtd_dims: [
    ["count", "i32"],
    ["reserved", "i32"],
    ["size", "i64", 8],
  ],
  trtd_tensor_info: [
    ["mode", "i32"],
    ["type", "i32"],
    ["format", "i32"],
    ["location", "i32"],
    ["is_shape", "i32"],
    ["name_length", "u32"],
    ["dims", "trtd_dims"],
    ["name", "char", 928],
  ],
  trtd_parser_error: [
    ["code", "i32"],
    ["line", "i32"],
    ["node", "i32"],
    ["reserved", "i32"],
    ["description", "char", 2048],
    ["file", "char", 256],
    ["function", "char", 256],
    ["node_name", "char", 512],
    ["node_operator", "char", 128],
  ],
  trtd_cuda_info: [
    ["driver_version", "i32"],
    ["device_count", "i32"],
    ["driver_release", "char", 56],
    ["path", "char", 64],
  ],
  trtd_device_info: [
    ["index", "i32"],
    ["compute_major", "i32"],
    ["compute_minor", "i32"],
    ["integrated", "i32"],
    ["mig", "i32"],
    ["multiprocessors", "i32"],
    ["memory_known", "i32"],
    ["reserved", "i32"],
    ["memory_total", "u64"],
    ["memory_free", "u64"],
    ["uuid", "u8", 16],
    ["name", "char", 256],
    ["pci_bus_id", "char", 32],
  ],
  trtd_library_info: [
    ["product", "i32"],
    ["kind", "i32"],
    ["family", "i32"],
    ["version", "i32"],
    ["raw_version", "i32"],
    ["major", "i32"],
    ["minor", "i32"],
    ["patch", "i32"],
    ["build", "i32"],
    ["evidence", "i32"],
    ["forced", "i32"],
    ["has_parser", "i32"],
    ["has_plugins", "i32"],
    ["parser_version", "i32"],
    ["reserved", "i32", 2],
  ],
  trtd_builder_info: [
    ["fast_fp16", "i32"],
    ["fast_int8", "i32"],
    ["tf32", "i32"],
    ["dla_cores", "i32"],
    ["max_threads", "i32"],
    ["reserved", "i32", 3],
  ],
  trtd_network_info: [
    ["layers", "i32"],
    ["inputs", "i32"],
    ["outputs", "i32"],
    ["errors", "i32"],
    ["reserved", "i32", 4],
  ],
  trtd_engine_info: [
    ["device_memory", "i64"],
    ["tensors", "i32"],
    ["profiles", "i32"],
    ["layers", "i32"],
    ["hardware_compatibility", "i32"],
    ["name_length", "u32"],
    ["reserved", "i32", 3],
    ["name", "char", 280],
  ],
  trtd_event: [
    ["size", "u32"],
    ["kind", "i32"],
    ["severity", "i32"],
    ["step", "i32"],
    ["total", "i32"],
    ["text_length", "u32"],
    ["detail_length", "u32"],
    ["reserved", "u32"],
    ["time_us", "u64"],
    ["sequence", "u64"],
  ],
  trtd_letterbox_spec: [
    ["frames_max", "i32"],
    ["width", "i32"],
    ["height", "i32"],
    ["type", "i32"],
    ["bgr", "i32"],
    ["range", "i32"],
    ["reserved", "i32", 2],
  ],
  trtd_frame: [
    ["memory", "u64"],
    ["offset", "u64"],
    ["width", "i32"],
    ["height", "i32"],
    ["left", "i32"],
    ["top", "i32"],
    ["scaled_width", "i32"],
    ["scaled_height", "i32"],
    ["reserved", "i32", 2],
  ],
  trtd_detect_spec: [
    ["layout", "i32"],
    ["classes", "i32"],
    ["width", "i32"],
    ["height", "i32"],
    ["types", "i32", 4],
    ["rows", "i32"],
    ["columns", "i32"],
    ["box_flags", "i32"],
    ["stride_count", "i32"],
    ["strides", "i32", 4],
    ["images_max", "i32"],
    ["boxes_max", "i32"],
    ["candidates_max", "i32"],
    ["labels", "i32"],
    ["suppress", "i32"],
    ["background", "i32"],
    ["reserved", "i32", 2],
  ],
  trtd_jpeg_file: [
    ["begin", "u64"],
    ["bytes", "u64"],
    ["memory", "u64"],
    ["offset", "u64"],
    ["width", "i32"],
    ["height", "i32"],
  ],
  trtd_jpeg_info: [
    ["version", "i32"],
    ["backend", "i32"],
    ["engines", "i32"],
    ["flags", "i32"],
    ["decoded", "u64"],
    ["refused", "u64"],
    ["path", "char", 96],
  ],
  trtd_host_frame: [
    ["data", "u64"],
    ["bytes", "u64"],
    ["kind", "i32"],
    ["width", "i32"],
    ["height", "i32"],
    ["left", "i32"],
    ["top", "i32"],
    ["scaled_width", "i32"],
    ["scaled_height", "i32"],
    ["reserved", "i32"],
  ],
  trtd_host_tensor: [
    ["data", "u64"],
    ["bytes", "u64"],
    ["dims", "trtd_dims"],
  ],
  trtd_pipeline_info: [
    ["device_bytes", "u64"],
    ["pinned_bytes", "u64"],
    ["runs", "u64"],
    ["graphs", "i32"],
    ["batch", "i32"],
    ["refusal_length", "u32"],
    ["reserved", "i32"],
    ["refusal", "char", 472],
  ],
} as const satisfies Record<string, readonly Field[]>;

/** Name of a record. */
export type RecordName = keyof typeof records;

/** A shape; -1 is a dynamic dimension. `null` when TensorRT does not know it. */
export type Dims = readonly number[] | null;

type ValueOf<F> = F extends readonly [string, "trtd_dims"] ? Dims
  : F extends readonly [string, "char", number] ? string
  : F extends readonly [string, "u8", number] ? Uint8Array
  : F extends readonly [string, Scalar, number] ? number[]
  : number;

/** A record as an object; 64-bit numbers are safe integers or refused. */
export type RecordOf<N extends RecordName> = {
  -readonly [F in (typeof records)[N][number] as F[0] extends "reserved" ? never : F[0]]: ValueOf<F>;
};

const SCALAR_SIZE = { i32: 4, u32: 4, i64: 8, u64: 8, u8: 1, char: 1 } as const;
const decoder = new TextDecoder();

interface Place {
  readonly name: string;
  readonly type: Field[1];
  readonly count: number;
  readonly offset: number;
}

/** Places of the fields and the size in bytes, by C's rules of alignment. */
export function layoutOf(name: RecordName): { places: readonly Place[]; size: number } {
  let offset = 0;
  let widest = 1;
  const places = records[name].map((field: Field): Place => {
    const type = field[1];
    const nested = type === "trtd_dims" ? layoutOf("trtd_dims").size : 0;
    const alignment = type === "trtd_dims" ? 8 : SCALAR_SIZE[type];
    const count = field[2] ?? 1;
    offset = Math.ceil(offset / alignment) * alignment;
    const place = { name: field[0], type, count, offset };
    offset += type === "trtd_dims" ? nested : SCALAR_SIZE[type] * count;
    widest = Math.max(widest, alignment);
    return place;
  });
  return { places, size: Math.ceil(offset / widest) * widest };
}

const layouts = new Map<RecordName, ReturnType<typeof layoutOf>>();

function cachedLayout(name: RecordName): ReturnType<typeof layoutOf> {
  let layout = layouts.get(name);
  if (layout === undefined) layouts.set(name, layout = layoutOf(name));
  return layout;
}

function safe(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new RangeError(`${value} is beyond the safe integers`);
  return number;
}

function scalar(view: DataView, type: Scalar, at: number): number {
  switch (type) {
    case "i32":
      return view.getInt32(at, true);
    case "u32":
      return view.getUint32(at, true);
    case "i64":
      return safe(view.getBigInt64(at, true));
    case "u64":
      return safe(view.getBigUint64(at, true));
  }
}

function dimsAt(view: DataView, at: number): Dims {
  const count = view.getInt32(at, true);
  if (count < 0) return null;
  return Array.from({ length: count }, (_, i) => safe(view.getBigInt64(at + 8 + 8 * i, true)));
}

function valueAt(view: DataView, place: Place): unknown {
  if (place.type === "trtd_dims") return dimsAt(view, place.offset);
  if (place.type === "char" || place.type === "u8") {
    const bytes = new Uint8Array(view.buffer, view.byteOffset + place.offset, place.count);
    if (place.type === "u8") return bytes.slice();
    const end = bytes.indexOf(0);
    return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
  }
  if (place.count === 1) return scalar(view, place.type, place.offset);
  const { type } = place;
  return Array.from({ length: place.count }, (_, i) => scalar(view, type, place.offset + i * SCALAR_SIZE[type]));
}

/** Zeroed memory for one record. */
export function allocate(name: RecordName): Uint8Array<ArrayBuffer> {
  return new Uint8Array(cachedLayout(name).size);
}

/** The record in `bytes`, from `offset` on. */
export function decode<N extends RecordName>(name: N, bytes: Uint8Array, offset = 0): RecordOf<N> {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, cachedLayout(name).size);
  const entries = cachedLayout(name).places
    .filter((place) => place.name !== "reserved")
    .map((place) => [place.name, valueAt(view, place)]);
  return Object.fromEntries(entries) as RecordOf<N>;
}

/**
 * A shape as `trtd_dims`.
 * @throws {RangeError} more than 8 dimensions, or one that is no integer
 */
export function encodeDims(dims: readonly number[]): Uint8Array<ArrayBuffer> {
  if (dims.length > 8) throw new RangeError(`A shape has at most 8 dimensions, not ${dims.length}`);
  const bytes = allocate("trtd_dims");
  const view = new DataView(bytes.buffer);
  view.setInt32(0, dims.length, true);
  dims.forEach((size, i) => view.setBigInt64(8 + 8 * i, BigInt(size), true));
  return bytes;
}
