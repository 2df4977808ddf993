/** From a model on disk to a detector that is ready to answer. */
import type { Backend } from "../backends/backend.ts";
import { loadOnnxRuntime } from "../backends/onnxruntime.ts";
import { TrtdError } from "../errors.ts";
import type { Model } from "../models/model.ts";
import { readModelFile } from "../models/model_file.ts";
import { modelFacts } from "../onnx/facts.ts";
import { knownOutputs } from "../onnx/known_outputs.ts";
import type { ModelFacts } from "../onnx/model_facts.ts";
import { nmsSplitPass } from "../onnx/passes/nms/nms_split.ts";
import { readModel } from "../onnx/read.ts";
import { writeModel } from "../onnx/write.ts";
import { Detector, type DetectorSettings } from "./detector.ts";
import { detectHead } from "./heads/heads.ts";

export interface OpenSettings extends DetectorSettings {
  /** Threads of one inference. @default all cores that the process may use */
  readonly threads?: number;
  /** `auto` takes the best that this machine and this version have. @default "auto" */
  readonly backend?: "auto" | "onnxruntime" | "tensorrt";
}

/**
 * Load a model: the file is checked and its head found before any runtime sees it. EfficientNMS_TRT at its end is cut
 * off, and its attributes become the detector's defaults.
 * @throws {TrtdError} `FILE_NOT_FOUND`, `FILE_UNREADABLE`; the codes of `readModel`, `detectHead`, `loadOnnxRuntime`; `BACKEND_UNAVAILABLE`; `INFERENCE_FAILED`
 */
export async function openDetector(model: Model, settings: OpenSettings = {}): Promise<Detector> {
  const { bytes, facts } = runnable(await readModelFile(model.path));
  detectHead(facts, model.manifest);
  const backend = await openBackend(bytes, facts, settings);
  return await Detector.open(model, facts, backend, settings);
}

/** A model for ONNX Runtime: an EfficientNMS_TRT is cut off where that can be done, its work is the detector's. */
function runnable(bytes: Uint8Array): { bytes: Uint8Array; facts: ModelFacts } {
  const model = readModel(bytes);
  const facts = modelFacts(model);
  if (facts.nms_plugin?.separable !== true) {
    return { bytes, facts: { ...facts, outputs: knownOutputs(model, facts.outputs) } };
  }
  return runnable(writeModel(nmsSplitPass.run(model).model));
}

async function openBackend(bytes: Uint8Array, facts: ModelFacts, settings: OpenSettings): Promise<Backend> {
  if (settings.backend === "tensorrt") {
    throw new TrtdError("BACKEND_UNAVAILABLE", "This version of trtd runs models with ONNX Runtime only");
  }
  const { threads } = settings;
  return await loadOnnxRuntime(bytes, { facts, ...(threads === undefined ? {} : { threads }) });
}
