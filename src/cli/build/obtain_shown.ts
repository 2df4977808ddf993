/** Has an engine, out of the cache or built, and shows what happens meanwhile. */
import { type Difference, differenceText } from "../../cache/key.ts";
import type { LockWait } from "../../cache/lock/lock.ts";
import type { EngineCache } from "../../cache/store.ts";
import type { Config } from "../../config/config.ts";
import { TrtdError } from "../../errors.ts";
import { plainText } from "../../onnx/quoted.ts";
import { TIME_LIMIT_MS } from "../../tensorrt/build/build_engine.ts";
import { checkBuilt } from "../../tensorrt/build/check_built.ts";
import { passText } from "../../tensorrt/build/log_header.ts";
import { type ObtainedEngine, obtainEngine, type ObtainOptions } from "../../tensorrt/build/obtain_engine.ts";
import { type MemoryForecast, memoryForecast } from "../../tensorrt/plan/memory_forecast.ts";
import type { BuildPlan } from "../../tensorrt/plan/plan.ts";
import { type RetryKind, retryText } from "../../tensorrt/plan/retry_ladder.ts";
import type { PlannedRequest } from "../../tensorrt/request/plan_request.ts";
import type { Terminal } from "../command.ts";
import { abortOnSignals } from "../interrupt.ts";
import { type BuildBar, buildBar, secondsText } from "./build_progress.ts";

/** Warnings of TensorRT that the terminal shows; all are in the log. */
const WARNINGS_SHOWN = 20;

export interface ShownOptions {
  readonly config: Pick<Config, "retry" | "cache_wait_s">;
  readonly terminal: Pick<Terminal, "note" | "interactive">;
  /** Where progress goes. @default a bar of the terminal */
  readonly bar?: BuildBar;
  /** Milliseconds after which a build is ended. @default that of builds */
  readonly timeLimitMs?: number;
  /** Build even when the cache has the engine. @default false */
  readonly rebuild?: boolean;
}

/**
 * {@link obtainEngine} with a bar, and a line on standard error for each thing to know. Signals end the build.
 * @throws {TrtdError} those of `obtainEngine` and `checkBuilt`; `OUT_OF_GPU_MEMORY`, `BUILD_OUT_OF_MEMORY` when the
 * forecast refuses the build
 */
export async function obtainShown(
  planned: PlannedRequest,
  cache: EngineCache,
  { config, terminal, bar = buildBar(terminal), timeLimitMs = TIME_LIMIT_MS, rebuild = false }: ShownOptions,
): Promise<ObtainedEngine> {
  const { request, machine, remarks } = planned;
  const tell = (text: string) => terminal.note(`trtd: ${plainText(text)}`);
  tell(machine.reason);
  for (const remark of [...remarks, ...request.plan.remarks]) tell(remark);

  const warnings = new Warnings(bar, terminal);
  using interrupt = abortOnSignals("build");
  const options: ObtainOptions = {
    timeLimitMs,
    signal: interrupt.signal,
    rebuild,
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
    bar.stop();
    warnings.end();
  }
}

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
