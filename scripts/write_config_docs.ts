/**
 * Write docs/configuration.md and docs/trtd.config.schema.json from the table of settings.
 *
 *     deno run -A scripts/write_config_docs.ts          write them
 *     deno run -A scripts/write_config_docs.ts --check  fail when they are out of date
 */
import { resolve } from "node:path";
import { aliasSchema } from "../src/config/alias.ts";
import { configSchema, valueSchema } from "../src/config/json_schema.ts";
import { type Setting, type SettingKey, SETTINGS, TOPICS } from "../src/config/settings.ts";
import { z } from "zod";

const DOCS = resolve(import.meta.dirname!, "..", "docs");

type Json = Record<string, unknown>;

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

const code = (text: string): string => `\`${text}\``;

/** What may be written, in words. */
function ruleOf(key: SettingKey): string {
  const { kind } = SETTINGS[key] as Setting;
  const schema = valueSchema(key);
  if (kind === "choice") return (schema["enum"] as string[]).map(code).join(", ");
  if (kind === "number") {
    const whole = schema["type"] === "integer" ? "whole number" : "number";
    return `${whole}, ${schema["minimum"]} to ${schema["maximum"]}`;
  }
  if (kind === "list") {
    const items = schema["items"] as Json;
    return `list of ${Array.isArray(items["enum"]) ? (items["enum"] as string[]).map(code).join(", ") : "texts"}`;
  }
  return kind === "boolean" ? "`true` or `false`" : kind;
}

function defaultOf({ default: initial }: Setting): string {
  if (initial === undefined) return "unset";
  return code(typeof initial === "string" ? initial : JSON.stringify(initial));
}

function settingsTable(rows: Readonly<Record<string, Setting>>): string {
  return table(
    ["Key", "Value", "Default", "", "Commands"],
    (Object.entries(rows) as [SettingKey, Setting][]).map(([key, setting]) => {
      return [
        code(key),
        ruleOf(key),
        defaultOf(setting),
        `${setting.help}${setting.secret === true ? "; secret, no flag" : ""}`,
        setting.commands === "all" ? "all" : setting.commands.join(", "),
      ];
    }),
  );
}

function aliasTable(): string {
  const { properties, required = [] } = z.toJSONSchema(aliasSchema(), { io: "input" }) as {
    properties: Record<string, Json>;
    required?: string[];
  };
  return table(
    ["Member", "Default", ""],
    Object.entries(properties).map(([name, { default: initial, description }]) => [
      code(name),
      required.includes(name) ? "must be given" : initial === undefined ? "unset" : code(JSON.stringify(initial)),
      String(description),
    ]),
  );
}

/** The reference page. */
export function configDocument(): string {
  const topics = Object.entries(TOPICS).map(([name, rows]) => `### ${name}\n\n${settingsTable(rows)}\n`);
  return `# Configuration

<!-- Written by scripts/write_config_docs.ts from src/config/settings.ts; change the table, not this file. -->

Each setting is one word in three places: \`score\` in a JSON file, \`TRTD_SCORE\` in the environment, \`--score\` on the
command line (\`max_pixels\`, \`TRTD_MAX_PIXELS\`, \`--max-pixels\`).

## Layers

A value of a later layer replaces that of an earlier one as a whole, lists and objects too:

1. the defaults below;
2. \`/etc/trtd/config.json\`;
3. \`trtd.config.json\` in the folder where the command is called, or the file of \`--config\`;
4. the upstream JSON: the path or http(s) address that the setting \`upstream\` names (see below);
5. the JSON in the variable \`SERVING_ENVIRONMENT\`;
6. \`TRTD_*\` variables; an empty one counts as unset;
7. flags.

\`trtd config\` shows each value in force and where it comes from, \`trtd config --layers\` what each layer says,
\`--changed\` leaves defaults out, \`--json\` prints for programs. \`trtd serve\` logs each layer when it starts, other
commands with \`--log-level debug\`. Secrets are shown as \`***\` everywhere.

Every layer is checked, also where a later one replaces its value. All wrong keys and values are told at once, with the
nearest right name for a typo; a key, a flag or a \`TRTD_\` variable that nobody knows is an error. \`trtd serve\` does not
start with a wrong setting.

In JSON, keys may be grouped by their first word: \`{"cache": {"layout": "per-device"}}\` and
\`{"cache.layout": "per-device"}\` mean \`cache_layout\`. Lists are JSON lists in files, and texts with commas or repeated
flags elsewhere; booleans are \`true\` or \`false\` (also 1 and 0, yes and no, on and off) in variables, and flags without
a value (\`--insecure\`, \`--no-insecure\`); objects are JSON everywhere. Relative paths count from the folder where the
command is called.

Editors check a file that names the schema: \`{"$schema": "./trtd.config.schema.json", ...}\`, where
\`trtd config --schema > trtd.config.schema.json\` wrote it ([the same file](trtd.config.schema.json)).

Child processes of trtd take the settings of their parent, without its secrets; they read no layer again.

## Upstream

The document is one JSON object of settings; it cannot set \`upstream\`, \`upstream_token\` and \`upstream_timeout_ms\`.
An address is asked once at the start of a command: no longer than \`upstream_timeout_ms\`, no more than 1 MiB, no
redirect. \`upstream_token\` is sent as \`Authorization: Bearer\`; user and password in the address as basic
authorization. Neither is sent over plain http to another machine, and neither is logged.

What was read and found right is kept in the cache folder (\`upstream/\`, readable by this user alone). When the upstream
is out of reach, does not answer in time or answers anything but 200, this copy serves and a warning says so; without a
copy the command ends with \`UPSTREAM_UNAVAILABLE\`. An upstream that answers with wrong settings is an error like a wrong
file: the copy stays as it is and is not used.

## Secrets

\`api_key\` and \`upstream_token\` have no flag, because other users can read command lines. They may stand in a variable
or in a file; a file with secrets that others may read is remarked on. Before a child process starts, trtd takes them out
of its environment. Log lines and messages are searched for them, for passwords in addresses, tokens and keys.

## Settings

${topics.join("\n")}
### Members of an alias

\`aliases\` is an object of names, each of them an object:

${aliasTable()}
`;
}

/** The schema's file. */
export const schemaDocument = (): string => `${JSON.stringify(configSchema(), null, 2)}\n`;

/** The files and what they must hold. */
export const DOCUMENTS: readonly { readonly path: string; readonly text: () => string }[] = [
  { path: resolve(DOCS, "configuration.md"), text: configDocument },
  { path: resolve(DOCS, "trtd.config.schema.json"), text: schemaDocument },
];

if (import.meta.main) {
  for (const { path, text } of DOCUMENTS) {
    if (!Deno.args.includes("--check")) await Deno.writeTextFile(path, text());
    else if (await Deno.readTextFile(path).catch(() => null) !== text()) {
      console.error(`${path} is out of date; run deno run -A scripts/write_config_docs.ts`);
      Deno.exitCode = 1;
    }
  }
}
