/** Small models with a batch, and what each picture alone gives. */
import type { GraphProto, ModelProto, NodeProto, TensorProto } from "../../../../src/onnx/proto.ts";
import { type AttributeValue, floatTensor, int64Tensor, model, node, rawBytes, value } from "../../build_model.ts";
import { numbers, runModel, type Value } from "../run_model.ts";

/** A picture without the batch. */
export const X_DIMS = [3, 8, 8] as const;

/** A node with a name that tells its first output. */
export const op = (
  name: string,
  inputs: string[],
  output: string | string[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
) => node(name, { inputs, outputs: [output].flat() }, { name: `the_${[output].flat()[0]}`, attributes });

/** A list of INT64. */
export const ints = (name: string, ...values: number[]) => int64Tensor(name, [values.length], values);

/** A graph from `x` [batch, 3, 8, 8] to `y`. */
export function built(
  nodes: readonly NodeProto[],
  constants: readonly TensorProto[],
  options: {
    batch?: number | string;
    opset?: number;
    out?: readonly (number | string)[];
    change?: Partial<GraphProto>;
  } = {},
): ModelProto {
  const { batch = 1, opset = 17, out = ["a", "b", "c"], change = {} } = options;
  return model({
    node: [...nodes],
    initializer: [...constants],
    input: [value("x", [batch, ...X_DIMS])],
    output: [value("y", [batch, ...out])],
    ...change,
  }, { opset, metadata: { task: "detect" } });
}

/** Declared sizes: numbers, names, or `?`. */
export const dimsOf = (made: ModelProto, list: "input" | "output" | "value_info", at = 0) =>
  made.graph![list][at]!.type!.tensor_type!.shape!.dim.map(({ dim_value, dim_param }) => dim_value ?? dim_param ?? "?");

/** Each picture alone through the model as it was, one after the other. */
export async function oneByOne(given: ModelProto, pictures: readonly Value[]): Promise<Record<string, unknown>> {
  const runs: Record<string, Value>[] = [];
  for (const x of pictures) runs.push(await runModel(given, { x }));
  return Object.fromEntries(
    Object.keys(runs[0]!).map((name) => {
      const parts = runs.map((run) => run[name]!);
      const dims = [parts.reduce((sum, { dims }) => sum + dims[0]!, 0), ...parts[0]!.dims.slice(1)];
      return [name, { type: parts[0]!.type, dims, bytes: parts.flatMap(({ data }) => [...rawBytes(data)]) }];
    }),
  );
}

/** Pictures as one batch. */
export function stacked(pictures: readonly Value[]): Value {
  const data = Float32Array.from(pictures.flatMap(({ data }) => [...data as Float32Array]));
  return { type: "float32", dims: [pictures.length, ...pictures[0]!.dims.slice(1)], data };
}

/** A convolution of `x` with {@link weights}. */
export const conv = op("Conv", ["x", "w"], "c", { kernel_shape: [1n, 1n] });
export const weights = floatTensor("w", [4, 3, 1, 1], numbers(12));
