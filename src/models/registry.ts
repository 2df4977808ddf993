/** Find models by name or path. */
import { basename, dirname, extname, join, resolve } from "node:path";
import { TrtdError } from "../errors.ts";
import { MODEL_NAME, refuseBadName, whyOutside } from "./confine.ts";
import { parseManifest } from "./manifest.ts";
import type { Manifest, Model } from "./model.ts";
import { fileFailure } from "./model_file.ts";

/** Name of the manifest in a model's folder. */
export const MANIFEST_FILE = "manifest.json";
const MANIFEST_BYTES_MAX = 1_000_000;
const NAME_LENGTH_MAX = 64;

const DEFAULT_MODEL = "codes";

/** The models that come with trtd, in the repository and in the compiled file. */
const BUNDLED_MODELS = resolve(import.meta.dirname!, "../../models");

/**
 * A model by the word that a user gave: a path when it ends in `.onnx`, else a name.
 * @param modelsDir absolute path of the folder of models; the models that come with trtd are looked up after it
 * @param cwd folder that relative paths count from @default the process's
 * @throws {TrtdError} those of {@link findModelByName} and {@link modelFromPath}
 */
export async function findModel(nameOrPath: string, modelsDir: string, cwd: string = Deno.cwd()): Promise<Model> {
  if (extname(nameOrPath).toLowerCase() === ".onnx") return await modelFromPath(resolve(cwd, nameOrPath));
  return await findModelByName(nameOrPath, modelsDir);
}

/**
 * A model by its name alone, which may come from the network: `<modelsDir>/<name>/manifest.json`, else a bundled model.
 * @throws {TrtdError} `MODEL_NAME_INVALID`, `MODEL_NOT_FOUND` (also when a link leads out of the folder of models),
 * `MANIFEST_INVALID`, `FILE_UNREADABLE`
 */
export async function findModelByName(name: string, modelsDir: string): Promise<Model> {
  refuseBadName(name);
  for (const root of rootsOf(modelsDir)) {
    const model = await modelInFolder(root, name);
    if (model !== null) return model;
  }
  throw new TrtdError("MODEL_NOT_FOUND", `There is no model "${name}" in "${modelsDir}" or among the bundled models`);
}

/**
 * A model by the path of its file. The manifest beside it counts when it names this file; otherwise the file's name
 * makes the model's.
 * @throws {TrtdError} `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `MANIFEST_INVALID`
 */
export async function modelFromPath(path: string): Promise<Model> {
  const { isFile } = await Deno.stat(path).catch((thrown) => Promise.reject(fileFailure(path, thrown)));
  if (!isFile) throw new TrtdError("FILE_UNREADABLE", `"${path}" is not a regular file`);
  const file = basename(path);
  const manifestPath = join(dirname(path), MANIFEST_FILE);
  const text = await readManifest(manifestPath);
  const manifest = text !== null && namesFile(text, file) ? parseManifest(text, manifestPath) : undefined;
  const name = manifest?.name ?? nameFromFile(file);
  return { name, path, manifest: manifest ?? { name, file } };
}

/**
 * Every model of the folder and every bundled one that it does not replace, by name.
 * @param onProblem told of each model that cannot be listed and why; the others are listed all the same
 */
export async function listModels(
  modelsDir: string,
  onProblem: (name: string, error: TrtdError) => void = () => {},
): Promise<Model[]> {
  const found = new Map<string, Model | null>();
  for (const root of rootsOf(modelsDir)) {
    for (const name of await folderNames(root)) {
      if (found.has(name)) continue;
      try {
        const model = await modelInFolder(root, name);
        if (model !== null) found.set(name, model);
      } catch (thrown) {
        if (!(thrown instanceof TrtdError)) throw thrown;
        found.set(name, null);
        onProblem(name, thrown);
      }
    }
  }
  return [...found.values()].filter((model) => model !== null).sort((a, b) => a.name < b.name ? -1 : 1);
}

/** Path of the first of the default model's photos, which `trtd detect` without arguments works on. @throws {TrtdError} `FILE_NOT_FOUND` */
export function bundledPhoto(): string {
  const folder = join(BUNDLED_MODELS, DEFAULT_MODEL, "photos");
  try {
    const photos = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.endsWith(".jpg"));
    const [first] = photos.sort();
    if (first !== undefined) return join(folder, first);
  } catch (thrown) {
    if (!(thrown instanceof Deno.errors.NotFound)) throw fileFailure(folder, thrown);
  }
  throw new TrtdError("FILE_NOT_FOUND", `There is no photo in "${folder}"`);
}

const rootsOf = (modelsDir: string): string[] => [...new Set([resolve(modelsDir), BUNDLED_MODELS])];

async function folderNames(root: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(root))).map(({ name }) => name).filter((name) => MODEL_NAME.test(name));
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound || thrown instanceof Deno.errors.NotADirectory) return [];
    throw fileFailure(root, thrown);
  }
}

/** @returns null when the folder or its manifest does not exist */
async function modelInFolder(root: string, name: string): Promise<Model | null> {
  const folder = join(root, name);
  const manifestPath = join(folder, MANIFEST_FILE);
  const outside = async (path: string) => root === BUNDLED_MODELS ? null : await whyOutside(root, path);
  const away = await outside(manifestPath).catch((thrown) => Promise.reject(fileFailure(manifestPath, thrown)));
  if (away !== null) throw new TrtdError("MODEL_NOT_FOUND", `The model "${name}" ${away}`);
  const text = await readManifest(manifestPath);
  if (text === null) return null;
  const manifest = parseManifest(text, manifestPath);
  refuseField(manifest, "name", manifest.name === name ? null : `must be "${name}" like its folder`, manifestPath);
  const path = join(folder, manifest.file);
  const isFile = await Deno.stat(path).then((info) => info.isFile, () => false);
  refuseField(manifest, "file", isFile ? null : "names no regular file beside the manifest", manifestPath);
  refuseField(manifest, "file", await outside(path), manifestPath);
  return { name, path, manifest };
}

function refuseField(manifest: Manifest, field: "name" | "file", problem: string | null, where: string): void {
  if (problem === null) return;
  throw new TrtdError("MANIFEST_INVALID", `Field "${field}" of "${where}": "${manifest[field]}" ${problem}`);
}

/** The text of a manifest. @returns null when there is no such file @throws {TrtdError} `MANIFEST_INVALID`, `FILE_UNREADABLE` */
export async function readManifest(path: string): Promise<string | null> {
  try {
    const { isFile, size } = await Deno.stat(path);
    if (!isFile) throw new TrtdError("MANIFEST_INVALID", `"${path}" is not a regular file`);
    if (size > MANIFEST_BYTES_MAX) {
      throw new TrtdError("MANIFEST_INVALID", `"${path}" has ${size} bytes, the limit is ${MANIFEST_BYTES_MAX}`);
    }
    return await Deno.readTextFile(path);
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound || thrown instanceof Deno.errors.NotADirectory) return null;
    throw fileFailure(path, thrown);
  }
}

/** Whether a manifest is about the file; one that is not JSON might be, so its mistake is to be told. */
function namesFile(text: string, file: string): boolean {
  try {
    return (JSON.parse(text) as { file?: unknown } | null)?.file === file;
  } catch {
    return true;
  }
}

/** A model's name made from its file's: `YOLOv8n 640.onnx` becomes `yolov8n-640`. */
export function nameFromFile(file: string): string {
  const stem = basename(file, extname(file)).toLowerCase().replace(/[^a-z0-9._-]+/g, "-").replace(/^[._-]+/, "");
  return stem.slice(0, NAME_LENGTH_MAX).replace(/-+$/, "") || "model";
}
