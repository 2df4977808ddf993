/** `trtd serve`: detections over HTTP. */
import { rootsOf } from "../cache/roots.ts";
import { userCacheFolder } from "../config/user_folder.ts";
import { EXIT, TrtdError } from "../errors.ts";
import { BodyBudget } from "../http/body.ts";
import { createApp } from "../http/app.ts";
import { Metrics } from "../http/metrics.ts";
import { HttpServer } from "../http/server.ts";
import { findModel } from "../models/registry.ts";
import type { Model } from "../models/model.ts";
import { EngineCheck } from "../serving/engine_check.ts";
import { ServingManager } from "../serving/manager.ts";
import { WorkerProcess } from "../serving/worker_process.ts";
import type { CliCommand, CommandContext, Terminal } from "./command.ts";

/** Bodies that all requests together may hold, in largest bodies. */
const BODIES_IN_MEMORY = 12;
/** More than the queue's own wait: time for the last answers to be written. */
const DRAIN_MARGIN_MS = 2000;

export const serveCommand: CliCommand = {
  name: "serve",
  summary: "Serve detections over HTTP",

  configure(command) {
    command.option("--json", "Print the address as one JSON value instead of a line");
  },

  async run({ args, flags, config, terminal }: CommandContext): Promise<number> {
    if (args.length > 0) {
      throw new TrtdError("USAGE", `serve takes no arguments, got "${args[0]}"`, {
        remedy: "Name models with --model",
      });
    }
    const models = await Promise.all(
      config.model.map((name) => findModel(name, terminal.resolve(config.models), terminal.cwd)),
    );
    refuseTwins(models);
    using stop = listenForStop();
    const gate = Promise.withResolvers<ReturnType<typeof createApp>>();
    const server = await HttpServer.listen(config, async (request, env) => (await gate.promise).fetch(request, env));
    const manager = new ServingManager({
      workers: config.workers,
      queueLimit: config.queue_limit,
      requestTimeoutMs: config.request_timeout_ms,
      startWorker: () =>
        new WorkerProcess({
          models,
          settings: {
            backend: config.backend,
            max_pixels: config.max_pixels,
            ...(config.threads === undefined ? {} : { threads: config.threads }),
          },
          args: workerArgs(config, flags),
        }),
    });
    const budget = new BodyBudget(BODIES_IN_MEMORY * config.max_body_bytes);
    const metrics = new Metrics();
    const engines = new EngineCheck({
      models,
      roots: rootsOf(terminal.resolve(config.models), userCacheFolder()).map(({ path }) => path),
      config,
      args: workerArgs(config, flags),
      onLookup: (model, status) => metrics.lookup(model, status),
    });
    gate.resolve(createApp({ service: manager, engines, metrics, settings: config, models, budget }));
    announce(server, models, flags["json"] === true, terminal);
    warn(server, terminal);
    try {
      await Promise.race([manager.started.then(() => stop.first), stop.first]);
      const cutOff = await Promise.race([server.drain(config.request_timeout_ms + DRAIN_MARGIN_MS), stop.second]);
      if (cutOff === "now") return EXIT.interrupted;
      if (cutOff > 0) terminal.note(`trtd: ${cutOff} requests were cut off`);
      return EXIT.fine;
    } finally {
      server.close();
      await Promise.all([manager.close(), engines.close()]);
    }
  },
};

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

function announce(server: HttpServer, models: readonly Model[], asJson: boolean, terminal: Terminal): void {
  if (!asJson) return terminal.print(`listening on ${server.url}`);
  const { url, host, port, enforcesTimeouts } = server;
  terminal.print(JSON.stringify({
    url,
    host,
    port,
    pid: Deno.pid,
    models: models.map((model) => model.name),
    enforces_timeouts: enforcesTimeouts,
  }));
}

function warn(server: HttpServer, terminal: Terminal): void {
  if (!/^(127\.|::1$|localhost$)/.test(server.host)) {
    terminal.note(`trtd: anyone who reaches ${server.url} can use it: there is no authentication`);
  }
  if (!server.enforcesTimeouts) {
    terminal.note(
      `trtd: on Deno ${Deno.version.deno} HTTP is parsed leniently and slow headers are timed out on a connection's first ` +
        "request alone; the body's deadline, idle timeouts and the cap on connections hold",
    );
  }
}

/** Service managers and terminals may send one stop twice: to the process and to its group. */
const SAME_STOP_MS = 300;

/** The first signal stops, a later one ends at once. */
function listenForStop(): { first: Promise<void>; second: Promise<"now"> } & Disposable {
  const first = Promise.withResolvers<void>();
  const second = Promise.withResolvers<"now">();
  let firstAt: number | undefined;
  const onSignal = () => {
    if (firstAt === undefined) {
      firstAt = performance.now();
      first.resolve();
    } else if (performance.now() - firstAt > SAME_STOP_MS) second.resolve("now");
  };
  const signals = ["SIGTERM", "SIGINT"] as const;
  for (const signal of signals) Deno.addSignalListener(signal, onSignal);
  return {
    first: first.promise,
    second: second.promise,
    [Symbol.dispose]() {
      for (const signal of signals) Deno.removeSignalListener(signal, onSignal);
    },
  };
}
