/** `trtd probe REQUEST`: the process of a compiled trtd that asks native libraries; people do not start it. */
import { EXIT } from "../../errors.ts";
import { answerProbe } from "../../tensorrt/probe/probe_process.ts";
import type { CliCommand } from "../command.ts";

export const probeCommand: CliCommand = {
  name: "probe",
  summary: "Ask the native libraries for trtd doctor",
  hidden: true,

  configure(command) {
    command.argument("<REQUEST>", "What to ask, as JSON");
  },

  async run({ args, terminal }): Promise<number> {
    await answerProbe(args[0]!, (line) => terminal.print(line));
    return EXIT.fine;
  },
};
