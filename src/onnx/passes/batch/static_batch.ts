/**
 * `static-batch`: the batch is a number, and so is every declared size that follows from it.
 *
 * Counts: `inputs_fixed`. Remarks name the inputs, and the nodes that were repaired when the batch was another number.
 */
import { TrtdError } from "../../../errors.ts";
import type { Dimension, GraphProto, ModelProto, ValueInfoProto } from "../../proto.ts";
import { quoted } from "../../quoted.ts";
import { batchInput, dynamicBatchPass, trueInputs } from "./dynamic_batch.ts";
import type { Dim } from "../../infer/evaluate_tensor.ts";
import type { Pass } from "../pass.ts";
import { declaredDims, Knowledge, opsetOf } from "../../infer/shapes.ts";
import { sortedModel } from "../../graph/sorted_graph.ts";

export interface StaticBatchOptions {
  /** Pictures in each run, 1 or more. @default 1 */
  readonly batch?: number;
}

/** Source: TensorRT's limit for one dimension. */
const BATCH_MAX = 2 ** 31 - 1;

/**
 * Fix the batch of a dynamic model. One with another fixed batch goes through `dynamic-batch` first, which refuses what
 * cannot be repaired.
 */
export const staticBatchPass: Pass<StaticBatchOptions> = {
  name: "static-batch",
  version: 1,
  summary: "fix the batch to a number, and the shapes that follow from it",
  run(unsorted, { batch = 1 } = {}) {
    if (!Number.isInteger(batch) || batch < 1 || batch > BATCH_MAX) {
      throw new TrtdError("USAGE", `The batch must be a whole number from 1 on, but is ${batch}`);
    }
    const { model, remarks: sorting } = sortedModel(unsorted);
    const report = (isFixed: boolean, inputs: number, remarks: readonly string[]) => ({
      pass: "static-batch" as const,
      version: staticBatchPass.version,
      changed: isFixed || model !== unsorted,
      counts: { inputs_fixed: inputs },
      remarks: [...sorting, ...remarks],
    });
    const main = model.graph && batchInput(model.graph);
    if (main === undefined) throw new TrtdError("PASS_REFUSED", "The model has no input with a batch axis");
    const given = declaredDims(main)![0]!;
    if (given === batch) return { model, report: report(false, 0, []) };
    const freed = typeof given === "number" ? dynamicBatchPass.run(model) : undefined;
    const free = freed?.model ?? model;
    const graph = free.graph!;
    const name = typeof given === "string" ? given : declaredDims(batchInput(graph)!)![0]!;
    const fixed = withBatch(graph, { model, name, batch });
    const names = fixed.inputs.map(quoted).join(", ");
    return {
      model: { ...free, graph: fixed.graph },
      report: report(true, fixed.inputs.length, [`The batch of ${names} is ${batch}`, ...freed?.report.remarks ?? []]),
    };
  },
};

interface BatchChoice {
  readonly model: ModelProto;
  /** Of the symbolic axis; empty when it has none. */
  readonly name: Dim;
  readonly batch: number;
}

function withBatch(graph: GraphProto, { model, name, batch }: BatchChoice): { graph: GraphProto; inputs: string[] } {
  const isNamed = (dim: Dimension) => dim.dim_value === undefined && name !== "" && dim.dim_param === name;
  const isOpen = (dim: Dimension | undefined) =>
    dim !== undefined && (dim.dim_value ?? -1) < 0 && (dim.dim_param ?? "") === "";
  const trueNames = new Set(trueInputs(graph).map(({ name }) => name));
  const inputs: string[] = [];
  const input = graph.input.map((value) => {
    const rank = declaredDims(value)?.length ?? 0;
    const isFree = trueNames.has(value.name) && rank > 1;
    const fixed = withDims(
      value,
      (dim, axis) => isNamed(dim) || (isFree && axis === 0 && isOpen(dim)) ? batch : undefined,
    );
    if (fixed !== value) inputs.push(value.name ?? "");
    return fixed;
  });
  const known = new Knowledge({ ...graph, input }, opsetOf(model));
  const fill = (value: ValueInfoProto) => {
    const dims = known.dims(value.name);
    return withDims(value, (dim, axis, rank) => {
      if (isNamed(dim)) return batch;
      const size = dims?.length === rank ? dims[axis] : undefined;
      return (dim.dim_value ?? -1) < 0 && typeof size === "number" ? size : undefined;
    });
  };
  const result = { ...graph, input, output: graph.output.map(fill), value_info: graph.value_info.map(fill) };
  return { graph: result, inputs };
}

/** A declaration with some sizes set; the given one when `size` sets none. */
function withDims(
  value: ValueInfoProto,
  size: (dim: Dimension, axis: number, rank: number) => number | undefined,
): ValueInfoProto {
  const tensor = value.type?.tensor_type;
  const dims = tensor?.shape?.dim;
  if (tensor?.shape === undefined || dims === undefined) return value;
  const dim = dims.map((old, axis) => {
    const dim_value = size(old, axis, dims.length);
    if (dim_value === undefined) return old;
    const { dim_param: _, ...rest } = old;
    return { ...rest, dim_value };
  });
  if (dim.every((one, axis) => one === dims[axis])) return value;
  return { ...value, type: { ...value.type, tensor_type: { ...tensor, shape: { ...tensor.shape, dim } } } };
}
