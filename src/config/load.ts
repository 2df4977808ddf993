/** Read the configuration's layers from this machine. */
import { resolve } from "node:path";
import { TrtdError } from "../errors.ts";
import { CONFIG_FILE, type Layers, type LoadedConfig, mergeConfig } from "./config.ts";

/**
 * Load the settings for a command that was called in `cwd`.
 * @param configPath file that must exist; without it `trtd.config.json` in `cwd` is read when it is there
 * @throws {TrtdError} `FILE_NOT_FOUND`, `CONFIG_INVALID`, `USAGE`
 */
export async function loadConfig(
  flags: Layers["flags"],
  options: { cwd: string; configPath?: string },
): Promise<LoadedConfig> {
  const path = resolve(options.cwd, options.configPath ?? CONFIG_FILE);
  const value = await readJson(path, options.configPath !== undefined);
  return mergeConfig({
    flags,
    environment: Deno.env.toObject(),
    ...(value === undefined ? {} : { file: { path, value } }),
  });
}

async function readJson(path: string, required: boolean): Promise<unknown> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      if (!required) return undefined;
      throw new TrtdError("FILE_NOT_FOUND", `The configuration file "${path}" does not exist`);
    }
    throw new TrtdError("FILE_UNREADABLE", `Cannot read the configuration file "${path}"`, { cause: error });
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new TrtdError("CONFIG_INVALID", `"${path}" is not JSON: ${(error as Error).message}`, { cause: error });
  }
}
