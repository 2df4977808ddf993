/** From the words of `trtd build-engine` to the engine that they ask for: model, machine, plan and key. */
import { basename, dirname, join, resolve } from "node:path";
import { type Command, Option } from "commander";
import { type CacheKey, type Json, keyFrom } from "../../cache/key.ts";
import { modelDigest } from "../../cache/model_digest.ts";
import type { Config } from "../../config/config.ts";
import { userCacheFolder } from "../../config/user_folder.ts";
import { TrtdError } from "../../errors.ts";
import type { Model } from "../../models/model.ts";
import { fileFailure, readModelFile } from "../../models/model_file.ts";
import { findModel } from "../../models/registry.ts";
import { type FileDigests, fileDigests, modelFacts } from "../../onnx/facts.ts";
import type { ModelFacts } from "../../onnx/model_facts.ts";
import { MODEL_BYTES_MAX, readModel } from "../../onnx/read.ts";
import { findDerived, sourcePath } from "../../tensorrt/build/derived_model.ts";
import { keyInputsOf } from "../../tensorrt/build/engine_key.ts";
import type { EngineRequest } from "../../tensorrt/build/obtain_engine.ts";
import { computePrecision } from "../../tensorrt/plan/model_precision.ts";
import { type BuildWishes, planBuild } from "../../tensorrt/plan/plan.ts";
import { TACTIC_SOURCES } from "../../tensorrt/plan/plan_options.ts";
import type { EnginePrecision } from "../../tensorrt/plan/plan_precision.ts";
import { VERSION } from "../../version.ts";
import { type BuildMachine, findMachine, machineWishes } from "./build_machine.ts";
import type { CommandContext, Terminal } from "../command.ts";

/** An engine that somebody asked for on the command line. */
export interface PlannedRequest {
  /** Name, file and digests of the model, the plan, and the key's inputs. */
  readonly request: EngineRequest;
  readonly key: CacheKey;
  readonly wishes: BuildWishes;
  readonly facts: ModelFacts;
  readonly machine: BuildMachine;
  /** Absolute folder of models and engines. */
  readonly modelsDir: string;
  /** Things to know, in sentences. */
  readonly remarks: readonly string[];
}

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
 * @throws {TrtdError} those of `findModel`, `readModel`, `findMachine` and `planBuild`; `USAGE`
 */
export async function planRequest(context: CommandContext, ask = findMachine): Promise<PlannedRequest> {
  const { args, flags, config, terminal } = context;
  const given = wishesFrom(flags, config, terminal);
  const modelsDir = terminal.resolve(config.models);
  const named = await findModel(args[0]!, modelsDir, terminal.cwd);
  const { model, wishes, remarks } = await sourceOf(named, given);
  const [{ facts, precision, digests }, machine] = await Promise.all([
    modelOf(model.path),
    ask(machineWishes(context, { targets: wishes.targets, force: wishes.force === true })),
  ]);
  const plan = planBuild({ facts, precision }, machine.machine, wishes);
  const { parser, plugins } = plan.libraries;
  const keyInputs = keyInputsOf({
    plan,
    machine: machine.machine,
    modelSha256: digests.sha256,
    parserSha256: await libraryDigest(parser),
    pluginsSha256: plan.plugin_operators.length > 0 && plugins !== null ? await libraryDigest(plugins) : null,
  });
  const { name, path } = model;
  return {
    request: {
      model: { name, named: await namedBy(model), path, ...digests },
      plan,
      keyInputs,
      machine: machine.machine,
      cudaRuntime: machine.cudaRuntime,
      jetpack: machine.jetpack,
      gpuMemoryBytes: machine.memory.gpu_total,
      shim: machine.shim,
    },
    key: keyFrom(keyInputs),
    wishes,
    facts,
    machine,
    modelsDir,
    remarks,
  };
}

/**
 * The model that an engine is made of. `yolov8s.tofp16.onnx` stands for `yolov8s.onnx` converted to fp16, unless a
 * person made it.
 */
async function sourceOf(
  model: Model,
  wishes: BuildWishes,
): Promise<{ model: Model; wishes: BuildWishes; remarks: string[] }> {
  const source = sourcePath(model.path);
  const isThere = source !== null && await Deno.stat(source).then(({ isFile }) => isFile, () => false);
  if (source === null || !isThere) return { model, wishes, remarks: [] };
  const derived = await findDerived(model.path, { sha256: "", pass: "" });
  if (derived.kind === "foreign") {
    return { model, wishes, remarks: [`"${model.path}" was not made by trtd and is used as it is`] };
  }
  return {
    model: await findModel(source, dirname(source)),
    wishes: { ...wishes, tofp16: true },
    remarks: [`The engine is made of "${source}", converted to fp16 as "${basename(model.path)}"`],
  };
}

/** Rises when what is remembered of a model's file changes its meaning. */
const MEMO_VERSION = 1;

interface KnownModel {
  readonly facts: ModelFacts;
  readonly precision: EnginePrecision;
  readonly digests: FileDigests;
}

/** What a compiled file has inside can neither change nor be opened for more than reading it whole. */
const isInside = (path: string): boolean =>
  Deno.build.standalone && path.startsWith(`${resolve(import.meta.dirname!, "../../..")}/`);

/** Facts and digests of a model's file, remembered as long as it does not change. */
async function modelOf(path: string): Promise<KnownModel> {
  const { size } = await Deno.stat(path).catch((error) => Promise.reject(fileFailure(path, error)));
  if (size > MODEL_BYTES_MAX) {
    throw new TrtdError("MODEL_TOO_LARGE", `"${path}" has ${size} bytes, the limit is ${MODEL_BYTES_MAX}`);
  }
  if (isInside(path)) return knownFrom(await readModelFile(path));
  const make = (bytes: Uint8Array): Json => knownFrom(bytes) as unknown as Json;
  const derive = { version: `${VERSION}/${MEMO_VERSION}`, make };
  return (await modelDigest(path, { memoDir: digestsFolder(), derive })).derived as unknown as KnownModel;
}

function knownFrom(bytes: Uint8Array): KnownModel {
  const model = readModel(bytes);
  return { facts: modelFacts(model), precision: computePrecision(model), digests: fileDigests(bytes) };
}

/** Whether a model's name is from a manifest or made from its file's. */
async function namedBy({ name, path }: Model): Promise<"manifest" | "file"> {
  try {
    const manifest = JSON.parse(await Deno.readTextFile(join(dirname(path), "manifest.json")));
    return manifest?.name === name && manifest.file === basename(path) ? "manifest" : "file";
  } catch {
    return "file";
  }
}

async function libraryDigest(path: string): Promise<string> {
  return (await modelDigest(path, { memoDir: digestsFolder() })).sha256;
}

/** Where digests of files that do not change are remembered; null when the user has no cache folder. */
export function digestsFolder(): string | null {
  const folder = userCacheFolder();
  return folder === null ? null : join(folder, "digests");
}

function wishesFrom(flags: Readonly<Record<string, unknown>>, config: Config, terminal: Terminal): BuildWishes {
  const text = (key: string) => typeof flags[key] === "string" ? flags[key] : undefined;
  const timingCache = text("timingCache");
  const given: { [K in keyof BuildWishes]: BuildWishes[K] | undefined } = {
    precision: text("precision") as BuildWishes["precision"],
    tofp16: flags["tofp16"] === true ? true : undefined,
    nms: config.nms,
    batch: numberFrom(flags, { key: "batch", flag: "--batch", low: 1, high: 65_536 }),
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
