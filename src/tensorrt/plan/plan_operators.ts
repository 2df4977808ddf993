/** Operators of a model that a TensorRT may lack. Pure. */
import { TrtdError } from "../../errors.ts";
import { modelAbilities } from "../../onnx/abilities.ts";
import type { ModelFacts } from "../../onnx/model_facts.ts";
import { type Release, releaseText } from "../versions.ts";

export interface OperatorQuestion {
  readonly release: Release;
  readonly core: string;
  readonly plugins: string | null;
  readonly force: boolean;
}

/** Names of the model's operators that are plugins of TensorRT. */
export const pluginOperators = (facts: Pick<ModelFacts, "custom_operators">): string[] =>
  facts.custom_operators.map(({ name }) => name).filter((name) => name.endsWith("_TRT"));

/**
 * Operators that nobody here has are a refusal, with `force` a remark.
 * @throws {TrtdError} `MODEL_NEEDS_PLUGIN`, `PLUGIN_MISSING`, `MODEL_LOAD_FAILED`
 */
export function operatorRemarks(facts: ModelFacts, question: OperatorQuestion): string[] {
  const { release, core, plugins, force } = question;
  const refusals: TrtdError[] = [];
  const lacking = pluginOperators(facts);
  const list = lacking.map((name) => `"${name}"`).join(", ");
  const nms = lacking.includes("EfficientNMS_TRT") ? "without end-to-end NMS" : "without the operator";
  if (lacking.length > 0 && release.product === "tensorrt-rtx") {
    refusals.push(
      new TrtdError("MODEL_NEEDS_PLUGIN", `The model contains ${list}; ${releaseText(release)} has no plugin library`, {
        remedy: `Export the model ${nms}, or build with TensorRT, whose plugin library has it`,
      }),
    );
  } else if (lacking.length > 0 && plugins === null) {
    refusals.push(
      new TrtdError("PLUGIN_MISSING", `The model contains ${list}, but there is no plugin library for "${core}"`, {
        remedy: `Install libnvinfer_plugin of ${releaseText(release)} into the folder of its core library, ` +
          `or export the model ${nms}`,
      }),
    );
  }
  for (const { backend, remarks } of modelAbilities(facts)) {
    if (backend !== "tensorrt") continue;
    for (const { kind, code, detail } of remarks) {
      if (kind === "refuses") refusals.push(new TrtdError(code ?? "MODEL_LOAD_FAILED", `TensorRT: ${detail}`));
    }
  }
  if (refusals.length > 0 && !force) throw refusals[0]!;
  return refusals.map(({ message }) => `Tried all the same because of --force: ${message}`);
}
