/** How trtd starts itself again as a worker. */
import { type SelfCommand, selfCommand } from "../../self_command.ts";

export interface ProgramFacts {
  /** Path of the running executable. */
  readonly execPath: string;
  /** Whether it is a compiled trtd, not Deno. */
  readonly standalone: boolean;
  /** URL of `src/main.ts`. */
  readonly mainUrl: string;
}

/** Executable and arguments of `trtd worker` with the given arguments after it. */
export function workerCommand(program: ProgramFacts, args: readonly string[]): SelfCommand {
  return selfCommand(program, { command: "worker", entry: [program.mainUrl, "worker"], flags: ["--allow-all"], args });
}

/** Facts of this process. */
export function thisProgram(): ProgramFacts {
  return {
    execPath: Deno.execPath(),
    standalone: Deno.build.standalone,
    mainUrl: new URL("../../main.ts", import.meta.url).href,
  };
}
