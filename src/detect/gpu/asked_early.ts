/** Asks the machine before the answer is needed: child processes take as long as reading the model. */
import { join } from "node:path";
import { rootsOf } from "../../cache/roots.ts";
import { userCacheFolder } from "../../config/user_folder.ts";
import { findMachine, machineWishes } from "../../tensorrt/request/machine.ts";
import type { EngineSettings } from "./engine_settings.ts";

/**
 * The same settings; whoever asks the machine waits for the question that is under way. Where there are engines of the
 * model, TensorRT ran here before, and the driver is asked in this process, which needs it next.
 */
export async function askedEarly(engines: EngineSettings, model: string): Promise<EngineSettings> {
  const wishes = machineWishes(engines, { targets: undefined, force: false });
  const { ask } = engines;
  const isProven = ask === undefined && await hasEngines(engines, model);
  const asked = ask?.(wishes) ?? findMachine(wishes, isProven ? { cuda: askHere } : {});
  asked.catch(() => {});
  return { ...engines, ask: () => asked };
}

async function askHere() {
  const { probeCudaHere } = await import("../../tensorrt/probe/probe_here.ts");
  return await probeCudaHere();
}

/** Whether a folder of engines has the model's name; that of an fp16 model is the name of what it is made of. */
async function hasEngines({ config, terminal }: EngineSettings, model: string): Promise<boolean> {
  const roots = rootsOf(terminal.resolve(config.models), userCacheFolder());
  const folders = roots.map(({ path }) => join(path, model.replace(/\.tofp16$/, "")));
  const found = await Promise.all(folders.map((folder) => Deno.stat(folder).then(() => true, () => false)));
  return found.includes(true);
}
