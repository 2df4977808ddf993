/** `trtd engine-lookup`: tells `trtd serve`, which loads no native code, what the cache has; people do not start it. */
import { EXIT } from "../../errors.ts";
import { ENGINE_LOOKUP_COMMAND, type EngineQuestion } from "../../serving/engine/engine_messages.ts";
import type { CliCommand, CommandContext } from "../command.ts";
import { type BuildMachine, findMachine, type MachineWishes } from "../../tensorrt/request/machine.ts";
import { lookUpEngine } from "../cache/engine_lookup.ts";

const QUESTION_CHARACTERS_MAX = 1_048_576;

export const engineLookupCommand: CliCommand = {
  name: ENGINE_LOOKUP_COMMAND,
  summary: "Look engines up for trtd serve",
  hidden: true,

  configure() {},

  async run(context): Promise<number> {
    const input = Deno.stdin.readable.pipeThrough(new TextDecoderStream()).getReader();
    const question = await questionFrom(input);
    if (question === null) return EXIT.usage;
    return await Promise.race([answer(context, question), whenClosed(input)]);
  },
};

async function answer(context: CommandContext, { config, models }: EngineQuestion): Promise<number> {
  const answers = [];
  let machine: Promise<BuildMachine> | undefined;
  const askOnce = (wishes: MachineWishes) => machine ??= findMachine(wishes);
  for (const model of models) answers.push(await lookUpEngine({ ...context, config, flags: {} }, model, askOnce));
  context.terminal.print(JSON.stringify({ models: answers }));
  return EXIT.fine;
}

/** @returns null when nobody asks */
async function questionFrom(input: ReadableStreamDefaultReader<string>): Promise<EngineQuestion | null> {
  let text = "";
  while (!text.includes("\n") && text.length < QUESTION_CHARACTERS_MAX) {
    const { value, done } = await input.read();
    if (done) return null;
    text += value;
  }
  return JSON.parse(text) as EngineQuestion;
}

/** Nobody waits any more. */
async function whenClosed(input: ReadableStreamDefaultReader<string>): Promise<number> {
  while (!(await input.read()).done);
  return EXIT.interrupted;
}
