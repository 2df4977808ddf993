/** Build small ONNX models for tests. */
import {
  ATTRIBUTE_TYPE,
  type AttributeProto,
  DATA_TYPE,
  type Dimension,
  type FunctionProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type StringStringEntryProto,
  type TensorProto,
  type ValueInfoProto,
} from "../../src/onnx/proto.ts";
import { writeModel } from "../../src/onnx/write.ts";

export type DataTypeName = keyof typeof DATA_TYPE;

const utf8 = (text: string) => new TextEncoder().encode(text);

/** Bytes of a typed array, little-endian on every machine that trtd runs on. */
export const rawBytes = (data: ArrayBufferView): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** A constant with the given bytes. */
export function tensor(name: string, type: DataTypeName, dims: readonly number[], raw: Uint8Array): TensorProto {
  return {
    dims: [...dims],
    data_type: DATA_TYPE[type],
    string_data: [],
    name,
    raw_data: raw,
    external_data: [],
    metadata_props: [],
  };
}

export const floatTensor = (name: string, dims: readonly number[], values: ArrayLike<number>): TensorProto =>
  tensor(name, "FLOAT", dims, rawBytes(Float32Array.from(values)));

export const int64Tensor = (name: string, dims: readonly number[], values: readonly (number | bigint)[]): TensorProto =>
  tensor(name, "INT64", dims, rawBytes(BigInt64Array.from(values, BigInt)));

const BARE_ATTRIBUTE = (): AttributeProto => ({
  floats: [],
  ints: [],
  strings: [],
  tensors: [],
  graphs: [],
  type_protos: [],
  sparse_tensors: [],
});

/** An attribute with any fields. */
export const attribute = (name: string, fields: Partial<AttributeProto>): AttributeProto => ({
  ...BARE_ATTRIBUTE(),
  name,
  ...fields,
});

export type AttributeValue =
  | number
  | bigint
  | string
  | readonly number[]
  | readonly bigint[]
  | TensorProto
  | GraphProto;

/** Numbers become FLOAT, bigints INT, strings STRING, lists likewise; a tensor or a graph is itself. */
export function attributeOf(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === "number") return attribute(name, { f: value, type: ATTRIBUTE_TYPE.FLOAT });
  if (typeof value === "bigint") return attribute(name, { i: value, type: ATTRIBUTE_TYPE.INT });
  if (typeof value === "string") return attribute(name, { s: utf8(value), type: ATTRIBUTE_TYPE.STRING });
  if (Array.isArray(value)) {
    return typeof value[0] === "bigint"
      ? attribute(name, { ints: [...value], type: ATTRIBUTE_TYPE.INTS })
      : attribute(name, { floats: [...value], type: ATTRIBUTE_TYPE.FLOATS });
  }
  return "node" in value
    ? attribute(name, { g: value, type: ATTRIBUTE_TYPE.GRAPH })
    : attribute(name, { t: value as TensorProto, type: ATTRIBUTE_TYPE.TENSOR });
}

export interface NodeOptions {
  readonly domain?: string;
  readonly name?: string;
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
}

/** One node, for example `node("Add", ["a", "b"], ["c"])`. */
export function node(
  op: string,
  edges: { readonly inputs: readonly string[]; readonly outputs: readonly string[] },
  options: NodeOptions = {},
): NodeProto {
  return {
    input: [...edges.inputs],
    output: [...edges.outputs],
    ...(options.name === undefined ? {} : { name: options.name }),
    op_type: op,
    attribute: Object.entries(options.attributes ?? {}).map(([name, value]) => attributeOf(name, value)),
    ...(options.domain === undefined ? {} : { domain: options.domain }),
    metadata_props: [],
  };
}

/** A declared value; strings are dynamic axes, -1 an axis without a name. */
export function value(
  name: string,
  dims: readonly (number | string)[],
  type: DataTypeName = "FLOAT",
): ValueInfoProto {
  const dim = dims.map((size): Dimension =>
    typeof size === "string" ? { dim_param: size } : size === -1 ? {} : { dim_value: size }
  );
  return { name, type: { tensor_type: { elem_type: DATA_TYPE[type], shape: { dim } } }, metadata_props: [] };
}

/** A graph from its parts. */
export function graph(parts: Partial<GraphProto>): GraphProto {
  return {
    node: [],
    name: "test",
    initializer: [],
    input: [],
    output: [],
    value_info: [],
    quantization_annotation: [],
    sparse_initializer: [],
    metadata_props: [],
    ...parts,
  };
}

export interface ModelOptions {
  /** @default 17 */
  readonly opset?: number;
  /** @default 8 */
  readonly irVersion?: number;
  /** Further opset imports. */
  readonly domains?: Readonly<Record<string, number>>;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly functions?: readonly FunctionProto[];
}

/** `metadata_props` from an object. */
export const propsOf = (entries: Readonly<Record<string, string>>): StringStringEntryProto[] =>
  Object.entries(entries).map(([key, value]) => ({ key, value }));

/** A whole model around a graph. */
export function model(parts: Partial<GraphProto>, options: ModelOptions = {}): ModelProto {
  return {
    ir_version: options.irVersion ?? 8,
    producer_name: "trtd-test",
    producer_version: "1",
    graph: graph(parts),
    opset_import: [
      { domain: "", version: options.opset ?? 17 },
      ...Object.entries(options.domains ?? {}).map(([domain, version]) => ({ domain, version })),
    ],
    metadata_props: propsOf(options.metadata ?? {}),
    training_info: [],
    functions: [...options.functions ?? []],
  };
}

/** A model-local function. */
export function functionProto(parts: Partial<FunctionProto> & { name: string; domain: string }): FunctionProto {
  return {
    input: [],
    output: [],
    attribute: [],
    node: [],
    opset_import: [{ domain: "", version: 17 }],
    attribute_proto: [],
    value_info: [],
    metadata_props: [],
    ...parts,
  };
}

export interface ConstantDetectorOptions {
  /** What the output holds for one picture, row-major, `dims` elements. */
  readonly output: ArrayLike<number>;
  /** Shape of the output without the batch axis, for example `[10, 8400]`. */
  readonly dims: readonly number[];
  /** Input height and width; `null` makes them dynamic. @default [64, 64] */
  readonly size?: readonly [number, number] | null;
  /** A fixed batch, `null` for a dynamic one. @default null */
  readonly batch?: number | null;
  /** @default { 0: "class_0", ... } is not added; give `names` yourself */
  readonly metadata?: Readonly<Record<string, string>>;
  /** @default "images" */
  readonly inputName?: string;
  /** @default "output0" */
  readonly outputName?: string;
}

/**
 * A detector that ONNX Runtime runs: `images` `[N, 3, H, W]` f32 to `output0` `[N, ...dims]` f32. Every picture of the
 * batch gets the same given output, whatever it shows (its mean times zero is added, so that the batch carries over).
 */
export function constantDetector(options: ConstantDetectorOptions): ModelProto {
  const { dims, batch = null, inputName = "images", outputName = "output0" } = options;
  const [height, width] = options.size === null ? ["height", "width"] : options.size ?? [64, 64];
  const lead = batch ?? "batch";
  return model({
    name: "constant_detector",
    node: [
      node("GlobalAveragePool", { inputs: [inputName], outputs: ["pooled"] }),
      node("ReduceMean", { inputs: ["pooled"], outputs: ["mean"] }, {
        attributes: { axes: [1n, 2n, 3n], keepdims: 0n },
      }),
      node("Mul", { inputs: ["mean", "zero"], outputs: ["none"] }),
      node("Reshape", { inputs: ["none", "column"], outputs: ["spread"] }),
      node("Add", { inputs: ["spread", "answer"], outputs: [outputName] }),
    ],
    initializer: [
      floatTensor("zero", [], [0]),
      int64Tensor("column", [dims.length + 1], [-1, ...dims.map(() => 1)]),
      floatTensor("answer", [1, ...dims], options.output),
    ],
    input: [value(inputName, [lead, 3, height!, width!])],
    output: [value(outputName, [lead, ...dims])],
  }, { metadata: options.metadata ?? {} });
}

/** One box for {@link yoloOutput}: centre and size in input pixels, one score per class. */
export interface YoloRow {
  readonly box: readonly [cx: number, cy: number, width: number, height: number];
  readonly scores: readonly number[];
}

/** The data of a raw YOLOv8 output `[4 + C, A]` that holds the given boxes and zeros elsewhere. */
export function yoloOutput(rows: readonly YoloRow[], shape: { classes: number; anchors: number }): Float32Array {
  const data = new Float32Array((4 + shape.classes) * shape.anchors);
  rows.forEach(({ box, scores }, anchor) => {
    [...box, ...scores].forEach((value, channel) => data[channel * shape.anchors + anchor] = value);
  });
  return data;
}

/** The bytes of a {@link constantDetector} with a raw YOLOv8 output and Ultralytics-like metadata. */
export function tinyYolo(
  rows: readonly YoloRow[],
  options: { labels: readonly string[]; anchors?: number; size?: readonly [number, number]; batch?: number | null },
): Uint8Array<ArrayBuffer> {
  const anchors = options.anchors ?? 84;
  const [height, width] = options.size ?? [64, 64];
  const names = `{${
    options.labels.map((label, index) => `${index}: '${label.replace(/[\\']/g, "\\$&")}'`).join(", ")
  }}`;
  return writeModel(constantDetector({
    output: yoloOutput(rows, { classes: options.labels.length, anchors }),
    dims: [4 + options.labels.length, anchors],
    size: [height, width],
    batch: options.batch ?? null,
    metadata: { names, stride: "32", imgsz: `[${height}, ${width}]`, task: "detect" },
  }));
}
