/** The order of nodes in a model. */
import type { ModelProto } from "../proto.ts";
import { sortedGraph } from "./sorted_graph.ts";

export interface SortedModel {
  /** The given model itself when it is in order. */
  readonly model: ModelProto;
  /** Says that the order is another one, for a pass's report; empty when it is not. */
  readonly remarks: readonly string[];
}

/** The model with the nodes of its graph, and of all graphs within, behind those that they read. Functions stay. */
export function sortedModel(model: ModelProto): SortedModel {
  const graph = model.graph && sortedGraph(model.graph);
  if (graph === undefined || graph === model.graph) return { model, remarks: [] };
  return {
    model: { ...model, graph },
    remarks: ["The nodes were out of order, each stands behind those that it reads now"],
  };
}
