/** Questions that a pass asks about the edges of a graph. */
import { domainOf } from "./nodes.ts";
import type { AttributeProto, GraphProto, NodeProto, TensorProto } from "../proto.ts";
import { walk } from "./walk.ts";

/** Who makes and who reads each value; made for one state of a graph. */
export class GraphIndex {
  readonly #makers = new Map<string, NodeProto>();
  readonly #readers = new Map<string, NodeProto[]>();
  readonly #initializers: Map<string, TensorProto>;
  readonly #bound: Set<string>;

  constructor(graph: GraphProto) {
    this.#initializers = new Map(graph.initializer.map((tensor) => [tensor.name ?? "", tensor]));
    this.#bound = new Set([...graph.output, ...graph.input].map(({ name = "" }) => name));
    for (const node of graph.node) for (const output of node.output) this.#makers.set(output, node);
    walk("GraphProto", graph, (...[type, message]) => {
      if (type !== "NodeProto") return;
      for (const input of message.input) {
        const readers = this.#readers.get(input);
        if (readers === undefined) this.#readers.set(input, [message]);
        else readers.push(message);
      }
    });
  }

  maker(value: string | undefined): NodeProto | undefined {
    return this.#makers.get(value ?? "");
  }

  /** Nodes that read a value, those of subgraphs too, once for each time they do. */
  readers(value: string): readonly NodeProto[] {
    return this.#readers.get(value) ?? [];
  }

  /** Whether the value is neither an output of the graph nor read by any other node than these. */
  isOnlyReadBy(value: string, nodes: readonly NodeProto[]): boolean {
    return !this.#bound.has(value) && this.readers(value).every((reader) => nodes.includes(reader));
  }

  /** The tensor behind a name: an initializer that no input overrides, or a Constant node's; undefined for the rest. */
  constant(value: string | undefined): TensorProto | undefined {
    const maker = this.maker(value);
    if (maker !== undefined) return isOperator(maker, "Constant") ? attribute(maker, "value")?.t : undefined;
    return this.#bound.has(value ?? "") ? undefined : this.#initializers.get(value ?? "");
  }
}

export const isOperator = (node: NodeProto, ...names: readonly string[]): boolean =>
  domainOf(node.domain) === "ai.onnx" && names.includes(node.op_type ?? "");

export const attribute = (node: NodeProto, name: string): AttributeProto | undefined =>
  node.attribute.find((candidate) => candidate.name === name);

/** A node of the default domain with the attributes of another one, or none. */
export function nodeOf(
  op: string,
  edges: { inputs: readonly string[]; outputs: readonly string[]; name: string },
  attributes: readonly AttributeProto[] = [],
): NodeProto {
  return {
    input: [...edges.inputs],
    output: [...edges.outputs],
    name: edges.name,
    op_type: op,
    attribute: [...attributes],
    metadata_props: [],
  };
}

/** The graph without constants that nothing reads, and without the Cast and Identity nodes that only led from one. */
export function withoutUnused(graph: GraphProto): GraphProto {
  const index = new GraphIndex(graph);
  const outputs = new Set(graph.output.map(({ name }) => name));
  const inputs = new Set(graph.input.map(({ name }) => name));
  const isUsed = (value: string) => outputs.has(value) || index.readers(value).length > 0;
  const node = graph.node.filter((node) =>
    !isOperator(node, "Constant", "Cast", "Identity") || node.output.some(isUsed)
  );
  if (node.length < graph.node.length) return withoutUnused({ ...graph, node });
  return { ...graph, initializer: graph.initializer.filter(({ name = "" }) => inputs.has(name) || isUsed(name)) };
}
