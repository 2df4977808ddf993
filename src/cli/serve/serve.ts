/** `trtd serve`: detections over HTTP. */
import { nvidiaPresence } from "../../backends/tensorrt/presence.ts";
import { rootsOf } from "../../cache/roots.ts";
import { userCacheFolder } from "../../config/user_folder.ts";
import { EXIT, TrtdError } from "../../errors.ts";
import { BodyBudget } from "../../http/request/body.ts";
import { Guard } from "../../http/access/guard.ts";
import { isLoopback } from "../../http/access/networks.ts";
import { createApp } from "../../http/app.ts";
import { Boot } from "../../http/boot.ts";
import { Metrics } from "../../http/metrics/metrics.ts";
import { HttpServer } from "../../http/listen/server.ts";
import { getLogger } from "../../log.ts";
import type { Model } from "../../models/model.ts";
import { EngineCheck } from "../../serving/engine/engine_check.ts";
import type { EngineBuilds } from "../../serving/engine/engine_builds.ts";
import { revokeFor } from "../../serving/permissions.ts";
import type { CliCommand, CommandContext, Terminal } from "../command.ts";
import { findOrPull } from "../models/find_or_pull.ts";
import { listenForSignals } from "./serve_signals.ts";
import { ServedModels, startServing } from "./start_serving.ts";

const log = getLogger(["trtd", "serving"]);

/** Bodies that all requests together may hold, in largest bodies. */
const BODIES_IN_MEMORY = 12;
/** More than the queue's own wait: time for the last answers to be written. */
const DRAIN_MARGIN_MS = 2000;

export const serveCommand: CliCommand = {
  name: "serve",
  summary: "Serve detections over HTTP",
  lasts: true,

  configure(command) {
    command.option("--json", "Print the address as one JSON value instead of a line");
  },

  async run({ args, flags, config, terminal }: CommandContext): Promise<number> {
    if (args.length > 0) {
      throw new TrtdError("USAGE", `serve takes no arguments, got "${args[0]}"`, {
        remedy: "Name models with --model",
      });
    }
    const guard = await Guard.open({
      ...config,
      ...(config.api_keys_file === undefined ? {} : { api_keys_file: terminal.resolve(config.api_keys_file) }),
    });
    const boot = new Boot();
    let metrics: Metrics | undefined;
    let reload = () => {};
    using signals = listenForSignals(() => reload());
    const server = await HttpServer.listen(
      config,
      (request, env) => boot.answer(request, env),
      (error) => metrics?.error(error),
    );
    const closing: (() => Promise<void>)[] = [];
    const lost = Promise.withResolvers<"lost">();
    try {
      const found = await Promise.race([findModels({ config, terminal }), signals.first]);
      if (found === undefined) return EXIT.fine;
      const models = new ServedModels(found);
      metrics = new Metrics(models.names);
      const args = workerArgs(config, flags);
      const mayBuild = config.backend !== "onnxruntime" && config.serve_while_building !== "off" &&
        !config.in_process &&
        (config.tensorrt !== undefined || await nvidiaPresence() !== "none");
      const serving = await startServing(config, {
        models,
        args,
        terminal,
        mayBuild,
        onEvent: (event) => {
          metrics!.serving.listen(event);
          if (config.in_process && event.type === "worker_ended" && event.cause === "gpu_fault") lost.resolve("lost");
        },
        onError: (error) => metrics!.error(error),
      });
      closing.push(() => serving.close());
      const engines = new EngineCheck({
        models: found,
        roots: rootsOf(terminal.resolve(config.models), userCacheFolder()).map(({ path }) => path),
        config,
        args,
        mayBuild,
        onLookup: (model, status) => metrics!.lookup(model, status),
      });
      closing.push(() => engines.close());
      if (!config.in_process) await revokeFor("manager");
      const reloadOne = async (name: string) => {
        await models.refresh(name, (word) => findOrPull(word, { config, terminal }));
        await serving.manager.reload(name);
      };
      reload = () => void reloadAll(models.names, reloadOne);
      const app = createApp({
        service: serving.manager,
        builds: serving.builds,
        reload: reloadOne,
        engines,
        metrics,
        ringUsage: () => serving.ringUsage(),
        settings: config,
        models: found,
        budget: new BodyBudget(BODIES_IN_MEMORY * config.max_body_bytes),
        guard,
      });
      boot.open((request, env) => app.fetch(request, env));
      announce(server, models.names, flags["json"] === true, terminal);
      warn(server, guard, terminal);
      if (mayBuild) void buildMissing(engines, serving.builds, models.names);
      const stopped = Promise.race([serving.manager.started.then(() => signals.first), signals.first]);
      if (await Promise.race([stopped, lost.promise]) === "lost") {
        throw new TrtdError("GPU_FAULT", "The GPU is lost to this process, which has no worker that could be replaced");
      }
      const ended = Promise.all([serving.builds.close(), engines.close(), serving.drainProducers()]);
      const drained = server.drain(config.request_timeout_ms + DRAIN_MARGIN_MS);
      const cutOff = await Promise.race([ended.then(() => drained), signals.second]);
      if (cutOff === "now") return EXIT.interrupted;
      if (cutOff > 0) terminal.note(`trtd: ${cutOff} requests were cut off`);
      return EXIT.fine;
    } finally {
      server.close();
      await Promise.all(closing.map((close) => close()));
    }
  },
};

async function findModels(context: Pick<CommandContext, "config" | "terminal">): Promise<Model[]> {
  const models: Model[] = [];
  for (const word of context.config.model) models.push(await findOrPull(word, context));
  refuseTwins(models);
  return models;
}

/** Once it is known what the cache lacks, that is built; the first model first. */
async function buildMissing(engines: EngineCheck, builds: EngineBuilds, names: readonly string[]): Promise<void> {
  await engines.done;
  for (const name of names) if (engines.status(name).cache === "miss") builds.start(name);
}

async function reloadAll(names: readonly string[], reloadOne: (name: string) => Promise<void>): Promise<void> {
  for (const name of names) {
    await reloadOne(name).then(
      () => log.info("{model} was read again", { model: name }),
      (error) => log.error("{model} was not read again: {detail}", { model: name, detail: error.message }),
    );
  }
}

/** Two models of one name cannot be told apart in an address. */
function refuseTwins(models: readonly Model[]): void {
  const names = models.map((model) => model.name);
  const twin = names.find((name, i) => names.indexOf(name) !== i);
  if (twin !== undefined) throw new TrtdError("USAGE", `Two models have the name "${twin}"`);
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

function announce(server: HttpServer, models: readonly string[], asJson: boolean, terminal: Terminal): void {
  if (!asJson) return terminal.print(`listening on ${server.url}`);
  const { url, host, port, enforcesTimeouts } = server;
  terminal.print(JSON.stringify({
    url,
    host,
    port,
    pid: Deno.pid,
    models,
    enforces_timeouts: enforcesTimeouts,
  }));
}

function warn(server: HttpServer, guard: Guard, terminal: Terminal): void {
  if (guard.letsAllIn && !isLoopback(server.host)) {
    terminal.note(`trtd: everybody who reaches ${server.url} can use it: no key is asked`);
  }
  if (!server.enforcesTimeouts) {
    terminal.note(
      `trtd: on Deno ${Deno.version.deno} HTTP is parsed leniently and slow headers are timed out on a connection's first ` +
        "request alone; the body's deadline, idle timeouts and the cap on connections hold",
    );
  }
}
