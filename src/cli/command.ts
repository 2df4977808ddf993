/** What a command of the command line is. */
import type { Command } from "commander";
import type { Config } from "../config/config.ts";
import type { LoadedConfig } from "../config/load.ts";

/** Where a command prints; injected, so that tests can listen. */
export interface Terminal {
  /** Folder where the user called the command. */
  readonly cwd: string;
  /** Whether standard error is a terminal, so that a progress bar makes sense. */
  readonly interactive: boolean;
  /** An absolute path; relative ones count from {@link cwd}. */
  resolve(path: string): string;
  /** One piece of the command's result on standard output, with a newline after it. */
  print(text: string): void;
  /** A remark for people on standard error, with a newline after it. */
  note(text: string): void;
}

export interface CommandContext {
  readonly args: readonly string[];
  /** Flags of this command alone, by commander's camelCase names. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly config: Config;
  /** The same settings with their layers and origins. */
  readonly loaded: LoadedConfig;
  readonly terminal: Terminal;
}

export interface CliCommand {
  readonly name: string;
  /** One line for `trtd --help`. */
  readonly summary: string;
  /** Not shown in the help: a process that trtd starts itself. */
  readonly hidden?: boolean;
  /** Runs until it is told to end: nobody has to read what it says on standard error. @default false */
  readonly lasts?: boolean;
  /**
   * Add arguments and the flags that are not settings; settings become flags by themselves. A flag of a setting's name
   * takes the setting's place.
   */
  configure(command: Command): void;
  /**
   * Do the work.
   * @returns the exit status
   * @throws {TrtdError} which main prints and turns into the exit status of its code
   */
  run(context: CommandContext): Promise<number>;
}
