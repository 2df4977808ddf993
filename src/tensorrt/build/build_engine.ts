/** One build from its plan to a plan file, or to a failure that is explained. */
import { TrtdError } from "../../errors.ts";
import type { FileDigests } from "../../onnx/facts.ts";
import { VERSION } from "../../version.ts";
import { readPlanHeader } from "../engine_file/plan_header.ts";
import type { MemoryForecast } from "../plan/memory_forecast.ts";
import type { BuildPlan, PlanMachine } from "../plan/plan.ts";
import { retryText, type Rung } from "../plan/retry_ladder.ts";
import { BuildFailure, buildFailure, isOutOfMemory } from "./build_failure.ts";
import { BuildLog } from "./build_log.ts";
import { childEnd } from "./child/child_end.ts";
import { childCommand, type ProgramFacts, thisProgram } from "./child/child_program.ts";
import { factsOf, likenessOf } from "./engine_facts.ts";
import { earlierDurations, type EngineFacts, expectedSeconds, type RetryRecord } from "./engine_metadata.ts";
import { KeptLines, levelOf } from "./child/kept_lines.ts";
import { headerLines } from "./log_header.ts";
import type { BuildProgress, BuildStage, BuiltReport, ChildMessage } from "./child/messages.ts";
import { type PreparedModel, prepareModel } from "./prepare_model.ts";
import { loggedPhase } from "./child/progress_tree.ts";
import { runChild } from "./child/run_child.ts";

/** What is to be built. */
export interface BuildRequest {
  /** Name of the model, which names the engine. */
  readonly name: string;
  /** The ONNX file: absolute path and digests of what the plan was made from. */
  readonly model: FileDigests & { readonly path: string };
  /** The plan, and those to try after it when memory runs out; of one batch. */
  readonly rungs: readonly [Rung, ...Rung[]];
  /** What went before with a larger batch. @default none */
  readonly earlier?: readonly RetryRecord[];
  /** The machine that the plan was made for. */
  readonly machine: PlanMachine;
  /** Version of the CUDA runtime library, for the log. */
  readonly cudaRuntime: string | null;
  /** Release of JetPack's Linux, null elsewhere. */
  readonly jetpack: string | null;
  readonly forecast: MemoryForecast | null;
  /** Path of libtrtd, null for where it usually is. */
  readonly shim: string | null;
}

/** Where a build writes: absolute paths, of which only `part` is the build's own result. */
export interface BuildPlace {
  /** The folder `trt`. */
  readonly root: string;
  readonly engine: string;
  readonly metadata: string;
  readonly log: string;
  /** Temporary file for the plan, in the engine's folder. */
  readonly part: string;
}

export interface BuildOptions {
  /** Milliseconds after which a build counts as hanging. @default 7200000 */
  readonly timeLimitMs?: number;
  /** Ends the build. */
  readonly signal?: AbortSignal;
  /** Told of the model that is parsed, after the passes. */
  readonly onPrepared?: (model: PreparedModel) => void;
  /** Told when the build begins: seconds that it will take after earlier builds, null when unknown. */
  readonly onStart?: (expectedS: number | null, place: BuildPlace) => void;
  readonly onStage?: (stage: BuildStage) => void;
  readonly onProgress?: (progress: BuildProgress) => void;
  /** A warning or error of TensorRT, as the log has it. */
  readonly onWarning?: (line: string) => void;
  /** Told before a build is tried again. */
  readonly onRetry?: (retry: RetryRecord, failure: TrtdError) => void;
  /** @default that of {@link BuildLog} */
  readonly logLimitBytes?: number;
  /** @default this program */
  readonly program?: ProgramFacts;
  /** Counts processes that the kernel killed for memory. @default the control group's */
  readonly countMemoryKills?: () => number | null;
}

/** A plan file that is whole, and what is to be known of it. */
export interface BuildResult {
  readonly part: string;
  readonly facts: EngineFacts;
}

/** Longest time of a build unless told otherwise: large models on a Jetson take more than an hour. */
export const TIME_LIMIT_MS = 7_200_000;
const TOLD_LEVELS = ["FATAL", "ERROR", "WARN"];

/**
 * Runs the plan's passes, then builds in a child process; when memory runs out, again with the next rung.
 * @throws {BuildFailure} by the child's end, see {@link buildFailure}; nothing but the log is left
 * @throws {TrtdError} those of `prepareModel`, `OUTPUT_UNWRITABLE`, `ENGINE_CORRUPT` when what was written is not a whole
 * plan
 */
export async function buildEngine(
  request: BuildRequest,
  place: BuildPlace,
  options: BuildOptions = {},
): Promise<BuildResult> {
  const startedAt = new Date();
  const startedMs = performance.now();
  const modelPart = place.part.replace(/\.part$/, ".onnx.part");
  try {
    const prepared = await prepareModel(request.model, request.rungs[0].plan, { part: modelPart });
    options.onPrepared?.(prepared);
    using log = openLog(place, { request, prepared, startedAt }, options.logLimitBytes);
    const expectedS = expectedSeconds(
      likenessOf(request, request.rungs[0]),
      await earlierDurations(place.root, request.name),
    );
    options.onStart?.(expectedS, place);
    const { report, rung, retries } = await climb(request, { place, prepared, log }, options);
    const durationS = Math.round((performance.now() - startedMs) / 10) / 100;
    await checkWritten(place.part, report);
    return {
      part: place.part,
      facts: await factsOf(request, {
        metadata: place.metadata,
        prepared,
        report,
        rung,
        retries,
        startedAt,
        durationS,
      }),
    };
  } catch (error) {
    await discard(place.part);
    throw error;
  } finally {
    await discard(modelPart);
  }
}

interface Work {
  readonly place: BuildPlace;
  readonly prepared: PreparedModel;
  readonly log: BuildLog;
}

/** Tries rung after rung, as long as memory is what fails. */
async function climb(
  request: BuildRequest,
  work: Work,
  options: BuildOptions,
): Promise<{ report: BuiltReport; rung: Rung; retries: RetryRecord[] }> {
  const retries = [...request.earlier ?? []];
  for (let at = 0;; at++) {
    const rung = request.rungs[at]!;
    try {
      return { report: await attempt(rung.plan, { request, ...work }, options), rung, retries };
    } catch (failure) {
      const next = request.rungs[at + 1];
      if (!(failure instanceof BuildFailure) || next === undefined || !isOutOfMemory(failure)) throw failure;
      const retry: RetryRecord = { ...next.steps.at(-1)!, after: failure.code };
      retries.push(retry);
      work.log.write([`# retry: with ${retryText(retry)}, after ${failure.code}: ${failure.message}`]);
      work.log.flush();
      options.onRetry?.(retry, failure);
      await discard(work.place.part);
    }
  }
}

async function attempt(
  plan: BuildPlan,
  { request, place, prepared, log }: Work & { request: BuildRequest },
  options: BuildOptions,
): Promise<BuiltReport> {
  const timeLimitMs = options.timeLimitMs ?? TIME_LIMIT_MS;
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
  const { shim } = request;
  const command = childCommand(options.program ?? thisProgram(), { plan, shim, environment: Deno.env.toObject() });
  const { path, sha256 } = prepared;
  const model = { path, sha256, temporary: path !== request.model.path && path !== prepared.derived };
  const job = { plan, model, output: place.part, shim };
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
  if (end.kind === "built") return end.report;
  throw buildFailure({ end, lines: kept.lines(), log: place.log, timeLimitMs });
}

function openLog(
  place: BuildPlace,
  { request, prepared, startedAt }: { request: BuildRequest; prepared: PreparedModel; startedAt: Date },
  limitBytes?: number,
): BuildLog {
  const { machine, model } = request;
  const head = headerLines({
    startedAt,
    trtd: VERSION,
    plan: request.rungs[0].plan,
    model,
    gpu: machine.gpu,
    gpuMissing: machine.gpuMissing,
    driver: machine.driver,
    driverCuda: machine.driverCuda,
    cudaRuntime: request.cudaRuntime,
    tensorrtCuda: machine.tensorrt.cuda,
    platform: machine.platform,
    passes: prepared.reports,
    rewritten: prepared.path === model.path ? null : prepared,
    forecast: request.forecast,
    engine: place.engine,
  });
  const remarks = prepared.remarks.map((remark) => `# remark: ${remark}`);
  try {
    return new BuildLog(place.log, [...head, ...remarks], limitBytes === undefined ? {} : { limitBytes });
  } catch (error) {
    throw new TrtdError("OUTPUT_UNWRITABLE", `Cannot write the log "${place.log}": ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** @throws {TrtdError} `ENGINE_CORRUPT`, `ENGINE_NOT_A_PLAN` */
async function checkWritten(part: string, report: BuiltReport): Promise<void> {
  const { size } = await Deno.stat(part);
  if (size !== report.bytes) {
    throw new TrtdError("ENGINE_CORRUPT", `The engine has ${size} bytes, but ${report.bytes} were written`);
  }
  using file = await Deno.open(part);
  const head = new Uint8Array(HEAD_BYTES);
  const length = await file.read(head) ?? 0;
  readPlanHeader(head.subarray(0, length), { fileBytes: size });
}

/** Bytes of a plan that its header is read from. */
const HEAD_BYTES = 4096;

/** Removes a temporary file; one that is not there is fine. */
async function discard(path: string): Promise<void> {
  await Deno.remove(path).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}
