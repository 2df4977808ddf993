/** The backends that a model is measured on. */
import { usableCores } from "../../backends/onnxruntime.ts";
import { onnxRuntimeSubject } from "../../bench/stages/onnxruntime_subject.ts";
import type { Subject } from "../../bench/stages/subject.ts";
import { type OpenEngine, tensorRtSubject } from "../../bench/stages/tensorrt_subject.ts";
import type { DetectOptions } from "../../detect/detection.ts";
import type { EngineSettings, LoadedEngineFacts } from "../../detect/gpu/engine_settings.ts";
import { openDetector } from "../../detect/open.ts";
import { type ErrorCode, TrtdError } from "../../errors.ts";
import type { Model } from "../../models/model.ts";
import { findMachine } from "../../tensorrt/request/machine.ts";
import { PRODUCT_NAMES } from "../../tensorrt/versions.ts";
import { buildingEngines } from "../build/engine_settings.ts";
import type { CommandContext } from "../command.ts";

/** Most pictures of a run. */
export const BATCH_MAX = 32;

export interface SubjectWishes {
  readonly model: Model;
  readonly batches: readonly number[];
  readonly lanes: readonly number[];
  readonly note: (text: string) => void;
}

/** Failures that no other backend makes good. */
const FATAL: readonly ErrorCode[] = ["GPU_FAULT", "INTERRUPTED", "CONFIG_INVALID", "USAGE", "INTERNAL"];

/**
 * With `auto` all that run the model here, TensorRT first, else the one that is asked for.
 * @throws {TrtdError} those of the backend that was asked for, and of ONNX Runtime
 */
export async function openSubjects(context: CommandContext, wishes: SubjectWishes): Promise<Subject[]> {
  const { config } = context;
  const { model, note } = wishes;
  const detect: DetectOptions = {
    ...(config.score === undefined ? {} : { score: config.score }),
    ...(config.iou === undefined ? {} : { iou: config.iou }),
    ...(config.max === undefined ? {} : { max: config.max }),
    ...(config.classes === undefined ? {} : { classes: config.classes }),
  };
  const subjects: Subject[] = [];
  if (config.backend !== "onnxruntime") {
    try {
      subjects.push(await onTensorRt(context, wishes, detect));
    } catch (error) {
      if (config.backend === "tensorrt" || !(error instanceof TrtdError) || FATAL.includes(error.code)) throw error;
      note(`not on TensorRT: ${error.message}`);
    }
  }
  if (config.backend !== "tensorrt") {
    note(`opening ${model.name} on ONNX Runtime ...`);
    const threads = config.threads ?? usableCores();
    const { max_pixels: maxPixels } = config;
    const opening = onnxRuntimeSubject(model, { threads, maxPixels, detect, batchMax: BATCH_MAX });
    subjects.push(
      await opening.catch(async (error) => {
        for (const subject of subjects) await subject[Symbol.asyncDispose]();
        throw error;
      }),
    );
  }
  return subjects;
}

async function onTensorRt(
  context: CommandContext,
  { model, batches, lanes, note }: SubjectWishes,
  detect: DetectOptions,
): Promise<Subject> {
  const { max_pixels: maxPixels } = context.config;
  const settings = buildingEngines(context);
  const asked = new Map<string, ReturnType<typeof findMachine>>();
  const ask: typeof findMachine = (wishes) => {
    const key = JSON.stringify(wishes);
    const answer = asked.get(key) ?? findMachine(wishes);
    asked.set(key, answer);
    return answer;
  };
  const open = async (batch: number): Promise<OpenEngine> => {
    note(`opening ${model.name} on TensorRT, ${batch} pictures a run ...`);
    const loaded: LoadedEngineFacts[] = [];
    const engines: EngineSettings = {
      ...settings,
      config: { ...settings.config, batch, contexts: Math.max(...lanes) },
      ask,
      onLoaded: (one) => void loaded.push(one),
    };
    const detector = await openDetector(model, { backend: "tensorrt", maxPixels, engines });
    const last = loaded.at(-1);
    if (last === undefined) {
      await detector.close();
      throw new TrtdError("INTERNAL", "The detector did not tell which engine it loaded");
    }
    const { gpu, driver, tensorrt } = last.planned.request.machine;
    return {
      detector,
      backend: last.backend,
      platform: { gpu: gpu!.name, compute_capability: gpu!.computeCapability, driver },
      runtime: `${PRODUCT_NAMES[tensorrt.product]} ${tensorrt.version}`,
    };
  };
  return await tensorRtSubject({ open, batches, manifest: model.manifest, detect });
}
