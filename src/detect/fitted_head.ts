/** A model's head as an engine runs it: it fixes what the model leaves open, and may have another type of input. */
import type { Backend } from "../backends/backend.ts";
import { TrtdError } from "../errors.ts";
import type { Head } from "./heads/heads.ts";

/**
 * The head with the engine's own input: type, batch and size. ONNX Runtime runs the model as it is.
 * @throws {TrtdError} `LOAD_FAILED` when the engine's input is not the model's
 */
export function fittedHead(head: Head, { inputs, info }: Pick<Backend, "inputs" | "info">): Head {
  if (info.name !== "tensorrt") return head;
  const spec = inputs.find(({ name }) => name === head.input.name);
  const { type, dims } = spec ?? { type: undefined, dims: [] };
  const [batch, channels, height, width] = dims;
  if ((type !== "float32" && type !== "float16") || channels !== 3 || !isSize(height) || !isSize(width)) {
    const there = inputs.map((one) => `"${one.name}" ${one.type} [${one.dims.join(", ")}]`).join(", ");
    throw new TrtdError(
      "LOAD_FAILED",
      `The model's pictures go into "${head.input.name}", but the engine's inputs are ${there}`,
      { remedy: "Build the engine from this very model" },
    );
  }
  return { ...head, input: { ...head.input, type, batch: isSize(batch) ? batch : null, height, width } };
}

const isSize = (axis: number | string | undefined): axis is number => typeof axis === "number" && axis > 0;
