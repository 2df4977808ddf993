/** Where an engine lives, and how it gets there whole or not at all. */
import { dirname, join } from "node:path";
import { TrtdError } from "../../errors.ts";
import type { EnginePrecision } from "../plan/plan_precision.ts";

/** Absolute paths of an engine and what belongs to it. */
export interface EnginePlace {
  readonly folder: string;
  readonly engine: string;
  readonly metadata: string;
  readonly log: string;
}

/** `<models>/trt/<model>/<precision>/bs<batch>/<model>.engine`. */
export function enginePlace(
  modelsDir: string,
  { model, precision, batch }: { model: string; precision: EnginePrecision; batch: number },
): EnginePlace {
  const folder = join(modelsDir, "trt", model, precision, `bs${batch}`);
  const engine = join(folder, `${model}.engine`);
  return { folder, engine, metadata: `${engine}.json`, log: join(folder, `${model}.build.log`) };
}

const unwritable = (path: string, error: unknown): TrtdError =>
  new TrtdError(
    "OUTPUT_UNWRITABLE",
    `Cannot write "${path}": ${error instanceof Error ? error.message : String(error)}`,
    { cause: error },
  );

/** Makes the folder. @throws {TrtdError} `OUTPUT_UNWRITABLE` */
export async function makePlace({ folder }: EnginePlace): Promise<void> {
  await Deno.mkdir(folder, { recursive: true }).catch((error) => Promise.reject(unwritable(folder, error)));
}

/** A name beside the engine for the child to write to. */
export const temporaryName = ({ engine }: EnginePlace): string => `${engine}.${crypto.randomUUID()}.part`;

/** Removes a temporary file; one that is not there is fine. */
export async function discard(path: string): Promise<void> {
  await Deno.remove(path).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

/**
 * Puts a written and synced engine into its place, then its metadata. Old metadata goes first, so that at no moment
 * metadata stands beside an engine that it does not describe.
 * @param part temporary file with the whole plan
 * @throws {TrtdError} `OUTPUT_UNWRITABLE`; then no metadata is there
 */
export async function settleEngine(place: EnginePlace, part: string, metadata: unknown): Promise<void> {
  const metadataPart = `${place.metadata}.${crypto.randomUUID()}.part`;
  try {
    await writeSynced(metadataPart, `${JSON.stringify(metadata, null, 2)}\n`);
    await discard(place.metadata);
    await Deno.rename(part, place.engine);
    await Deno.rename(metadataPart, place.metadata);
    await syncFolder(dirname(place.engine));
  } catch (error) {
    await discard(metadataPart);
    throw unwritable(place.engine, error);
  }
}

async function writeSynced(path: string, text: string): Promise<void> {
  using file = await Deno.open(path, { write: true, createNew: true, mode: 0o644 });
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
  await file.sync();
}

async function syncFolder(path: string): Promise<void> {
  using folder = await Deno.open(path, { read: true });
  await folder.sync();
}
