/**
 * `<model>.tofp16.onnx`: the fp16 model that was made of `<model>.onnx` and is kept beside it.
 *
 * Its metadata tell what it was made of: `trtd.source_sha256`, `trtd.pass` (`fp16@1`) and `trtd.content_sha256`, the
 * digest of the file without these three. It is used again only when all of them fit, and never replaced when it does
 * not have them: then a person made it.
 */
import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { TrtdError } from "../../errors.ts";
import { metadataRecord } from "../../onnx/metadata.ts";
import type { ModelProto } from "../../onnx/proto.ts";
import { type OnnxModel, readModel } from "../../onnx/read.ts";
import { modelChunks } from "../../onnx/write.ts";

const ENDING = ".tofp16.onnx";
const NAMES = { source: "trtd.source_sha256", pass: "trtd.pass", content: "trtd.content_sha256" } as const;

/** What a derived model is made of. */
export interface Origin {
  /** Of the source's file. */
  readonly sha256: string;
  /** Name and version of the pass, such as `fp16@1`. */
  readonly pass: string;
}

/** What lies where the derived model would. */
export type Derived =
  | { readonly kind: "absent" }
  /** It is of this origin, and whole. */
  | { readonly kind: "fits"; readonly model: OnnxModel; readonly sha256: string; readonly bytes: number }
  /** Ours, but of another origin, or damaged. */
  | { readonly kind: "stale"; readonly why: string }
  /** Not made by trtd. */
  | { readonly kind: "foreign" };

/** `yolov8s.onnx` -> `yolov8s.tofp16.onnx` */
export const derivedPath = (source: string): string => source.replace(/\.onnx$/i, "") + ENDING;

/** `yolov8s.tofp16.onnx` -> `yolov8s.onnx`; null for a file of another name. */
export const sourcePath = (path: string): string | null =>
  path.toLowerCase().endsWith(ENDING) ? `${path.slice(0, -ENDING.length)}.onnx` : null;

/** Looks at a derived model. @throws {TrtdError} `FILE_UNREADABLE` */
export async function findDerived(path: string, origin: Origin): Promise<Derived> {
  const bytes = await Deno.readFile(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return null;
    throw new TrtdError("FILE_UNREADABLE", `Cannot read "${path}": ${(error as Error).message}`, { cause: error });
  });
  if (bytes === null) return { kind: "absent" };
  let model: OnnxModel;
  try {
    model = readModel(bytes);
  } catch (error) {
    if (!(error instanceof TrtdError)) throw error;
    return { kind: "stale", why: "it is damaged" };
  }
  const record = metadataRecord(model.metadata_props);
  if (record[NAMES.source] === undefined) return { kind: "foreign" };
  if (record[NAMES.source] !== origin.sha256) return { kind: "stale", why: "it was made of another model" };
  if (record[NAMES.pass] !== origin.pass) return { kind: "stale", why: `it was made by ${record[NAMES.pass]}` };
  if (record[NAMES.content] !== contentDigest(model)) return { kind: "stale", why: "it was changed since" };
  return { kind: "fits", model, sha256: createHash("sha256").update(bytes).digest("hex"), bytes: bytes.length };
}

/** The model with its origin in its metadata. */
export function withOrigin<Model extends ModelProto>(model: Model, { sha256, pass }: Origin): Model {
  const bare = withoutOrigin(model);
  const props = { [NAMES.source]: sha256, [NAMES.pass]: pass, [NAMES.content]: contentDigest(bare) };
  return {
    ...bare,
    metadata_props: [...bare.metadata_props, ...Object.entries(props).map(([key, value]) => ({ key, value }))],
  };
}

const OWN: ReadonlySet<string | undefined> = new Set(Object.values(NAMES));

const withoutOrigin = <Model extends ModelProto>(model: Model): Model => ({
  ...model,
  metadata_props: model.metadata_props.filter(({ key }) => !OWN.has(key)),
});

const contentDigest = (model: ModelProto): string => digestOf(modelChunks(withoutOrigin(model))).sha256;

function digestOf(chunks: readonly Uint8Array[]): { sha256: string; bytes: number } {
  const hash = createHash("sha256");
  for (const chunk of chunks) hash.update(chunk);
  return { sha256: hash.digest("hex"), bytes: chunks.reduce((sum, { length }) => sum + length, 0) };
}

/**
 * Writes the derived model whole or not at all: under a temporary name in the same folder, synced, then renamed.
 * @throws {Error} of the operating system; the temporary file is gone then
 */
export async function writeDerived(path: string, model: ModelProto): Promise<WrittenModel> {
  const part = join(dirname(path), `.${basename(path)}.${crypto.randomUUID()}.part`);
  try {
    const written = await writeModelFile(part, model, { sync: true });
    await Deno.rename(part, path);
    return written;
  } catch (error) {
    await Deno.remove(part).catch(() => {});
    throw error;
  }
}

export interface WrittenModel {
  readonly sha256: string;
  readonly bytes: number;
}

/** Writes a new file that the caller removes when this fails. @throws {Error} of the operating system */
export async function writeModelFile(
  path: string,
  model: ModelProto,
  { sync }: { sync: boolean },
): Promise<WrittenModel> {
  const chunks = modelChunks(model);
  using file = await Deno.open(path, { write: true, createNew: true, mode: 0o644 });
  for (const chunk of chunks) for (let at = 0; at < chunk.length;) at += await file.write(chunk.subarray(at));
  if (sync) await file.sync();
  return digestOf(chunks);
}
