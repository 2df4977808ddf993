/** The shapes of a model's outputs as far as they follow from its graph. */
import type { ValueSpec } from "./model_facts.ts";
import { Knowledge, opsetOf } from "./infer/shapes.ts";
import { sortedGraph } from "./graph/sorted_graph.ts";
import type { OnnxModel } from "./read.ts";

/**
 * Outputs with sizes in the place of names that an exporter made up: PyTorch's writes `Concatoutput0_dim_1` even for a
 * number of classes that the weights fix. What really depends on the picture or the batch stays as it is declared.
 * @param outputs as declared
 */
export function knownOutputs({ graph, ...model }: OnnxModel, outputs: readonly ValueSpec[]): readonly ValueSpec[] {
  const isOpen = ({ dims, has_shape: hasShape }: ValueSpec) => !hasShape || dims.slice(1).some((dim) => !isSize(dim));
  if (!outputs.some(isOpen)) return outputs;
  const known = new Knowledge(sortedGraph(graph), opsetOf(model));
  return outputs.map((output) => {
    const dims = isOpen(output) ? known.dims(output.name) : undefined;
    if (dims === undefined || (output.has_shape && dims.length !== output.dims.length)) return output;
    const declared = output.has_shape ? output.dims : dims.map(() => -1);
    return { ...output, has_shape: true, dims: declared.map((dim, axis) => isSize(dims[axis]!) ? dims[axis]! : dim) };
  });
}

const isSize = (dim: number | string): boolean => typeof dim === "number" && dim >= 0;
