/** Removal of what no output depends on. */
import type { GraphProto, NodeProto } from "../proto.ts";
import { walk } from "./walk.ts";

/** A graph without its dead parts. */
export interface Pruned {
  /** The given graph itself when all of it is alive. */
  readonly graph: GraphProto;
  /** How many nodes are gone. */
  readonly nodes: number;
}

/** What the outputs of a graph, and some of its nodes, depend on. */
interface Living {
  readonly nodes: ReadonlySet<NodeProto>;
  readonly values: ReadonlySet<string>;
}

function livingOf(graph: GraphProto, roots: readonly NodeProto[] = []): Living {
  const makers = new Map<string, NodeProto>();
  for (const node of graph.node) for (const output of node.output) makers.set(output, node);
  const read = new Set<string>();
  const living = new Set<NodeProto>();
  const waiting: NodeProto[] = [];
  const readValue = (name: string) => {
    if (name === "" || read.has(name)) return;
    read.add(name);
    const maker = makers.get(name);
    if (maker !== undefined) revive(maker);
  };
  const revive = (node: NodeProto) => {
    if (living.has(node)) return;
    living.add(node);
    waiting.push(node);
  };
  for (const { name = "" } of graph.output) readValue(name);
  for (const node of graph.node) if (node.output.every((output) => output === "")) revive(node);
  roots.forEach(revive);
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) namesRead(node).forEach(readValue);
  return { nodes: living, values: read };
}

/**
 * The graph without nodes and initializers that lead to no output, and without the `value_info` of what is gone. Inputs
 * stay, and initializers that are inputs; subgraphs of living nodes stay as they are.
 */
export function withoutDead(graph: GraphProto): Pruned {
  const { nodes, values } = livingOf(graph);
  return withoutParts(graph, { isAlive: (node) => nodes.has(node), isRead: (name) => values.has(name) });
}

/**
 * The graph without what led to an output in an earlier state of it and leads to none any more. What was dead before
 * stays, and so does what is new.
 */
export function withoutOrphans(graph: GraphProto, before: GraphProto): GraphProto {
  const { values: then } = livingOf(before);
  const { nodes, values: now } = livingOf(
    graph,
    graph.node.filter(({ output }) => !output.some((name) => then.has(name))),
  );
  const isRead = (name: string) => now.has(name) || !then.has(name);
  return withoutParts(graph, { isAlive: (node) => nodes.has(node), isRead }).graph;
}

interface Judgement {
  readonly isAlive: (node: NodeProto) => boolean;
  /** Whether to keep the constant of a name. */
  readonly isRead: (name: string) => boolean;
}

function withoutParts(graph: GraphProto, { isAlive, isRead }: Judgement): Pruned {
  const inputs = new Set(graph.input.map(({ name }) => name));
  const isKept = (name: string | undefined) => inputs.has(name) || isRead(name ?? "");
  const node = graph.node.filter(isAlive);
  const initializer = graph.initializer.filter(({ name }) => isKept(name));
  const sparse_initializer = graph.sparse_initializer.filter(({ values }) => isKept(values?.name));
  const nodes = graph.node.length - node.length;
  const isWhole = nodes === 0 && initializer.length === graph.initializer.length &&
    sparse_initializer.length === graph.sparse_initializer.length;
  if (isWhole) return { graph, nodes };
  const pruned = { ...graph, node, initializer, sparse_initializer };
  return { graph: withoutStaleInfo(graph, pruned), nodes };
}

/** Everything that a node reads, and that graphs within it may read from the graph around. */
export function namesRead(node: NodeProto): string[] {
  if (node.attribute.every(({ g, graphs }) => g === undefined && graphs.length === 0)) return node.input;
  const names: string[] = [];
  walk("NodeProto", node, (...[type, message]) => {
    if (type === "NodeProto") names.push(...message.input);
    else if (type === "GraphProto") names.push(...message.output.map(({ name = "" }) => name));
  });
  return names;
}

/** Drop `value_info` of values that `before` had and `after` has no more; of others it stays. */
function withoutStaleInfo(before: GraphProto, after: GraphProto): GraphProto {
  const kept = valuesOf(after);
  const gone = new Set([...valuesOf(before)].filter((name) => !kept.has(name)));
  const value_info = after.value_info.filter(({ name = "" }) => !gone.has(name));
  return value_info.length === after.value_info.length ? after : { ...after, value_info };
}

const valuesOf = (graph: GraphProto): Set<string> =>
  new Set([
    ...graph.node.flatMap(({ output }) => output),
    ...graph.initializer.map(({ name = "" }) => name),
    ...graph.sparse_initializer.map(({ values }) => values?.name ?? ""),
  ]);
