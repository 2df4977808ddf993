/** `trtd build-child`: the process that holds TensorRT while it builds. A compiled file starts it; people do not. */
import { BUILD_CHILD_COMMAND } from "../../tensorrt/build/child/child_program.ts";
import type { CliCommand } from "../command.ts";

export const buildChildCommand: CliCommand = {
  name: BUILD_CHILD_COMMAND,
  summary: "Hold TensorRT for trtd build-engine",
  hidden: true,

  configure() {},

  async run(): Promise<number> {
    const { runBuildChild } = await import("../../tensorrt/build/child/child_process.ts");
    return await runBuildChild();
  },
};
