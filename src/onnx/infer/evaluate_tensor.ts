/** Small tensors as lists of elements, for evaluation. */
import { ELEMENT_TYPES, elementCount, forEachInt64 } from "../element_types.ts";
import { DATA_TYPE, type TensorProto } from "../proto.ts";

/** A size: a number, or the name of one that is not known. Equal names are equal sizes. */
export type Dim = number | string;

/** INT64 and INT32 are bigints, FLOAT, FLOAT16 and DOUBLE numbers, BOOL booleans; a text names what is not known. */
export type Element = bigint | number | boolean | string;

/** A tensor of which at least the shape is known. */
export interface KnownTensor {
  /** One of {@link EVALUATED_TYPES}. */
  readonly type: number;
  readonly dims: readonly number[];
  /** In row-major order, as many as the product of `dims`. */
  readonly elements: readonly Element[];
}

/** An element or a size that is not known, until it gets a name. */
export const UNKNOWN = "";

/** The name of a size about which nothing is known. No file uses such names. */
export const anonymousDim = (value: string, axis: number): Dim => `\0dim\0${value}\0${axis}`;

/** The name of an element about which nothing is known, not even whether it is a size. */
export const anonymousElement = (value: string, at: number): Element => `\0element\0${value}\0${at}`;

/** An element of a shape as a size. */
export function dimFromElement(element: Element): Dim {
  if (typeof element === "string") return element.startsWith("\0element") ? UNKNOWN : element;
  return Number(element);
}

/** Largest tensor that is evaluated: YOLO's anchors at 1280x1280 are 33,600 pairs. */
export const EVALUATED_ELEMENTS_MAX = 2 ** 17;

const { FLOAT, FLOAT16, DOUBLE, INT32, INT64, BOOL } = DATA_TYPE;

/** Element types that can be evaluated; those of shape arithmetic and of coordinates. */
export const EVALUATED_TYPES: readonly number[] = [FLOAT, FLOAT16, DOUBLE, INT32, INT64, BOOL];

export const isInteger = (type: number): boolean => type === INT32 || type === INT64;

/** Whether no element is missing. */
export const isComplete = ({ elements }: KnownTensor): boolean =>
  elements.every((element) => typeof element !== "string");

/**
 * The elements of a stored tensor; undefined when its type or its size is beyond the evaluation, or when there is a NaN
 * among them, the bits of which would be lost.
 */
export function knownFromTensor(tensor: TensorProto): KnownTensor | undefined {
  const type = tensor.data_type ?? 0;
  const { dims } = tensor;
  const count = elementCount(dims);
  if (!EVALUATED_TYPES.includes(type) || !(count <= EVALUATED_ELEMENTS_MAX)) return undefined;
  const elements = elementsOf(tensor, type);
  return elements?.length === count && !elements.some(Number.isNaN) ? { type, dims, elements } : undefined;
}

function elementsOf(tensor: TensorProto, type: number): Element[] | undefined {
  if (type === INT64) return int64Elements(tensor);
  if (type === FLOAT || type === DOUBLE) {
    const data = tensor.raw_data ?? (type === FLOAT ? tensor.float_data : tensor.double_data) ?? new Uint8Array();
    const view = viewOf(data);
    return type === FLOAT
      ? Array.from({ length: data.length / 4 }, (_, at) => view.getFloat32(4 * at, true))
      : Array.from({ length: data.length / 8 }, (_, at) => view.getFloat64(8 * at, true));
  }
  const { raw_data: raw } = tensor;
  if (raw === undefined) {
    const numbers = varints(tensor.int32_data ?? new Uint8Array()).map((value) => BigInt.asIntN(32, value));
    if (type === FLOAT16) return [...new Float16Array(Uint16Array.from(numbers, Number).buffer)];
    return type === BOOL ? numbers.map((value) => value !== 0n) : numbers;
  }
  if (type === BOOL) return Array.from(raw, (byte) => byte !== 0);
  const view = viewOf(raw);
  if (type === FLOAT16) return Array.from({ length: raw.length / 2 }, (_, at) => view.getFloat16(2 * at, true));
  return Array.from({ length: raw.length / 4 }, (_, at) => BigInt(view.getInt32(4 * at, true)));
}

/** The exact elements of an INT64 tensor of any size, whichever field holds them. */
export function int64Elements(tensor: TensorProto): bigint[] {
  const elements: bigint[] = [];
  forEachInt64(tensor, (low, high) => elements.push((BigInt(high) << 32n) | BigInt(low >>> 0)));
  return elements;
}

/** Packed varints are those of `int64_data` in another field. */
const varints = (packed: Uint8Array): bigint[] =>
  int64Elements({ dims: [], string_data: [], external_data: [], metadata_props: [], int64_data: packed });

const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array) => new DataView(buffer, byteOffset, byteLength);

/** A stored tensor from complete elements. */
export function tensorFromKnown(name: string, { type, dims, elements }: KnownTensor): TensorProto {
  const width = ELEMENT_TYPES[type]!.bits / 8;
  const raw = new Uint8Array(elements.length * width);
  const view = viewOf(raw);
  elements.forEach((element, at) => {
    if (type === INT64) view.setBigInt64(8 * at, element as bigint, true);
    else if (type === INT32) view.setInt32(4 * at, Number(element), true);
    else if (type === FLOAT) view.setFloat32(4 * at, element as number, true);
    else if (type === FLOAT16) view.setFloat16(2 * at, element as number, true);
    else if (type === DOUBLE) view.setFloat64(8 * at, element as number, true);
    else raw[at] = element ? 1 : 0;
  });
  return {
    dims: [...dims],
    data_type: type,
    string_data: [],
    name,
    raw_data: raw,
    external_data: [],
    metadata_props: [],
  };
}
