/** `trtd load-child`: the process that holds TensorRT while an engine is checked. A compiled file starts it; people do not. */
import { LOAD_CHILD_COMMAND } from "../../tensorrt/load/check_engine.ts";
import type { CliCommand } from "../command.ts";

export const loadChildCommand: CliCommand = {
  name: LOAD_CHILD_COMMAND,
  summary: "Hold TensorRT while an engine is checked",
  hidden: true,

  configure() {},

  async run(): Promise<number> {
    const { runLoadChild } = await import("../../tensorrt/load/load_process.ts");
    return await runLoadChild();
  },
};
