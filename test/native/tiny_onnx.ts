/** ONNX files of a few hundred bytes, written field by field. */

type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();

function varint(value: number): number[] {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    out.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return out;
}

const number = (field: number, value: number): number[] => [...varint(field << 3), ...varint(value)];

function message(field: number, content: readonly number[] | string): number[] {
  const bytes = typeof content === "string" ? [...encoder.encode(content)] : content;
  return [...varint(field << 3 | 2), ...varint(bytes.length), ...bytes];
}

/** A dimension: a size, or a name for a dynamic one. */
export type Axis = number | string;

/** An input or output. */
export interface TinyTensor {
  name: string;
  dims: readonly Axis[];
  /** TensorProto.DataType. @default 1, float */
  type?: number;
}

/** A node without attributes. */
export interface TinyNode {
  op: string;
  name: string;
  inputs: readonly string[];
  outputs: readonly string[];
  domain?: string;
}

/** A model; every node is without attributes. */
export interface TinyModel {
  inputs: readonly TinyTensor[];
  outputs: readonly TinyTensor[];
  nodes: readonly TinyNode[];
  /** @default 17 */
  opset?: number;
}

function valueInfo(tensor: TinyTensor): number[] {
  const axes = tensor.dims.flatMap((axis) => message(1, typeof axis === "number" ? number(1, axis) : message(2, axis)));
  const type = [...number(1, tensor.type ?? 1), ...message(2, axes)];
  return [...message(1, tensor.name), ...message(2, message(1, type))];
}

function node(spec: TinyNode): number[] {
  return [
    ...spec.inputs.flatMap((name) => message(1, name)),
    ...spec.outputs.flatMap((name) => message(2, name)),
    ...message(3, spec.name),
    ...message(4, spec.op),
    ...(spec.domain === undefined ? [] : message(7, spec.domain)),
  ];
}

/** The file's bytes. */
export function tinyOnnx(model: TinyModel): Bytes {
  const graph = [
    ...model.nodes.flatMap((spec) => message(1, node(spec))),
    ...message(2, "tiny"),
    ...model.inputs.flatMap((tensor) => message(11, valueInfo(tensor))),
    ...model.outputs.flatMap((tensor) => message(12, valueInfo(tensor))),
  ];
  const opsets = [
    ...message(8, number(2, model.opset ?? 17)),
    ...message(8, [...message(1, "trt.plugins"), ...number(2, 1)]),
  ];
  return Uint8Array.from([...number(1, 8), ...message(2, "trtd"), ...message(7, graph), ...opsets]);
}

/** `y = relu(x)`. */
export function reluOnnx(dims: readonly Axis[]): Bytes {
  return tinyOnnx({
    inputs: [{ name: "x", dims }],
    outputs: [{ name: "y", dims }],
    nodes: [{ op: "Relu", name: "the relu", inputs: ["x"], outputs: ["y"] }],
  });
}
