/** `trtd config`: the settings in force and where each comes from. */
import { shownValue } from "../../config/config.ts";
import { layerLines } from "../../config/load.ts";
import { type Setting, SETTING_KEYS, type SettingKey, SETTINGS } from "../../config/settings.ts";
import { EXIT, TrtdError } from "../../errors.ts";
import type { CliCommand, CommandContext } from "../command.ts";

/** Characters of a value in the table; `--json` shows all. */
const COLUMNS_MAX = 60;

export const configCommand: CliCommand = {
  name: "config",
  summary: "Show the settings in force and where each comes from; make keys",

  configure(command) {
    command
      .argument("[ACTION]", "key: make an API key")
      .option("--json", "Print one JSON value")
      .option("--schema", "Print the JSON Schema of configuration files, for editors")
      .option("--layers", "Print what each layer says, the weakest first")
      .option("--changed", "Leave out settings that have their defaults")
      .option("--name <NAME>", "key: name of the key in the file and in logs; default: the date");
  },

  async run(context): Promise<number> {
    const { args, flags } = context;
    if (args[0] === "key" && args.length === 1) {
      const { printKey } = await import("./config_key.ts");
      return printKey(context);
    }
    if (args.length > 0) {
      throw new TrtdError("USAGE", `config does not know "${args[0]}"`, { remedy: "The one action is: key" });
    }
    if (flags["schema"] === true) await printSchema(context);
    else if (flags["layers"] === true) printLayers(context);
    else printSettings(context);
    return EXIT.fine;
  },
};

async function printSchema({ terminal }: CommandContext): Promise<void> {
  const { configSchema } = await import("../../config/json_schema.ts");
  terminal.print(JSON.stringify(configSchema(), null, 2));
}

function printLayers({ flags, loaded, terminal }: CommandContext): void {
  if (flags["json"] !== true) {
    for (const line of layerLines(loaded)) terminal.print(line);
    return;
  }
  const layers = loaded.layers.map(({ origin, values }) => ({
    origin,
    values: Object.fromEntries([...values].map(([key, value]) => [key, shownValue(key, value)])),
  }));
  terminal.print(JSON.stringify({ layers }));
}

interface Row {
  readonly key: SettingKey;
  /** Absent when it is not set. */
  readonly value?: unknown;
  readonly origin: string;
  readonly secret: boolean;
}

function printSettings({ flags, config, loaded, terminal }: CommandContext): void {
  const rows = SETTING_KEYS
    .map((key): Row => ({
      key,
      ...(config[key] === undefined ? {} : { value: shownValue(key, config[key]) }),
      origin: loaded.origins[key],
      secret: (SETTINGS[key] as Setting).secret === true,
    }))
    .filter(({ origin }) => flags["changed"] !== true || origin !== "default");
  terminal.print(flags["json"] === true ? JSON.stringify({ settings: rows }) : tableOf(rows));
}

function tableOf(rows: readonly Row[]): string {
  const cells = [["SETTING", "VALUE", "FROM"], ...rows.map(({ key, value, origin }) => [key, textOf(value), origin])];
  const widths = [0, 1].map((column) => Math.max(...cells.map((row) => row[column]!.length)));
  return cells.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd()).join(
    "\n",
  );
}

function textOf(value: unknown): string {
  if (value === undefined) return "-";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length <= COLUMNS_MAX ? text : `${text.slice(0, COLUMNS_MAX - 3)}...`;
}
