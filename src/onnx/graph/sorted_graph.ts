/** The order of nodes in a model, in a graph and in all graphs within it. */
import type { GraphProto, ModelProto, NodeProto } from "../proto.ts";
import { namesRead } from "./dead.ts";
import { subgraphs } from "./nodes.ts";

export interface SortedModel {
  /** The given model itself when it is in order. */
  readonly model: ModelProto;
  /** Says that the order is another one, for a pass's report; empty when it is not. */
  readonly remarks: readonly string[];
}

/** The model with the nodes of its graph, and of all graphs within, behind those that they read. Functions stay. */
export function sortedModel(model: ModelProto): SortedModel {
  const graph = model.graph && sortedGraph(model.graph);
  if (graph === undefined || graph === model.graph) return { model, remarks: [] };
  return {
    model: { ...model, graph },
    remarks: ["The nodes were out of order, each stands behind those that it reads now"],
  };
}

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

/**
 * The graph with each node behind those that it reads, as the standard demands and some converters forget; otherwise in
 * the order that it has. Graphs within nodes stay as they are.
 * @param graph without cycles
 * @returns the given graph when it is in order
 */
function sortedNodes(graph: GraphProto): GraphProto {
  const makers = new Map<string, NodeProto>();
  for (const node of graph.node) for (const output of node.output) if (output !== "") makers.set(output, node);
  const sorted = new Set<NodeProto>();
  // A graph within a node may call its own values by the names of values around it.
  const entered = new Set<NodeProto>();
  for (const root of graph.node) {
    const path: { node: NodeProto; sources: NodeProto[] }[] = [];
    const enter = (node: NodeProto) => {
      entered.add(node);
      path.push({ node, sources: namesRead(node).flatMap((name) => makers.get(name) ?? []).reverse() });
    };
    if (!sorted.has(root)) enter(root);
    for (let step = path.at(-1); step !== undefined; step = path.at(-1)) {
      const source = step.sources.pop();
      if (source === undefined) {
        sorted.add(step.node);
        path.pop();
      } else if (!entered.has(source)) {
        enter(source);
      }
    }
  }
  const node = [...sorted];
  return node.every((one, at) => one === graph.node[at]) ? graph : { ...graph, node };
}
