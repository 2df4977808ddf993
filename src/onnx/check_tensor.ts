/** Shapes that are possible, and data that fits them. */
import { TrtdError } from "../errors.ts";
import { ELEMENT_TYPES, elementCount, forEachInt64, varintCount } from "./element_types.ts";
import { DATA_TYPE, type SparseTensorProto, type TensorProto, type TensorShapeProto } from "./proto.ts";

/** Most elements of one tensor. Source: TensorRT's limit for a tensor's volume, and the size limit of a file. */
export const ELEMENTS_MAX = 2 ** 31 - 1;

const refuse = (what: string): never => {
  throw new TrtdError("MODEL_DIMENSIONS_INVALID", what);
};

/** Refuse dimensions that are negative or too large together. */
export function checkDims(dims: readonly number[], path: () => string): void {
  for (const dim of dims) if (dim < 0) refuse(`${path()} has the dimension ${dim}`);
  if (elementCount(dims) > ELEMENTS_MAX) {
    refuse(`${path()} [${dims.join(", ")}] has more than ${ELEMENTS_MAX} elements`);
  }
}

/**
 * Refuse a constant whose data is not what its shape and type ask for.
 * @throws {TrtdError} `MODEL_DIMENSIONS_INVALID`, `MODEL_INVALID`
 */
export function checkTensor(tensor: TensorProto, path: () => string): void {
  const invalid = (what: string): never => {
    throw new TrtdError("MODEL_INVALID", `The tensor ${path()} ${what}`);
  };
  const type = ELEMENT_TYPES[tensor.data_type ?? 0];
  if (type === undefined) return invalid(`has the unknown element type ${tensor.data_type ?? 0}`);
  if (tensor.segment !== undefined) invalid("is one segment of a larger tensor, which no runtime supports");
  checkDims(tensor.dims, path);
  const elements = elementCount(tensor.dims);

  const holders = DATA_FIELDS.filter((field) => (tensor[field]?.length ?? 0) > 0);
  if (holders.length > 1) invalid(`has data in both "${holders[0]}" and "${holders[1]}"`);
  const [holder = "raw_data"] = holders;
  const shape = `${type.name} [${tensor.dims.join(", ")}]`;
  if (holder === "raw_data") {
    const bytes = tensor.raw_data?.length ?? 0;
    if (bytes > 0 && type.bits === 0) invalid("has strings in raw_data");
    const expected = type.bits === 0 ? elements : Math.ceil(elements * type.bits / 8);
    if (bytes !== expected) refuse(`The tensor ${path()} is ${shape}, ${expected} bytes, but has ${bytes}`);
    return;
  }
  if (holder !== type.field) invalid(`is ${type.name} but has its data in "${holder}"`);
  const expected = Math.ceil(elements * type.entries);
  const entries = entriesOf(tensor, holder);
  if (entries === null) return invalid(`has malformed data in "${holder}"`);
  if (entries !== expected) {
    refuse(`The tensor ${path()} is ${shape}, ${expected} elements, but has ${entries}`);
  }
}

const DATA_FIELDS = [
  "raw_data",
  "float_data",
  "int32_data",
  "int64_data",
  "double_data",
  "uint64_data",
  "string_data",
] as const;

function entriesOf(tensor: TensorProto, field: (typeof DATA_FIELDS)[number]): number | null {
  const data = tensor[field]!;
  switch (field) {
    case "float_data":
      return data.length % 4 === 0 ? data.length / 4 : null;
    case "double_data":
      return data.length % 8 === 0 ? data.length / 8 : null;
    case "int32_data":
    case "int64_data":
    case "uint64_data":
      return varintCount(data as Uint8Array);
    default:
      return data.length;
  }
}

/**
 * Refuse a sparse constant that would point outside its dense form, or whose dense form is absurd. The tensors within
 * are checked on their own.
 * @throws {TrtdError} `MODEL_DIMENSIONS_INVALID`, `MODEL_INVALID`
 */
export function checkSparseTensor(sparse: SparseTensorProto, path: () => string): void {
  const { values, indices, dims } = sparse;
  if (values === undefined || indices === undefined) {
    throw new TrtdError("MODEL_INVALID", `The sparse tensor ${path()} lacks its values or indices`);
  }
  checkDims(dims, path);
  if (values.dims.length !== 1) refuse(`The values of the sparse tensor ${path()} are not a list`);
  checkTensor(values, () => `${path()}.values`);
  checkTensor(indices, () => `${path()}.indices`);
  if (indices.data_type !== DATA_TYPE.INT64) {
    throw new TrtdError("MODEL_INVALID", `The indices of the sparse tensor ${path()} are not INT64`);
  }
  const [count = 0] = values.dims;
  const [rows, columns] = indices.dims;
  const linear = indices.dims.length === 1;
  if (rows !== count || (!linear && (indices.dims.length !== 2 || columns !== dims.length))) {
    refuse(`The sparse tensor ${path()} has ${count} values but indices [${indices.dims.join(", ")}]`);
  }
  const dense = elementCount(dims);
  let at = 0;
  forEachInt64(indices, (low, high) => {
    const bound = linear ? dense : dims[at++ % dims.length]!;
    if (high !== 0 || (low >>> 0) >= bound) refuse(`The sparse tensor ${path()} has an index outside its shape`);
  });
}

/** What Paddle2ONNX and other exporters write into `dim_value` for a dynamic axis. */
const DYNAMIC = -1;

/** Refuse a declared shape with negative sizes (except -1, dynamic) or with more elements than any runtime can hold. */
export function checkShape(shape: TensorShapeProto, path: () => string): void {
  checkDims(shape.dim.map(({ dim_value: size = DYNAMIC }) => size === DYNAMIC ? 1 : size), path);
}
