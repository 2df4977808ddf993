/**
 * `dynamic-batch`: a model exported for a fixed batch takes any.
 *
 * The batch is followed from the inputs through every node. What carries the old batch in a constant (Reshape, Expand,
 * Slice, Resize) is repaired; where pictures would be mixed, or where an operator is not known, the pass refuses. The
 * result for a batch is, picture by picture, what the given model makes of each. Constants that only repaired nodes
 * read are gone.
 *
 * Counts: `nodes_repaired`. Remarks name the inputs and the repaired nodes.
 */
import { TrtdError } from "../../../errors.ts";
import { subgraphs } from "../../graph/nodes.ts";
import type { Dimension, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto } from "../../proto.ts";
import { quoted } from "../../quoted.ts";
import { namesRead, withoutOrphans } from "../../graph/dead.ts";
import { BATCH, batchAt, type Batched, type Flow, isAlike, Step } from "./dynamic_batch_flow.ts";
import { batchRule } from "./dynamic_batch_rules.ts";
import { evaluate, MOVING_OPERATORS } from "../../infer/evaluate.ts";
import type { Dim } from "../../infer/evaluate_tensor.ts";
import { GraphIndex } from "../../graph/graph_index.ts";
import { Names, titleOf } from "../../graph/names.ts";
import type { Pass } from "../pass.ts";
import { declared, IR_VERSION_FREE_INITIALIZERS } from "../../graph/scopes.ts";
import { declaredDims, Knowledge, opsetOf } from "../../infer/shapes.ts";
import { sortedModel } from "../../graph/sorted_graph.ts";

const AXIS_NAME = "batch";

/** Fewer axes have no room for a batch beside what a picture is. */
const RANK_MIN = 2;
const PICTURE_RANK = 4;

export const dynamicBatchPass: Pass = {
  name: "dynamic-batch",
  version: 1,
  summary: "take any batch: the first axis becomes symbolic, constants that carry the old batch are repaired",
  run(unsorted) {
    const { model, remarks: sorting } = sortedModel(unsorted);
    const report = (isFreed: boolean, repaired: number, remarks: string[]) => ({
      pass: "dynamic-batch" as const,
      version: dynamicBatchPass.version,
      changed: isFreed || model !== unsorted,
      counts: { nodes_repaired: repaired },
      remarks: [...sorting, ...remarks],
    });
    const { graph } = model;
    const main = graph && batchInput(graph);
    const batch = main && declaredDims(main)![0];
    if (graph === undefined || main === undefined) {
      throw new TrtdError("PASS_REFUSED", "The model has no input with a batch axis");
    }
    if (typeof batch !== "number") return { model, report: report(false, 0, []) };
    const inputs = batchedInputs(graph, batch);
    const follower = new Follower(model, graph, { inputs, batch });
    const result = follower.run();
    const remarks = [
      `The batch of ${[...inputs].map(quoted).join(", ")} was ${batch} and is free now`,
      ...follower.repaired.map((name) => `Repaired ${name}`),
    ];
    return { model: { ...model, graph: result }, report: report(true, follower.repaired.length, remarks) };
  },
};

/** Inputs that are not initializers. */
export function trueInputs(graph: GraphProto): ValueInfoProto[] {
  const initialized = new Set(graph.initializer.map(({ name }) => name));
  return graph.input.filter(({ name }) => !initialized.has(name));
}

/** The input that tells the batch: the first picture, or else the first tensor of two axes or more. */
export function batchInput(graph: GraphProto): ValueInfoProto | undefined {
  const ranked = trueInputs(graph).filter((input) => (declaredDims(input)?.length ?? 0) >= RANK_MIN);
  return ranked.find((input) => declaredDims(input)!.length === PICTURE_RANK) ?? ranked[0];
}

function batchedInputs(graph: GraphProto, batch: number): ReadonlySet<string> {
  const isBatched = (input: ValueInfoProto) => {
    const dims = declaredDims(input);
    return dims !== undefined && dims.length >= RANK_MIN && dims[0] === batch;
  };
  return new Set(trueInputs(graph).filter(isBatched).map(({ name = "" }) => name));
}

/** Follows the batch through one graph. */
class Follower {
  /** Nodes that were changed, for the report. */
  readonly repaired: string[] = [];
  readonly #model: ModelProto;
  readonly #graph: GraphProto;
  readonly #batch: number;
  readonly #opset: number;
  readonly #flows = new Map<string, Flow>();
  readonly #plain: Knowledge;
  readonly #symbolic: Knowledge;
  readonly #names: Names;
  readonly #index: GraphIndex;
  readonly #outputs: ReadonlySet<string>;
  readonly #constants: TensorProto[] = [];
  /** Names of sizes and elements that depend on the batch. */
  readonly #batchSizes = new Set<Dim>([BATCH]);

  constructor(model: ModelProto, graph: GraphProto, given: { inputs: ReadonlySet<string>; batch: number }) {
    this.#model = model;
    this.#graph = graph;
    this.#batch = given.batch;
    this.#opset = opsetOf(model);
    this.#names = new Names(model);
    this.#index = new GraphIndex(graph);
    this.#outputs = new Set(graph.output.map(({ name = "" }) => name));
    this.#plain = new Knowledge(graph, this.#opset);
    const shapes = graph.input.flatMap((input) => {
      const { name = "" } = input;
      return given.inputs.has(name) ? [[name, [BATCH, ...declaredDims(input)!.slice(1)]] as const] : [];
    });
    this.#symbolic = new Knowledge(graph, this.#opset, { inputs: new Map(shapes), nodes: [] });
    for (const name of given.inputs) this.#flows.set(name, batchAt(0));
  }

  run(): GraphProto {
    const node = this.#graph.node.flatMap((one) => this.#follow(one));
    const isOld = (this.#model.ir_version ?? 0) < IR_VERSION_FREE_INITIALIZERS;
    const axisName = freeAxisName(this.#graph);
    const declare = (value: ValueInfoProto) => this.#declared(value, axisName);
    const freed = {
      ...this.#graph,
      node,
      initializer: [...this.#graph.initializer, ...this.#constants],
      input: [...this.#graph.input.map(declare), ...(isOld ? this.#constants.map(declared) : [])],
      output: this.#graph.output.map(declare),
      value_info: this.#graph.value_info.map(declare),
    };
    return withoutOrphans(freed, this.#graph);
  }

  /** The nodes that take the place of one. */
  #follow(node: NodeProto): NodeProto[] {
    const inputs = node.input.map((name) => this.#flows.get(name) ?? null);
    const step = new Step(node, {
      inputs,
      batch: this.#batch,
      opset: this.#opset,
      plain: this.#plain,
      symbolic: this.#symbolic,
      names: this.#names,
      readers: this.#index.readers(node.output[0] ?? ""),
    });
    const reads = subgraphs(node).length === 0 ? inputs : namesRead(node).map((name) => this.#flows.get(name) ?? null);
    const flows = reads.every((flow) => flow === null) ? [] : this.#sizes(step) ?? this.#ruled(step);
    for (const tensor of step.constants) this.#symbolic.learnConstant(tensor);
    const nodes = [...step.before, step.node];
    for (const one of nodes) this.#symbolic.learn(one);
    node.output.forEach((name, at) => {
      const flow = flows[at] ?? null;
      this.#flows.set(name, flow);
      const isInterleaved = flow !== null && flow !== "sizes" && flow.outer !== 1;
      if (this.#outputs.has(name) && isInterleaved) step.refuse("mixes the pictures of an output");
    });
    this.#constants.push(...step.constants);
    if (step.node !== node) this.repaired.push(titleOf(node));
    return nodes;
  }

  #ruled(step: Step): Flow[] {
    const rule = subgraphs(step.node).length === 0 ? batchRule(step.node) : undefined;
    return rule === undefined ? step.refuse("cannot be followed") : rule(step);
  }

  /** What comes out of arithmetic with sizes, and of Shape; undefined where the node is something else. */
  #sizes({ node, inputs }: Step): Flow[] | undefined {
    const isShape = node.op_type === "Shape";
    if (!isShape && node.op_type !== "Size" && inputs.some((flow) => flow !== null && flow !== "sizes")) {
      return undefined;
    }
    if (evaluate(node, this.#symbolic.context(node)) === undefined) return undefined;
    this.#symbolic.learn(node);
    const [flow] = inputs;
    if (isShape && flow !== "sizes" && flow) this.#batchSizes.add(this.#symbolic.dims(node.input[0])![flow.axis]!);
    const moves = isShape || (MOVING_OPERATORS.has(node.op_type ?? "") && node.op_type !== "Where");
    return node.output.map((name): Flow => {
      const unknown = this.#symbolic.value(name)?.elements.filter((element) => typeof element === "string");
      if (unknown === undefined) return "sizes";
      if (!moves) { for (const element of unknown) this.#batchSizes.add(element); }
      return unknown.some((element) => this.#batchSizes.has(element)) ? "sizes" : null;
    });
  }

  /** A declaration with the batch in its place. */
  #declared(value: ValueInfoProto, axisName: string): ValueInfoProto {
    const flow = this.#flows.get(value.name ?? "") ?? null;
    const tensor = value.type?.tensor_type;
    if (flow === null || flow === "sizes" || tensor?.shape === undefined) return value;
    const dim = tensor.shape.dim.map((old, axis) => axis === flow.axis ? batchDimension(old, flow, axisName) : old);
    return { ...value, type: { ...value.type, tensor_type: { ...tensor, shape: { ...tensor.shape, dim } } } };
  }
}

function batchDimension(old: Dimension, flow: Batched, dim_param: string): Dimension {
  const { dim_value: _value, dim_param: _param, ...rest } = old;
  return isAlike(flow, batchAt(0)) ? { ...rest, dim_param } : rest;
}

/** A name for the axis that no other axis has: axes of one name are as long as each other. */
function freeAxisName({ input, output, value_info }: GraphProto): string {
  const taken = new Set([...input, ...output, ...value_info].flatMap((value) => declaredDims(value) ?? []));
  let name = AXIS_NAME;
  for (let count = 2; taken.has(name); count++) name = `${AXIS_NAME}_${count}`;
  return name;
}
