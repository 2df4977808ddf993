/** From a build that went well to what its metadata tell. */
import { VERSION } from "../../version.ts";
import type { Rung } from "../plan/retry_ladder.ts";
import { PRODUCT_NAMES } from "../versions.ts";
import type { BuildRequest } from "./build_engine.ts";
import {
  type BuildDuration,
  DURATIONS_KEPT,
  durationsIn,
  type EngineFacts,
  type RetryRecord,
} from "./engine_metadata.ts";
import type { BuiltReport } from "./child/messages.ts";
import type { PreparedModel } from "./prepare_model.ts";

/** What a build has in common with others of the same model. */
export const likenessOf = ({ machine }: BuildRequest, { plan }: Rung): Omit<BuildDuration, "duration_s"> => ({
  precision: plan.precision,
  batch: plan.batch,
  tensorrt: `${PRODUCT_NAMES[plan.tensorrt.product]} ${plan.tensorrt.version}`,
  gpu: plan.device === null ? null : machine.gpu?.name ?? null,
  targets: plan.targets,
  optimization_level: plan.optimization_level,
});

/** A build that went well. */
export interface BuildOutcome {
  /** The metadata of the engine before, whose durations are kept. */
  readonly metadata: string;
  readonly prepared: PreparedModel;
  readonly report: BuiltReport;
  readonly rung: Rung;
  readonly retries: readonly RetryRecord[];
  readonly startedAt: Date;
  readonly durationS: number;
}

/** What the metadata tell of a build. */
export async function factsOf(
  request: BuildRequest,
  { metadata, prepared, report, rung, retries, startedAt, durationS }: BuildOutcome,
): Promise<EngineFacts> {
  const { machine, model, name } = request;
  const { plan } = rung;
  const duration: BuildDuration = { duration_s: durationS, ...likenessOf(request, rung) };
  const gpu = plan.device === null ? null : machine.gpu;
  return {
    trtd: VERSION,
    built_at: startedAt.toISOString(),
    model: { name, path: model.path, bytes: model.bytes, sha256: model.sha256, md5: model.md5 },
    passes: prepared.reports,
    rewritten: prepared.path === model.path
      ? null
      : { bytes: prepared.bytes, sha256: prepared.sha256, kept_as: prepared.derived },
    tensorrt: { product: plan.tensorrt.product, version: plan.tensorrt.version, cuda: machine.tensorrt.cuda },
    platform: machine.platform,
    gpu,
    driver: machine.driver,
    machine: { driver: machine.driver, jetpack: request.jetpack, gpu: gpu?.name ?? null },
    targets: plan.targets,
    targets_current: plan.device !== null,
    precision: plan.precision,
    batch: plan.batch,
    profile: plan.profile,
    flags: plan.flags,
    workspace_bytes: plan.workspace_bytes,
    optimization_level: plan.optimization_level,
    hardware_compatibility: plan.hardware_compatibility,
    tactic_sources: plan.tactic_sources,
    dla_core: plan.dla_core,
    inputs: report.inputs,
    outputs: report.outputs,
    layers: report.layers,
    library: report.library,
    timings_ms: { ...report.timings_ms },
    remarks: [...plan.remarks, ...prepared.remarks, ...report.remarks],
    retries,
    asked_key: null,
    forecast: request.forecast,
    loaded: null,
    duration_s: durationS,
    durations: [duration, ...await durationsIn(metadata)].slice(0, DURATIONS_KEPT),
  };
}
