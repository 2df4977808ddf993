/**
 * A model as the fp16 pass sees it: values with one identity each. A Cast between f32 and f16 makes no value of its own;
 * it is another form of the value that it reads.
 */
import { domainOf, subgraphs } from "../../graph/nodes.ts";
import { DATA_TYPE, type GraphProto, type NodeProto, type TensorProto, type ValueInfoProto } from "../../proto.ts";
import { attribute } from "../../graph/graph_index.ts";
import { ValueTypes } from "../../graph/value_types.ts";

/** An input, a constant or the output of a node. */
export interface Value {
  readonly name: string;
  /** Where it is made. */
  readonly room: Room;
  /** Element type in the given model; undefined when unknown. */
  readonly type: number | undefined;
  readonly maker: Step | null;
  /** What it holds when it is a constant, or an input with a default. */
  readonly tensor: TensorProto | null;
  readonly isInput: boolean;
  /** The Constant node that holds {@link tensor}. */
  readonly constant: NodeProto | null;
  /** Nodes that read it, with the index of the input. */
  readonly readers: { readonly step: Step; readonly at: number }[];
  /** Whether it is to be f16 instead of f32. */
  halved: boolean;
}

/** One place where a node reads a value: the type is that of the name which it reads. */
export interface Read {
  readonly value: Value;
  readonly type: number | undefined;
}

/** A node that is neither a Constant nor a Cast between f32 and f16. */
export interface Step {
  readonly node: NodeProto;
  readonly room: Room;
  /** As the node's inputs; null for those left out. */
  readonly reads: readonly (Read | null)[];
  readonly makes: readonly (Value | null)[];
  readonly rooms: readonly Room[];
}

/** A Cast between f32 and f16. */
export interface Form {
  readonly node: NodeProto;
  readonly room: Room;
  readonly name: string;
  readonly value: Value;
  readonly type: number;
}

/** One graph. */
export class Room {
  readonly steps: Step[] = [];
  readonly forms: Form[] = [];
  /** Values that are made here, in the order of inputs, initializers and nodes. */
  readonly values: Value[] = [];
  readonly #byName = new Map<string, Value>();

  constructor(readonly graph: GraphProto, readonly types: ValueTypes, readonly outer: Room | null) {
    const initial = new Map(graph.initializer.map((tensor) => [tensor.name ?? "", tensor]));
    for (const { name = "" } of graph.input) this.#add(name, { isInput: true, tensor: initial.get(name) ?? null });
    for (const [name, tensor] of initial) if (!this.#byName.has(name)) this.#add(name, { tensor });
    for (const { values } of graph.sparse_initializer) this.#add(values?.name ?? "");
    for (const node of graph.node) this.#addNode(node);
  }

  /** The value behind a name, here or in a graph around this one. */
  find(name: string): Value | undefined {
    return this.#byName.get(name) ?? this.outer?.find(name);
  }

  /** The value that an output of this graph is. */
  outputValue(output: ValueInfoProto): Value | undefined {
    return this.find(output.name ?? "");
  }

  #add(name: string, source: Partial<Pick<Value, "maker" | "tensor" | "constant" | "isInput">> = {}): Value {
    const value = {
      name,
      room: this,
      type: this.types.get(name),
      maker: null,
      tensor: null,
      isInput: false,
      constant: null,
      ...source,
      readers: [],
      halved: false,
    };
    this.values.push(value);
    this.#byName.set(name, value);
    return value;
  }

  #addNode(node: NodeProto): void {
    const form = this.#formOf(node);
    if (form !== null) {
      this.forms.push(form);
      this.#byName.set(form.name, form.value);
      return;
    }
    if (node.op_type === "Constant" && domainOf(node.domain) === "ai.onnx") {
      const tensor = constantTensor(node);
      if (tensor !== null) {
        this.#add(node.output[0] ?? "", { tensor, constant: node });
        return;
      }
    }
    const reads = node.input.map((name): Read | null => {
      return name === "" ? null : { value: this.#made(name), type: this.types.get(name) };
    });
    const step: Step & { makes: (Value | null)[]; rooms: Room[] } = { node, room: this, reads, makes: [], rooms: [] };
    step.rooms.push(...subgraphs(node).map(({ graph }) => new Room(graph, this.types.within(graph), this)));
    for (const name of node.output) step.makes.push(name === "" ? null : this.#add(name, { maker: step }));
    reads.forEach((read, at) => read?.value.readers.push({ step, at }));
    this.steps.push(step);
  }

  #made(name: string): Value {
    const value = this.find(name);
    if (value === undefined) throw new Error(`Nothing makes ${name}`);
    return value;
  }

  #formOf(node: NodeProto): Form | null {
    if (node.op_type !== "Cast" || domainOf(node.domain) !== "ai.onnx") return null;
    const [input = "", name = ""] = [node.input[0], node.output[0]];
    const type = Number(attribute(node, "to")?.i ?? 0);
    if (!isFloat(this.types.get(input)) || !isFloat(type)) return null;
    return { node, room: this, name, value: this.#made(input), type };
  }
}

/** f32 or f16. */
export const isFloat = (type: number | undefined): boolean => type === DATA_TYPE.FLOAT || type === DATA_TYPE.FLOAT16;

/** A Constant node's tensor, made of `value_float` and `value_floats` too; null for other kinds. */
function constantTensor(node: NodeProto): TensorProto | null {
  const [given] = node.attribute;
  if (given === undefined || node.attribute.length !== 1) return null;
  if (given.t !== undefined) return given.t;
  const isScalar = given.name === "value_float";
  if (!isScalar && given.name !== "value_floats") return null;
  const data = Float32Array.from(isScalar ? [given.f ?? 0] : given.floats);
  return {
    dims: isScalar ? [] : [data.length],
    data_type: DATA_TYPE.FLOAT,
    string_data: [],
    raw_data: new Uint8Array(data.buffer),
    external_data: [],
    metadata_props: [],
  };
}

/**
 * A model's main graph with all that it holds.
 * @param graph checked, with its nodes in order
 */
export const roomOf = (graph: GraphProto): Room => new Room(graph, new ValueTypes(graph), null);

/** A room and all rooms within, outermost first. */
export function* allRooms(room: Room): Generator<Room> {
  yield room;
  for (const step of room.steps) for (const inner of step.rooms) yield* allRooms(inner);
}
