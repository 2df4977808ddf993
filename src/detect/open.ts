/** From a model on disk to a detector that is ready to answer. */
import type { Backend } from "../backends/backend.ts";
import { loadOnnxRuntime } from "../backends/onnxruntime.ts";
import { TrtdError } from "../errors.ts";
import type { Model } from "../models/model.ts";
import { readModelFile } from "../models/model_file.ts";
import { modelFacts } from "../onnx/facts.ts";
import type { ModelFacts } from "../onnx/model_facts.ts";
import { readModel } from "../onnx/read.ts";
import { Detector, type DetectorSettings } from "./detector.ts";
import { detectHead } from "./heads/heads.ts";

export interface OpenSettings extends DetectorSettings {
  /** Threads of one inference. @default all cores that the process may use */
  readonly threads?: number;
  /** `auto` takes the best that this machine and this version have. @default "auto" */
  readonly backend?: "auto" | "onnxruntime" | "tensorrt";
}

/**
 * Load a model: the file is checked and its head found before any runtime sees it.
 * @throws {TrtdError} `FILE_NOT_FOUND`, `FILE_UNREADABLE`; the codes of `readModel`, `detectHead`, `loadOnnxRuntime`; `BACKEND_UNAVAILABLE`; `INFERENCE_FAILED`
 */
export async function openDetector(model: Model, settings: OpenSettings = {}): Promise<Detector> {
  const bytes = await readModelFile(model.path);
  const facts = modelFacts(readModel(bytes));
  detectHead(facts, model.manifest);
  const backend = await openBackend(bytes, facts, settings);
  return await Detector.open(model, facts, backend, settings);
}

async function openBackend(bytes: Uint8Array, facts: ModelFacts, settings: OpenSettings): Promise<Backend> {
  if (settings.backend === "tensorrt") {
    throw new TrtdError("BACKEND_UNAVAILABLE", "This version of trtd runs models with ONNX Runtime only");
  }
  const { threads } = settings;
  return await loadOnnxRuntime(bytes, { facts, ...(threads === undefined ? {} : { threads }) });
}
