/** How trtd starts itself again as a child process. */

export interface SelfCommand {
  readonly path: string;
  readonly args: string[];
}

/** What a child is, in a compiled file and under Deno. */
export interface SelfChild {
  /** The command of a compiled file. */
  readonly command: string;
  /** URL of the module that Deno runs, and the arguments that make it the child. */
  readonly entry: readonly [url: string, ...args: string[]];
  /** Flags of `deno run` before the module: its permissions above all. */
  readonly flags: readonly string[];
  /** Arguments of the child either way. @default none */
  readonly args?: readonly string[];
}

/** Executable and arguments of a child of the program `execPath`. */
export function selfCommand(
  { execPath, standalone }: { readonly execPath: string; readonly standalone: boolean },
  { command, entry, flags, args = [] }: SelfChild,
): SelfCommand {
  return {
    path: execPath,
    args: standalone ? [command, ...args] : ["run", "--quiet", "--no-prompt", ...flags, ...entry, ...args],
  };
}
