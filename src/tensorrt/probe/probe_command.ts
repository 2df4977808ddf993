/** How trtd starts itself as a probe child. */
import { shimPaths } from "../../../ffi/load.ts";
import { selfCommand } from "../../self_command.ts";
import type { ProbeRequest } from "./probe_messages.ts";
import type { ProbeCommand } from "./probe_run.ts";

/**
 * Executable and arguments of a probe child. Under `deno run` a child that asks CUDA or TensorRT may open libtrtd, and
 * nothing else.
 */
export function probeCommand({ subject }: Pick<ProbeRequest, "subject">): ProbeCommand {
  const native = subject === "cuda" || subject === "tensorrt";
  const flags = native
    ? [`--allow-ffi=${shimPaths(Deno.env.get("TRTD_SHIM")).join(",")}`, "--allow-env=TRTD_SHIM"]
    : ["--allow-all"];
  const program = { execPath: Deno.execPath(), standalone: Deno.build.standalone };
  const entry = new URL("./probe_process.ts", import.meta.url).href;
  return selfCommand(program, { command: "probe", entry: [entry], flags });
}
