/** How the batch runs through a graph. */
import { TrtdError } from "../../../errors.ts";
import { DATA_TYPE, type NodeProto, type TensorProto } from "../../proto.ts";
import { axisFrom, Call, giveUp, unlessGivenUp } from "../../infer/evaluate_call.ts";
import { type Dim, type KnownTensor, tensorFromKnown } from "../../infer/evaluate_tensor.ts";
import { type Names, titleOf } from "../../graph/names.ts";
import type { Knowledge } from "../../infer/shapes.ts";

/** A value that holds what each picture alone would give, one picture after the other within one axis. */
export interface Batched {
  readonly axis: number;
  /** Length of the axis for one picture, in each of its `outer` parts. */
  readonly size: number;
  /**
   * How often the axis goes through the batch: 1, or more when the batch was merged into the axis before it, as in rows
   * of `[L, N, C]`.
   */
  readonly outer: number;
}

/** The batch as an axis of its own. */
export const batchAt = (axis: number): Batched => ({ axis, size: 1, outer: 1 });

/** Whether two values go through the batch alike, apart from the axis. */
export const isAlike = (a: Batched, b: Batched): boolean => a.size === b.size && a.outer === b.outer;

/** `sizes` are integers that tell the batch, such as those of Shape; null: the value is the same for every batch. */
export type Flow = Batched | "sizes" | null;

/** The name of the batch among the sizes that {@link Knowledge} tells. */
export const BATCH = "\0batch";

/** What one node's rule may ask and do. */
export class Step {
  node: NodeProto;
  readonly inputs: readonly Flow[];
  /** The batch of the file. */
  readonly batch: number;
  /** New constants that the repaired node reads. */
  readonly constants: TensorProto[] = [];
  /** Nodes to insert before the repaired one. */
  readonly before: NodeProto[] = [];
  /** The node in the graph as it is. */
  readonly call: Call;
  /** The shape of each output in the graph as it is. */
  readonly made: readonly (readonly Dim[] | undefined)[];
  /** Nodes that read the first output. */
  readonly readers: readonly NodeProto[];
  readonly #symbolic: Knowledge;
  readonly #names: Names;

  /** @param symbolic about the repaired graph up to here, with {@link BATCH} as the first axis of its inputs */
  constructor(node: NodeProto, given: {
    readonly inputs: readonly Flow[];
    readonly batch: number;
    readonly opset: number;
    readonly plain: Knowledge;
    readonly symbolic: Knowledge;
    readonly names: Names;
    readonly readers: readonly NodeProto[];
  }) {
    this.node = node;
    this.inputs = given.inputs;
    this.batch = given.batch;
    this.call = new Call(node, given.plain.context(node));
    this.made = node.output.map((name) => given.plain.dims(name));
    this.readers = given.readers;
    this.#symbolic = given.symbolic;
    this.#names = given.names;
  }

  /** Say that the node cannot be made to work for any batch. */
  refuse(why: string): never {
    throw new TrtdError("PASS_REFUSED", `The batch cannot be made dynamic: ${titleOf(this.node)} ${why}`, {
      remedy: "Export the model with a dynamic batch",
    });
  }

  /** A batched input. */
  batched(at: number): Batched | null {
    const flow = this.inputs[at] ?? null;
    return flow === "sizes" ? this.refuse("computes with the batch's size") : flow;
  }

  /** The rank of an input. */
  rank(at: number): number {
    return this.dims(at).length;
  }

  /** The shape of an input in the graph as it is. */
  dims(at: number): readonly Dim[] {
    return unlessGivenUp(() => this.call.shape(at)) ?? this.refuse(`reads a value of unknown shape`);
  }

  /** The integers of a constant input, undefined when it is left out. */
  integers(at: number): number[] | undefined {
    if (this.inputs[at] === "sizes") this.refuse("is told by the batch's size what to do");
    if (!this.call.has(at)) return undefined;
    return unlessGivenUp(() => this.call.integers(at) ?? giveUp()) ??
      this.refuse("is told by a computed value what to do");
  }

  /** The axis that an attribute names, counted from the front. */
  axis(name: string, fallback: number, rank: number): number {
    const axis = unlessGivenUp(() => axisFrom(this.call.attributeInt(name) ?? fallback, rank));
    return axis ?? this.refuse("has an axis that its input lacks");
  }

  /** Axes as an attribute before version `since`, as an input from there on; counted from the front. */
  axes(at: number, since: number, rank: number): number[] | undefined {
    const given = this.call.opset < since
      ? unlessGivenUp(() => ({ axes: this.call.attributeInts("axes") }))?.axes
      : this.integers(at);
    return given?.map((axis) => axis < 0 ? axis + rank : axis);
  }

  /** The elements of an input in the repaired graph, where the batch has the name {@link BATCH}. */
  sizes(at: number): KnownTensor["elements"] {
    const known = this.#symbolic.value(this.node.input[at]);
    return known?.elements ?? this.refuse("reads sizes that cannot be told beforehand");
  }

  /** The shape of an input in the repaired graph. */
  symbolicDims(at: number): readonly Dim[] {
    return this.#symbolic.dims(this.node.input[at]) ?? this.refuse("reads a value of unknown shape");
  }

  /** Let an input read a new constant list of INT64. */
  setIntegers(at: number, values: readonly number[]): void {
    const name = this.addIntegers(this.node.input[at] ?? "axis", values);
    this.node = { ...this.node, input: this.node.input.map((old, index) => index === at ? name : old) };
  }

  /** A new constant list of INT64. */
  addIntegers(wanted: string, values: readonly number[]): string {
    return this.addConstant(wanted, { type: DATA_TYPE.INT64, dims: [values.length], elements: values.map(BigInt) });
  }

  addConstant(wanted: string, value: KnownTensor): string {
    const name = this.#names.take(`${wanted}_batch`);
    this.constants.push(tensorFromKnown(name, value));
    return name;
  }

  /** A name for a new value. */
  newName(wanted: string): string {
    return this.#names.take(wanted);
  }
}
