/** `trtd build-engine`: a TensorRT engine from an ONNX model, or the reason why there is none. */
import { type Difference, differenceText } from "../../cache/key.ts";
import type { LockWait } from "../../cache/lock/lock.ts";
import type { Config } from "../../config/config.ts";
import { EXIT, TrtdError, trtdErrorFrom } from "../../errors.ts";
import { plainText } from "../../onnx/quoted.ts";
import { TIME_LIMIT_MS } from "../../tensorrt/build/build_engine.ts";
import { checkBuilt } from "../../tensorrt/build/check_built.ts";
import { BuildFailure } from "../../tensorrt/build/build_failure.ts";
import { passText } from "../../tensorrt/build/log_header.ts";
import {
  type ObtainedEngine,
  obtainEngine,
  type ObtainOptions,
  retriesText,
} from "../../tensorrt/build/obtain_engine.ts";
import { LoadFailure } from "../../tensorrt/load/load_failure.ts";
import { type MemoryForecast, memoryForecast } from "../../tensorrt/plan/memory_forecast.ts";
import type { BuildPlan } from "../../tensorrt/plan/plan.ts";
import { type RetryKind, retryText } from "../../tensorrt/plan/retry_ladder.ts";
import { PRODUCT_NAMES } from "../../tensorrt/versions.ts";
import { type BuildBar, buildBar, secondsText } from "./build_progress.ts";
import { addBuildFlags, numberFrom, type PlannedRequest, planRequest } from "./build_request.ts";
import type { CliCommand, CommandContext, Terminal } from "../command.ts";
import { openCache } from "../cache/engine_cache.ts";
import { noteError } from "../note_error.ts";

/** Warnings of TensorRT that the terminal shows; all are in the log. */
const WARNINGS_SHOWN = 20;

export const buildEngineCommand: CliCommand = {
  name: "build-engine",
  summary: "Build a TensorRT engine from an ONNX model, unless the cache has it",

  configure(command) {
    addBuildFlags(command.argument("<MODEL.onnx>", "ONNX file, or the name of a model"));
    command
      .option("--rebuild", "Build even when the cache has the engine")
      .option("--time-limit <SECONDS>", `End a build that takes longer; default: ${TIME_LIMIT_MS / 1000}`)
      .option("--json", "Print one JSON value");
  },

  async run(context): Promise<number> {
    const asJson = context.flags["json"] === true;
    try {
      const engine = await obtain(context);
      context.terminal.print(asJson ? JSON.stringify(answerFrom(engine)) : textFrom(engine));
      return EXIT.fine;
    } catch (thrown) {
      tellErrors(thrown, context.terminal);
      if (!asJson) throw thrown;
      const error = trtdErrorFrom(thrown);
      context.terminal.print(JSON.stringify(failureFrom(error)));
      noteError(error, context.terminal);
      return error.row.exit;
    }
  },
};

/** The last errors of a failure that the catalogue does not have. */
function tellErrors(thrown: unknown, terminal: Pick<Terminal, "note">): void {
  if (!(thrown instanceof BuildFailure) || thrown.explanation === null || thrown.explanation.known) return;
  const { errors } = thrown.explanation;
  if (errors.length < 2) return;
  terminal.note("trtd: TensorRT's last errors:");
  for (const error of errors) terminal.note(`  ${plainText(error)}`);
}

async function obtain(context: CommandContext): Promise<ObtainedEngine> {
  const { flags, config, terminal } = context;
  const limits = { key: "timeLimit", flag: "--time-limit", low: 1, high: 604_800 };
  const timeLimitMs = (numberFrom(flags, limits) ?? TIME_LIMIT_MS / 1000) * 1000;
  const planned = await planRequest(context);
  const { request, machine, remarks } = planned;
  const cache = await openCache(config, terminal);
  const tell = (text: string) => terminal.note(`trtd: ${plainText(text)}`);
  tell(machine.reason);
  for (const remark of [...remarks, ...request.plan.remarks]) tell(remark);

  const bar = buildBar(terminal);
  const warnings = new Warnings(bar, terminal);
  const interrupt = new AbortController();
  const onSignal = () => interrupt.abort();
  for (const signal of SIGNALS) Deno.addSignalListener(signal, onSignal);
  const options: ObtainOptions = {
    timeLimitMs,
    signal: interrupt.signal,
    rebuild: flags["rebuild"] === true,
    retry: retryKinds(config),
    wait: { limitMs: config.cache_wait_s * 1000, onWait: (wait) => tell(waitText(wait)) },
    forecast: (plan) => forecastFor(plan, planned, tell),
    check: (engine) => {
      bar.update({ phase: "loading", fraction: 0 });
      const { machine, shim } = request;
      return checkBuilt(engine, { cache, machine, shim, signal: interrupt.signal }).catch((failure) => {
        bar.pause(() => tell(`The engine was built, but cannot be loaded and is not stored. Log: ${engine.log}`));
        throw failure;
      });
    },
    onMiss: (differences) => {
      for (const difference of differences) tell(missText(difference));
    },
    onPrepared: (model) => {
      for (const report of model.reports) tell(`Pass ${passText(report)}`);
      for (const remark of model.remarks) tell(remark);
    },
    onStart: (expectedS, place) => {
      tell(startText(request.model.name, place.log, expectedS));
      bar.start(expectedS);
    },
    onStage: (stage) => bar.update({ phase: stage, fraction: 0 }),
    onProgress: (progress) => bar.update(progress),
    onWarning: (line) => warnings.tell(line),
    onRetry: (retry, failure) => {
      bar.pause(() => tell(`${failure.message}. Now with ${retryText(retry)}`));
    },
  };
  try {
    return await obtainEngine(cache, request, options);
  } finally {
    for (const signal of SIGNALS) Deno.removeSignalListener(signal, onSignal);
    bar.stop();
    warnings.end();
  }
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

const retryKinds = ({ retry }: Pick<Config, "retry">): RetryKind[] =>
  retry.includes("none") ? [] : retry.filter((kind) => kind !== "none");

/** @throws {TrtdError} `OUT_OF_GPU_MEMORY`, `BUILD_OUT_OF_MEMORY` when too little is free, unless forced */
function forecastFor(
  plan: BuildPlan,
  { facts, machine, wishes }: PlannedRequest,
  tell: (text: string) => void,
): MemoryForecast {
  const forecast = memoryForecast({ plan, facts }, machine.memory);
  if (forecast.detail === null) return forecast;
  if (forecast.verdict === "too-little" && wishes.force !== true) {
    const onGpu = forecast.gpu !== null && forecast.detail.startsWith("The GPU");
    throw new TrtdError(onGpu ? "OUT_OF_GPU_MEMORY" : "BUILD_OUT_OF_MEMORY", forecast.detail, {
      remedy: `${
        onGpu ? "End what uses the GPU" : "Free memory"
      }, use a smaller batch, or try all the same with --force`,
    });
  }
  tell(`Little memory: ${forecast.detail}`);
  return forecast;
}

/** Why the cache's engine is not used, one field. */
function missText(difference: Difference): string {
  const { field, old } = difference;
  if (field !== "engine") return `The engine that is there differs in ${differenceText(difference)}`;
  return old === "absent" ? "There is no engine yet" : `The engine that is there cannot be used: it is ${old}`;
}

function waitText({ owner, state, waitedMs }: LockWait): string {
  const who = owner === null
    ? "another process"
    : `process ${owner.pid}${
      state === "elsewhere" ? ` on "${owner.host}"` : ""
    } (${owner.program}, since ${owner.since})`;
  const how = state === "stopped" ? ", which is stopped: continue or end it" : "";
  const time = waitedMs < 1000 ? "" : ` for ${secondsText(waitedMs / 1000)}`;
  return `Waiting${time} for ${who}, which builds the same engine${how}`;
}

class Warnings {
  #count = 0;

  constructor(private readonly bar: BuildBar, private readonly terminal: Pick<Terminal, "note">) {}

  /** Shows a line of the log without its time. */
  tell(line: string): void {
    if (this.#count++ >= WARNINGS_SHOWN) return;
    this.bar.pause(() => this.terminal.note(plainText(line.replace(/^\S+ /, ""))));
  }

  end(): void {
    const more = this.#count - WARNINGS_SHOWN;
    if (more > 0) this.terminal.note(`trtd: ${more} more warnings and errors are in the log`);
  }
}

function startText(name: string, log: string, expectedS: number | null): string {
  const time = expectedS === null ? "" : `, which took ${secondsText(expectedS)} before`;
  return `Building the engine of "${plainText(name)}"${time}. TensorRT's log: ${log}`;
}

/** The contract of `build-engine --json`. */
function answerFrom({ cache, missedBecause, place, facts, engine, durationS }: ObtainedEngine) {
  return {
    engine: place.engine,
    metadata: place.metadata,
    cache,
    missed_because: missedBecause,
    tensorrt: { product: facts.tensorrt.product, version: facts.tensorrt.version },
    targets: facts.targets,
    precision: facts.precision,
    batch: facts.batch,
    duration_s: durationS,
    report: {
      outcome: "built",
      bytes: engine.bytes,
      sha256: engine.sha256,
      layers: facts.layers,
      inputs: facts.inputs,
      outputs: facts.outputs,
      library: facts.library,
      built_at: facts.built_at,
      build_s: facts.duration_s,
      timings_ms: facts.timings_ms,
      passes: facts.passes,
      rewritten: facts.rewritten,
      retries: facts.retries,
      forecast: facts.forecast,
      loaded: facts.loaded,
      remarks: facts.remarks,
      log: place.log,
    },
  };
}

function failureFrom(error: TrtdError) {
  const { code, message, remedy } = error;
  const failed = error instanceof BuildFailure
    ? { log: error.log, end: error.end, explanation: error.explanation }
    : error instanceof LoadFailure
    ? { end: error.end, explanation: error.explanation }
    : {};
  return { error: { code, detail: message, remedy }, ...failed };
}

function textFrom({ cache, place, facts, engine, durationS }: ObtainedEngine): string {
  const { tensorrt, precision, batch, targets, retries } = facts;
  const how = cache === "hit"
    ? `from the cache in ${durationS.toFixed(2)} s, built ${facts.built_at}`
    : `built in ${facts.duration_s.toFixed(1)} s`;
  return [
    place.engine,
    `  ${PRODUCT_NAMES[tensorrt.product]} ${tensorrt.version}, ${precision}, batch ${batch}, for ${targets.join(", ")}`,
    `  ${(engine.bytes / 1e6).toFixed(1)} MB, ${facts.layers} layers, ${how}`,
    ...retries.length === 0
      ? []
      : [`  with ${retriesText(retries)}, because memory ran out; --rebuild tries all of it`],
    `  ${loadedText(facts)}`,
  ].join("\n");
}

function loadedText({ loaded }: Pick<ObtainedEngine["facts"], "loaded">): string {
  if (loaded === null) {
    return "Head and digest were checked; it was not loaded, because it is not for a GPU of this machine";
  }
  const times = Object.entries(loaded.timings_ms).map(([step, ms]) =>
    `${step.replaceAll("_", " ")} ${Math.round(ms)} ms`
  );
  return `Loaded on the GPU: ${times.join(", ")}`;
}
