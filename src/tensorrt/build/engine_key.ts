/** From the plan of a build to the inputs of its key. */
import type { KeyCompatibility, KeyInputs } from "../../cache/key.ts";
import { PASSES } from "../../onnx/passes/passes.ts";
import { VERSION } from "../../version.ts";
import type { BuildPlan, PlanMachine } from "../plan/plan.ts";

/** What a key needs beyond the plan. */
export interface KeyFacts {
  readonly plan: BuildPlan;
  readonly machine: PlanMachine;
  /** Of the model's file, before any pass. */
  readonly modelSha256: string;
  /** Digests of libraries; that of the plugins is null unless the plan needs them. */
  readonly parserSha256: string;
  readonly pluginsSha256: string | null;
}

/** By the shim's number, see `BuildPlan.hardware_compatibility`. */
const COMPATIBILITY: readonly KeyCompatibility[] = ["none", "ampere", "same"];

/** The parser is told by its digest: it has no build number. */
const parserText = (sha256: string): string => `sha256:${sha256.slice(0, 16)}`;

/** All that decides about an engine, as `src/cache/key.ts` wants it. */
export function keyInputsOf({ plan, machine, modelSha256, parserSha256, pluginsSha256 }: KeyFacts): KeyInputs {
  const { gpu, tensorrt, driver, platform } = machine;
  return {
    model: { sha256: modelSha256, externalDataSha256: null },
    passes: plan.passes.map(({ pass }) => ({ name: pass, version: PASSES[pass].version, options: null })),
    precision: plan.precision,
    batch: plan.batch,
    profile: plan.profile.map(({ input, min, opt, max }) => ({ name: input, min, opt, max })),
    flags: plan.flags,
    workspaceBytes: plan.workspace_bytes,
    optimizationLevel: plan.optimization_level,
    hardwareCompatibility: COMPATIBILITY[plan.hardware_compatibility ?? 0]!,
    tacticSources: plan.tactic_sources,
    dlaCore: plan.dla_core,
    targets: plan.targets,
    tensorrt: {
      product: plan.tensorrt.product,
      family: plan.tensorrt.family,
      version: plan.tensorrt.version,
      cuda: tensorrt.cuda,
    },
    parser: parserText(parserSha256),
    pluginsSha256,
    gpu: plan.device === null || gpu === null ? null : { name: gpu.name, computeCapability: gpu.computeCapability },
    driver: plan.device === null ? null : driver,
    platform,
    shim: VERSION,
  };
}
