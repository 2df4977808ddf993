/** How trtd starts itself again as a worker. */

export interface ProgramFacts {
  /** Path of the running executable. */
  readonly execPath: string;
  /** Whether it is a compiled trtd, not Deno. */
  readonly standalone: boolean;
  /** URL of `src/main.ts`. */
  readonly mainUrl: string;
}

/** Executable and arguments of `trtd worker` with the given arguments after it. */
export function workerCommand(program: ProgramFacts, args: readonly string[]): { path: string; args: string[] } {
  if (program.standalone) return { path: program.execPath, args: ["worker", ...args] };
  return {
    path: program.execPath,
    args: ["run", "--quiet", "--no-prompt", "--allow-all", program.mainUrl, "worker", ...args],
  };
}

/** Facts of this process. */
export function thisProgram(): ProgramFacts {
  return {
    execPath: Deno.execPath(),
    standalone: Deno.build.standalone,
    mainUrl: new URL("../main.ts", import.meta.url).href,
  };
}
