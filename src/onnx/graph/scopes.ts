/** Graphs within graphs: where each name is defined, and who reads it from where. */
import { subgraphs } from "./nodes.ts";
import type { FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto } from "../proto.ts";
import { opsetOf } from "../infer/shapes.ts";

/** Up to IR version 3 every initializer must be an input too. Source: onnx.proto, IR_VERSION_2019_1_22. */
export const IR_VERSION_FREE_INITIALIZERS = 4;

/** One place that reads a value: input `at` of a node, or output `at` of the scope's graph. */
export interface Use {
  readonly scope: Scope;
  /** Undefined for an output of the graph. */
  readonly node: NodeProto | undefined;
  readonly at: number;
}

/** The names of one graph or function. */
export class Scope {
  /** Of a function, a graph with its nodes. */
  readonly graph: GraphProto;
  readonly outer: Scope | null;
  /** The node that holds the graph. */
  readonly owner: NodeProto | null;
  /** Version of the default operator set. */
  readonly opset: number;
  readonly makers = new Map<string, NodeProto>();
  readonly initializers = new Map<string, TensorProto>();
  readonly #inputs: Set<string>;
  readonly #uses = new Map<string, Use[]>();

  constructor(graph: GraphProto, place: { outer: Scope | null; owner: NodeProto | null; opset: number }) {
    this.graph = graph;
    this.outer = place.outer;
    this.owner = place.owner;
    this.opset = place.opset;
    this.#inputs = new Set(graph.input.map(({ name = "" }) => name));
    for (const tensor of graph.initializer) this.initializers.set(tensor.name ?? "", tensor);
    for (const node of graph.node) for (const name of node.output) if (name !== "") this.makers.set(name, node);
  }

  isInput(name: string): boolean {
    return this.#inputs.has(name);
  }

  /** The scope, this one or one around it, that defines a name. */
  owning(name: string): Scope | undefined {
    if (this.makers.has(name) || this.initializers.has(name) || this.#inputs.has(name)) return this;
    return this.outer?.owning(name);
  }

  /** Who reads a value that this scope defines. */
  uses(name: string): readonly Use[] {
    return this.#uses.get(name) ?? [];
  }

  addUse(name: string, use: Use): void {
    const uses = this.#uses.get(name);
    if (uses === undefined) this.#uses.set(name, [use]);
    else uses.push(use);
  }
}

/** The scopes of the graph and of all functions, each before those within it. Training graphs are not among them. */
export function scopesOf(model: ModelProto): Scope[] {
  const scopes: Scope[] = [];
  const opset = opsetOf(model);
  const add = (graph: GraphProto, place: { outer: Scope | null; owner: NodeProto | null; opset: number }) => {
    const scope = new Scope(graph, place);
    scopes.push(scope);
    for (const node of graph.node) {
      for (const { graph } of subgraphs(node)) add(graph, { outer: scope, owner: node, opset: place.opset });
    }
  };
  if (model.graph !== undefined) add(model.graph, { outer: null, owner: null, opset });
  for (const one of model.functions) {
    add(graphOfFunction(one), { outer: null, owner: null, opset: opsetOf(one) || opset });
  }
  for (const scope of scopes) {
    const read = (name: string, node: NodeProto | undefined, at: number) =>
      name === "" ? undefined : scope.owning(name)?.addUse(name, { scope, node, at });
    for (const node of scope.graph.node) node.input.forEach((name, at) => read(name, node, at));
    scope.graph.output.forEach(({ name = "" }, at) => read(name, undefined, at));
  }
  return scopes;
}

function graphOfFunction({ node, input, output, value_info }: FunctionProto): GraphProto {
  const value = (name: string) => ({ name, metadata_props: [] });
  return {
    node,
    initializer: [],
    input: input.map(value),
    output: output.map(value),
    value_info,
    quantization_annotation: [],
    sparse_initializer: [],
    metadata_props: [],
  };
}

/** What to change in a model, by the objects that it now has. */
export class Edits {
  readonly tensors = new Map<TensorProto, TensorProto>();
  readonly nodes = new Map<NodeProto, NodeProto>();
  /** Nodes to insert behind one. */
  readonly inserted = new Map<NodeProto, NodeProto[]>();
  /** Initializers to append to a graph. */
  readonly initializers = new Map<GraphProto, TensorProto[]>();
  /** Element types of values by name, by the `value_info` list of their graph or function. */
  readonly types = new Map<GraphProto["value_info"], Map<string, number>>();

  #declare = false;

  get isEmpty(): boolean {
    return this.tensors.size + this.nodes.size + this.inserted.size + this.initializers.size + this.types.size === 0;
  }

  /** The node as it will be, before the graphs within it are changed. */
  nodeAfter(node: NodeProto): NodeProto {
    return this.nodes.get(node) ?? node;
  }

  setInput(node: NodeProto, at: number, name: string): void {
    const now = this.nodeAfter(node);
    this.nodes.set(node, { ...now, input: now.input.map((old, index) => index === at ? name : old) });
  }

  setType(graph: GraphProto, name: string, type: number): void {
    const types = this.types.get(graph.value_info) ?? new Map<string, number>();
    this.types.set(graph.value_info, types.set(name, type));
  }

  /** Insert behind `node`, in the order of the calls. */
  insert(node: NodeProto, ...nodes: NodeProto[]): void {
    this.inserted.set(node, [...this.inserted.get(node) ?? [], ...nodes]);
  }

  appendInitializer(graph: GraphProto, tensor: TensorProto): void {
    this.initializers.set(graph, [...this.initializers.get(graph) ?? [], tensor]);
  }

  /** The changed model; what is not touched is shared with the given one. */
  apply(model: ModelProto): ModelProto {
    if (this.isEmpty) return model;
    this.#declare = (model.ir_version ?? 0) < IR_VERSION_FREE_INITIALIZERS;
    return {
      ...model,
      ...(model.graph === undefined ? {} : { graph: this.#graph(model.graph) }),
      functions: model.functions.map((one) => {
        const node = this.#nodes(one.node);
        const types = this.types.get(one.value_info);
        if (node === one.node && types === undefined) return one;
        return { ...one, node, value_info: withTypes(one.value_info, types) };
      }),
    };
  }

  #graph(graph: GraphProto): GraphProto {
    const types = this.types.get(graph.value_info);
    const added = this.initializers.get(graph) ?? [];
    const result = {
      node: this.#nodes(graph.node),
      initializer: added.length === 0 && !graph.initializer.some((tensor) => this.tensors.has(tensor))
        ? graph.initializer
        : [...graph.initializer.map((tensor) => this.tensors.get(tensor) ?? tensor), ...added],
      input: [...withTypes(graph.input, types), ...(this.#declare ? added.map(declared) : [])],
      value_info: withTypes(graph.value_info, types),
    };
    const isSame = result.node === graph.node && result.initializer === graph.initializer && types === undefined;
    return isSame ? graph : { ...graph, ...result };
  }

  #nodes(nodes: NodeProto[]): NodeProto[] {
    const result = nodes.flatMap((node) => [this.#node(node), ...this.inserted.get(node) ?? []]);
    return result.length === nodes.length && result.every((node, at) => node === nodes[at]) ? nodes : result;
  }

  #node(node: NodeProto): NodeProto {
    const now = this.nodeAfter(node);
    if (now.attribute.every(({ g, graphs }) => g === undefined && graphs.length === 0)) return now;
    let changed = false;
    const attribute = now.attribute.map((one) => {
      const g = one.g === undefined ? undefined : this.#graph(one.g);
      const graphs = one.graphs.map((graph) => this.#graph(graph));
      if (g === one.g && graphs.every((graph, at) => graph === one.graphs[at])) return one;
      changed = true;
      return { ...one, ...(g === undefined ? {} : { g }), graphs };
    });
    return changed ? { ...now, attribute } : now;
  }
}

/** An initializer as an input of the graph. */
export const declared = ({ name, data_type, dims }: TensorProto): ValueInfoProto => ({
  ...(name === undefined ? {} : { name }),
  type: {
    tensor_type: {
      ...(data_type === undefined ? {} : { elem_type: data_type }),
      shape: { dim: dims.map((dim_value) => ({ dim_value })) },
    },
  },
  metadata_props: [],
});

function withTypes(values: ValueInfoProto[], types: ReadonlyMap<string, number> | undefined): ValueInfoProto[] {
  if (types === undefined) return values;
  return values.map((value) => {
    const elem_type = types.get(value.name ?? "");
    const tensor = value.type?.tensor_type;
    if (elem_type === undefined || tensor === undefined) return value;
    return { ...value, type: { ...value.type, tensor_type: { ...tensor, elem_type } } };
  });
}
