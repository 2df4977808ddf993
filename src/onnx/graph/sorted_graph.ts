/** The order of nodes in a graph and all graphs within it. */
import { subgraphs } from "./nodes.ts";
import type { GraphProto, NodeProto } from "../proto.ts";
import { sortedNodes } from "./order.ts";

/**
 * The graph with every node behind those that it waits for, otherwise in the old order; graphs within too.
 * @returns the same object when the order is right already
 */
export function sortedGraph(graph: GraphProto): GraphProto {
  const node = graph.node.map(withSortedGraphs);
  const changed = node.some((one, at) => one !== graph.node[at]);
  return sortedNodes(changed ? { ...graph, node } : graph);
}

function withSortedGraphs(node: NodeProto): NodeProto {
  if (subgraphs(node).length === 0) return node;
  const attribute = node.attribute.map((one) => {
    const g = one.g === undefined ? undefined : sortedGraph(one.g);
    const graphs = one.graphs.map(sortedGraph);
    const changed = g !== one.g || graphs.some((graph, at) => graph !== one.graphs[at]);
    return changed ? { ...one, ...(g === undefined ? {} : { g }), graphs } : one;
  });
  return attribute.some((one, at) => one !== node.attribute[at]) ? { ...node, attribute } : node;
}
