/** From a model on disk to a detector that is ready to answer, on the best backend that there is. */
import { getLogger } from "@logtape/logtape";
import { loadOnnxRuntime } from "../backends/onnxruntime.ts";
import { type NvidiaPresence, nvidiaPresence } from "../backends/tensorrt/presence.ts";
import { type ErrorCode, TrtdError } from "../errors.ts";
import type { Model } from "../models/model.ts";
import { readModelFile } from "../models/model_file.ts";
import { modelFacts } from "../onnx/facts.ts";
import { knownOutputs } from "../onnx/known_outputs.ts";
import type { ModelFacts } from "../onnx/model_facts.ts";
import { nmsSplitPass } from "../onnx/passes/nms/nms_split.ts";
import { type OnnxModel, readModel } from "../onnx/read.ts";
import { writeModel } from "../onnx/write.ts";
import type { BuildPlan } from "../tensorrt/plan/plan.ts";
import { Detector, type DetectorSettings } from "./detector.ts";
import type { EngineSettings } from "./gpu/engine_settings.ts";
import type { OnGpuRequest } from "./gpu/open_on_gpu.ts";
import { detectHead } from "./heads/heads.ts";

const log = getLogger(["trtd", "detect"]);

export interface OpenSettings extends DetectorSettings {
  /** Threads of one inference on the CPU. @default all cores that the process may use */
  readonly threads?: number;
  /** `auto` takes the best that this machine has. @default "auto" */
  readonly backend?: "auto" | "onnxruntime" | "tensorrt";
  /** Where engines come from. Without it models run on ONNX Runtime. */
  readonly engines?: EngineSettings;
}

/** Failures that are no reason to answer on the CPU. */
const NEVER_DEGRADED: readonly ErrorCode[] = ["INTERRUPTED", "GPU_FAULT", "CONFIG_INVALID", "USAGE", "INTERNAL"];
/** What a machine without an NVIDIA device says, where only a driver library is left. */
const NO_GPU: readonly ErrorCode[] = ["GPU_UNAVAILABLE", "TENSORRT_NOT_FOUND"];

/**
 * Load a model: the file is checked and its head found before any runtime sees it. EfficientNMS_TRT at its end is cut
 * off, and its attributes become the detector's defaults.
 *
 * With `auto`, TensorRT answers where machine, plan and gate allow it, else ONNX Runtime; `info.degraded` then says why,
 * unless the machine has no NVIDIA device, which is no loss to report.
 * @throws {TrtdError} `FILE_NOT_FOUND`, `FILE_UNREADABLE`; the codes of `readModel`, `detectHead`, `loadOnnxRuntime`;
 * `INFERENCE_FAILED`; with `tensorrt` also those of `openOnGpu`; `GPU_FAULT`, after which the process must end
 */
export async function openDetector(model: Model, settings: OpenSettings = {}): Promise<Detector> {
  const plan = await gpuPlan(model.name, settings);
  const given = await readModelFile(model.path);
  const { bytes, facts } = runnable(given);
  detectHead(facts, model.manifest);
  const openOnCpu = async (): Promise<Detector> => {
    const { threads } = settings;
    const backend = await loadOnnxRuntime(bytes, { facts, ...threads === undefined ? {} : { threads } });
    return await Detector.open(model, facts, backend, settings);
  };
  const factsFor = ({ passes }: BuildPlan) =>
    bytes === given || passes.some(({ pass }) => pass === "nms-split") ? facts : factsOf(readModel(given));
  const request = { model, factsFor, settings, reference: openOnCpu };
  const { detector, degraded } = plan === null ? { detector: null, degraded: null } : await tryGpu(request, plan);
  if (detector !== null) return detector;
  const onCpu = await openOnCpu();
  if (degraded !== null) onCpu.degrade(degraded);
  return onCpu;
}

/** How a GPU is tried. */
interface GpuPlan {
  readonly engines: EngineSettings;
  /** The settings as they were given: a build asks the machine for more. */
  readonly asking: EngineSettings;
  readonly presence: NvidiaPresence;
  /** Whether the CPU may answer instead. */
  readonly mayFallBack: boolean;
}

/**
 * Null when the CPU answers anyway. The machine is being asked from here on, while the model is read.
 * @throws {TrtdError} `BACKEND_UNAVAILABLE`
 */
async function gpuPlan(model: string, { backend = "auto", engines }: OpenSettings): Promise<GpuPlan | null> {
  if (backend === "onnxruntime") return null;
  const mayFallBack = backend === "auto";
  if (engines === undefined) {
    if (mayFallBack) return null;
    throw new TrtdError("BACKEND_UNAVAILABLE", "TensorRT needs a folder of engines, and none was given");
  }
  const isWanted = !mayFallBack || engines.config.tensorrt !== undefined;
  const presence = isWanted ? "device" : await nvidiaPresence();
  if (presence === "none") return null;
  const { askedEarly } = await import("./gpu/asked_early.ts");
  return { engines: await askedEarly(engines, model), asking: engines, presence, mayFallBack };
}

/** @returns no detector where the CPU is to answer, and why */
async function tryGpu(
  request: Omit<OnGpuRequest, "engines" | "asking">,
  { engines, asking, presence, mayFallBack }: GpuPlan,
): Promise<{ detector: Detector | null; degraded: string | null }> {
  try {
    const { openOnGpu } = await import("./gpu/open_on_gpu.ts");
    return { detector: await openOnGpu({ ...request, engines, asking }), degraded: null };
  } catch (thrown) {
    if (!mayFallBack || !(thrown instanceof TrtdError) || NEVER_DEGRADED.includes(thrown.code)) throw thrown;
    const { code, message } = thrown;
    if (presence === "driver" && NO_GPU.includes(code)) {
      log.info("No NVIDIA GPU here: {reason}", { reason: message });
      return { detector: null, degraded: null };
    }
    log.warning("{model} runs on the CPU: {code}: {reason}", { model: request.model.name, code, reason: message });
    return { detector: null, degraded: message };
  }
}

const factsOf = (model: OnnxModel): ModelFacts => {
  const facts = modelFacts(model);
  return { ...facts, outputs: knownOutputs(model, facts.outputs) };
};

/** A model whose EfficientNMS_TRT is cut off where that can be done: its work is the detector's. */
function runnable(bytes: Uint8Array): { bytes: Uint8Array; facts: ModelFacts } {
  const model = readModel(bytes);
  const facts = factsOf(model);
  return facts.nms_plugin?.separable !== true ? { bytes, facts } : runnable(writeModel(nmsSplitPass.run(model).model));
}
