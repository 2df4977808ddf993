/** How trtd starts itself again as a child that holds TensorRT. */
import { dirname } from "node:path";
import { type SelfCommand, selfCommand } from "../../../self_command.ts";
import type { BuildPlan } from "../../plan/plan.ts";

/** The command that is the build child of a compiled file. */
export const BUILD_CHILD_COMMAND = "build-child";

export interface ProgramFacts {
  readonly execPath: string;
  /** Whether it is a compiled trtd, not Deno. */
  readonly standalone: boolean;
  /** URL of `child_process.ts`, the child under Deno. */
  readonly childUrl: string;
  /** Added to the child's environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Facts of this process. */
export function thisProgram(): ProgramFacts {
  return {
    execPath: Deno.execPath(),
    standalone: Deno.build.standalone,
    childUrl: new URL("./child_process.ts", import.meta.url).href,
  };
}

export interface ChildCommand extends SelfCommand {
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Executable, arguments and environment of the child.
 *
 * Under Deno it may do what it needs: read, write, see the environment, open libtrtd, and end itself (`--allow-run`).
 * The builder looks for its resource library by name, so the folder of the core library stands first on the loader's path.
 * @param options.shim path of libtrtd, null for any
 * @param options.command the command of a compiled file
 */
export function childCommand(
  program: ProgramFacts,
  { plan, shim, environment, command = BUILD_CHILD_COMMAND }: {
    plan: Pick<BuildPlan, "libraries">;
    shim: string | null;
    environment: Readonly<Record<string, string>>;
    command?: string;
  },
): ChildCommand {
  const folders = [dirname(plan.libraries.core), ...(environment["LD_LIBRARY_PATH"] ?? "").split(":")];
  const env = {
    LD_LIBRARY_PATH: [...new Set(folders.filter((folder) => folder !== ""))].join(":"),
    CUDA_MODULE_LOADING: environment["CUDA_MODULE_LOADING"] ?? "LAZY",
    NO_COLOR: "1",
    ...program.env,
  };
  const flags = [
    "--cached-only",
    `--allow-ffi${shim === null ? "" : `=${shim}`}`,
    "--allow-read",
    "--allow-write",
    "--allow-env",
    "--allow-sys",
    "--allow-run",
  ];
  return { ...selfCommand(program, { command, entry: [program.childUrl], flags }), env };
}
