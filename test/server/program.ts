/** How trtd is started: from the source or from a compiled file; everything else is the same. */
import { thisProgram } from "../../src/serving/worker/worker_command.ts";
import { cleanEnvironment } from "../clean_environment.ts";

export interface SpawnOptions {
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Soft and hard limit of open descriptors. */
  readonly openFiles?: number;
}

/** Starts trtd with the given arguments, both outputs piped; the process id is trtd's own. */
export type Program = (args: readonly string[], options: SpawnOptions) => Deno.ChildProcess;

/** `deno run` of this repository. */
export const fromSource: Program = (args, options) => {
  const { execPath, mainUrl } = thisProgram();
  return spawned([execPath, "run", "--quiet", "--no-prompt", "--allow-all", mainUrl, ...args], options);
};

/** A compiled file, where it lies. */
export const fromFile = (file: string): Program => (args, options) => spawned([file, ...args], options);

function spawned(words: readonly string[], { env = {}, openFiles }: SpawnOptions): Deno.ChildProcess {
  const limited = openFiles === undefined ? words : ["sh", "-c", `ulimit -n ${openFiles} && exec "$@"`, "sh", ...words];
  return new Deno.Command(limited[0]!, {
    args: limited.slice(1),
    clearEnv: true,
    env: cleanEnvironment(env),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}
