/** The settings in force, from four layers: defaults < `trtd.config.json` < `TRTD_*` variables < flags. */
import { TrtdError } from "../errors.ts";
import { type Config, flagOf, type Setting, type SettingKey, SETTINGS, variableOf } from "./settings.ts";

export type { Config } from "./settings.ts";

export const CONFIG_FILE = "trtd.config.json";

/** What each layer says; a key that a layer does not name is absent there. */
export interface Layers {
  /** Parsed JSON of the configuration file, and its path for messages. */
  readonly file?: { readonly path: string; readonly value: unknown };
  /** All environment variables. */
  readonly environment: Readonly<Record<string, string>>;
  /** Flags by setting key, as text. */
  readonly flags: Readonly<Partial<Record<SettingKey, string | readonly string[]>>>;
}

export interface LoadedConfig {
  readonly config: Config;
  /** Where each value comes from: `default`, a file's path, a variable or a flag. */
  readonly origins: Readonly<Record<SettingKey, string>>;
}

const KEYS = Object.keys(SETTINGS) as SettingKey[];

/**
 * Merge the layers and check every value.
 * @throws {TrtdError} `CONFIG_INVALID` naming the setting, its origin and the rule it breaks; `USAGE` for a flag
 */
export function mergeConfig(layers: Layers): LoadedConfig {
  const config: Record<string, unknown> = {};
  const origins: Partial<Record<SettingKey, string>> = {};
  const inFile = fileValues(layers.file);
  refuseUnknownVariables(layers.environment);
  for (const key of KEYS) {
    const setting = SETTINGS[key] as Setting;
    const variable = variableOf(key);
    const flag = layers.flags[key];
    const text = layers.environment[variable];
    const [origin, value] = flag !== undefined
      ? [flagOf(key), valueFromText(setting, flag)]
      : text !== undefined && text !== ""
      ? [variable, valueFromText(setting, text)]
      : key in inFile
      ? [layers.file!.path, inFile[key]]
      : ["default", setting.default];
    config[key] = check(key, origin, value);
    origins[key] = origin;
  }
  return { config: config as Config, origins: origins as Record<SettingKey, string> };
}

function fileValues(file: Layers["file"]): Record<string, unknown> {
  if (file === undefined) return {};
  if (typeof file.value !== "object" || file.value === null || Array.isArray(file.value)) {
    throw new TrtdError("CONFIG_INVALID", `"${file.path}" must hold one JSON object`);
  }
  const values: Record<string, unknown> = {};
  for (const [name, value] of ungrouped(file.value as Record<string, unknown>)) {
    const key = name.replaceAll(".", "_");
    if (!Object.hasOwn(SETTINGS, key)) {
      throw new TrtdError("CONFIG_INVALID", `"${file.path}" names the unknown setting "${name}"`, {
        remedy: `Remove it, or use one of: ${KEYS.join(", ")}`,
      });
    }
    if (Object.hasOwn(values, key)) {
      throw new TrtdError("CONFIG_INVALID", `"${file.path}" has the setting "${key}" twice`);
    }
    values[key] = value;
  }
  return values;
}

/** Members of groups as `group.member`; no setting's own value is an object. */
const ungrouped = (value: Record<string, unknown>): [name: string, value: unknown][] =>
  Object.entries(value).flatMap(([name, inner]) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.entries(inner).map(([member, one]): [string, unknown] => [`${name}.${member}`, one])
      : [[name, inner]]
  );

function refuseUnknownVariables(environment: Readonly<Record<string, string>>): void {
  const known = new Set(KEYS.map(variableOf));
  for (const name of Object.keys(environment)) {
    if (name.startsWith("TRTD_") && !known.has(name) && !OTHER_VARIABLES.test(name)) {
      throw new TrtdError("CONFIG_INVALID", `The environment variable "${name}" is not a setting`, {
        remedy: `Unset it, or use one of: ${[...known].join(", ")}`,
      });
    }
  }
}

/** `TRTD_SHIM` names libtrtd; the others are of the repository's own tools and tests. */
const OTHER_VARIABLES = /^TRTD_(SHIM$|FAKE(_|$)|(TOOLS|GPU|TEST|BENCH)_)/;

function valueFromText(setting: Setting, text: string | readonly string[]): unknown {
  if (setting.kind === "list") return [text].flat().flatMap((part) => part.split(",")).map((part) => part.trim());
  const last = typeof text === "string" ? text : text.at(-1) ?? "";
  return setting.kind === "number" && last.trim() !== "" ? Number(last) : last;
}

function check(key: SettingKey, origin: string, value: unknown): unknown {
  const parsed = SETTINGS[key].schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const rule = parsed.error.issues.map((issue) => issue.message).join("; ");
  const where = origin.startsWith("--") ? `The flag ${origin}` : `The setting "${key}" from ${origin}`;
  const code = origin.startsWith("--") ? "USAGE" : "CONFIG_INVALID";
  throw new TrtdError(code, `${where} is ${JSON.stringify(value) ?? "not a value"}: ${rule}`);
}
