/** What the folder of models has under a name, and the manifest that says so. */
import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { makeFolder, writeWhole } from "../cache/disk/files.ts";
import { modelDigest } from "../cache/model_digest.ts";
import { TrtdError } from "../errors.ts";
import { whyOutside } from "./confine.ts";
import { FILE_NAME, parseManifest } from "./manifest.ts";
import type { Manifest, ManifestSource } from "./model.ts";
import { MANIFEST_FILE, readManifest } from "./registry.ts";
import type { Source } from "./sources/source.ts";

/** A file's size and SHA-256. */
export interface FileFacts {
  readonly bytes: number;
  readonly sha256: string;
}

/** What is there under a name. */
export interface Standing {
  readonly name: string;
  readonly manifest: Manifest | null;
  /** The manifest's own fields, which are kept. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Absolute path of the model's file, there or not. */
  readonly path: string;
  /** Null: there is no file. */
  readonly file: FileFacts | null;
}

export interface StandingOptions {
  /** Absolute path of the folder of models. */
  readonly modelsDir: string;
  /** Where digests of files are remembered; null: nowhere. */
  readonly memoDir: string | null;
  /** What the file is called where no manifest says it. */
  readonly landing: () => string;
}

/**
 * Looks at a model's folder, without following anything out of the folder of models.
 * @throws {TrtdError} `MODEL_NAME_TAKEN` for links that lead out, `MANIFEST_INVALID`, `FILE_UNREADABLE`, those of `landing`
 */
export async function standingOf(name: string, { modelsDir, memoDir, landing }: StandingOptions): Promise<Standing> {
  const folder = join(modelsDir, name);
  const manifestPath = join(folder, MANIFEST_FILE);
  for (const path of [folder, manifestPath]) await refuseOutside(modelsDir, name, path);
  const text = await readManifest(manifestPath);
  const manifest = text === null ? null : parseManifest(text, manifestPath);
  if (manifest !== null && manifest.name !== name) {
    throw new TrtdError("MANIFEST_INVALID", `Field "name" of "${manifestPath}": must be "${name}" like its folder`);
  }
  const path = join(folder, manifest?.file ?? landing());
  await refuseOutside(modelsDir, name, path);
  const fields = text === null ? {} : JSON.parse(text) as Record<string, unknown>;
  return { name, manifest, fields, path, file: await fileFacts(path, memoDir) };
}

/** @returns null when there is no such file @throws {TrtdError} `FILE_UNREADABLE` */
export async function fileFacts(path: string, memoDir: string | null): Promise<FileFacts | null> {
  try {
    const { bytes, sha256 } = await modelDigest(path, { memoDir });
    return { bytes, sha256 };
  } catch (thrown) {
    if (!(thrown instanceof TrtdError)) throw thrown;
    if (thrown.code === "FILE_NOT_FOUND" || thrown.cause instanceof Deno.errors.NotADirectory) return null;
    throw thrown;
  }
}

async function refuseOutside(modelsDir: string, name: string, path: string): Promise<void> {
  const problem = await whyOutside(modelsDir, path);
  if (problem === null) return;
  throw new TrtdError("MODEL_NAME_TAKEN", `The model "${name}" cannot be stored: "${path}" ${problem}`);
}

/** Class names and where they came from. */
export interface Labels {
  readonly uri: string;
  readonly names: readonly string[];
}

/**
 * Writes the manifest of a pulled model; what it said before stays.
 * @throws {TrtdError} `MANIFEST_INVALID` @throws what the file layer throws
 */
export async function writeManifest(
  { name, fields, manifest, path }: Standing,
  { source, file, labels }: { readonly source: Source; readonly file: FileFacts; readonly labels: Labels | null },
): Promise<void> {
  const whence = labels?.uri ?? manifest?.source?.labels;
  const record: ManifestSource = {
    uri: source.shown,
    id: idOf(source),
    ...file,
    fetched_at: new Date().toISOString(),
    ...(whence === undefined ? {} : { labels: whence }),
  };
  const named = labels === null ? {} : { labels: labels.names };
  const text = `${JSON.stringify({ name, file: basename(path), ...fields, ...named, source: record }, null, 2)}\n`;
  const folder = dirname(path);
  parseManifest(text, join(folder, MANIFEST_FILE));
  await makeFolder(folder);
  await writeWhole(join(folder, MANIFEST_FILE), text);
}

/** What tells a source from others, without its secrets. */
export const idOf = ({ identity }: Source): string => createHash("sha256").update(identity).digest("hex");

/** Files that are no ONNX models whatever they are called. */
const OTHER_FILES = /\.(engine|plan|trt|pt|pth|zip|tflite|bin|txt|json)$/i;

/**
 * What a pulled file is called: as at its source, or like the model where the source's last word is no `.onnx` file.
 * @throws {TrtdError} `SOURCE_INVALID`
 */
export function landingName({ fileName, shown }: Source, name: string | undefined): string {
  if (FILE_NAME.test(fileName) && !/\p{C}/u.test(fileName)) return fileName;
  if (name !== undefined && !OTHER_FILES.test(fileName)) return `${name}.onnx`;
  throw new TrtdError("SOURCE_INVALID", `"${shown}" does not name an .onnx file`, {
    remedy: "Name the .onnx file; where an address has another form, say with --name what the model is called",
  });
}
