/**
 * The build child: `child_process.ts` under `deno run`, `trtd build-child` in a compiled file. It loads as little as it
 * can, and ends with its parent.
 */
import { BuildChild } from "./child.ts";
import { workForParent } from "./child_control.ts";
import type { BuildJob, BuildReport, BuildStage } from "./messages.ts";

/** Takes the job from standard input and builds. @returns the exit status */
export function runBuildChild(): Promise<number> {
  return workForParent<BuildJob, BuildReport, BuildStage>((job, say) => new BuildChild(job, say));
}

if (import.meta.main) Deno.exit(await runBuildChild());
