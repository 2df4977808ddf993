/** What `trtd serve` has behind its address: workers, the look into the cache of engines, builds, and the routes. */
import { nvidiaPresence } from "../../backends/tensorrt/presence.ts";
import { rootsOf } from "../../cache/roots.ts";
import { userCacheFolder } from "../../config/user_folder.ts";
import { TrtdError } from "../../errors.ts";
import { BodyBudget } from "../../http/request/body.ts";
import type { Guard } from "../../http/access/guard.ts";
import { createApp } from "../../http/app.ts";
import type { Boot } from "../../http/boot.ts";
import { type EarlyRefusal, earlyRefusal } from "../../http/early_refusal.ts";
import { Metrics } from "../../http/metrics/metrics.ts";
import type { Served } from "../../http/service.ts";
import { getLogger } from "../../log.ts";
import type { Model } from "../../models/model.ts";
import type { EngineBuilds } from "../../serving/engine/engine_builds.ts";
import { EngineChecks } from "../../serving/engine/engine_checks.ts";
import type { ServingManager } from "../../serving/manager/manager.ts";
import { revokeFor } from "../../serving/permissions.ts";
import { kindsOf, type Place } from "../../serving/policy/places.ts";
import type { CommandContext } from "../command.ts";
import { findOrPull } from "../models/find_or_pull.ts";
import { configOn, ServedModels, startServing } from "./start_serving.ts";

const log = getLogger(["trtd", "serving"]);

/** Bodies that all requests together may hold, in largest bodies. */
const BODIES_IN_MEMORY = 12;

export interface Service {
  /** Names of the models. */
  readonly models: readonly string[];
  readonly metrics: Metrics;
  /** Answers a request. */
  readonly answer: Parameters<Boot["open"]>[0];
  /** Refuses detections that the queue has no room for. */
  readonly refuseEarly: EarlyRefusal;
  /** Resolves when every model has a worker that answers. @throws {TrtdError} why there is none */
  readonly started: Promise<void>;
  /** Never resolves. @throws {TrtdError} `GPU_FAULT` when the worker of this process cannot be replaced */
  readonly lost: Promise<never>;
  /** Reads the models again; what comes of it is in the log. */
  reload(): void;
  /** Ends builds and lookups, and waits for local producers. */
  drain(): Promise<void>;
  /** Ends everything. */
  close(): Promise<void>;
}

export interface ServiceStart {
  readonly models: readonly Model[];
  /** GPUs that they are spread over. */
  readonly places: readonly Place[];
  readonly guard: Guard;
}

/**
 * Starts all of it; the models may still be loading.
 * @throws {TrtdError} those of `startServing`
 */
export async function startService(
  context: CommandContext,
  { models: found, places, guard }: ServiceStart,
): Promise<Service> {
  const { config, flags, terminal } = context;
  const models = new ServedModels(found);
  const metrics = new Metrics(models.names);
  const args = workerArgs(config, flags);
  const mayBuild = await mayBuildEngines(config);
  const lost = Promise.withResolvers<never>();
  lost.promise.catch(() => {});
  await using stack = new AsyncDisposableStack();
  let manager: ServingManager | null = null;
  const serving = await startServing(config, {
    models,
    places,
    args,
    terminal,
    mayBuild,
    onEvent: (event) => {
      metrics.serving.listen(event);
      const isFault = event.type === "worker_ended" && event.cause === "gpu_fault";
      if (!isFault || !config.in_process || !needsGpu(config, manager)) return;
      lost.reject(gpuLost());
      // At once: no successor is to be tried in a context in which everything fails.
      void manager?.close();
    },
    onError: (error) => metrics.error(error),
  });
  manager = serving.manager;
  stack.defer(() => serving.close());
  const engines = new EngineChecks(kindsOf(places), (kind) => ({
    models: found,
    roots: rootsOf(terminal.resolve(config.models), userCacheFolder()).map(({ path }) => path),
    config: configOn(config, kind),
    args,
    mayBuild,
    onLookup: (model, status) => metrics.lookup(model, status),
  }));
  stack.defer(() => engines.close());
  if (!config.in_process) await revokeFor("manager");
  const reload = async (name: string) => {
    await models.refresh(name, (word) => findOrPull(word, context));
    await serving.manager.reload(name);
  };
  const served: Served = {
    service: serving.manager,
    builds: serving.builds,
    reload,
    engines,
    metrics,
    ringUsage: () => serving.ringUsage(),
    settings: config,
    models: found,
    budget: new BodyBudget(BODIES_IN_MEMORY * config.max_body_bytes),
    guard,
  };
  const app = createApp(served);
  if (mayBuild) void buildMissing({ engines, builds: serving.builds, started: serving.manager.started }, models.names);
  const kept = stack.move();
  return {
    models: models.names,
    metrics,
    answer: (request, env) => app.fetch(request, env),
    refuseEarly: earlyRefusal(served),
    started: serving.manager.started,
    lost: lost.promise,
    reload: () => void reloadAll(models.names, reload),
    drain: async () => void await Promise.all([serving.builds.close(), engines.close(), serving.drainProducers()]),
    close: () => kept.disposeAsync(),
  };
}

/** Engines are built behind the service where a GPU may be. */
async function mayBuildEngines(config: CommandContext["config"]): Promise<boolean> {
  if (config.backend === "onnxruntime" || config.serve_while_building === "off" || config.in_process) return false;
  return config.tensorrt !== undefined || await nvidiaPresence() !== "none";
}

/** Whether a model runs on the GPU, or none may run elsewhere: a GPU that is lost while it is loaded leaves the CPU. */
const needsGpu = ({ backend }: CommandContext["config"], manager: ServingManager | null): boolean =>
  backend === "tensorrt" || manager?.models.some((model) => model.backend.name === "tensorrt") === true;

const gpuLost = () =>
  new TrtdError("GPU_FAULT", "The GPU is lost to this process, which has no worker that could be replaced", {
    remedy: "Let a service manager start it again (systemd: Restart=on-failure), or leave in_process off: then its " +
      "workers are replaced. When it comes back, look for Xid lines in the system's log (dmesg)",
  });

interface Missing {
  readonly engines: EngineChecks;
  readonly builds: EngineBuilds;
  /** The workers have loaded what they are to serve with. */
  readonly started: Promise<void>;
}

/**
 * Once it is known what the cache lacks, that is built; the first model first. Then what the workers have set aside while they
 * started, although it seemed to fit.
 */
async function buildMissing({ engines, builds, started }: Missing, names: readonly string[]): Promise<void> {
  await engines.done;
  for (const name of names) for (const kind of engines.missing(name)) builds.start(name, kind.name);
  await started.catch(() => {});
  try {
    for (const name of names) for (const kind of await engines.gone(name)) builds.start(name, kind.name);
  } catch (error) {
    log.warning("Whether engines were set aside cannot be seen: {error}", { error });
  }
}

async function reloadAll(names: readonly string[], reloadOne: (name: string) => Promise<void>): Promise<void> {
  for (const name of names) {
    await reloadOne(name).then(
      () => log.info("{model} was read again", { model: name }),
      (error) => log.error("{model} was not read again: {detail}", { model: name, detail: error.message }),
    );
  }
}

function workerArgs(config: CommandContext["config"], flags: CommandContext["flags"]): string[] {
  return [
    "--log-level",
    config.log_level,
    "--log-format",
    config.log_format,
    ...(config.cache_dir === undefined ? [] : ["--cache-dir", config.cache_dir]),
    ...(typeof flags["config"] === "string" ? ["--config", flags["config"]] : []),
  ];
}
