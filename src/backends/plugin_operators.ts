/** Operators that only TensorRT's plugin library has, refused before another runtime meets them. */
import { TrtdError } from "../errors.ts";

/** The part of a model's facts that matters here. */
export interface UsedOperators {
  readonly custom_operators: readonly { readonly domain: string; readonly name: string; readonly count: number }[];
  /** Whether EfficientNMS_TRT can be cut off, and why not. */
  readonly nms_plugin?: { readonly reason: string | null } | null;
}

/**
 * Domains outside the ONNX standard whose operators ONNX Runtime's CPU build has.
 * Source: `onnxruntime/core/graph/constants.h` in 1.30.
 */
const ONNX_RUNTIME_DOMAINS = new Set([
  "ai.onnx",
  "ai.onnx.ml",
  "ai.onnx.preview",
  "ai.onnx.training",
  "ai.onnx.preview.training",
  "com.microsoft",
  "com.microsoft.experimental",
  "com.microsoft.nchwc",
  "com.ms.internal.nhwc",
]);

/**
 * Refuse a model for ONNX Runtime's CPU.
 * @throws {TrtdError} `MODEL_NEEDS_PLUGIN` naming every operator that it lacks
 */
export function refusePlugins(facts: UsedOperators): void {
  const lacking = facts.custom_operators.filter(({ domain, name }) =>
    name.endsWith("_TRT") || (domain !== "" && !ONNX_RUNTIME_DOMAINS.has(domain))
  );
  if (lacking.length === 0) return;
  const names = lacking.map(({ domain, name }) => `"${domain === "" ? name : `${domain}::${name}`}"`).join(", ");
  const reason = facts.nms_plugin?.reason;
  const nms = lacking.some(({ name }) => name === "EfficientNMS_TRT");
  throw new TrtdError(
    "MODEL_NEEDS_PLUGIN",
    nms
      ? `The model suppresses boxes inside the graph with ${names}, which only TensorRT's plugin library has; ` +
        `ONNX Runtime on the CPU cannot run it${reason ? ". It cannot be cut off either: " + reason : ""}`
      : `ONNX Runtime on the CPU has no operator ${names}`,
    nms ? {} : { remedy: "Export the model with standard ONNX operators only" },
  );
}
