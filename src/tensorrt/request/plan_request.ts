/** From a model and wishes to the engine that is asked for: machine, plan and key. */
import { basename, dirname, join } from "node:path";
import { type CacheKey, type Json, keyFrom } from "../../cache/key.ts";
import { modelDigest } from "../../cache/model_digest.ts";
import { userCacheFolder } from "../../config/user_folder.ts";
import { TrtdError } from "../../errors.ts";
import type { Model } from "../../models/model.ts";
import { fileFailure } from "../../models/model_file.ts";
import { findModel } from "../../models/registry.ts";
import { type FileDigests, fileDigests, modelFacts } from "../../onnx/facts.ts";
import type { ModelFacts } from "../../onnx/model_facts.ts";
import { MODEL_BYTES_MAX, readModel } from "../../onnx/read.ts";
import { VERSION } from "../../version.ts";
import { findDerived, sourcePath } from "../build/derived_model.ts";
import { keyInputsOf } from "../build/engine_key.ts";
import type { EngineRequest } from "../build/obtain_engine.ts";
import { computePrecision } from "../plan/model_precision.ts";
import { type BuildWishes, planBuild } from "../plan/plan.ts";
import type { EnginePrecision } from "../plan/plan_precision.ts";
import { type Asking, type BuildMachine, findMachine, machineWishes } from "./machine.ts";

/** An engine that somebody asked for. */
export interface PlannedRequest {
  /** Name, file and digests of the model, the plan, and the key's inputs. */
  readonly request: EngineRequest;
  readonly key: CacheKey;
  readonly wishes: BuildWishes;
  readonly facts: ModelFacts;
  readonly machine: BuildMachine;
  /** Things to know, in sentences. */
  readonly remarks: readonly string[];
}

/**
 * Plans the engine of a model on this machine, which is asked in child processes.
 * @param ask asks the machine; requests that differ in the model alone may share the answer
 * @throws {TrtdError} those of `readModel`, `findMachine` and `planBuild`
 */
export async function planModel(
  named: Model,
  given: BuildWishes,
  asking: Asking,
  ask = findMachine,
): Promise<PlannedRequest> {
  const { model, wishes, remarks } = await sourceOf(named, given);
  const [{ facts, precision, digests }, machine] = await Promise.all([
    modelOf(model.path),
    ask(machineWishes(asking, { targets: wishes.targets, force: wishes.force === true })),
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

/** Facts and digests of a model's file, remembered as long as it does not change. */
async function modelOf(path: string): Promise<KnownModel> {
  const { size } = await Deno.stat(path).catch((error) => Promise.reject(fileFailure(path, error)));
  if (size > MODEL_BYTES_MAX) {
    throw new TrtdError("MODEL_TOO_LARGE", `"${path}" has ${size} bytes, the limit is ${MODEL_BYTES_MAX}`);
  }
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
