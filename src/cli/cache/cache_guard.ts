/** The engines and the machine that the upgrade guard compares. */
import type { GuardEngine, GuardMachine } from "../../cache/guard.ts";
import type { Listed } from "../../cache/inventory.ts";
import { familyOf, versionFromText } from "../../tensorrt/versions.ts";
import { VERSION } from "../../version.ts";
import { type BuildMachine, findMachine, machineWishes } from "../../tensorrt/request/machine.ts";
import type { CommandContext } from "../command.ts";

/** Engines that could be used, by place. */
export const guardEngines = (listed: readonly Listed[]): GuardEngine[] =>
  listed.flatMap((one): GuardEngine[] => {
    if (one.kind !== "engine" || one.entry === null || one.problem !== null) return [];
    if (one.role !== "current" && one.role !== "other") return [];
    return [{ place: one.lock, model: one.model, path: one.engine, current: one.role === "current", entry: one.entry }];
  });

/** This machine, as a build would see it. @throws {TrtdError} those of `findMachine` */
export async function guardMachine(context: CommandContext): Promise<GuardMachine> {
  return guardMachineOf(await findMachine(machineWishes(context, { targets: undefined, force: false })));
}

/** A machine that was asked already. */
export function guardMachineOf({ machine, jetpack }: Pick<BuildMachine, "machine" | "jetpack">): GuardMachine {
  const { product, version, cuda } = machine.tensorrt;
  const read = versionFromText(version);
  const family = (read === null ? null : familyOf({ product, version: read }).family) ?? "unknown";
  return {
    tensorrt: { product, family, version, cuda },
    gpu: machine.gpu,
    driver: machine.driver,
    jetpack,
    platform: machine.platform,
    shim: VERSION,
  };
}
