/**
 * The settings in force. Layers, from the weakest: defaults, `/etc/trtd/config.json`, `./trtd.config.json`, an upstream
 * JSON, `SERVING_ENVIRONMENT`, `TRTD_*` variables, flags. A value of a stronger layer replaces a weaker one as a whole.
 */
import { TrtdError } from "../errors.ts";
import { isSecretName, valueWithoutSecrets } from "../secrets.ts";
import { checkedValue } from "./check.ts";
import { type Problem, unknownName } from "./problem.ts";
import {
  type Config,
  flagOf,
  groupOf,
  type Setting,
  SETTING_KEYS,
  type SettingKey,
  SETTINGS,
  variableOf,
} from "./settings.ts";
import { valueFromText } from "./value_text.ts";

export type { Config } from "./settings.ts";

export const CONFIG_FILE = "trtd.config.json";

/** The variable with a JSON of settings. */
export const JSON_VARIABLE = "SERVING_ENVIRONMENT";

/** The variable by which a child process of trtd has its parent's settings. */
export const INHERITED_VARIABLE = "TRTD_INHERITED";

/** A layer that is one JSON object. */
export interface JsonLayer {
  /** Path, address or name of the variable, for messages; without credentials. */
  readonly origin: string;
  /** The parsed JSON. */
  readonly value: unknown;
  /** Whether it came from the setting `upstream`: then it cannot set where upstream is. @default false */
  readonly upstream?: boolean;
}

/** What each layer says; a key that a layer does not name is absent there. */
export interface Layers {
  /** From the weakest. @default none */
  readonly documents?: readonly JsonLayer[];
  /** All environment variables. */
  readonly environment: Readonly<Record<string, string>>;
  /** Flags by setting key, as text; `true` and `false` for booleans. */
  readonly flags: Readonly<Partial<Record<SettingKey, string | readonly string[]>>>;
  /** What was wrong with a layer already when it was read. @default none */
  readonly problems?: readonly Problem[];
}

/** One layer's checked values. */
export interface AppliedLayer {
  readonly origin: string;
  readonly values: ReadonlyMap<SettingKey, unknown>;
}

export interface MergedConfig {
  readonly config: Config;
  /** Where each value comes from: `default`, a file's path, an address, a variable or a flag. */
  readonly origins: Readonly<Record<SettingKey, string>>;
  /** The layers that say something, from the weakest; defaults are not among them. */
  readonly layers: readonly AppliedLayer[];
}

/** Label of the layer of variables. */
const VARIABLES = "TRTD_ variables";
/** Label of the layer of flags. */
const FLAGS = "flags";

/**
 * Merge the layers and check every value of each, also of those that a stronger layer replaces.
 * @throws {TrtdError} with all problems at once: `USAGE` when only flags are wrong, else `CONFIG_INVALID`
 */
export function mergeConfig(layers: Layers): MergedConfig {
  const { problems, ...merged } = judgeLayers(layers);
  if (problems.length > 0) throw refusal(problems);
  return merged;
}

/** Like {@link mergeConfig}, with the problems told instead of thrown; what is wrong counts as absent. */
export function judgeLayers(layers: Layers): MergedConfig & { readonly problems: readonly Problem[] } {
  const problems: Problem[] = [...layers.problems ?? []];
  const applied: AppliedLayer[] = [
    ...(layers.documents ?? []).map((layer) => ({ origin: layer.origin, values: documentValues(layer, problems) })),
    { origin: VARIABLES, values: variableValues(layers.environment, problems) },
    { origin: FLAGS, values: flagValues(layers.flags, problems) },
  ].filter(({ values }) => values.size > 0);
  const config: Record<string, unknown> = {};
  const origins: Partial<Record<SettingKey, string>> = {};
  for (const key of SETTING_KEYS) {
    const layer = applied.findLast(({ values }) => values.has(key));
    config[key] = layer === undefined ? (SETTINGS[key] as Setting).default : layer.values.get(key);
    origins[key] = layer === undefined ? "default" : originOf(layer, key);
  }
  return { config: config as Config, origins: origins as Record<SettingKey, string>, layers: applied, problems };
}

/** Where a layer's value of a key comes from: the name of the variable or flag, else that of the layer. */
export function originOf({ origin }: AppliedLayer, key: SettingKey): string {
  return origin === VARIABLES ? variableOf(key) : origin === FLAGS ? flagOf(key) : origin;
}

/** The values of settings without their secrets, as JSON for {@link INHERITED_VARIABLE}. */
export function inheritedFrom(config: Config): string {
  const told = SETTING_KEYS.filter((key) => !(SETTINGS[key] as Setting).secret && config[key] !== undefined);
  return JSON.stringify(
    Object.fromEntries(told.map((key) => [key, config[key]])),
    (name, value) => name !== "" && isSecretName(name) && !Object.hasOwn(SETTINGS, name) ? undefined : value,
  );
}

/** The secrets among a layer's values, in clear. */
export function secretsIn(values: ReadonlyMap<SettingKey, unknown>): string[] {
  return [...values].flatMap(([key, value]) =>
    (SETTINGS[key] as Setting).secret === true ? [String(value)] : secretMembers(value)
  );
}

function secretMembers(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    typeof inner === "string" && isSecretName(name) ? [inner] : secretMembers(inner)
  );
}

/** A value as it may be shown. */
export function shownValue(key: SettingKey, value: unknown): unknown {
  if (value === undefined) return undefined;
  return (SETTINGS[key] as Setting).secret === true ? "***" : valueWithoutSecrets(value);
}

function documentValues(layer: JsonLayer, problems: Problem[]): Map<SettingKey, unknown> {
  const { origin, value, upstream } = layer;
  const values = new Map<SettingKey, unknown>();
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    problems.push({ text: `"${origin}" must hold one JSON object` });
    return values;
  }
  const seen = new Set<string>();
  for (const [name, inner] of ungrouped(value as Record<string, unknown>)) {
    const key = name.replaceAll(".", "_");
    if (!isSetting(key)) {
      problems.push(unknownName(`"${origin}" names the unknown setting`, name, key, SETTING_KEYS));
    } else if (seen.has(key)) {
      problems.push({ text: `"${origin}" has the setting "${key}" twice` });
    } else if (upstream === true && key.startsWith("upstream")) {
      problems.push({ text: `"${origin}" sets "${key}", which the upstream itself cannot` });
    } else {
      take(values, problems, { key, origin, value: inner });
    }
    seen.add(key);
  }
  return values;
}

const isSetting = (key: string): key is SettingKey => Object.hasOwn(SETTINGS, key);

const GROUPS: ReadonlySet<string> = new Set(SETTING_KEYS.map((key) => groupOf(key)?.group ?? ""));

/** Members of groups as `group.member`. */
const ungrouped = (value: Record<string, unknown>): [name: string, value: unknown][] =>
  Object.entries(value).flatMap(([name, inner]): [string, unknown][] => {
    if (name === "$schema") return [];
    const isGroup = typeof inner === "object" && inner !== null && !Array.isArray(inner) && !isSetting(name);
    if (!isGroup) return [[name, inner]];
    const members = Object.entries(inner);
    if (members.length === 0) return GROUPS.has(name) ? [] : [[name, inner]];
    return members.map(([member, one]) => [`${name}.${member}`, one]);
  });

function variableValues(environment: Layers["environment"], problems: Problem[]): Map<SettingKey, unknown> {
  const values = new Map<SettingKey, unknown>();
  const byVariable = new Map(SETTING_KEYS.map((key) => [variableOf(key), key]));
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith("TRTD_")) continue;
    const key = byVariable.get(name);
    if (key === undefined) {
      if (OTHER_VARIABLES.test(name)) continue;
      problems.push(
        unknownName("There is no setting for the environment variable", name, name, [...byVariable.keys()]),
      );
    } else if (text !== "") takeText(values, problems, { key, origin: name, text });
  }
  return values;
}

/** `TRTD_SHIM` names libtrtd; the others are of trtd's child processes and of the repository's own tools and tests. */
const OTHER_VARIABLES = /^TRTD_(SHIM$|INHERITED$|FAKE(_|$)|(TOOLS|GPU|TEST|BENCH)_)/;

function flagValues(flags: Layers["flags"], problems: Problem[]): Map<SettingKey, unknown> {
  const values = new Map<SettingKey, unknown>();
  for (const key of SETTING_KEYS) {
    const text = flags[key];
    if (text !== undefined) takeText(values, problems, { key, origin: flagOf(key), text, flag: true });
  }
  return values;
}

interface Given {
  readonly key: SettingKey;
  readonly origin: string;
  readonly flag?: boolean;
}

function takeText(
  values: Map<SettingKey, unknown>,
  problems: Problem[],
  given: Given & { readonly text: string | readonly string[] },
): void {
  const read = valueFromText(SETTINGS[given.key] as Setting, given.text);
  if ("problem" in read) problems.push(problemOf(given, given.text, read.problem));
  else take(values, problems, { ...given, value: read.value, shown: given.text });
}

function take(
  values: Map<SettingKey, unknown>,
  problems: Problem[],
  given: Given & { readonly value: unknown; readonly shown?: unknown },
): void {
  const checked = checkedValue(SETTINGS[given.key] as Setting, given.value);
  if ("problem" in checked) problems.push(problemOf(given, given.shown ?? given.value, checked.problem));
  else values.set(given.key, checked.value);
}

function problemOf({ key, origin, flag = false }: Given, value: unknown, rule: string): Problem {
  const where = flag ? `The flag ${origin}` : `The setting "${key}" from ${origin}`;
  const { kind, secret } = SETTINGS[key] as Setting;
  const shown = secret === true || kind === "object" ? "wrong" : clipped(JSON.stringify(shownValue(key, value)));
  return { text: `${where} is ${shown}: ${rule}`, flag };
}

const clipped = (text: string | undefined): string =>
  text === undefined ? "not a value" : text.length <= 120 ? text : `${text.slice(0, 120)}...`;

function refusal(problems: readonly Problem[]): TrtdError {
  const code = problems.every(({ flag }) => flag === true) ? "USAGE" : "CONFIG_INVALID";
  const [first] = problems;
  if (problems.length === 1) {
    return new TrtdError(code, first!.text, first!.remedy === undefined ? {} : { remedy: first!.remedy });
  }
  const list = problems.map(({ text, remedy }, i) => `(${i + 1}) ${text}${remedy === undefined ? "" : `: ${remedy}`}`);
  return new TrtdError(code, `${problems.length} settings are wrong: ${list.join("; ")}`, {
    remedy: "Correct each at the place that the message names; docs/configuration.md lists all settings",
  });
}
