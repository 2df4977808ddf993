/** Other names for values that nodes make. */
import type { GraphProto, NodeProto } from "../proto.ts";

/**
 * The graph with other names for some values of its nodes; graphs within read them under the new names. Their
 * `value_info` goes: what is renamed becomes an output, or leads to one.
 * @param renames new names by old ones; outputs of the graph are not renamed with them
 */
export function withRenamedValues(graph: GraphProto, renames: ReadonlyMap<string, string>): GraphProto {
  if (renames.size === 0) return graph;
  const value_info = graph.value_info.filter(({ name = "" }) => !renames.has(name));
  return { ...withRenamedReads(graph, renames, true), value_info };
}

function withRenamedReads(graph: GraphProto, renames: ReadonlyMap<string, string>, isOwn: boolean): GraphProto {
  const renamed = (name: string) => renames.get(name) ?? name;
  const within = (inner: GraphProto) => withRenamedReads(inner, visibleIn(inner, renames), false);
  const node = graph.node.map((one): NodeProto => {
    const isNested = one.attribute.some(({ g, graphs }) => g !== undefined || graphs.length > 0);
    const isTouched = one.input.some((name) => renames.has(name)) || one.output.some((name) => renames.has(name));
    if (!isNested && !isTouched) return one;
    const attribute = !isNested ? one.attribute : one.attribute.map((value) => ({
      ...value,
      ...(value.g === undefined ? {} : { g: within(value.g) }),
      graphs: value.graphs.map(within),
    }));
    return { ...one, input: one.input.map(renamed), output: isOwn ? one.output.map(renamed) : one.output, attribute };
  });
  return { ...graph, node };
}

/** The renames without those of names that a graph has for values of its own. */
function visibleIn(graph: GraphProto, renames: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const own = new Set([
    ...graph.input.map(({ name }) => name),
    ...graph.initializer.map(({ name }) => name),
    ...graph.node.flatMap(({ output }) => output),
  ]);
  return new Map([...renames].filter(([name]) => !own.has(name)));
}
