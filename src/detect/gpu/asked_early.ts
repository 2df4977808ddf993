/** Asks the machine before the answer is needed: child processes take as long as reading the model. */
import { findMachine, machineWishes } from "../../tensorrt/request/machine.ts";
import type { EngineSettings } from "./engine_settings.ts";

/** The same settings; whoever asks the machine waits for the question that is under way. */
export function askedEarly(engines: EngineSettings): EngineSettings {
  const ask = engines.ask ?? findMachine;
  const asked = ask(machineWishes(engines, { targets: undefined, force: false }));
  asked.catch(() => {});
  return { ...engines, ask: () => asked };
}
