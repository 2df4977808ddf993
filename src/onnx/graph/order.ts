/** The order of nodes in a graph. */
import type { GraphProto, NodeProto } from "../proto.ts";
import { namesRead } from "./dead.ts";

/**
 * The graph with each node behind those that it reads, as the standard demands and some converters forget; otherwise in
 * the order that it has. Graphs within nodes stay as they are.
 * @param graph without cycles
 * @returns the given graph when it is in order
 */
export function sortedNodes(graph: GraphProto): GraphProto {
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
