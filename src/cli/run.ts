/** From the words of the command line to an exit status. */
import { isAbsolute, resolve } from "node:path";
import { Command, CommanderError, Option } from "commander";
import { loadConfig } from "../config/load.ts";
import { flagOf, type Setting, type SettingKey, SETTINGS } from "../config/settings.ts";
import { EXIT, trtdErrorFrom } from "../errors.ts";
import { configureLog, getLogger } from "../log.ts";
import { VERSION } from "../version.ts";
import type { CliCommand, Terminal } from "./command.ts";
import { noteError } from "./note_error.ts";

export type CommandTable = Readonly<Record<string, () => Promise<CliCommand>>>;

/** Run one command line. @returns the exit status; never throws */
export async function runCli(
  argv: readonly string[],
  table: CommandTable,
  terminal: Terminal = terminalOfProcess(),
): Promise<number> {
  let status: number = EXIT.fine;
  const program = new Command("trtd")
    .description("Object detection served from one executable")
    .version(VERSION, "--version", "Print the version")
    .helpOption("--help", "Print this help")
    .helpCommand(false)
    .addHelpText("after", "\ntrtd COMMAND --help tells the flags of a command.");
  try {
    for (const load of await loadersFor(argv, table)) {
      const command = await load();
      program.addCommand(commanderFrom(command, terminal, (value) => status = value), {
        hidden: command.hidden === true,
      });
    }
    settle(program, terminal);
    if (argv.length === 0) {
      terminal.print(program.helpInformation().trimEnd());
      return EXIT.usage;
    }
    await program.parseAsync([...argv], { from: "user" });
    return status;
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? EXIT.fine : EXIT.usage;
    return report(thrown, terminal);
  }
}

/** Only the called command is imported; help and mistakes need all of them, the version none. */
function loadersFor(argv: readonly string[], table: CommandTable): Promise<(() => Promise<CliCommand>)[]> {
  const called = argv[0];
  if (called === "--version") return Promise.resolve([]);
  const load = called !== undefined && Object.hasOwn(table, called) ? table[called] : undefined;
  return Promise.resolve(load === undefined ? Object.values(table) : [load]);
}

function commanderFrom(cli: CliCommand, terminal: Terminal, setStatus: (status: number) => void): Command {
  const command = new Command(cli.name).description(cli.summary).helpOption("--help", "Print this help");
  cli.configure(command);
  command.option("--config <FILE>", "Configuration file; default: trtd.config.json where the command is called");
  const own = new Set(command.options.map((option) => option.attributeName()));
  const settings = (Object.entries(SETTINGS) as [SettingKey, Setting][]).filter(([key]) => !own.has(camelCase(key)));
  for (const [key, setting] of settings) {
    command.addOption(optionFrom(key, setting, setting.commands === "all" || setting.commands.includes(cli.name)));
  }
  return command.action(async () => {
    const given: Record<string, unknown> = command.opts();
    const flags: Record<string, string | string[]> = {};
    for (const [key] of settings) {
      const value = given[camelCase(key)];
      if (value !== undefined) flags[key] = value as string | string[];
      delete given[camelCase(key)];
    }
    const { config } = await loadConfig(flags, {
      cwd: terminal.cwd,
      ...(typeof given["config"] === "string" ? { configPath: given["config"] } : {}),
    });
    // Native libraries are unpacked there, by child processes too, before any of them could read a setting.
    if (config.cache_dir !== undefined) Deno.env.set("TRTD_CACHE_DIR", terminal.resolve(config.cache_dir));
    await configureLog(config);
    setStatus(await cli.run({ args: command.args, flags: given, config, terminal }));
  });
}

function optionFrom(key: SettingKey, setting: Setting, shown: boolean): Option {
  const unset = setting.default === undefined || setting.kind === "list";
  const option = new Option(
    `${flagOf(key)} <${setting.placeholder}>`,
    unset ? setting.help : `${setting.help} (default: ${setting.default})`,
  );
  if (setting.kind === "list") {
    option.argParser((value: string, previous: string[] | undefined) => [...(previous ?? []), value]);
  }
  return shown ? option : option.hideHelp();
}

/** Commander prints and ends the process by itself unless told otherwise, on each command. */
function settle(program: Command, terminal: Terminal): void {
  for (const command of [program, ...program.commands]) {
    command.exitOverride();
    command.configureOutput({
      writeOut: (text) => terminal.print(text.trimEnd()),
      writeErr: (text) => terminal.note(text.trimEnd()),
      outputError: (text, write) =>
        write(
          `trtd: USAGE: ${text.replace(/^error: /, "").trimEnd()}\n  remedy: run "trtd ${
            command === program ? "" : `${command.name()} `
          }--help" to see the arguments and flags`,
        ),
    });
  }
}

const camelCase = (key: string): string => key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());

/** Print a failure with its code and remedy. @returns its exit status */
function report(thrown: unknown, terminal: Terminal): number {
  const error = trtdErrorFrom(thrown);
  noteError(error, terminal);
  getLogger(["trtd", "cli"]).debug("{stack}", { stack: (error.cause instanceof Error ? error.cause : error).stack });
  return error.row.exit;
}

function terminalOfProcess(): Terminal {
  const cwd = callersFolder();
  const encoder = new TextEncoder();
  const write = (stream: typeof Deno.stdout, text: string) => {
    const bytes = encoder.encode(`${text}\n`);
    try {
      for (let at = 0; at < bytes.length;) at += stream.writeSync(bytes.subarray(at));
    } catch (error) {
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    }
  };
  return {
    cwd,
    interactive: Deno.stderr.isTerminal(),
    resolve: (path) => isAbsolute(path) ? path : resolve(cwd, path),
    print: (text) => write(Deno.stdout, text),
    note: (text) => write(Deno.stderr, text),
  };
}

/** `deno task` moves to the folder of deno.json and keeps the caller's in `INIT_CWD`. */
function callersFolder(): string {
  return (Deno.build.standalone ? undefined : Deno.env.get("INIT_CWD")) ?? Deno.cwd();
}
