/** From a model, a machine and wishes to the plan of a build, or to the reason why there is none. Pure. */
import { TrtdError } from "../../errors.ts";
import { checkTuning, tacticSourceBits, type TuningWishes } from "./plan_options.ts";
import { choosePrecision, type EnginePrecision } from "./plan_precision.ts";
import { operatorRemarks, pluginOperators } from "./plan_operators.ts";
import { modelAfter, passesFor, type PassModel, type PassStep, type PassWishes, stepText } from "./plan_passes.ts";
import { chooseTargets } from "./plan_targets.ts";
import { batchOf, type InputShapes, isBatchChosen, profileFor } from "./plan_shapes.ts";
import { supportVerdict } from "../support/support.ts";
import type { SupportVerdict } from "../support/support.ts";
import type { Platform } from "../support/support_table.ts";
import {
  FAMILIES,
  type Family,
  familyOf,
  type Product,
  type Release,
  releaseText,
  versionFromText,
} from "../versions.ts";

/** The model that an engine is made of, as its file is: its facts and what it computes in (`model_precision.ts`). */
export type PlanModel = PassModel;

/** The TensorRT that is to build. */
export interface PlanTensorRt {
  readonly product: Product;
  /** Such as `10.16.1.11`. */
  readonly version: string;
  readonly kind: "full" | "lean" | "dispatch";
  /** Absolute paths of its libraries; null for one that was not found. */
  readonly core: string;
  readonly parser: string | null;
  readonly plugins: string | null;
  /** CUDA that it was built for, null when it does not tell. */
  readonly cuda: string | null;
}

/** The GPU that is to run the engine. */
export interface PlanGpu {
  readonly index: number;
  readonly name: string;
  readonly uuid: string;
  /** Such as `8.9`. */
  readonly computeCapability: string;
}

/** What the machine can do, as the probe found it. */
export interface PlanMachine {
  readonly tensorrt: PlanTensorRt;
  readonly gpu: PlanGpu | null;
  /** Why there is no GPU, null when there is one or nobody knows. */
  readonly gpuMissing: string | null;
  readonly platform: Platform;
  /** Release of the GPU driver. */
  readonly driver: string | null;
  /** CUDA of the driver. */
  readonly driverCuda: string | null;
  /** Path of the driver library, null for the loader's. */
  readonly cudaDriver: string | null;
}

export interface BuildWishes extends PassWishes, TuningWishes {
  /** @default the model's own */
  readonly precision?: EnginePrecision;
  /** `current`, or compute capabilities such as `75,80,86,89,120`. @default current */
  readonly targets?: string;
  /** Try what the tables call impossible. @default false */
  readonly force?: boolean;
}

/** Names of the shim's builder flags. */
export type BuildFlag = "FP16" | "VERSION_COMPATIBLE" | "GPU_FALLBACK";

/** All that the build child needs, as JSON. */
export interface BuildPlan {
  readonly format: 1;
  readonly tensorrt: { readonly product: Product; readonly version: string; readonly family: Family };
  readonly libraries: {
    readonly core: string;
    readonly parser: string;
    readonly plugins: string | null;
    /** Null for the loader's. */
    readonly cuda_driver: string | null;
  };
  /** What is done to the model before, in this order. The rest of the plan is about its result. */
  readonly passes: readonly PassStep[];
  /** Operators of the model that only the plugin library has. */
  readonly plugin_operators: readonly string[];
  /** Open a TensorRT newer than the slot table. */
  readonly force: boolean;
  /** GPU to build on, null for a build that needs none. */
  readonly device: number | null;
  readonly precision: EnginePrecision;
  readonly batch: number;
  readonly flags: readonly BuildFlag[];
  /** Values for `IBuilderConfig::setComputeCapability`, 1 for the current GPU; empty where the family has no targets. */
  readonly set_targets: readonly number[];
  /** Compute capabilities that the engine is for, such as 89. */
  readonly targets: readonly number[];
  readonly profile: readonly InputShapes[];
  readonly workspace_bytes: number | null;
  readonly optimization_level: number | null;
  /** The shim's number: 0 none, 1 Ampere and later, 2 same compute capability. */
  readonly hardware_compatibility: number | null;
  readonly tactic_sources: number | null;
  readonly dla_core: number | null;
  readonly timing_cache: string | null;
  /** Things to know, in sentences. */
  readonly remarks: readonly string[];
}

const HARDWARE = { none: 0, ampere: 1, same: 2 } as const;

/** The family that drives a release; the newest of its product when none does. */
function nearestFamily(release: Release): Family {
  return familyOf(release).family ?? FAMILIES.findLast(({ product }) => product === release.product)!.family;
}

/**
 * Plans a build.
 *
 * The model's file is planned for together with the passes that it needs, which are not run here. With `force`, an
 * impossible pair of TensorRT and GPU and a missing plugin are tried all the same. Precision, shapes and options are
 * never forced: TensorRT would ignore or refuse them.
 * @throws {TrtdError} `TENSORRT_NOT_FOUND` (no builder or parser), `TENSORRT_UNSUPPORTED`, `GPU_UNSUPPORTED`,
 * `GPU_UNAVAILABLE`, `DRIVER_TOO_OLD`, `PRECISION_UNSUPPORTED`, `OPTION_UNSUPPORTED`, `PROFILE_MISSING`,
 * `PROFILE_INVALID`, `MODEL_NEEDS_PLUGIN`, `PLUGIN_MISSING`, `MODEL_LOAD_FAILED`, `USAGE`
 */
export function planBuild(model: PlanModel, machine: PlanMachine, wishes: BuildWishes = {}): BuildPlan {
  const { tensorrt } = machine;
  const version = versionFromText(tensorrt.version);
  if (version === null) {
    throw new TrtdError("TENSORRT_UNSUPPORTED", `The version "${tensorrt.version}" of TensorRT cannot be read`);
  }
  const release: Release = { product: tensorrt.product, version };
  const family = nearestFamily(release);
  const force = wishes.force === true;
  const parser = parserOf(tensorrt, release);
  const targets = chooseTargets(release, machine, wishes.targets);
  if (wishes.tofp16 === true && wishes.precision === "f32") {
    throw new TrtdError("USAGE", "--tofp16 and --precision f32 exclude each other");
  }
  const passes = passesFor(model, { release, family, plugins: tensorrt.plugins }, wishes);
  const { facts, precision } = modelAfter(model, passes);
  const remarks = passes.map(stepText);

  const choice = choosePrecision(wishes.precision, precision, family);
  if (targets.onGpu !== null) {
    const verdict = supportVerdict({
      tensorrt,
      gpu: targets.onGpu,
      platform: machine.platform,
      cuda: tensorrt.cuda,
      driver: machine.driver,
      driverCuda: machine.driverCuda,
      precision: choice.precision,
      dla: wishes.dlaCore !== undefined,
    });
    remarks.push(...verdictRemarks(verdict, force));
  } else if (!familyOf(release).known && !force) {
    throw unknownRelease(release, tensorrt.core);
  }
  checkTuning(wishes, { release, family, platform: machine.platform });
  if (wishes.dlaCore !== undefined && choice.precision === "f32") {
    throw new TrtdError("PRECISION_UNSUPPORTED", "A DLA does not compute in f32", {
      remedy: "Build with --precision fp16, or without --dla-core",
    });
  }
  const profile = profileFor(facts, wishes);
  if (isBatchChosen(facts, wishes)) {
    remarks.push("The batch is not fixed in the model and is taken as 1; --batch, or --min, --opt and --max change it");
  }
  remarks.push(...operatorRemarks(facts, { release, plugins: tensorrt.plugins, core: tensorrt.core, force }));

  return {
    format: 1,
    tensorrt: { product: tensorrt.product, version: tensorrt.version, family },
    libraries: { core: tensorrt.core, parser, plugins: tensorrt.plugins, cuda_driver: machine.cudaDriver },
    passes,
    plugin_operators: pluginOperators(facts),
    force,
    device: targets.onGpu?.index ?? null,
    precision: choice.precision,
    batch: batchOf(facts, profile),
    flags: [
      ...choice.flag ? ["FP16" as const] : [],
      ...wishes.versionCompatible === true ? ["VERSION_COMPATIBLE" as const] : [],
      ...wishes.dlaCore === undefined ? [] : ["GPU_FALLBACK" as const],
    ],
    set_targets: targets.set,
    targets: targets.builtFor,
    profile,
    workspace_bytes: wishes.workspaceMb === undefined ? null : wishes.workspaceMb * 1_048_576,
    optimization_level: wishes.optimizationLevel ?? null,
    hardware_compatibility: wishes.hardwareCompatibility === undefined || wishes.hardwareCompatibility === "none"
      ? null
      : HARDWARE[wishes.hardwareCompatibility],
    tactic_sources: wishes.tacticSources === undefined ? null : tacticSourceBits(wishes.tacticSources),
    dla_core: wishes.dlaCore ?? null,
    timing_cache: wishes.timingCache ?? null,
    remarks,
  };
}

function parserOf({ kind, parser, core }: PlanTensorRt, release: Release): string {
  if (kind !== "full") {
    throw new TrtdError(
      "TENSORRT_NOT_FOUND",
      `"${core}" is the ${kind} runtime of ${releaseText(release)}, which cannot build engines`,
      { remedy: "Install the full TensorRT or TensorRT-RTX, or name its folder with --tensorrt DIR" },
    );
  }
  if (parser === null) {
    throw new TrtdError("TENSORRT_NOT_FOUND", `There is no ONNX parser library for "${core}"`, {
      remedy: release.product === "tensorrt"
        ? `Install libnvonnxparser of ${releaseText(release)} into the folder of its core library`
        : `Install libtensorrt_onnxparser_rtx of ${releaseText(release)} into the folder of its core library`,
    });
  }
  return parser;
}

function unknownRelease(release: Release, core: string): TrtdError {
  return new TrtdError(
    "TENSORRT_UNSUPPORTED",
    `"${core}" is ${releaseText(release)}, which trtd does not know`,
    { remedy: "Install a release that trtd knows, or try this one with --force" },
  );
}

function verdictRemarks(verdict: SupportVerdict, force: boolean): string[] {
  const remarks = verdict.remarks.map(({ text }) => text);
  if (verdict.verdict !== "impossible") return remarks;
  if (!force) {
    throw new TrtdError(verdict.code!, `${verdict.reason}`, { remedy: `${verdict.remedy}` });
  }
  return [...remarks, `Tried all the same because of --force: ${verdict.reason}`];
}
