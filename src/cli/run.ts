/** From the words of the command line to an exit status. */
import { isAbsolute, resolve } from "node:path";
import { Command, CommanderError } from "commander";
import { INHERITED_VARIABLE, inheritedFrom } from "../config/config.ts";
import { inheritedSettings, layerLines, loadConfig, type LoadedConfig, withdrawSecrets } from "../config/load.ts";
import { EXIT, TrtdError, trtdErrorFrom } from "../errors.ts";
import { configureLog, getLogger } from "../log.ts";
import { withoutSecrets } from "../secrets.ts";
import { flushStandardError, neverWaitForReader, writeStandardError } from "../standard_error.ts";
import { VERSION } from "../version.ts";
import type { CliCommand, Terminal } from "./command.ts";
import { noteError } from "./note_error.ts";
import { addSettingOptions, takeSettingFlags } from "./config/setting_options.ts";

export type CommandTable = Readonly<Record<string, () => Promise<CliCommand>>>;

/** One call of the command line. */
interface Call {
  readonly terminal: Terminal;
  /** Whether this call is what the process is there for, so that its settings go to child processes. */
  readonly ownsProcess: boolean;
  setStatus(status: number): void;
}

/**
 * Run one command line.
 * @param listener prints instead of the process, whose environment then stays as it is
 * @returns the exit status; never throws
 */
export async function runCli(argv: readonly string[], table: CommandTable, listener?: Terminal): Promise<number> {
  let status: number = EXIT.fine;
  const terminal = listener ?? terminalOfProcess();
  const call: Call = { terminal, ownsProcess: listener === undefined, setStatus: (value) => status = value };
  const program = new Command("trtd")
    .description("Object detection served from one executable")
    .version(VERSION, "--version", "Print the version")
    .helpOption("--help", "Print this help")
    .helpCommand(false)
    .addHelpText("after", "\ntrtd COMMAND --help tells the flags of a command.");
  try {
    for (const load of await loadersFor(argv, table)) {
      const command = await load();
      program.addCommand(commanderFrom(command, call), { hidden: command.hidden === true });
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
  } finally {
    await flushStandardError();
  }
}

/** Only the called command is imported; help and mistakes need all of them, the version none. */
function loadersFor(argv: readonly string[], table: CommandTable): Promise<(() => Promise<CliCommand>)[]> {
  const called = argv[0];
  if (called === "--version") return Promise.resolve([]);
  const load = called !== undefined && Object.hasOwn(table, called) ? table[called] : undefined;
  return Promise.resolve(load === undefined ? Object.values(table) : [load]);
}

function commanderFrom(cli: CliCommand, { terminal, ownsProcess, setStatus }: Call): Command {
  const command = new Command(cli.name).description(cli.summary).helpOption("--help", "Print this help");
  cli.configure(command);
  command.option("--config <FILE>", "Configuration file; default: trtd.config.json where the command is called");
  const keys = addSettingOptions(command, cli.name);
  return command.action(async () => {
    const given: Record<string, unknown> = command.opts();
    const inherited = cli.hidden === true ? inheritedSettings() : undefined;
    const loaded = await loadConfig(takeSettingFlags(given, keys), {
      cwd: terminal.cwd,
      ...(typeof given["config"] === "string" ? { configPath: given["config"] } : {}),
      ...(inherited === undefined ? {} : { inherited }),
    });
    const { config } = loaded;
    // Native libraries are unpacked there, by child processes too, before any of them could read a setting.
    if (config.cache_dir !== undefined) Deno.env.set("TRTD_CACHE_DIR", terminal.resolve(config.cache_dir));
    if (ownsProcess && cli.hidden !== true) {
      Deno.env.set(INHERITED_VARIABLE, inheritedFrom(config));
      withdrawSecrets(loaded);
    }
    if (ownsProcess && cli.lasts === true) neverWaitForReader();
    await configureLog(config);
    if (cli.hidden !== true) logSettings(loaded, cli.name === "serve");
    setStatus(await cli.run({ args: command.args, flags: given, config, loaded, terminal }));
  });
}

/** A server tells where its settings come from; other commands only when asked for details. */
function logSettings(loaded: LoadedConfig, atOnce: boolean): void {
  const log = getLogger(["trtd", "config"]);
  for (const line of layerLines(loaded)) {
    if (atOnce) log.info(literal(line));
    else log.debug(literal(line));
  }
  for (const remark of loaded.remarks) log.warning(literal(remark));
}

/** A text as a message of the log, in which braces stand for properties. */
const literal = (text: string): string => text.replaceAll("{", "{{").replaceAll("}", "}}");

/** Commander prints and ends the process by itself unless told otherwise, on each command. */
function settle(program: Command, terminal: Terminal): void {
  for (const command of [program, ...program.commands]) {
    command.exitOverride();
    command.configureOutput({
      writeOut: (text) => terminal.print(text.trimEnd()),
      writeErr: (text) => terminal.note(text.trimEnd()),
      outputError: (text, write) =>
        write(
          `trtd: USAGE: ${sentenceOf(withoutSecrets(text))}\n  remedy: Run "trtd ${
            command === program ? "" : `${command.name()} `
          }--help" to see its arguments and flags`,
        ),
    });
  }
}

/** Commander's message as others of trtd are: one line, capital first, no final period. */
function sentenceOf(text: string): string {
  const line = text.replace(/^error: /, "").trim().replaceAll(/\s*\n\s*/g, " ").replace(/\.$/, "");
  return line.charAt(0).toUpperCase() + line.slice(1);
}

/** Print a failure with its code and remedy. @returns its exit status */
function report(thrown: unknown, terminal: Terminal): number {
  const error = trtdErrorFrom(thrown);
  noteError(error, terminal);
  getLogger(["trtd", "cli"]).debug("{stack}", { stack: (error.cause instanceof Error ? error.cause : error).stack });
  return error.row.exit;
}

function terminalOfProcess(): Terminal {
  const cwd = callersFolder();
  const print = (text: string) => {
    const bytes = new TextEncoder().encode(`${text}\n`);
    try {
      for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) return;
      const reason = error instanceof Error ? error.message : String(error);
      throw new TrtdError("OUTPUT_UNWRITABLE", `Cannot write to standard output: ${reason}`, { cause: error });
    }
  };
  return {
    cwd,
    interactive: Deno.stderr.isTerminal(),
    resolve: (path) => isAbsolute(path) ? path : resolve(cwd, path),
    print,
    note: (text) => writeStandardError(`${text}\n`),
  };
}

/** `deno task` moves to the folder of deno.json and keeps the caller's in `INIT_CWD`. */
function callersFolder(): string {
  return (Deno.build.standalone ? undefined : Deno.env.get("INIT_CWD")) ?? Deno.cwd();
}
