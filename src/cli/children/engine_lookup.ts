/** `trtd engine-lookup`: tells `trtd serve`, which loads no native code, what the cache has; people do not start it. */
import { EXIT } from "../../errors.ts";
import { ENGINE_LOOKUP_COMMAND, type EngineQuestion } from "../../serving/engine/engine_messages.ts";
import type { CliCommand, CommandContext } from "../command.ts";
import { type BuildMachine, findMachine, type MachineWishes } from "../../tensorrt/request/machine.ts";
import { lookUpEngine } from "../cache/engine_lookup.ts";
import { questionFrom } from "./question.ts";

export const engineLookupCommand: CliCommand = {
  name: ENGINE_LOOKUP_COMMAND,
  summary: "Look engines up for trtd serve",
  hidden: true,

  configure() {},

  async run(context): Promise<number> {
    const asked = await questionFrom<EngineQuestion>();
    if (asked === null) return EXIT.usage;
    return await Promise.race([answer(context, asked.question), asked.closed.then(() => EXIT.interrupted)]);
  },
};

async function answer(context: CommandContext, { models }: EngineQuestion): Promise<number> {
  const answers = [];
  let machine: Promise<BuildMachine> | undefined;
  const askOnce = (wishes: MachineWishes) => machine ??= findMachine(wishes);
  for (const model of models) answers.push(await lookUpEngine({ ...context, flags: {} }, model, askOnce));
  context.terminal.print(JSON.stringify({ models: answers }));
  return EXIT.fine;
}
