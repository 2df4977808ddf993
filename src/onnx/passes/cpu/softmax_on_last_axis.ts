/**
 * Softmax over another axis than the last, behind a Transpose, becomes Softmax over the last axis between two.
 *
 * Ultralytics' exports turn the distances of every anchor into `[N, 16, 4, A]` and take Softmax over the 16. ONNX
 * Runtime moves the axis to the end and back element by element on one thread; a Transpose node of its own is fast.
 */
import type { GraphProto, ModelProto, NodeProto } from "../../proto.ts";
import { intAttribute, intsAttribute } from "../../graph/attributes.ts";
import { domainOf } from "../../graph/nodes.ts";
import { attribute, GraphIndex, isOperator, nodeOf } from "../../graph/graph_index.ts";

/** Older Softmax flattens all axes from the given one on. */
const FIRST_OPSET = 13;

/**
 * Rewrite every match; the given graph is not changed.
 * @returns the same object when nothing matches
 */
export function softmaxOnLastAxis(graph: GraphProto, opsets: ModelProto["opset_import"]): GraphProto {
  const opset = opsets.find(({ domain }) => domainOf(domain) === "ai.onnx")?.version ?? 0;
  if (opset < FIRST_OPSET) return graph;
  const index = new GraphIndex(graph);
  const dropped = new Set<NodeProto>();
  const replaced = new Map<NodeProto, NodeProto[]>();
  for (const softmax of graph.node) {
    if (!isOperator(softmax, "Softmax")) continue;
    const transpose = index.maker(softmax.input[0]);
    if (transpose === undefined || !isOperator(transpose, "Transpose")) continue;
    const order = attribute(transpose, "perm")?.ints;
    const given = Number(attribute(softmax, "axis")?.i ?? -1n);
    if (order === undefined || !index.isOnlyReadBy(transpose.output[0]!, [softmax])) continue;
    const last = order.length - 1;
    const axis = given < 0 ? given + order.length : given;
    if (axis >= last) continue;
    const output = softmax.output[0]!;
    const [moved, weighed] = [`${output}/moved`, `${output}/weighed`];
    dropped.add(transpose);
    replaced.set(softmax, [
      transposeOf(transpose.input[0]!, moved, swapped(order, axis, last)),
      nodeOf("Softmax", { inputs: [moved], outputs: [weighed], name: `${weighed}/node` }, [
        intAttribute("axis", -1),
      ]),
      transposeOf(weighed, output, swapped(order.map((_, at) => BigInt(at)), axis, last)),
    ]);
  }
  if (replaced.size === 0) return graph;
  const node = graph.node.flatMap((old) => replaced.get(old) ?? (dropped.has(old) ? [] : [old]));
  return { ...graph, node };
}

function swapped(order: readonly bigint[], a: number, b: number): bigint[] {
  const result = [...order];
  [result[a], result[b]] = [result[b]!, result[a]!];
  return result;
}

const transposeOf = (input: string, output: string, perm: bigint[]): NodeProto =>
  nodeOf("Transpose", { inputs: [input], outputs: [output], name: `${output}/node` }, [
    intsAttribute("perm", perm),
  ]);
