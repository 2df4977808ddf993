/** A detector on TensorRT: machine, plan, cache, build, gate and load, or the reason why there is none. */
import { getLogger } from "@logtape/logtape";
import { openTensorRt } from "../../backends/tensorrt/open_tensorrt.ts";
import { openCache } from "../../cache/configured_cache.ts";
import { differenceText } from "../../cache/key.ts";
import type { EngineCache, Hit } from "../../cache/store.ts";
import { type ErrorCode, TrtdError } from "../../errors.ts";
import type { Model } from "../../models/model.ts";
import type { ModelFacts } from "../../onnx/model_facts.ts";
import { findEngine, sideFileOwner } from "../../tensorrt/build/obtain_engine.ts";
import { kernelFile, KernelStore } from "../../tensorrt/load/kernel_cache.ts";
import type { LoadPlan } from "../../tensorrt/load/load_messages.ts";
import type { BuildPlan, BuildWishes } from "../../tensorrt/plan/plan.ts";
import type { EnginePrecision } from "../../tensorrt/plan/plan_precision.ts";
import { planModel, type PlannedRequest } from "../../tensorrt/request/plan_request.ts";
import { PRODUCT_NAMES } from "../../tensorrt/versions.ts";
import { type GateEngine, passGate } from "../../verify/gate.ts";
import { folderPictures } from "../../verify/pictures.ts";
import type { GateMachine } from "../../verify/report.ts";
import { verificationsOf } from "../../verify/record.ts";
import { rememberIn } from "../../verify/remember.ts";
import { Detector, type DetectorSettings } from "../detector.ts";
import type { EngineSettings } from "./engine_settings.ts";
import { loadFirst } from "./first_load.ts";

const log = getLogger(["trtd", "tensorrt"]);

export interface OnGpuRequest {
  readonly model: Model;
  /** Facts of the model as an engine of these passes has it: with the NMS that ends it cut off, or not. */
  readonly factsFor: (plan: BuildPlan) => ModelFacts;
  /** Their answer of the machine may lack what only a build needs. */
  readonly engines: EngineSettings;
  /** Asks the machine anew, in child processes. */
  readonly asking: EngineSettings;
  readonly settings: DetectorSettings;
  /** Opens ONNX Runtime on the same model, for the gate. */
  readonly reference: () => Promise<Detector>;
}

/** Failures of a load for which the engine is to blame: it is set aside, and built again where that is allowed. */
const ENGINE_TO_BLAME: readonly ErrorCode[] = [
  "ENGINE_INCOMPATIBLE",
  "ENGINE_CORRUPT",
  "ENGINE_NOT_A_PLAN",
  "LOAD_FAILED",
  "LOAD_CRASHED",
];

/**
 * Open a detector on TensorRT. What the cache lacks is built where `engines.build` allows it; what TensorRT refuses is set
 * aside; what does not agree with ONNX Runtime does not serve.
 * @throws {TrtdError} `BACKEND_UNAVAILABLE` when the engine is not built yet; `PARITY_FAILED`; `GPU_UNAVAILABLE`; those of
 * `planModel`, `openCache`, of `engines.build`, `openTensorRt`, `Detector.open` and `folderPictures`
 */
export async function openOnGpu(request: OnGpuRequest): Promise<Detector> {
  try {
    return await openOnce(request);
  } catch (error) {
    if (!(error instanceof SetAside) || request.engines.build === undefined) throw error;
    log.warning("{reason}", { reason: error.message });
    return await openOnce(request);
  }
}

/** An engine that TensorRT does not load is out of the way, so that another can be built. */
class SetAside extends TrtdError {}

async function openOnce(request: OnGpuRequest): Promise<Detector> {
  const { model, engines } = request;
  const { config, terminal } = engines;
  const wishes: BuildWishes = {
    nms: config.nms,
    ...config.precision === undefined ? {} : { precision: config.precision },
    ...config.batch === undefined ? {} : { batch: config.batch },
  };
  const planned = await plannedFor(model, wishes, engines);
  const cache = await openCache(config, terminal);
  const pictures = config.verify_pictures === undefined
    ? undefined
    : await folderPictures(terminal.resolve(config.verify_pictures));
  const outcome = await passGate<Detector>({
    mode: config.verify,
    precision: planned.request.plan.precision,
    machine: gateMachine(planned),
    engine: async (precision) => {
      const isFirst = precision === planned.request.plan.precision;
      const these = isFirst ? wishes : { ...wishes, precision };
      const wanted = isFirst ? planned : await plannedFor(model, these, engines);
      return await engineFor(wanted, cache, { ...request, precision, wishes: these });
    },
    reference: request.reference,
    ...pictures === undefined ? {} : { pictures },
    onRemark: (text) => log.info("{text}", { text }),
  });
  if (outcome.kind === "refused") {
    if (outcome.record === null) throw notBuilt(model);
    throw new TrtdError("PARITY_FAILED", outcome.degraded);
  }
  if (outcome.degraded !== null) outcome.detector.degrade(outcome.degraded);
  return outcome.detector;
}

/** What results of the gate, and loads, are remembered for. */
function gateMachine({ request: { machine: { tensorrt, gpu, driver } } }: PlannedRequest): GateMachine {
  return {
    gpu: gpu!.name,
    compute_capability: gpu!.computeCapability,
    driver,
    tensorrt: `${PRODUCT_NAMES[tensorrt.product]} ${tensorrt.version}`,
  };
}

/** @throws {TrtdError} `GPU_UNAVAILABLE` where an engine could be built, but not run */
async function plannedFor(model: Model, wishes: BuildWishes, engines: EngineSettings): Promise<PlannedRequest> {
  const planned = await planModel(model, wishes, engines, engines.ask);
  const { machine: { gpu, gpuMissing }, plan } = planned.request;
  if (gpu === null || plan.device === null) {
    throw new TrtdError("GPU_UNAVAILABLE", gpuMissing ?? "There is no NVIDIA GPU here");
  }
  return planned;
}

type EngineOf = OnGpuRequest & { readonly precision: EnginePrecision; readonly wishes: BuildWishes };

/** Null when there is none and none may be built. */
async function engineFor(
  planned: PlannedRequest,
  cache: EngineCache,
  request: EngineOf,
): Promise<GateEngine<Detector> | null> {
  const { engines, precision } = request;
  let hit = await findEngine(cache, planned.request, engines.config.retry.filter((kind) => kind !== "none"));
  if (hit.kind === "miss") {
    if (engines.build === undefined) {
      log.info("No engine of {model} fits: {differences}", {
        model: request.model.name,
        differences: hit.missedBecause.map(differenceText).join(", "),
      });
      return null;
    }
    const { model, wishes, asking } = request;
    const isWhole = planned.machine.memory.gpu_free !== null;
    await engines.build(isWhole ? planned : await plannedFor(model, wishes, asking), cache);
    hit = await findEngine(cache, planned.request, engines.config.retry.filter((kind) => kind !== "none"));
    if (hit.kind === "miss") return null;
  }
  const found = hit;
  return {
    precision,
    sha256: found.entry.engine.sha256,
    path: found.path,
    verified: verificationsOf(found.entry.facts),
    remember: (record) => rememberIn(cache, found, record),
    open: () => openHit(found, planned, cache, request),
  };
}

async function openHit(
  hit: Hit,
  planned: PlannedRequest,
  cache: EngineCache,
  { model, engines, settings, factsFor, precision }: EngineOf,
): Promise<Detector> {
  const { config } = engines;
  const { plan, machine, shim } = planned.request;
  const owner = sideFileOwner(plan, machine), loadPlan = loadPlanOf(plan);
  try {
    await loadFirst({ hit, cache, machine: gateMachine(planned), owner, plan: loadPlan, shim });
    const file = await kernelFile(cache, { engine: hit.entry.engine.sha256, owner });
    for (const remark of file?.remarks ?? []) log.warning("{remark}", { remark });
    const backend = await openTensorRt({ path: hit.path, bytes: hit.bytes, precision }, {
      plan: loadPlan,
      shim,
      contexts: config.contexts,
      cudaGraph: config.cuda_graph === "on",
      gpuDecode: config.gpu_decode === "auto",
      kernels: file === null ? null : new KernelStore(file),
      ...engines.tuning,
    });
    const detector = await Detector.open(model, factsFor(plan), backend, settings);
    engines.onLoaded?.({ backend, planned });
    return detector;
  } catch (error) {
    if (!(error instanceof TrtdError) || !ENGINE_TO_BLAME.includes(error.code)) throw error;
    throw await setAside(hit, cache, error);
  }
}

/** The failure, with what became of the engine. */
async function setAside(hit: Hit, cache: EngineCache, error: TrtdError): Promise<TrtdError> {
  const done = await cache.refuse(hit, error.message).catch((failure) => {
    log.warning("An engine that cannot be loaded stays where it is: {reason}", { reason: String(failure) });
    return false;
  });
  if (!done) return error;
  return new SetAside(error.code, `${error.message}. The engine is set aside, so that another can be built`, {
    cause: error,
    remedy: error.remedy,
  });
}

/** TensorRT's plugin library is large; most engines need none of it. */
const loadPlanOf = (plan: BuildPlan): LoadPlan => ({
  tensorrt: plan.tensorrt,
  libraries: { ...plan.libraries, plugins: plan.plugin_operators.length > 0 ? plan.libraries.plugins : null },
  force: plan.force,
  device: plan.device,
});

const notBuilt = ({ name, path }: Model): TrtdError =>
  new TrtdError("BACKEND_UNAVAILABLE", `The engine of "${name}" is not built yet: trtd build-engine builds it`, {
    remedy: `Run: trtd build-engine ${path}`,
  });
