/**
 * `fold`: shape arithmetic becomes constants, what no output depends on goes, and initializers are no inputs.
 *
 * Counts: `nodes_folded` (initializers now), `shapes_fixed` (Reshape nodes with a constant shape now), `nodes_removed`
 * and `initializers_removed` (dead), `inputs_removed` (those that were initializers).
 *
 * Values are computed by {@link evaluate}, which leaves alone what it does not know exactly. A node that makes an
 * output of the model stays, as do the nodes of subgraphs and of functions.
 */
import type { GraphProto, ModelProto, NodeProto, TensorProto } from "../proto.ts";
import { withoutDead } from "../graph/dead.ts";
import { isComplete, type KnownTensor, tensorFromKnown } from "../infer/evaluate_tensor.ts";
import { attribute, isOperator } from "../graph/graph_index.ts";
import { Names } from "../graph/names.ts";
import type { Pass } from "./pass.ts";
import { IR_VERSION_FREE_INITIALIZERS } from "../graph/scopes.ts";
import { Knowledge, opsetOf } from "../infer/shapes.ts";
import { sortedModel } from "../graph/sorted_graph.ts";

export const foldPass: Pass = {
  name: "fold",
  version: 1,
  summary: "compute shape arithmetic beforehand, remove dead nodes and initializers among the inputs",
  run(model) {
    const report = (changed: boolean, counts: Record<string, number>, remarks: string[] = []) => ({
      pass: "fold" as const,
      version: foldPass.version,
      changed,
      counts,
      remarks,
    });
    const none = { nodes_folded: 0, shapes_fixed: 0, nodes_removed: 0, initializers_removed: 0, inputs_removed: 0 };
    if (model.graph === undefined) return { model, report: report(false, none) };
    const sorted = sortedModel(model);
    const opened = withoutConstantInputs(sorted.model.graph!);
    const pruned = foldRepeatedly(opened.graph, model);
    const kept = new Set(pruned.graph.initializer);
    const counts = {
      nodes_folded: pruned.folded,
      shapes_fixed: pruned.shapes,
      nodes_removed: pruned.dead,
      initializers_removed: model.graph.initializer.filter((tensor) => !kept.has(tensor)).length,
      inputs_removed: opened.inputs.length,
    };
    if (pruned.graph === model.graph) return { model, report: report(false, none) };
    const remarks = [
      ...sorted.remarks,
      ...opened.inputs.length === 0
        ? []
        : [`${opened.inputs.length} initializers are no inputs any more: nobody can give other values for them`],
    ];
    return { model: withGraph(model, pruned.graph), report: report(true, counts, remarks) };
  },
};

/** The model with another graph, in the oldest IR version that allows initializers which are no inputs. */
function withGraph(model: ModelProto, graph: GraphProto): ModelProto {
  const inputs = new Set(graph.input.map(({ name }) => name));
  const isFree = graph.initializer.some(({ name }) => !inputs.has(name));
  const isOld = (model.ir_version ?? 0) < IR_VERSION_FREE_INITIALIZERS;
  return { ...model, graph, ...(isFree && isOld ? { ir_version: IR_VERSION_FREE_INITIALIZERS } : {}) };
}

function withoutConstantInputs(graph: GraphProto): { graph: GraphProto; inputs: string[] } {
  const constants = new Set([
    ...graph.initializer.map(({ name }) => name),
    ...graph.sparse_initializer.map(({ values }) => values?.name),
  ]);
  const input = graph.input.filter(({ name }) => !constants.has(name));
  const inputs = graph.input.flatMap(({ name = "" }) => constants.has(name) ? [name] : []);
  return inputs.length === 0 ? { graph, inputs } : { graph: { ...graph, input }, inputs };
}

interface Folded {
  readonly graph: GraphProto;
  readonly folded: number;
  readonly shapes: number;
  readonly dead: number;
}

/** Fold until nothing changes: a shape that became constant may tell more about what is made with it. */
function foldRepeatedly(graph: GraphProto, model: ModelProto): Folded {
  let result: Folded = { graph, folded: 0, shapes: 0, dead: 0 };
  while (true) {
    const constant = withConstants(result.graph, { ...model, graph: result.graph });
    const alive = withoutDead(constant.graph);
    if (alive.graph === result.graph) return result;
    result = {
      graph: alive.graph,
      folded: result.folded + constant.nodes,
      shapes: result.shapes + constant.shapes,
      dead: result.dead + alive.nodes,
    };
  }
}

/**
 * The graph with an initializer in the place of each node whose outputs are known, and with a constant shape for each
 * Reshape that computes no more than one size of its own.
 */
function withConstants(graph: GraphProto, model: ModelProto): { graph: GraphProto; nodes: number; shapes: number } {
  const knowledge = new Knowledge(graph, opsetOf(model));
  const outputs = new Set(graph.output.map(({ name }) => name));
  const folded: TensorProto[] = [];
  const shapes: TensorProto[] = [];
  let names: Names | undefined;
  const node = graph.node.flatMap((one) => {
    const tensors = one.output.some((name) => outputs.has(name)) ? null : tensorsOf(one, knowledge);
    if (tensors !== null) {
      folded.push(...tensors);
      return [];
    }
    const shape = fixedShape(one, knowledge);
    if (shape === null) return [one];
    names ??= new Names(model);
    const name = names.take(`${one.input[1]}_fixed`);
    shapes.push(tensorFromKnown(name, shape));
    return [{ ...one, input: [one.input[0]!, name] }];
  });
  if (folded.length === 0 && shapes.length === 0) return { graph, nodes: 0, shapes: 0 };
  const nodes = graph.node.length - node.length;
  const initializer = [...graph.initializer, ...folded, ...shapes];
  return { graph: { ...graph, node, initializer }, nodes, shapes: shapes.length };
}

/**
 * The shape of a Reshape as a constant: sizes that are those of its input in the same place are 0, which copies them,
 * and one more that is not known is -1, which is what is left.
 */
function fixedShape(node: NodeProto, knowledge: Knowledge): KnownTensor | null {
  const [data, name] = node.input;
  const shape = isOperator(node, "Reshape") ? knowledge.value(name) : undefined;
  if (shape === undefined || isComplete(shape) || attribute(node, "allowzero")?.i === 1n) return null;
  const dims = knowledge.dims(data);
  const elements = shape.elements.map((element, axis): bigint | null => {
    if (typeof element === "bigint") return element;
    return dims?.[axis] === element ? 0n : null;
  });
  const open = elements.filter((element) => element === null || element === -1n);
  return open.length > 1 ? null : { ...shape, elements: elements.map((element) => element ?? -1n) };
}

/** What a node makes, when all of it is known. */
function tensorsOf(node: NodeProto, knowledge: Knowledge): TensorProto[] | null {
  if (isOperator(node, "Constant")) return null;
  const tensors: TensorProto[] = [];
  for (const name of node.output) {
    if (name === "") continue;
    const value = knowledge.value(name);
    if (value === undefined || !isComplete(value)) return null;
    tensors.push(tensorFromKnown(name, value));
  }
  return tensors.length > 0 ? tensors : null;
}
