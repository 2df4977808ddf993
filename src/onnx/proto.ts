/**
 * The messages of ONNX as plain objects, and the table that the reader and the writer follow.
 *
 * Names and numbers are those of `onnx.proto` (ONNX 1.23, IR version 14, proto2). An absent optional field is an absent
 * property, so that what is read is written back byte for byte. Documentation strings are bytes: nothing here needs
 * them as text, and exporters fill them with megabytes of stack traces.
 */
import type { WireType } from "@bufbuild/protobuf/wire";

/** A field that this table does not know, kept for the writer. */
export interface UnknownField {
  readonly no: number;
  readonly wireType: WireType;
  /** The field's bytes after its tag, a view into the file. */
  readonly data: Uint8Array;
}

/** What every message can carry besides its fields. */
export interface Message {
  unknown?: UnknownField[];
  /** Numbers of repeated fields that came packed although proto2 writes them one by one. */
  packed?: number[];
}

export interface StringStringEntryProto extends Message {
  key?: string;
  value?: string;
}

export interface TensorSegment extends Message {
  begin?: number;
  end?: number;
}

/** Element types by name; values of `data_type` and `elem_type`. */
export const DATA_TYPE = {
  UNDEFINED: 0,
  FLOAT: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  STRING: 8,
  BOOL: 9,
  FLOAT16: 10,
  DOUBLE: 11,
  UINT32: 12,
  UINT64: 13,
  COMPLEX64: 14,
  COMPLEX128: 15,
  BFLOAT16: 16,
  FLOAT8E4M3FN: 17,
  FLOAT8E4M3FNUZ: 18,
  FLOAT8E5M2: 19,
  FLOAT8E5M2FNUZ: 20,
  UINT4: 21,
  INT4: 22,
  FLOAT4E2M1: 23,
  FLOAT8E8M0: 24,
  UINT2: 25,
  INT2: 26,
  FLOAT6E2M3: 27,
  FLOAT6E3M2: 28,
} as const;

/** Where a tensor's data is; only `DEFAULT` is ever accepted. */
export const DATA_LOCATION = { DEFAULT: 0, EXTERNAL: 1 } as const;

/** A constant. All data fields are views into the file; the packed ones are still in protobuf's packed encoding. */
export interface TensorProto extends Message {
  dims: number[];
  data_type?: number;
  segment?: TensorSegment;
  /** Packed little-endian f32. */
  float_data?: Uint8Array;
  /** Packed varints. */
  int32_data?: Uint8Array;
  string_data: Uint8Array[];
  /** Packed varints. */
  int64_data?: Uint8Array;
  name?: string;
  /** Little-endian elements in row-major order. */
  raw_data?: Uint8Array;
  /** Packed little-endian f64. */
  double_data?: Uint8Array;
  /** Packed varints. */
  uint64_data?: Uint8Array;
  doc_string?: Uint8Array;
  external_data: StringStringEntryProto[];
  data_location?: number;
  metadata_props: StringStringEntryProto[];
}

export interface SparseTensorProto extends Message {
  values?: TensorProto;
  indices?: TensorProto;
  dims: number[];
}

export interface Dimension extends Message {
  dim_value?: number;
  dim_param?: string;
  denotation?: string;
}

export interface TensorShapeProto extends Message {
  dim: Dimension[];
}

export interface TensorTypeProto extends Message {
  elem_type?: number;
  shape?: TensorShapeProto;
}

export interface ContainerTypeProto extends Message {
  elem_type?: TypeProto;
}

export interface MapTypeProto extends Message {
  key_type?: number;
  value_type?: TypeProto;
}

export interface OpaqueTypeProto extends Message {
  domain?: string;
  name?: string;
}

export interface TypeProto extends Message {
  tensor_type?: TensorTypeProto;
  sequence_type?: ContainerTypeProto;
  map_type?: MapTypeProto;
  denotation?: string;
  opaque_type?: OpaqueTypeProto;
  sparse_tensor_type?: TensorTypeProto;
  optional_type?: ContainerTypeProto;
}

export interface ValueInfoProto extends Message {
  name?: string;
  type?: TypeProto;
  doc_string?: Uint8Array;
  metadata_props: StringStringEntryProto[];
}

/** Values of `AttributeProto.type`. */
export const ATTRIBUTE_TYPE = {
  UNDEFINED: 0,
  FLOAT: 1,
  INT: 2,
  STRING: 3,
  TENSOR: 4,
  GRAPH: 5,
  FLOATS: 6,
  INTS: 7,
  STRINGS: 8,
  TENSORS: 9,
  GRAPHS: 10,
  SPARSE_TENSOR: 11,
  SPARSE_TENSORS: 12,
  TYPE_PROTO: 13,
  TYPE_PROTOS: 14,
} as const;

export interface AttributeProto extends Message {
  name?: string;
  f?: number;
  i?: bigint;
  s?: Uint8Array;
  t?: TensorProto;
  g?: GraphProto;
  floats: number[];
  ints: bigint[];
  strings: Uint8Array[];
  tensors: TensorProto[];
  graphs: GraphProto[];
  doc_string?: Uint8Array;
  tp?: TypeProto;
  type_protos: TypeProto[];
  type?: number;
  ref_attr_name?: string;
  sparse_tensor?: SparseTensorProto;
  sparse_tensors: SparseTensorProto[];
}

export interface NodeProto extends Message {
  input: string[];
  output: string[];
  name?: string;
  op_type?: string;
  attribute: AttributeProto[];
  doc_string?: Uint8Array;
  domain?: string;
  overload?: string;
  metadata_props: StringStringEntryProto[];
}

export interface TensorAnnotation extends Message {
  tensor_name?: string;
  quant_parameter_tensor_names: StringStringEntryProto[];
}

export interface GraphProto extends Message {
  node: NodeProto[];
  name?: string;
  initializer: TensorProto[];
  doc_string?: Uint8Array;
  input: ValueInfoProto[];
  output: ValueInfoProto[];
  value_info: ValueInfoProto[];
  quantization_annotation: TensorAnnotation[];
  sparse_initializer: SparseTensorProto[];
  metadata_props: StringStringEntryProto[];
}

export interface OperatorSetIdProto extends Message {
  domain?: string;
  version?: number;
}

export interface FunctionProto extends Message {
  name?: string;
  input: string[];
  output: string[];
  attribute: string[];
  node: NodeProto[];
  doc_string?: Uint8Array;
  opset_import: OperatorSetIdProto[];
  domain?: string;
  attribute_proto: AttributeProto[];
  value_info: ValueInfoProto[];
  overload?: string;
  metadata_props: StringStringEntryProto[];
}

export interface TrainingInfoProto extends Message {
  initialization?: GraphProto;
  algorithm?: GraphProto;
  initialization_binding: StringStringEntryProto[];
  update_binding: StringStringEntryProto[];
}

/** A whole model. Multi-device annotations (fields 10 of a node, 26 of a model) stay among the unknown fields. */
export interface ModelProto extends Message {
  ir_version?: number;
  producer_name?: string;
  producer_version?: string;
  domain?: string;
  model_version?: number;
  doc_string?: Uint8Array;
  graph?: GraphProto;
  opset_import: OperatorSetIdProto[];
  metadata_props: StringStringEntryProto[];
  training_info: TrainingInfoProto[];
  functions: FunctionProto[];
}

/** Message types by the name that field rows use. */
export interface Messages {
  StringStringEntryProto: StringStringEntryProto;
  TensorSegment: TensorSegment;
  TensorProto: TensorProto;
  SparseTensorProto: SparseTensorProto;
  Dimension: Dimension;
  TensorShapeProto: TensorShapeProto;
  TensorTypeProto: TensorTypeProto;
  ContainerTypeProto: ContainerTypeProto;
  MapTypeProto: MapTypeProto;
  OpaqueTypeProto: OpaqueTypeProto;
  TypeProto: TypeProto;
  ValueInfoProto: ValueInfoProto;
  AttributeProto: AttributeProto;
  NodeProto: NodeProto;
  TensorAnnotation: TensorAnnotation;
  GraphProto: GraphProto;
  OperatorSetIdProto: OperatorSetIdProto;
  FunctionProto: FunctionProto;
  TrainingInfoProto: TrainingInfoProto;
  ModelProto: ModelProto;
}

export type MessageName = keyof Messages;

/**
 * How a scalar is carried: `size` is an int64 that must fit a JavaScript number, `packed32`, `packed64` and
 * `packedVarint` are the still encoded elements of a packed field.
 */
export type ScalarKind =
  | "string"
  | "bytes"
  | "int32"
  | "int64"
  | "size"
  | "float"
  | "packed32"
  | "packed64"
  | "packedVarint";

export interface Field {
  readonly no: number;
  readonly kind: ScalarKind | MessageName;
  readonly repeated: boolean;
  /** Members of one oneof share its name; at most one of them may be present. */
  readonly oneof?: string;
}

const one = (no: number, kind: Field["kind"], oneof?: string): Field =>
  oneof === undefined ? { no, kind, repeated: false } : { no, kind, repeated: false, oneof };
const many = (no: number, kind: Field["kind"]): Field => ({ no, kind, repeated: true });

type Schema = { readonly [M in MessageName]: { readonly [F in Exclude<keyof Messages[M], keyof Message>]-?: Field } };

const PROPS = many(0, "StringStringEntryProto");

/** Fields of each message, in ascending order of their numbers: the order in which protobuf writes them. */
export const SCHEMA: Schema = {
  StringStringEntryProto: { key: one(1, "string"), value: one(2, "string") },
  TensorSegment: { begin: one(1, "size"), end: one(2, "size") },
  TensorProto: {
    dims: many(1, "size"),
    data_type: one(2, "int32"),
    segment: one(3, "TensorSegment"),
    float_data: one(4, "packed32"),
    int32_data: one(5, "packedVarint"),
    string_data: many(6, "bytes"),
    int64_data: one(7, "packedVarint"),
    name: one(8, "string"),
    raw_data: one(9, "bytes"),
    double_data: one(10, "packed64"),
    uint64_data: one(11, "packedVarint"),
    doc_string: one(12, "bytes"),
    external_data: many(13, "StringStringEntryProto"),
    data_location: one(14, "int32"),
    metadata_props: { ...PROPS, no: 16 },
  },
  SparseTensorProto: { values: one(1, "TensorProto"), indices: one(2, "TensorProto"), dims: many(3, "size") },
  Dimension: {
    dim_value: one(1, "size", "value"),
    dim_param: one(2, "string", "value"),
    denotation: one(3, "string"),
  },
  TensorShapeProto: { dim: many(1, "Dimension") },
  TensorTypeProto: { elem_type: one(1, "int32"), shape: one(2, "TensorShapeProto") },
  ContainerTypeProto: { elem_type: one(1, "TypeProto") },
  MapTypeProto: { key_type: one(1, "int32"), value_type: one(2, "TypeProto") },
  OpaqueTypeProto: { domain: one(1, "string"), name: one(2, "string") },
  TypeProto: {
    tensor_type: one(1, "TensorTypeProto", "value"),
    sequence_type: one(4, "ContainerTypeProto", "value"),
    map_type: one(5, "MapTypeProto", "value"),
    denotation: one(6, "string"),
    opaque_type: one(7, "OpaqueTypeProto", "value"),
    sparse_tensor_type: one(8, "TensorTypeProto", "value"),
    optional_type: one(9, "ContainerTypeProto", "value"),
  },
  ValueInfoProto: {
    name: one(1, "string"),
    type: one(2, "TypeProto"),
    doc_string: one(3, "bytes"),
    metadata_props: { ...PROPS, no: 4 },
  },
  AttributeProto: {
    name: one(1, "string"),
    f: one(2, "float"),
    i: one(3, "int64"),
    s: one(4, "bytes"),
    t: one(5, "TensorProto"),
    g: one(6, "GraphProto"),
    floats: many(7, "float"),
    ints: many(8, "int64"),
    strings: many(9, "bytes"),
    tensors: many(10, "TensorProto"),
    graphs: many(11, "GraphProto"),
    doc_string: one(13, "bytes"),
    tp: one(14, "TypeProto"),
    type_protos: many(15, "TypeProto"),
    type: one(20, "int32"),
    ref_attr_name: one(21, "string"),
    sparse_tensor: one(22, "SparseTensorProto"),
    sparse_tensors: many(23, "SparseTensorProto"),
  },
  NodeProto: {
    input: many(1, "string"),
    output: many(2, "string"),
    name: one(3, "string"),
    op_type: one(4, "string"),
    attribute: many(5, "AttributeProto"),
    doc_string: one(6, "bytes"),
    domain: one(7, "string"),
    overload: one(8, "string"),
    metadata_props: { ...PROPS, no: 9 },
  },
  TensorAnnotation: {
    tensor_name: one(1, "string"),
    quant_parameter_tensor_names: many(2, "StringStringEntryProto"),
  },
  GraphProto: {
    node: many(1, "NodeProto"),
    name: one(2, "string"),
    initializer: many(5, "TensorProto"),
    doc_string: one(10, "bytes"),
    input: many(11, "ValueInfoProto"),
    output: many(12, "ValueInfoProto"),
    value_info: many(13, "ValueInfoProto"),
    quantization_annotation: many(14, "TensorAnnotation"),
    sparse_initializer: many(15, "SparseTensorProto"),
    metadata_props: { ...PROPS, no: 16 },
  },
  OperatorSetIdProto: { domain: one(1, "string"), version: one(2, "size") },
  FunctionProto: {
    name: one(1, "string"),
    input: many(4, "string"),
    output: many(5, "string"),
    attribute: many(6, "string"),
    node: many(7, "NodeProto"),
    doc_string: one(8, "bytes"),
    opset_import: many(9, "OperatorSetIdProto"),
    domain: one(10, "string"),
    attribute_proto: many(11, "AttributeProto"),
    value_info: many(12, "ValueInfoProto"),
    overload: one(13, "string"),
    metadata_props: { ...PROPS, no: 14 },
  },
  TrainingInfoProto: {
    initialization: one(1, "GraphProto"),
    algorithm: one(2, "GraphProto"),
    initialization_binding: many(3, "StringStringEntryProto"),
    update_binding: many(4, "StringStringEntryProto"),
  },
  ModelProto: {
    ir_version: one(1, "size"),
    producer_name: one(2, "string"),
    producer_version: one(3, "string"),
    domain: one(4, "string"),
    model_version: one(5, "size"),
    doc_string: one(6, "bytes"),
    graph: one(7, "GraphProto"),
    opset_import: many(8, "OperatorSetIdProto"),
    metadata_props: { ...PROPS, no: 14 },
    training_info: many(20, "TrainingInfoProto"),
    functions: many(25, "FunctionProto"),
  },
};

/** One field with its property name. */
export interface NamedField extends Field {
  readonly name: string;
}

/** Fields of each message in ascending order of their numbers. */
export const FIELDS: Readonly<Record<MessageName, readonly NamedField[]>> = Object.fromEntries(
  Object.entries(SCHEMA).map(([message, fields]) => [
    message,
    Object.entries(fields as Record<string, Field>).map(([name, field]) => ({ ...field, name }))
      .sort((a, b) => a.no - b.no),
  ]),
) as Record<MessageName, NamedField[]>;

/** A table with one entry a message type, computed from its fields. */
export function tableOf<T>(make: (fields: readonly NamedField[]) => T): Readonly<Record<MessageName, T>> {
  return Object.fromEntries(Object.entries(FIELDS).map(([type, fields]) => [type, make(fields)])) as Record<
    MessageName,
    T
  >;
}

/** Whether a field's kind names a message. */
export function isMessageKind(kind: Field["kind"]): kind is MessageName {
  return kind in SCHEMA;
}
