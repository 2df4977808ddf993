/** What a model computes in. Pure. */
import { attribute, GraphIndex, isOperator } from "../../onnx/graph/graph_index.ts";
import { DATA_TYPE, type GraphProto, type ModelProto, type NodeProto } from "../../onnx/proto.ts";
import type { EnginePrecision } from "./plan_precision.ts";

/** Operators that take nearly all of a detector's time. */
const HEAVY = ["Conv", "ConvTranspose", "Gemm", "MatMul"] as const;
/** Operators whose output has the type of their first input. */
const TYPE_KEEPING = ["Identity", "Transpose", "Reshape", "Unsqueeze", "Squeeze"] as const;
const CHAIN_MAX = 8;

/**
 * The precision of most of a model's convolutions and matrix products, by the type of their weights where they are
 * used: weights that are stored in fp16 and cast back compute in f32. Without any, the type of the first input counts.
 */
export function computePrecision(model: Pick<ModelProto, "graph">): EnginePrecision {
  const { graph } = model;
  if (graph === undefined) return "f32";
  const index = new GraphIndex(graph);
  let balance = 0;
  for (const node of graph.node) {
    if (!isOperator(node, ...HEAVY)) continue;
    const type = typeOf(node.input[1], index) ?? typeOf(node.input[0], index);
    if (type === DATA_TYPE.FLOAT16) balance++;
    if (type === DATA_TYPE.FLOAT) balance--;
  }
  return balance > 0 || balance === 0 && firstInputType(graph) === DATA_TYPE.FLOAT16 ? "fp16" : "f32";
}

/** Element type of a value that is a constant or made from one, null where that cannot be seen. */
function typeOf(value: string | undefined, index: GraphIndex): number | null {
  for (let step = 0, name = value; step < CHAIN_MAX && name !== undefined; step++) {
    const constant = index.constant(name);
    if (constant !== undefined) return constant.data_type ?? null;
    const maker: NodeProto | undefined = index.maker(name);
    if (maker === undefined) return null;
    if (isOperator(maker, "Cast")) return Number(attribute(maker, "to")?.i ?? 0n);
    if (!isOperator(maker, ...TYPE_KEEPING)) return null;
    name = maker.input[0];
  }
  return null;
}

const firstInputType = ({ input }: GraphProto): number | null => input[0]?.type?.tensor_type?.elem_type ?? null;
