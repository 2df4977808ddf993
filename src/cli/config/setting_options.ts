/** Settings as flags of the command line. */
import { type Command, Option } from "commander";
import { flagOf, type Setting, type SettingKey, SETTINGS } from "../../config/settings.ts";

/** Add a flag for each setting that the command has no flag of its own for; secrets have none. @returns their keys */
export function addSettingOptions(command: Command, name: string): SettingKey[] {
  const own = new Set(command.options.map((option) => option.attributeName()));
  const rows = (Object.entries(SETTINGS) as [SettingKey, Setting][])
    .filter(([key, setting]) => setting.secret !== true && !own.has(camelCase(key)));
  for (const [key, setting] of rows) {
    const shown = setting.commands === "all" || setting.commands.includes(name);
    command.addOption(optionFrom(key, setting).hideHelp(!shown));
    if (setting.kind === "boolean") command.addOption(new Option(flagOf(key).replace("--", "--no-")).hideHelp());
  }
  return rows.map(([key]) => key);
}

/** Move the values of settings out of commander's options. @returns them as text */
export function takeSettingFlags(
  given: Record<string, unknown>,
  keys: readonly SettingKey[],
): Partial<Record<SettingKey, string | string[]>> {
  const flags: Partial<Record<SettingKey, string | string[]>> = {};
  for (const key of keys) {
    const value = given[camelCase(key)];
    if (value !== undefined) flags[key] = typeof value === "boolean" ? String(value) : value as string | string[];
    delete given[camelCase(key)];
  }
  return flags;
}

function optionFrom(key: SettingKey, setting: Setting): Option {
  const { kind, help, placeholder } = setting;
  if (kind === "boolean") {
    return new Option(flagOf(key), setting.default === true ? `${help} (default; --no-... switches it off)` : help);
  }
  const unset = setting.default === undefined || kind === "list" || kind === "object";
  const option = new Option(
    `${flagOf(key)} <${placeholder}>`,
    unset ? help : `${help} (default: ${setting.default})`,
  );
  if (kind === "list") {
    option.argParser((value: string, previous: string[] | undefined) => [...(previous ?? []), value]);
  }
  return option;
}

const camelCase = (key: string): string => key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
