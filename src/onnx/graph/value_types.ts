/** Element types of the values inside a graph, which files need not declare. */
import { domainOf, subgraphs } from "./nodes.ts";
import { ATTRIBUTE_TYPE, DATA_TYPE, type GraphProto, type NodeProto, type ValueInfoProto } from "../proto.ts";
import { attribute } from "./graph_index.ts";

/** Types of the values of one graph, with those of the graphs around it. */
export class ValueTypes {
  readonly #types = new Map<string, number>();
  readonly #outer: ValueTypes | null;
  readonly #inner = new Map<GraphProto, ValueTypes>();

  /**
   * Types by operator; those of operators that are not ONNX's come from the declarations.
   * @param graph with its nodes in dependency order, as ONNX demands
   * @param given types of the inputs that a graph within a node need not declare
   */
  constructor(graph: GraphProto, outer: ValueTypes | null = null, given: Types = []) {
    this.#outer = outer;
    for (const { name = "", data_type: type } of graph.initializer) this.#set(name, type);
    for (const { values } of graph.sparse_initializer) this.#set(values?.name ?? "", values?.data_type);
    graph.input.forEach((value, at) => this.#set(value.name ?? "", tensorType(value) ?? given[at]));
    const declared = new Map([...graph.output, ...graph.value_info].map((value) => [value.name, tensorType(value)]));
    for (const node of graph.node) {
      for (const { graph: inner } of subgraphs(node)) {
        this.#inner.set(inner, new ValueTypes(inner, this, bodyInputs(node, this)));
      }
      const types = outputTypes(node, this);
      node.output.forEach((name, at) => this.#set(name, types[at] ?? declared.get(name)));
    }
  }

  /** A value of `DATA_TYPE`; undefined when nothing tells. */
  get(name: string | undefined): number | undefined {
    if (name === undefined || name === "") return undefined;
    return this.#types.get(name) ?? this.#outer?.get(name);
  }

  /** Types within a graph that a node of this one holds. */
  within(graph: GraphProto): ValueTypes {
    return this.#inner.get(graph)!;
  }

  #set(name: string, type: number | undefined): void {
    if (name !== "" && type !== undefined) this.#types.set(name, type);
  }
}

const tensorType = ({ type }: ValueInfoProto): number | undefined =>
  type?.tensor_type?.elem_type ?? type?.sparse_tensor_type?.elem_type;

type Types = readonly (number | undefined)[];
type Rule = (node: NodeProto, types: ValueTypes) => Types;

const { BOOL, FLOAT, INT32, INT64, UINT8 } = DATA_TYPE;

const always = (...types: number[]): Rule => () => types;
const likeInput = (at: number, ...further: number[]): Rule => (node, types) => [types.get(node.input[at]), ...further];
/** The type that an attribute names, else a default or an input's. */
const byAttribute = (name: string, otherwise: number | Rule): Rule => (node, types) => {
  const type = attribute(node, name)?.i;
  if (type !== undefined) return [Number(type)];
  return typeof otherwise === "number" ? [otherwise] : otherwise(node, types);
};
const like0 = likeInput(0);

/** Operators whose outputs are not of the first input's type. Source: the schemas of onnx 1.23, opsets 1 to 28. */
const RULES: Readonly<Record<string, Rule>> = {
  Shape: always(INT64),
  Size: always(INT64),
  NonZero: always(INT64),
  ArgMax: always(INT64),
  ArgMin: always(INT64),
  NonMaxSuppression: always(INT64),
  Equal: always(BOOL),
  Greater: always(BOOL),
  GreaterOrEqual: always(BOOL),
  Less: always(BOOL),
  LessOrEqual: always(BOOL),
  And: always(BOOL),
  Or: always(BOOL),
  Xor: always(BOOL),
  Not: always(BOOL),
  IsInf: always(BOOL),
  IsNaN: always(BOOL),
  RegexFullMatch: always(BOOL),
  TopK: likeInput(0, INT64),
  MaxPool: likeInput(0, INT64),
  Unique: likeInput(0, INT64, INT64, INT64),
  Dropout: likeInput(0, BOOL),
  Where: likeInput(1),
  CastLike: likeInput(1),
  OneHot: likeInput(2),
  DequantizeLinear: byAttribute("output_dtype", likeInput(1)),
  QuantizeLinear: (node, types) =>
    node.input[2] ? [types.get(node.input[2])] : byAttribute("output_dtype", UINT8)(node, types),
  DynamicQuantizeLinear: always(UINT8, FLOAT, UINT8),
  ConvInteger: always(INT32),
  MatMulInteger: always(INT32),
  QLinearConv: likeInput(7),
  QLinearMatMul: likeInput(7),
  Cast: byAttribute("to", () => []),
  BitCast: byAttribute("to", () => []),
  Constant: (node) => [constantType(node)],
  ConstantOfShape: (node) => [attribute(node, "value")?.t?.data_type ?? FLOAT],
  EyeLike: byAttribute("dtype", like0),
  Bernoulli: byAttribute("dtype", like0),
  RandomNormal: byAttribute("dtype", FLOAT),
  RandomUniform: byAttribute("dtype", FLOAT),
  RandomNormalLike: byAttribute("dtype", like0),
  RandomUniformLike: byAttribute("dtype", like0),
  Multinomial: byAttribute("dtype", INT32),
  BlackmanWindow: byAttribute("output_datatype", FLOAT),
  HammingWindow: byAttribute("output_datatype", FLOAT),
  HannWindow: byAttribute("output_datatype", FLOAT),
  MelWeightMatrix: byAttribute("output_datatype", FLOAT),
  TfIdfVectorizer: always(FLOAT),
  ImageDecoder: always(UINT8),
  SequenceLength: always(INT64),
  SequenceAt: () => [],
  OptionalGetElement: () => [],
  OptionalHasElement: always(BOOL),
  If: bodyTypes(0),
  Loop: bodyTypes(1),
  Scan: bodyTypes(0),
};

/** Operators with several inputs of one type, of which any tells it. */
const UNIFORM = new Set([
  ..."Add Sub Mul Div Pow Max Min Sum Mean Concat Conv ConvTranspose Gemm MatMul Einsum PRelu Clip".split(" "),
]);

function outputTypes(node: NodeProto, types: ValueTypes): Types {
  if (domainOf(node.domain) !== "ai.onnx") {
    // TensorRT plugin/efficientNMSPlugin: boxes and scores are of the input's type, the rest is INT32.
    if (node.op_type !== "EfficientNMS_TRT") return [];
    return [INT32, types.get(node.input[0]), types.get(node.input[0]), INT32];
  }
  const op = node.op_type ?? "";
  if (op === "EfficientNMS_TRT") return outputTypes({ ...node, domain: "TRT" }, types);
  const rule = RULES[op];
  if (rule !== undefined) return rule(node, types);
  const known = UNIFORM.has(op)
    ? node.input.map((name) => types.get(name)).find((type) => type !== undefined)
    : undefined;
  const type = types.get(node.input[0]) ?? known;
  return node.output.map(() => type);
}

function constantType(node: NodeProto): number | undefined {
  const [given] = node.attribute;
  if (given?.t !== undefined) return given.t.data_type;
  if (given?.sparse_tensor !== undefined) return given.sparse_tensor.values?.data_type;
  switch (given?.type) {
    case ATTRIBUTE_TYPE.FLOAT:
    case ATTRIBUTE_TYPE.FLOATS:
      return FLOAT;
    case ATTRIBUTE_TYPE.INT:
    case ATTRIBUTE_TYPE.INTS:
      return INT64;
    case ATTRIBUTE_TYPE.STRING:
    case ATTRIBUTE_TYPE.STRINGS:
      return DATA_TYPE.STRING;
    default:
      return undefined;
  }
}

/** What a node gives to its graph: a Loop the number of the round, its condition and its state, a Scan all its inputs. */
function bodyInputs(node: NodeProto, types: ValueTypes): Types {
  const given = node.input.map((name) => types.get(name));
  if (node.op_type === "Loop") return [INT64, BOOL, ...given.slice(2)];
  return node.op_type === "Scan" ? given : [];
}

/** The outputs of a node's graph from the given one on: a Loop's first is its condition. */
function bodyTypes(from: number): Rule {
  return (node, types) => {
    const [body] = subgraphs(node);
    if (body === undefined) return [];
    const inner = types.within(body.graph);
    return body.graph.output.slice(from).map((value) => inner.get(value.name) ?? tensorType(value));
  };
}
