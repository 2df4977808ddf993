/**
 * The load child: `load_process.ts` under `deno run`, `trtd load-child` in a compiled file. It loads as little as it can,
 * and ends with its parent.
 */
import { workForParent } from "../build/child/child_control.ts";
import { LoadChild } from "./load_child.ts";
import type { LoadJob, LoadReport, LoadStage } from "./load_messages.ts";

/** Takes the job from standard input and loads the engine. @returns the exit status */
export function runLoadChild(): Promise<number> {
  return workForParent<LoadJob, LoadReport, LoadStage>((job, say) => new LoadChild(job, say));
}

if (import.meta.main) Deno.exit(await runLoadChild());
