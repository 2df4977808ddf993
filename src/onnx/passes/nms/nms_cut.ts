/** Whether a model's EfficientNMS_TRT can be cut off, and what would go with it. */
import { TrtdError } from "../../../errors.ts";
import { type CutAttribute, nmsSettingsFrom } from "../../nms_property.ts";
import { DATA_TYPE, type GraphProto, type ModelProto, type NodeProto, type TensorProto } from "../../proto.ts";
import { quoted } from "../../quoted.ts";
import { walk } from "../../graph/walk.ts";
import { isComplete, tensorFromKnown } from "../../infer/evaluate_tensor.ts";
import { GraphIndex, isOperator } from "../../graph/graph_index.ts";
import { Knowledge, opsetOf } from "../../infer/shapes.ts";
import { sortedGraph } from "../../graph/sorted_graph.ts";

export const NMS_OPERATOR = "EfficientNMS_TRT";

/** Plugins of its family, whose outputs other nodes of the graph compute with. */
const RELATIVES = /^(EfficientNMS_\w+|BatchedNMS\w*)_TRT$/;

/** Operators that only hand on or reshape what the node made; they go with it. */
const HANDLERS = ["Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"];

/** A node that can be cut off, and what goes with it. */
export interface Cut {
  readonly node: NodeProto;
  readonly attributes: readonly CutAttribute[];
  readonly anchors: TensorProto | null;
  /** Outputs of the model that the node makes, by the index of the node's output. */
  readonly outputs: ReadonlyMap<string, number>;
}

/** Why a model's EfficientNMS_TRT cannot be cut off; null when it can, or when there is none. */
export function splitRefusal(model: ModelProto): TrtdError | null {
  try {
    findCut(model);
    return null;
  } catch (thrown) {
    if (thrown instanceof TrtdError) return thrown;
    throw thrown;
  }
}

const refuse = (detail: string): never => {
  throw new TrtdError("PASS_REFUSED", detail);
};

/**
 * The node and what goes with it; null when there is none.
 * @throws {TrtdError} `PASS_REFUSED` when it is there and cannot be cut off
 */
export function findCut(model: ModelProto): Cut | null {
  const { graph } = model;
  if (graph === undefined) return null;
  const found: NodeProto[] = [];
  const relatives: string[] = [];
  walk("ModelProto", model, (...[type, message]) => {
    if (type !== "NodeProto") return;
    if (message.op_type === NMS_OPERATOR) found.push(message);
    else if (RELATIVES.test(message.op_type ?? "")) relatives.push(message.op_type!);
  });
  const [node] = found;
  if (node === undefined) {
    if (relatives.length === 0) return null;
    return refuse(`${relatives[0]} cannot be cut off: only what ${NMS_OPERATOR} computes is known`);
  }
  if (found.length > 1) return refuse(`The model has ${found.length} nodes ${NMS_OPERATOR}`);
  if (!graph.node.includes(node)) return refuse(`${NMS_OPERATOR} is within another node's graph or a function`);
  const [boxes, scores, anchors, ...more] = node.input;
  if (!boxes || !scores || more.length > 0) {
    return refuse(`${NMS_OPERATOR} has ${node.input.length} inputs; it takes boxes, scores and perhaps anchors`);
  }
  const attributes = node.attribute.map(({ name = "", f, i, s }): CutAttribute => {
    if (f !== undefined && Number.isFinite(f)) return { name, f };
    if (i !== undefined && BigInt.asIntN(32, i) === i) return { name, i: Number(i) };
    if (s !== undefined) return { name, s: new TextDecoder().decode(s) };
    return refuse(`The attribute ${quoted(name)} of ${NMS_OPERATOR} is no finite number and no text`);
  });
  nmsSettingsFrom(attributes);
  return {
    node,
    attributes,
    anchors: anchors ? anchorsOf(graph, opsetOf(model), anchors) : null,
    outputs: outputsOf(graph, node),
  };
}

/** Anchors that the graph computes from constants alone. */
function computedConstant(graph: GraphProto, opset: number, name: string): TensorProto | undefined {
  const known = new Knowledge(graph, opset).value(name);
  return known !== undefined && isComplete(known) ? tensorFromKnown(name, known) : undefined;
}

function anchorsOf(graph: GraphProto, opset: number, name: string): TensorProto {
  const index = new GraphIndex(graph);
  let value = name;
  for (
    let maker = index.maker(value);
    maker !== undefined && isOperator(maker, "Identity");
    maker = index.maker(value)
  ) {
    value = maker.input[0]!;
  }
  const tensor = index.constant(value) ?? computedConstant(sortedGraph(graph), opset, value);
  if (tensor === undefined) {
    return refuse(
      `The anchors ${quoted(name)} of ${NMS_OPERATOR} depend on the picture, or are beyond what is computed beforehand`,
    );
  }
  const { data_type: type, dims } = tensor;
  const isFloat = type === DATA_TYPE.FLOAT || type === DATA_TYPE.FLOAT16;
  if (!isFloat || dims.length !== 3 || dims[2] !== 4) {
    return refuse(
      `The anchors ${quoted(name)} of ${NMS_OPERATOR} are not f32 or f16 [1, A, 4] but [${dims.join(", ")}]`,
    );
  }
  return tensor;
}

/** The model's outputs behind the node, which must come straight from it. */
function outputsOf(graph: GraphProto, node: NodeProto): Map<string, number> {
  const index = new GraphIndex(graph);
  const origin = new Map(node.output.map((name, at) => [name, at]));
  const waiting = [...node.output];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (name === "") continue;
    for (const reader of index.readers(name)) {
      if (!isOperator(reader, ...HANDLERS) || reader.input[0] !== name || !graph.node.includes(reader)) {
        refuse(`Another node (${reader.op_type}) computes with ${quoted(name)}, which ${NMS_OPERATOR} makes`);
      }
      for (const made of reader.output) {
        origin.set(made, origin.get(name)!);
        waiting.push(made);
      }
    }
  }
  return new Map(graph.output.flatMap(({ name = "" }) => origin.has(name) ? [[name, origin.get(name)!]] : []));
}
