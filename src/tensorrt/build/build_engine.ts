/** One build from its plan to an engine in its place, or to a failure that is explained. */
import { createHash } from "node:crypto";
import { basename } from "node:path";
import { TrtdError } from "../../errors.ts";
import type { FileDigests } from "../../onnx/facts.ts";
import { VERSION } from "../../version.ts";
import type { BuildPlan, PlanMachine } from "../plan/plan.ts";
import { readPlanHeader } from "../engine_file/plan_header.ts";
import { PRODUCT_NAMES } from "../versions.ts";
import { buildFailure } from "./build_failure.ts";
import { BuildLog } from "./build_log.ts";
import { childEnd } from "./child_end.ts";
import { childCommand, type ProgramFacts, thisProgram } from "./child_program.ts";
import {
  type BuildDuration,
  DURATIONS_KEPT,
  durationsIn,
  earlierDurations,
  type EngineMetadata,
  expectedSeconds,
} from "./engine_metadata.ts";
import { discard, type EnginePlace, enginePlace, makePlace, settleEngine, temporaryName } from "./engine_place.ts";
import { KeptLines, levelOf } from "./kept_lines.ts";
import { headerLines } from "./log_header.ts";
import type { BuildProgress, BuildStage, BuiltReport, ChildMessage } from "./messages.ts";
import { loggedPhase } from "./progress_tree.ts";
import { runChild } from "./run_child.ts";

/** What is to be built. */
export interface BuildRequest {
  /** Name of the model, which names the engine. */
  readonly name: string;
  /** The ONNX file: absolute path and digests of what the plan was made from. */
  readonly model: FileDigests & { readonly path: string };
  readonly plan: BuildPlan;
  /** The machine that the plan was made for. */
  readonly machine: PlanMachine;
  /** Version of the CUDA runtime library, for the log. */
  readonly cudaRuntime: string | null;
  /** Absolute folder of models and engines. */
  readonly modelsDir: string;
  /** Path of libtrtd, null for where it usually is. */
  readonly shim: string | null;
}

export interface BuildOptions {
  /** Milliseconds after which a build counts as hanging. @default 7200000 */
  readonly timeLimitMs?: number;
  /** Ends the build. */
  readonly signal?: AbortSignal;
  /** Told when the build begins: seconds that it will take after earlier builds, null when unknown. */
  readonly onStart?: (expectedS: number | null, place: EnginePlace) => void;
  readonly onStage?: (stage: BuildStage) => void;
  readonly onProgress?: (progress: BuildProgress) => void;
  /** A warning or error of TensorRT, as the log has it. */
  readonly onWarning?: (line: string) => void;
  /** @default that of {@link BuildLog} */
  readonly logLimitBytes?: number;
  /** @default this program */
  readonly program?: ProgramFacts;
  /** Counts processes that the kernel killed for memory. @default the control group's */
  readonly countMemoryKills?: () => number | null;
}

export interface BuildResult {
  readonly place: EnginePlace;
  readonly metadata: EngineMetadata;
  readonly report: BuiltReport;
}

/** Longest time of a build unless told otherwise: large models on a Jetson take more than an hour. */
export const TIME_LIMIT_MS = 7_200_000;
const TOLD_LEVELS = ["FATAL", "ERROR", "WARN"];

/**
 * Builds an engine in a child process.
 * @throws {BuildFailure} by the child's end, see {@link buildFailure}
 * @throws {TrtdError} `OUTPUT_UNWRITABLE`, `ENGINE_CORRUPT` when what was written is not a whole plan
 */
export async function buildEngine(request: BuildRequest, options: BuildOptions = {}): Promise<BuildResult> {
  const { plan, shim, model, modelsDir, name } = request;
  const timeLimitMs = options.timeLimitMs ?? TIME_LIMIT_MS;
  const place = enginePlace(modelsDir, { model: name, precision: plan.precision, batch: plan.batch });
  const startedAt = new Date();
  const startedMs = performance.now();
  await makePlace(place);
  using log = openLog(place, request, startedAt, options.logLimitBytes);
  options.onStart?.(expectedSeconds(likenessOf(request), await earlierDurations(modelsDir, name)), place);

  const kept = new KeptLines();
  const onLines = (lines: readonly string[]) => {
    log.write(lines);
    log.flush();
    for (const line of lines) {
      kept.add(line);
      const level = levelOf(line);
      if (level !== null && TOLD_LEVELS.includes(level)) options.onWarning?.(line);
      const phase = plan.tensorrt.family.startsWith("8.") ? loggedPhase(line) : null;
      if (phase !== null) options.onProgress?.(phase);
    }
  };
  const onMessage = (message: ChildMessage) => {
    if (message.event === "stage") options.onStage?.(message.stage);
    if (message.event === "progress") options.onProgress?.(message.progress);
  };
  const part = temporaryName(place);
  try {
    const command = childCommand(options.program ?? thisProgram(), { plan, shim, environment: Deno.env.toObject() });
    const job = { plan, model: { path: model.path, sha256: model.sha256 }, output: part, shim };
    const end = childEnd(
      await runChild(command, job, {
        timeLimitMs,
        onLines,
        onMessage,
        ...options.signal === undefined ? {} : { signal: options.signal },
        ...options.countMemoryKills === undefined ? {} : { countMemoryKills: options.countMemoryKills },
      }),
    );
    log.write([`# end: ${end.kind}${"report" in end ? ` ${JSON.stringify(end.report)}` : ""}`]);
    if (end.kind !== "built") {
      throw buildFailure({ end, lines: kept.lines(), log: place.log, timeLimitMs });
    }
    const durationS = Math.round((performance.now() - startedMs) / 10) / 100;
    const metadata = await metadataOf(request, end.report, { place, part, startedAt, durationS });
    await settleEngine(place, part, metadata);
    return { place, metadata, report: end.report };
  } finally {
    await discard(part);
  }
}

function openLog(place: EnginePlace, request: BuildRequest, startedAt: Date, limitBytes?: number): BuildLog {
  const { machine, plan, model } = request;
  const head = headerLines({
    startedAt,
    trtd: VERSION,
    plan,
    model,
    gpu: machine.gpu,
    gpuMissing: machine.gpuMissing,
    driver: machine.driver,
    driverCuda: machine.driverCuda,
    cudaRuntime: request.cudaRuntime,
    tensorrtCuda: machine.tensorrt.cuda,
    platform: machine.platform,
    engine: place.engine,
  });
  try {
    return new BuildLog(place.log, head, limitBytes === undefined ? {} : { limitBytes });
  } catch (error) {
    throw new TrtdError("OUTPUT_UNWRITABLE", `Cannot write the log "${place.log}": ${(error as Error).message}`, {
      cause: error,
    });
  }
}

const likenessOf = ({ plan, machine }: BuildRequest): Omit<BuildDuration, "duration_s"> => ({
  precision: plan.precision,
  batch: plan.batch,
  tensorrt: `${PRODUCT_NAMES[plan.tensorrt.product]} ${plan.tensorrt.version}`,
  gpu: plan.device === null ? null : machine.gpu?.name ?? null,
  targets: plan.targets,
  optimization_level: plan.optimization_level,
});

/** @throws {TrtdError} `ENGINE_CORRUPT`, `ENGINE_NOT_A_PLAN` */
async function metadataOf(
  request: BuildRequest,
  report: BuiltReport,
  { place, part, startedAt, durationS }: { place: EnginePlace; part: string; startedAt: Date; durationS: number },
): Promise<EngineMetadata> {
  const { plan, machine, model, name } = request;
  const bytes = await Deno.readFile(part);
  if (bytes.length !== report.bytes) {
    throw new TrtdError("ENGINE_CORRUPT", `The engine has ${bytes.length} bytes, but ${report.bytes} were written`);
  }
  readPlanHeader(bytes);
  const duration: BuildDuration = { duration_s: durationS, ...likenessOf(request) };
  return {
    format: 1,
    trtd: VERSION,
    built_at: startedAt.toISOString(),
    model: { name, path: model.path, bytes: model.bytes, sha256: model.sha256, md5: model.md5 },
    engine: {
      file: basename(place.engine),
      bytes: bytes.length,
      sha256: createHash("sha256").update(bytes).digest("hex"),
    },
    tensorrt: { product: plan.tensorrt.product, version: plan.tensorrt.version, cuda: machine.tensorrt.cuda },
    platform: machine.platform,
    gpu: plan.device === null ? null : machine.gpu,
    driver: machine.driver,
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
    duration_s: durationS,
    durations: [duration, ...await durationsIn(place.metadata)].slice(0, DURATIONS_KEPT),
  };
}
