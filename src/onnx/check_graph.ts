/** Names, edges and cycles of a model's graphs and functions. */
import { TrtdError } from "../errors.ts";
import { checkDims } from "./check_tensor.ts";
import { elementCount, int64Elements } from "./element_types.ts";
import { dependencyOrder } from "./graph/dependency_order.ts";
import { functionKey, subgraphs } from "./graph/nodes.ts";
import { quoted, shortText } from "./quoted.ts";
import {
  DATA_TYPE,
  type FunctionProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
} from "./proto.ts";

/** Nodes after all functions are expanded, which is what ONNX Runtime does; a few functions can hold billions. */
const EXPANDED_NODES_MAX = 1_000_000;
/** Graphs within graphs for models that were not read from a file; a file's depth is limited while it is read. */
const GRAPH_DEPTH_MAX = 100;

/** Names that a graph's nodes may read. */
interface Scope {
  /** Index of the node that makes the value, -1 for inputs and initializers. */
  readonly makers: Map<string, number>;
  /** Small INT64 constants, for shapes that nodes are told to make. */
  readonly constants: Map<string, TensorProto>;
  readonly outer: Scope | null;
}

const invalid = (what: string): never => {
  throw new TrtdError("MODEL_INVALID", what);
};

/**
 * Check every graph: unique names, no node without its inputs, no cycle, outputs that something makes.
 * @throws {TrtdError} `MODEL_INPUT_MISSING`, `MODEL_CYCLE`, `MODEL_INVALID`, `MODEL_DIMENSIONS_INVALID`,
 * `MODEL_NESTING_TOO_DEEP`
 */
export function checkGraphs(model: ModelProto): void {
  const { graph } = model;
  if (graph === undefined) return invalid("The model has no graph");
  if (graph.node.length === 0) invalid("The graph has no nodes");
  if (graph.output.length === 0) invalid("The graph has no outputs");
  const functions = new Map<string, FunctionProto>();
  for (const one of model.functions) {
    const key = functionKey(one.domain, one.name, one.overload);
    if (functions.has(key)) invalid(`The function ${quoted(key)} is defined twice`);
    functions.set(key, one);
  }
  checkPictureShapes(graph);
  checkGraph(graph, { where: "graph", outer: null, depth: 1, inFunction: false });
  for (const [key, one] of functions) checkFunction(one, `function ${quoted(key)}`);
  checkExpansion(graph, functions);
}

/** Inputs of another rank may be empty on purpose; a picture may not. */
const PICTURE_RANK = 4;

function checkPictureShapes(graph: GraphProto): void {
  const initialized = new Set(graph.initializer.map(({ name }) => name));
  for (const { name, type } of graph.input) {
    const dims = type?.tensor_type?.shape?.dim;
    if (initialized.has(name) || dims?.length !== PICTURE_RANK) continue;
    if (dims.some((dim) => dim.dim_value === 0)) {
      throw new TrtdError(
        "MODEL_DIMENSIONS_INVALID",
        `The input ${quoted(name)} has a dimension of 0: no picture fits`,
      );
    }
  }
}

interface GraphPlace {
  readonly where: string;
  readonly outer: Scope | null;
  readonly depth: number;
  readonly inFunction: boolean;
}

/** @returns names that the graph reads from the scopes around it */
function checkGraph(graph: GraphProto, place: GraphPlace): Set<string> {
  const { where } = place;
  const scope: Scope = { makers: new Map(), constants: new Map(), outer: place.outer };
  for (const { name } of graph.input) define(scope, name, { maker: -1, what: () => `${where} input` });
  const initialized = new Set<string>();
  const initialize = (name: string | undefined) => {
    if (!name) return invalid(`${where} has an initializer without a name`);
    if (initialized.has(name)) invalid(`The initializer ${quoted(name)} of ${where} occurs twice`);
    initialized.add(name);
    scope.makers.set(name, -1);
  };
  for (const tensor of graph.initializer) {
    initialize(tensor.name);
    if (tensor.data_type === DATA_TYPE.INT64) scope.constants.set(tensor.name!, tensor);
  }
  for (const { values } of graph.sparse_initializer) initialize(values?.name);
  const captured = checkNodes(graph.node, scope, place);
  const outputs = new Set<string>();
  for (const { name } of graph.output) {
    if (!name) return invalid(`${where} has an output without a name`);
    if (outputs.has(name)) invalid(`The output ${quoted(name)} of ${where} occurs twice`);
    outputs.add(name);
    if (scope.makers.has(name)) continue;
    if (!isVisible(scope.outer, name)) invalid(`The output ${quoted(name)} of ${where} is made by no node`);
    captured.add(name);
  }
  return captured;
}

function checkFunction(one: FunctionProto, where: string): void {
  const scope: Scope = { makers: new Map(), constants: new Map(), outer: null };
  for (const name of one.input) define(scope, name, { maker: -1, what: () => `${where} input` });
  checkNodes(one.node, scope, { where, outer: null, depth: 1, inFunction: true });
  for (const name of one.output) {
    if (!scope.makers.has(name)) invalid(`The output ${quoted(name)} of ${where} is made by no node`);
  }
}

function checkNodes(nodes: readonly NodeProto[], scope: Scope, place: GraphPlace): Set<string> {
  if (place.depth > GRAPH_DEPTH_MAX) {
    throw new TrtdError("MODEL_NESTING_TOO_DEEP", `The model nests more than ${GRAPH_DEPTH_MAX} graphs`);
  }
  nodes.forEach((node, index) => {
    for (const name of node.output) {
      if (name !== "") {
        define(scope, name, {
          maker: index,
          what: () => `${place.where} output of ${titleOf(node, index)}`,
        });
      }
    }
    const constant = node.op_type === "Constant" ? node.attribute.find(({ name }) => name === "value")?.t : undefined;
    if (constant?.data_type === DATA_TYPE.INT64 && node.output[0]) scope.constants.set(node.output[0], constant);
  });
  const captured = new Set<string>();
  const sources = nodes.map((node, index) => {
    const title = () => titleOf(node, index);
    checkNode(node, title, place);
    checkMadeShape(node, scope, title);
    const read = new Set(node.input.filter((name) => name !== ""));
    for (const { graph, attribute } of subgraphs(node)) {
      const where = `the graph ${quoted(attribute)} of ${title()}`;
      const inner = checkGraph(graph, { ...place, where, outer: scope, depth: place.depth + 1 });
      for (const name of inner) read.add(name);
    }
    const makers = new Set<number>();
    for (const name of read) {
      const maker = scope.makers.get(name);
      if (maker !== undefined) {
        if (maker >= 0) makers.add(maker);
      } else if (isVisible(scope.outer, name)) {
        captured.add(name);
      } else {
        throw new TrtdError(
          "MODEL_INPUT_MISSING",
          `${title()} of ${place.where} reads ${quoted(name)}, which nothing makes`,
        );
      }
    }
    return [...makers];
  });
  const { cycle } = dependencyOrder(sources);
  if (cycle !== null) {
    const shown = cycle.slice(0, CYCLE_SHOWN).map((index) => titleOf(nodes[index]!, index));
    throw new TrtdError(
      "MODEL_CYCLE",
      `${cycle.length} nodes of ${place.where} wait for each other: ${shown.join(", ")}`,
    );
  }
  return captured;
}

const CYCLE_SHOWN = 5;

function define(scope: Scope, name: string | undefined, { maker, what }: { maker: number; what: () => string }): void {
  if (!name) return invalid(`A ${what()} has no name`);
  if (scope.makers.has(name)) invalid(`The name ${quoted(name)} of a ${what()} is taken already`);
  scope.makers.set(name, maker);
}

function isVisible(scope: Scope | null, name: string): boolean {
  for (let one = scope; one !== null; one = one.outer) if (one.makers.has(name)) return true;
  return false;
}

function titleOf({ name, op_type: operator = "" }: NodeProto, index: number): string {
  return `node ${name ? quoted(name) : index} (${shortText(operator, OPERATOR_COLUMNS)})`;
}

const OPERATOR_COLUMNS = 40;

function checkNode(node: NodeProto, title: () => string, place: GraphPlace): void {
  if (!node.op_type) invalid(`${title()} of ${place.where} has no operator`);
  const names = new Set<string>();
  for (const { name = "", ref_attr_name: reference } of node.attribute) {
    if (names.has(name)) invalid(`The attribute ${quoted(name)} of ${title()} occurs twice`);
    names.add(name);
    if (reference && !place.inFunction) {
      invalid(`The attribute ${quoted(name)} of ${title()} refers to a function's attribute`);
    }
  }
}

/** Operators that make a tensor of the shape that an input tells. */
const SHAPE_INPUT: Readonly<Record<string, number>> = { ConstantOfShape: 0, Expand: 1 };

/** A runtime folds constants while it loads: a shape of a few bytes must not become terabytes. */
function checkMadeShape(node: NodeProto, scope: Scope, title: () => string): void {
  const input = node.domain ? undefined : SHAPE_INPUT[node.op_type ?? ""];
  const name = input === undefined ? undefined : node.input[input];
  const constant = name === undefined ? undefined : constantOf(scope, name);
  if (constant === undefined || elementCount(constant.dims) > SHAPE_RANK_MAX) return;
  const dims = int64Elements(constant).map((dim) => Math.max(dim, 0));
  checkDims(dims, () => `The output of ${title()}`);
}

const SHAPE_RANK_MAX = 64;

function constantOf(scope: Scope, name: string): TensorProto | undefined {
  for (let one: Scope | null = scope; one !== null; one = one.outer) {
    if (one.makers.has(name)) return one.constants.get(name);
  }
  return undefined;
}

/** Refuse functions that call themselves, and those that unfold into more nodes than can be held. */
function checkExpansion(graph: GraphProto, functions: ReadonlyMap<string, FunctionProto>): void {
  const keys = [...functions.keys()];
  const indexOf = new Map(keys.map((key, index) => [key, index]));
  const calls = [...functions.values()].map((one) => callsOf(one.node, indexOf));
  const { order, cycle } = dependencyOrder(calls.map(({ called }) => [...new Set(called)]));
  if (cycle !== null) {
    const shown = cycle.slice(0, CYCLE_SHOWN).map((index) => quoted(keys[index]));
    throw new TrtdError("MODEL_CYCLE", `${cycle.length} functions call each other: ${shown.join(", ")}`);
  }
  const sizes = new Map<number, number>();
  for (const index of order) sizes.set(index, expandedSize(calls[index]!, sizes));
  const total = expandedSize(callsOf(graph.node, indexOf), sizes);
  if (total > EXPANDED_NODES_MAX) {
    throw new TrtdError("MODEL_NESTING_TOO_DEEP", `The model's functions unfold into ${total} nodes`);
  }
}

interface Calls {
  /** Nodes without those of the called functions. */
  readonly nodes: number;
  /** Indices of the called functions, once a call. */
  readonly called: readonly number[];
}

const expandedSize = ({ nodes, called }: Calls, sizes: ReadonlyMap<number, number>): number =>
  called.reduce((sum, index) => sum + sizes.get(index)!, nodes);

function callsOf(nodes: readonly NodeProto[], indexOf: ReadonlyMap<string, number>): Calls {
  let count = 0;
  const called: number[] = [];
  const visit = (node: NodeProto) => {
    count++;
    const index = indexOf.get(functionKey(node.domain, node.op_type, node.overload));
    if (index !== undefined) called.push(index);
    for (const { graph } of subgraphs(node)) graph.node.forEach(visit);
  };
  nodes.forEach(visit);
  return { nodes: count, called };
}
