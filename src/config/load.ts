/** Read the configuration's layers from this machine. */
import { resolve } from "node:path";
import { TrtdError } from "../errors.ts";
import { rememberSecret } from "../secrets.ts";
import { CONFIG_BYTES_MAX, readCappedText } from "./capped_file.ts";
import {
  CONFIG_FILE,
  INHERITED_VARIABLE,
  JSON_VARIABLE,
  type JsonLayer,
  judgeLayers,
  type Layers,
  mergeConfig,
  type MergedConfig,
  originOf,
  secretsIn,
  shownValue,
} from "./config.ts";
import { notJson, type Problem } from "./problem.ts";
import { variableOf } from "./settings.ts";
import type { UpstreamLayer } from "./upstream.ts";
import { userCacheFolder } from "./user_folder.ts";

const SYSTEM_FILE = "/etc/trtd/config.json";

export interface LoadOptions {
  /** Folder where the command was called. */
  readonly cwd: string;
  /** File that must exist, instead of `trtd.config.json` in `cwd`, which is read when it is there. */
  readonly configPath?: string;
  /** The settings of a parent process, instead of every other layer but flags. */
  readonly inherited?: string;
  /** @default /etc/trtd/config.json */
  readonly systemPath?: string;
}

export interface LoadedConfig extends MergedConfig {
  /** What is to be said once the log is open, without secrets. */
  readonly remarks: readonly string[];
}

/**
 * Load the settings for a command that was called in `cwd`.
 * @throws {TrtdError} `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `CONFIG_INVALID`, `UPSTREAM_UNAVAILABLE`, `USAGE`
 */
export async function loadConfig(flags: Layers["flags"], options: LoadOptions): Promise<LoadedConfig> {
  if (options.inherited !== undefined) {
    const documents = [{ origin: "the parent process", value: JSON.parse(options.inherited) }];
    return { ...mergeConfig({ documents, environment: {}, flags }), remarks: [] };
  }
  const { cwd, configPath, systemPath = SYSTEM_FILE } = options;
  const problems: Problem[] = [];
  const remarks: string[] = [];
  const files = [
    await fileLayer(systemPath, false, problems),
    await fileLayer(resolve(cwd, configPath ?? CONFIG_FILE), configPath !== undefined, problems),
  ].filter((layer) => layer !== null);
  const environment = Deno.env.toObject();
  const text = environment[JSON_VARIABLE] ?? "";
  const json = text.trim() === "" ? null : jsonLayer(JSON_VARIABLE, text, problems);
  const after = json === null ? [] : [json];
  const upstream = await upstreamLayer({ documents: [...files, ...after], environment, flags }, cwd, problems);
  const merged = mergeConfig({
    documents: [...files, ...(upstream === null ? [] : [{ ...upstream, upstream: true }]), ...after],
    environment,
    flags,
    problems,
  });
  for (const { values } of merged.layers) secretsIn(values).forEach(rememberSecret);
  for (const { origin } of files) remarks.push(...await openSecretRemarks(merged, origin));
  if (upstream !== null) remarks.push(...await upstreamRemarks(upstream));
  return { ...merged, remarks };
}

/** Take variables that hold secrets out of this process's environment, so that its children do not have them. */
export function withdrawSecrets({ layers }: MergedConfig): void {
  for (const layer of layers) {
    for (const [key, value] of layer.values) {
      const origin = originOf(layer, key);
      const isVariable = origin === JSON_VARIABLE || origin === variableOf(key);
      if (isVariable && secretsIn(new Map([[key, value]])).length > 0) Deno.env.delete(origin);
    }
  }
}

/** The settings that this process has of its parent, undefined for one that a person started. */
export const inheritedSettings = (): string | undefined => Deno.env.get(INHERITED_VARIABLE) || undefined;

/** One line for each layer that says something, weakest first; secrets are hidden. */
export function layerLines({ layers }: MergedConfig): string[] {
  return layers.map((layer) => {
    const values = [...layer.values].map(([key, value]) => `${key}=${JSON.stringify(shownValue(key, value))}`);
    return `Settings from ${layer.origin}: ${values.join(", ")}`;
  });
}

async function fileLayer(path: string, required: boolean, problems: Problem[]): Promise<JsonLayer | null> {
  let text: string;
  try {
    text = await readCappedText(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      if (!required) return null;
      throw new TrtdError("FILE_NOT_FOUND", `The configuration file "${path}" does not exist`);
    }
    const reason = error instanceof RangeError ? ` of more than ${CONFIG_BYTES_MAX} bytes` : "";
    throw new TrtdError("FILE_UNREADABLE", `Cannot read the configuration file "${path}"${reason}`, { cause: error });
  }
  return jsonLayer(path, text, problems);
}

/** @returns null for what is not JSON, which is a problem */
function jsonLayer(origin: string, text: string, problems: Problem[]): JsonLayer | null {
  try {
    return { origin, value: JSON.parse(text) };
  } catch (error) {
    problems.push({ text: `"${origin}" ${notJson(text, error)}` });
    return null;
  }
}

/** The upstream that the other layers name, read. A problem with it is told with the others. */
async function upstreamLayer(others: Layers, cwd: string, problems: Problem[]): Promise<UpstreamLayer | null> {
  const { config } = judgeLayers(others);
  if (config.upstream === undefined) return null;
  const { readUpstream } = await import("./upstream.ts");
  try {
    return await readUpstream({
      upstream: config.upstream,
      token: config.upstream_token,
      timeoutMs: config.upstream_timeout_ms,
      cwd,
      cacheFolder: config.cache_dir === undefined ? userCacheFolder() : resolve(cwd, config.cache_dir),
    });
  } catch (error) {
    if (!(error instanceof TrtdError) || error.code !== "CONFIG_INVALID") throw error;
    problems.push({ text: error.message, remedy: error.remedy });
    return null;
  }
}

async function upstreamRemarks({ origin, outOfReach, keep }: UpstreamLayer): Promise<string[]> {
  if (outOfReach !== null) return [`The upstream is out of reach (${outOfReach}); used: ${origin}`];
  const problem = await keep();
  return problem === null ? [] : [`The upstream cannot be kept for a start without it: ${problem}`];
}

/** Whether a file gives secrets away: it holds some and others may read it. */
async function openSecretRemarks({ layers }: MergedConfig, path: string): Promise<string[]> {
  const layer = layers.find(({ origin }) => origin === path);
  if (layer === undefined || secretsIn(layer.values).length === 0) return [];
  const { mode } = await Deno.stat(path);
  if (mode === null || (mode & 0o077) === 0) return [];
  return [`"${path}" holds secrets and others may read it; run chmod 600 on it`];
}
