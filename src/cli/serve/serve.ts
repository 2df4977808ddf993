/** `trtd serve`: detections over HTTP. */
import { EXIT, TrtdError } from "../../errors.ts";
import { Guard } from "../../http/access/guard.ts";
import { isLoopback } from "../../http/access/networks.ts";
import { Boot } from "../../http/boot.ts";
import { HttpServer } from "../../http/listen/server.ts";
import type { Model } from "../../models/model.ts";
import type { CliCommand, CommandContext, Terminal } from "../command.ts";
import { findOrPull } from "../models/find_or_pull.ts";
import { findPlaces } from "./find_places.ts";
import { listenForSignals, type ServeSignals } from "./serve_signals.ts";
import { type Service, startService } from "./service.ts";

/** More than the queue's own wait: time for the last answers to be written. */
const DRAIN_MARGIN_MS = 2000;
/** Time to refuse what is asked of a server that cannot go on; a lost GPU may answer no call. */
const LAST_WORDS_MS = 2000;

export const serveCommand: CliCommand = {
  name: "serve",
  summary: "Serve detections over HTTP",
  lasts: true,

  configure(command) {
    command.option("--json", "Print the address as one JSON value instead of a line");
  },

  async run(context: CommandContext): Promise<number> {
    const { args, flags, config, terminal } = context;
    if (args.length > 0) {
      throw new TrtdError("USAGE", `serve takes no arguments, got "${args[0]}"`, {
        remedy: "Name models with --model",
      });
    }
    const guard = await openGuard(context);
    const boot = new Boot();
    let service: Service | undefined;
    using signals = listenForSignals(() => service?.reload());
    const server = await HttpServer.listen(
      config,
      (request, env) => boot.answer(request, env),
      { onRefused: (error) => service?.metrics.error(error), early: boot.early },
    );
    try {
      const models = await Promise.race([findModels(context), signals.first]);
      if (models === undefined) return EXIT.fine;
      const places = await Promise.race([findPlaces(config), signals.first]);
      if (places === undefined) return EXIT.fine;
      service = await startService(context, { models, places, guard });
      boot.open(service.answer, service.refuseEarly);
      announce(server, service.models, flags["json"] === true, terminal);
      warn(server, guard, terminal);
      await stopOf(service, signals).catch((error) => refuseRest(error, { server, service: service! }));
      return await drain(context, { server, service, signals });
    } finally {
      server.close();
      await service?.close();
    }
  },
};

/** @throws {TrtdError} `OPEN_BIND`, `API_KEYS_INVALID` */
function openGuard({ config, terminal }: CommandContext): Promise<Guard> {
  const { api_keys_file: file } = config;
  return Guard.open({ ...config, ...file === undefined ? {} : { api_keys_file: terminal.resolve(file) } });
}

async function findModels(context: Pick<CommandContext, "config" | "terminal">): Promise<Model[]> {
  const models: Model[] = [];
  for (const word of context.config.model) models.push(await findOrPull(word, context));
  refuseTwins(models);
  return models;
}

/** Two models of one name cannot be told apart in an address. */
function refuseTwins(models: readonly Model[]): void {
  const names = models.map((model) => model.name);
  const twin = names.find((name, i) => names.indexOf(name) !== i);
  if (twin !== undefined) throw new TrtdError("USAGE", `Two models have the name "${twin}"`);
}

/** Resolves when the server is told to stop. @throws {TrtdError} why it cannot go on */
async function stopOf({ started, lost }: Service, { first }: ServeSignals): Promise<void> {
  await Promise.race([started.then(() => first), first, lost]);
}

/** Answers with errors what can be answered in no other way any more. @throws {TrtdError} the given one */
async function refuseRest(error: TrtdError, { server, service }: Pick<Ending, "server" | "service">): Promise<never> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, LAST_WORDS_MS);
  await Promise.race([service.close(), late]);
  clearTimeout(timer);
  await server.drain(LAST_WORDS_MS);
  throw error;
}

interface Ending {
  readonly server: HttpServer;
  readonly service: Service;
  readonly signals: ServeSignals;
}

/** Takes no more requests and waits for the answers to those that there are. @returns the exit status */
async function drain({ config, terminal }: CommandContext, { server, service, signals }: Ending): Promise<number> {
  const ended = service.drain();
  const drained = server.drain(config.request_timeout_ms + DRAIN_MARGIN_MS);
  const cutOff = await Promise.race([ended.then(() => drained), signals.second]);
  if (cutOff === "now") return EXIT.interrupted;
  if (cutOff > 0) terminal.note(`trtd: ${cutOff} requests were cut off`);
  return EXIT.fine;
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
