/** The model that a word of the command line names: there already, or pulled from where it is kept. */
import { isAbsolute, join, resolve } from "node:path";
import { userCacheFolder } from "../../config/user_folder.ts";
import { TrtdError } from "../../errors.ts";
import type { LockWait } from "../../cache/lock/lock.ts";
import type { Model } from "../../models/model.ts";
import { type Pulled, pullModel, type PullRequest, type PullSettings, type PullWatch } from "../../models/pull.ts";
import { findModel } from "../../models/registry.ts";
import { isSource, parseSource, type SourceContext } from "../../models/sources/source.ts";
import { plainText } from "../../onnx/quoted.ts";
import type { CommandContext } from "../command.ts";
import { abortOnSignals } from "../interrupt.ts";
import { type DownloadBar, downloadBar, megabytes } from "./download_bar.ts";

type Context = Pick<CommandContext, "config" | "terminal">;

const CONNECT_MS_MAX = 15_000;

/**
 * A model by name, path or source. A source is pulled unless it is in the folder of models.
 * @throws {TrtdError} those of `findModel`, `parseSource` and `pullModel`
 */
export async function findOrPull(word: string, context: Context): Promise<Model> {
  const { config, terminal } = context;
  if (!isSource(word)) return await findModel(word, terminal.resolve(config.models), terminal.cwd);
  const { model } = await pullWith({ source: parseSource(word, sourceContext(context)) }, context);
  return model;
}

/** The model of a command that takes only one. @throws {TrtdError} `USAGE` */
export function oneModel(command: string, { model }: Pick<CommandContext["config"], "model">): string {
  const [name, ...others] = model;
  if (name === undefined || others.length > 0) {
    throw new TrtdError("USAGE", `${command} takes one model, got ${model.length}`);
  }
  return name;
}

/** What sources mean here. */
export function sourceContext({ config, terminal }: Context): SourceContext {
  const path = (text: string) => pathOf(text, terminal.resolve);
  const aliases = Object.fromEntries(
    Object.entries(config.aliases).map(([name, alias]) => [name, {
      ...alias,
      ...(alias.ca_file === undefined ? {} : { ca_file: path(alias.ca_file) }),
      ...(alias.credentials_file === undefined ? {} : { credentials_file: path(alias.credentials_file) }),
    }]),
  );
  return { aliases, cwd: terminal.cwd, environment: Deno.env.toObject(), trustedHosts: config.download_trusted_hosts };
}

/**
 * Pulls with the settings of the command, its progress on standard error. Signals interrupt it; what has arrived stays.
 * @throws {TrtdError} those of `pullModel`; `INTERRUPTED`
 */
export async function pullWith(request: PullRequest, context: Context): Promise<Pulled> {
  const { terminal } = context;
  const { shown } = request.source;
  using interrupt = abortOnSignals(`download of "${shown}"`, "Run it again: it goes on where it stopped");
  const bar = downloadBar(shown, terminal);
  try {
    return await pullModel(request, settingsFrom(context), watchFrom(interrupt.signal, bar, terminal));
  } finally {
    bar.stop();
  }
}

function settingsFrom({ config, terminal }: Context): PullSettings {
  const cache = userCacheFolder();
  return {
    modelsDir: terminal.resolve(config.models),
    memoDir: cache === null ? null : join(cache, "digests"),
    offline: config.models_offline,
    connectTimeoutMs: Math.min(CONNECT_MS_MAX, config.download_stall_ms),
    stallMs: config.download_stall_ms,
    timeoutMs: config.download_timeout_ms,
    trustedHosts: config.download_trusted_hosts,
    caFile: config.ca_file === undefined ? null : pathOf(config.ca_file, terminal.resolve),
    environment: Deno.env.toObject(),
  };
}

function watchFrom(signal: AbortSignal, bar: DownloadBar, terminal: Context["terminal"]): PullWatch {
  const tell = (text: string) => bar.pause(() => terminal.note(`trtd: ${plainText(text)}`));
  return {
    signal,
    onProgress: (progress) => bar.update(progress),
    onRemark: tell,
    onRetry: (error, delayMs) => tell(`${error.message}; again in ${(delayMs / 1000).toFixed(1)} s`),
    onWait: (wait) => tell(waitText(wait)),
  };
}

function waitText({ owner, state, waitedMs }: LockWait): string {
  const who = owner === null ? "another process" : `process ${owner.pid} of "${owner.host}"`;
  const how = state === "stopped" ? ", which is stopped: continue or end it" : "";
  return `Waiting${waitedMs < 1000 ? "" : ` for ${Math.round(waitedMs / 1000)} s`} for ${who}, which pulls it${how}`;
}

/** `~/` is the user's own folder. */
function pathOf(text: string, resolvePath: (path: string) => string): string {
  const home = Deno.env.get("HOME");
  if (text.startsWith("~/") && home !== undefined && isAbsolute(home)) return resolve(home, text.slice(2));
  return resolvePath(text);
}

/** One line about what a pull did. */
export function pulledText({ status, model, bytes, sha256, resumedFrom, durationS }: Pulled): string {
  const what = `${model.path} (${megabytes(bytes)}, SHA-256 ${sha256})`;
  if (status === "found") return `found, skipping: ${what}`;
  const resumed = resumedFrom === 0 ? "" : `, from ${megabytes(resumedFrom)} on`;
  const rate = durationS > 0 ? `, ${((bytes - resumedFrom) / 1e6 / durationS).toFixed(1)} MB/s` : "";
  return `pulled: ${what} in ${durationS.toFixed(1)} s${rate}${resumed}`;
}
