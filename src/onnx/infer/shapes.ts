/** What can be told about the values of a graph without running it: shapes, and the elements of small ones. */
import { domainOf } from "../graph/nodes.ts";
import type { GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto } from "../proto.ts";
import { evaluate, OPSET_MIN } from "./evaluate.ts";
import { Call, type CallContext, unlessGivenUp } from "./evaluate_call.ts";
import {
  anonymousDim,
  anonymousElement,
  type Dim,
  knownFromTensor,
  type KnownTensor,
  UNKNOWN,
} from "./evaluate_tensor.ts";
import { shapeRule } from "./shapes_rules.ts";

/** Elements that one graph's evaluation may make and read before it stops. */
const WORK_MAX = 2 ** 21;

/** Version of the default operator set that a model imports; 0 when it imports none. */
export const opsetOf = ({ opset_import: imports }: Pick<ModelProto, "opset_import">): number =>
  imports.find(({ domain }) => domainOf(domain) === "ai.onnx")?.version ?? 0;

/** What a declaration says; `undefined` when it says nothing about the shape. Names are those of the file. */
export function declaredDims({ type }: ValueInfoProto): Dim[] | undefined {
  return type?.tensor_type?.shape?.dim.map(({ dim_value: size, dim_param: name }) =>
    size !== undefined && size >= 0 ? size : name ?? UNKNOWN
  );
}

export interface KnowledgeOptions {
  /** Shapes that take the place of declared ones. */
  readonly inputs?: ReadonlyMap<string, readonly Dim[]>;
  /** The nodes to learn from at once. @default all */
  readonly nodes?: readonly NodeProto[];
}

/** Knowledge about one graph; subgraphs are not looked into. */
export class Knowledge {
  readonly #opset: number;
  readonly #dims = new Map<string, readonly Dim[]>();
  readonly #values = new Map<string, KnownTensor | undefined>();
  readonly #stored = new Map<string, TensorProto>();
  readonly #declared = new Map<string, Dim[]>();
  #work = WORK_MAX;

  /**
   * Learn all that follows from the declared inputs and the constants. Nodes are taken in the order of the file; one
   * that comes before what it reads teaches nothing.
   * @param opset version of the default operator set
   */
  constructor(graph: GraphProto, opset: number, { inputs, nodes = graph.node }: KnowledgeOptions = {}) {
    this.#opset = opset;
    for (const tensor of graph.initializer) this.learnConstant(tensor);
    for (const input of graph.input) {
      const { name = "" } = input;
      this.#stored.delete(name);
      this.#dims.delete(name);
      const dims = inputs?.get(name) ?? declaredDims(input);
      if (dims !== undefined) this.#learnDims(name, dims);
    }
    for (const value of graph.value_info) {
      const dims = declaredDims(value)?.map((dim) => typeof dim === "number" ? dim : UNKNOWN);
      if (dims !== undefined) this.#declared.set(value.name ?? "", dims);
    }
    for (const node of nodes) this.learn(node);
  }

  /** The shape of a value; sizes of the same unknown name are equal. Undefined when not even the rank is known. */
  dims(name: string | undefined): readonly Dim[] | undefined {
    return this.#dims.get(name ?? "");
  }

  /** The elements of a small value, those that are known. */
  value(name: string | undefined): KnownTensor | undefined {
    const stored = this.#stored.get(name ?? "");
    if (stored === undefined) return this.#values.get(name ?? "");
    this.#stored.delete(name!);
    const value = knownFromTensor(stored);
    this.#values.set(name!, value);
    return value;
  }

  /** The inputs of a node as an evaluation sees them. */
  context(node: NodeProto): CallContext {
    return {
      opset: this.#opset,
      known: (at) => this.value(node.input[at]),
      shape: (at) => this.dims(node.input[at]),
    };
  }

  /** Learn that a name stands for a constant. */
  learnConstant(tensor: TensorProto): void {
    this.#stored.set(tensor.name ?? "", tensor);
    this.#dims.set(tensor.name ?? "", tensor.dims);
  }

  /** Learn what a node makes of its inputs. */
  learn(node: NodeProto): void {
    const context = this.context(node);
    const values = this.#work > 0 ? evaluate(node, context) : undefined;
    if (values !== undefined) {
      node.output.forEach((name, at) => this.#learnValue(name, values[at]!));
      return;
    }
    const rule = this.#opset < OPSET_MIN ? undefined : shapeRule(node);
    const shapes = rule === undefined ? undefined : unlessGivenUp(() => rule(new Call(node, context)));
    node.output.forEach((name, at) => {
      const dims = rule === undefined ? this.#declared.get(name) : shapes?.[at];
      if (dims !== undefined) this.#learnDims(name, dims);
    });
  }

  #learnDims(name: string, dims: readonly Dim[]): void {
    if (name !== "") this.#dims.set(name, dims.map((dim, axis) => dim === UNKNOWN ? anonymousDim(name, axis) : dim));
  }

  #learnValue(name: string, value: KnownTensor): void {
    if (name === "") return;
    this.#work -= value.elements.length + 1;
    this.#dims.set(name, value.dims);
    const elements = value.elements.map((element, at) => element === UNKNOWN ? anonymousElement(name, at) : element);
    this.#values.set(name, { ...value, elements });
  }
}
