/**
 * A convolution whose output is split by channels becomes one convolution for each part.
 *
 * YOLOv8 and its successors split behind the first convolution of every C2f, C3k2 and C2PSA block. ONNX Runtime keeps
 * convolutions in a blocked layout that Split does not know, so that each of them costs two reorderings and a copy.
 * Every output channel is computed from the same numbers as before.
 */
import type { GraphProto, NodeProto, TensorProto } from "../../proto.ts";
import { attribute, GraphIndex, isOperator, nodeOf, withoutUnused } from "../../graph/graph_index.ts";

/** Widest block of channels in ONNX Runtime's blocked layout (AVX-512). A narrower part would gain nothing. */
const CHANNEL_BLOCK = 16;

/** Element-wise operators that may stand between the convolution and the split. */
const ACTIVATIONS = ["Relu", "LeakyRelu", "HardSwish", "Sigmoid", "Tanh", "Elu", "Mish"] as const;

/** What stands between Conv and Split, ends included, and the parts' channels. */
interface Match {
  readonly conv: NodeProto;
  readonly activation: readonly NodeProto[];
  readonly split: NodeProto;
  readonly sizes: readonly number[];
  /** Nodes that make the weight and the bias from constants: Cast and Identity, nearest to the convolution first. */
  readonly operands: readonly Operand[];
}

interface Operand {
  readonly tensor: TensorProto;
  readonly chain: readonly NodeProto[];
}

/**
 * Rewrite every match; the given graph is not changed.
 * @returns the same object when nothing matches
 */
export function splitConvolutions(graph: GraphProto): GraphProto {
  const index = new GraphIndex(graph);
  const matches = graph.node.flatMap((node) => matchAt(index, node) ?? []);
  if (matches.length === 0) return graph;
  const dropped = new Set(matches.flatMap(({ conv, activation, split }) => [conv, ...activation, split]));
  const bySplit = new Map(matches.map((match) => [match.split, match]));
  const initializer = [...graph.initializer];
  const node = graph.node.flatMap((old) => {
    const match = bySplit.get(old);
    if (match !== undefined) return partsOf(match, initializer);
    return dropped.has(old) ? [] : [old];
  });
  return withoutUnused({ ...graph, node, initializer });
}

function matchAt(index: GraphIndex, split: NodeProto): Match | null {
  if (!isOperator(split, "Split") || attribute(split, "axis")?.i !== 1n) return null;
  if (split.output.some((output) => output === "")) return null;
  const activation = activationBefore(index, split);
  const conv = activation === null ? undefined : index.maker(activation[0]?.input[0] ?? split.input[0]);
  if (activation === null || conv === undefined || !isOperator(conv, "Conv")) return null;
  const made = conv.output[0]!;
  const head = activation.length > 0 ? activation.filter(({ input }) => input.includes(made)) : [split];
  if (!index.isOnlyReadBy(made, head) || (attribute(conv, "group")?.i ?? 1n) !== 1n) return null;
  const operands = conv.input.slice(1).map((input) => operandOf(index, input));
  if (operands.some((operand) => operand === null)) return null;
  const sizes = sizesOf(index, split, (operands[0] as Operand).tensor.dims[0]!);
  if (sizes === null || sizes.some((size) => size % CHANNEL_BLOCK !== 0)) return null;
  return { conv, activation, split, sizes, operands: operands as Operand[] };
}

/** The nodes between the convolution and the split: none, one, or the two of SiLU. Null when it is something else. */
function activationBefore(index: GraphIndex, split: NodeProto): readonly NodeProto[] | null {
  const last = index.maker(split.input[0]);
  if (last === undefined || !index.isOnlyReadBy(last.output[0]!, [split])) return null;
  if (isOperator(last, "Conv")) return [];
  if (isOperator(last, ...ACTIVATIONS)) return [last];
  if (!isOperator(last, "Mul")) return null;
  const gate = last.input.map((input) => index.maker(input)).find((maker) =>
    maker !== undefined && isOperator(maker, "Sigmoid")
  );
  if (gate === undefined || !index.isOnlyReadBy(gate.output[0]!, [last])) return null;
  const isSilu = last.input.includes(gate.input[0]!) && last.input.includes(gate.output[0]!);
  return isSilu ? [gate, last] : null;
}

/** A constant, perhaps behind Cast and Identity, whose rows can be taken apart. */
function operandOf(index: GraphIndex, input: string): Operand | null {
  const chain: NodeProto[] = [];
  let value = input;
  for (let maker = index.maker(value); maker !== undefined; maker = index.maker(value)) {
    if (isOperator(maker, "Constant")) break;
    if (!isOperator(maker, "Cast", "Identity")) return null;
    chain.push(maker);
    value = maker.input[0]!;
  }
  const tensor = index.constant(value);
  const data = tensor?.raw_data ?? tensor?.float_data;
  if (tensor === undefined || data === undefined || !(tensor.dims[0]! > 0)) return null;
  return data.length % tensor.dims[0]! === 0 ? { tensor, chain } : null;
}

/** Channels of every part: opset 13 has them as an input, older ones as an attribute, and by default they are equal. */
function sizesOf(index: GraphIndex, split: NodeProto, channels: number): number[] | null {
  let sizes: number[];
  if (split.input[1]) {
    const data = index.constant(split.input[1])?.raw_data;
    if (data === undefined) return null;
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    sizes = Array.from({ length: data.length / 8 }, (_, at) => Number(view.getBigInt64(8 * at, true)));
  } else {
    const given = attribute(split, "split")?.ints;
    sizes = given?.map(Number) ?? split.output.map(() => channels / split.output.length);
  }
  const sum = sizes.reduce((total, size) => total + size, 0);
  return sizes.length === split.output.length && sum === channels && sizes.every((size) => size > 0) ? sizes : null;
}

function partsOf({ conv, activation, split, sizes, operands }: Match, initializer: TensorProto[]): NodeProto[] {
  let from = 0;
  return sizes.flatMap((size, part) => {
    const renamed = (value: string) => `${split.output[part]}/${value}`;
    const nodes: NodeProto[] = [];
    const inputs = operands.map(({ tensor, chain }, at) => {
      const original = conv.input[1 + at]!;
      const stored = renamed(chain.length === 0 ? original : `${original}/stored`);
      initializer.push(rowsOf(tensor, from, size, stored));
      let value = stored;
      for (const [step, link] of chain.toReversed().entries()) {
        const name = step === chain.length - 1 ? renamed(original) : renamed(`${original}/${step}`);
        nodes.push(nodeOf(link.op_type!, { inputs: [value], outputs: [name], name }, link.attribute));
        value = name;
      }
      return value;
    });
    from += size;
    const chain = [conv, ...activation];
    const outputOf = new Map(chain.map((node) => [node.output[0]!, renamed(node.output[0]!)]));
    outputOf.set(chain.at(-1)!.output[0]!, split.output[part]!);
    for (const node of chain) {
      const read = node === conv
        ? [conv.input[0]!, ...inputs]
        : node.input.map((input) => outputOf.get(input) ?? input);
      const output = outputOf.get(node.output[0]!)!;
      nodes.push(nodeOf(node.op_type!, { inputs: read, outputs: [output], name: `${output}/node` }, node.attribute));
    }
    return nodes;
  });
}

/** Rows `from` to `from + count` along the first axis; the data stays a view. */
function rowsOf(tensor: TensorProto, from: number, count: number, name: string): TensorProto {
  const field = tensor.raw_data === undefined ? "float_data" : "raw_data";
  const data = tensor[field]!;
  const rowBytes = data.length / tensor.dims[0]!;
  return {
    ...tensor,
    name,
    dims: [count, ...tensor.dims.slice(1)],
    [field]: data.subarray(from * rowBytes, (from + count) * rowBytes),
  };
}
