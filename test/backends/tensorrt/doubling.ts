/** Models of which the fake TensorRT computes what ONNX Runtime does, picture by picture: output i = 2 * input i + 1. */
import { floatTensor, graph, int64Tensor, model, node, value } from "../../onnx/build_model.ts";
import { writeModel } from "../../../src/onnx/write.ts";

export interface DoublingOptions {
  /** Of one picture, `[3, H, W]`. */
  readonly input: readonly [number, number, number];
  /** Of one picture, not larger than the input. */
  readonly output: readonly number[];
  /** Fixed batch, null for a dynamic one. @default 1 */
  readonly batch?: number | null;
  /** With another number than the fake's, the two do not agree. @default 1 */
  readonly added?: number;
}

const productOf = (dims: readonly number[]): number => dims.reduce((product, axis) => product * axis, 1);

/** An ONNX file. */
export function doubling({ input, output, batch = 1, added = 1 }: DoublingOptions): Uint8Array<ArrayBuffer> {
  const first = batch ?? "batch";
  return writeModel(model(graph({
    node: [
      node("Reshape", { inputs: ["images", "row"], outputs: ["all"] }),
      node("Slice", { inputs: ["all", "zero", "count", "axis"], outputs: ["some"] }),
      node("Mul", { inputs: ["some", "two"], outputs: ["doubled"] }),
      node("Add", { inputs: ["doubled", "one"], outputs: ["sum"] }),
      node("Reshape", { inputs: ["sum", "shape"], outputs: ["output0"] }),
    ],
    initializer: [
      int64Tensor("row", [2], [0, -1]),
      int64Tensor("zero", [1], [0]),
      int64Tensor("count", [1], [productOf(output)]),
      int64Tensor("axis", [1], [1]),
      floatTensor("two", [], [2]),
      floatTensor("one", [], [added]),
      int64Tensor("shape", [output.length + 1], [0, ...output]),
    ],
    input: [value("images", [first, ...input], "FLOAT")],
    output: [value("output0", [first, ...output], "FLOAT")],
  })));
}

/** What `TRTD_FAKE_MODEL` names: the same model for the fake parser. */
export function fakeModelText({ input, output, batch = 1 }: DoublingOptions): string {
  const shape = (dims: readonly number[]) => [batch ?? -1, ...dims].join("x");
  return `model\ninput images 0 ${shape(input)}\noutput output0 0 ${shape(output)}\nlayers 5\n`;
}
