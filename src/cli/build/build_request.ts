/** From the words of `trtd build-engine` to the engine that they ask for. */
import { type Command, Option } from "commander";
import type { Config } from "../../config/config.ts";
import { TrtdError } from "../../errors.ts";
import type { BuildWishes } from "../../tensorrt/plan/plan.ts";
import { TACTIC_SOURCES } from "../../tensorrt/plan/plan_options.ts";
import { findMachine } from "../../tensorrt/request/machine.ts";
import { planModel, type PlannedRequest } from "../../tensorrt/request/plan_request.ts";
import type { CommandContext, Terminal } from "../command.ts";
import { findOrPull } from "../models/find_or_pull.ts";

/** Adds the flags that {@link planRequest} reads. */
export function addBuildFlags(command: Command): void {
  command
    .addOption(
      new Option("--precision <NAME>", "f32 or fp16; default: the model's own").choices(["f32", "fp16"]),
    )
    .option("--tofp16", "Convert an f32 model to fp16 (MODEL.tofp16.onnx), also where TensorRT could do it by itself")
    .option("--batch <N>", "Size of the first axis; default: 1 where only that axis is dynamic")
    .option("--min <SHAPES>", "Smallest shapes of dynamic inputs, such as images:1x3x640x640")
    .option("--opt <SHAPES>", "Shapes to tune for")
    .option("--max <SHAPES>", "Largest shapes")
    .option("--targets <LIST>", "GPUs to build for: current, or with TensorRT-RTX such as 75,80,86,89,120")
    .option("--workspace <MB>", "Scratch memory for layers in MiB; default: all of the GPU's")
    .option("--optimization-level <N>", "0 (quick build) to 5 (quick engine); default: 3")
    .addOption(
      new Option("--hardware-compatibility <LEVEL>", "none, ampere (and later) or same (compute capability)")
        .choices(["none", "ampere", "same"]),
    )
    .option("--version-compatible", "Let later releases of TensorRT run the engine")
    .option(
      "--timing-cache <FILE>",
      "Timings of tactics to begin with, and to add to; default: one per GPU and TensorRT",
    )
    .option("--dla-core <N>", "Run on this DLA core of a Jetson, the rest on the GPU")
    .option("--tactic-sources <LIST>", `Libraries to take kernels from: ${Object.keys(TACTIC_SOURCES).join(", ")}`)
    .option("--force", "Try what is known not to work, and a build for which memory is too little");
}

/**
 * Plans the build that the command line asks for.
 * @param ask asks the machine; requests that differ in the model alone may share the answer
 * @throws {TrtdError} those of `findOrPull` and `planModel`; `USAGE`
 */
export async function planRequest(context: CommandContext, ask = findMachine): Promise<PlannedRequest> {
  const { args, flags, config, terminal } = context;
  const wishes = wishesFrom(flags, config, terminal);
  const model = await findOrPull(args[0]!, context);
  return await planModel(model, wishes, context, ask);
}

function wishesFrom(flags: Readonly<Record<string, unknown>>, config: Config, terminal: Terminal): BuildWishes {
  const text = (key: string) => typeof flags[key] === "string" ? flags[key] : undefined;
  const timingCache = text("timingCache");
  const given: { [K in keyof BuildWishes]: BuildWishes[K] | undefined } = {
    precision: (text("precision") ?? config.precision) as BuildWishes["precision"],
    tofp16: flags["tofp16"] === true ? true : undefined,
    nms: config.nms,
    batch: numberFrom(flags, { key: "batch", flag: "--batch", low: 1, high: 65_536 }) ?? config.batch,
    min: text("min"),
    opt: text("opt"),
    max: text("max"),
    targets: text("targets"),
    workspaceMb: numberFrom(flags, { key: "workspace", flag: "--workspace", low: 1, high: 1_048_576 }),
    optimizationLevel: numberFrom(flags, { key: "optimizationLevel", flag: "--optimization-level", low: 0, high: 5 }),
    hardwareCompatibility: text("hardwareCompatibility") as BuildWishes["hardwareCompatibility"],
    versionCompatible: flags["versionCompatible"] === true ? true : undefined,
    timingCache: timingCache === undefined ? undefined : terminal.resolve(timingCache),
    dlaCore: numberFrom(flags, { key: "dlaCore", flag: "--dla-core", low: 0, high: 15 }),
    tacticSources: text("tacticSources"),
    force: flags["force"] === true ? true : undefined,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as BuildWishes;
}

/** @throws {TrtdError} `USAGE` */
export function numberFrom(
  flags: Readonly<Record<string, unknown>>,
  { key, flag, low, high }: { key: string; flag: string; low: number; high: number },
): number | undefined {
  const text = flags[key];
  if (typeof text !== "string") return undefined;
  const number = /^\d{1,9}$/.test(text.trim()) ? Number(text) : NaN;
  if (!(number >= low && number <= high)) {
    throw new TrtdError("USAGE", `${flag} is "${text}", but must be a whole number from ${low} to ${high}`);
  }
  return number;
}
