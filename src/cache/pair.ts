/** An engine and its metadata as they lie on the disk, judged before anybody uses them. */
import { basename } from "node:path";
import { type Entry, ENTRY_BYTES_MAX, type EntryRead, readEntry } from "./entry.ts";
import { hashOpened, infoOf, type OpenedFile, openRegular, readHashed, UnusableFile } from "./disk/files.ts";
import type { Json } from "./key.ts";
import { distrust, type Trust } from "./trust/trust.ts";

/** Who is trusted, and the key that must have signed, null for none. */
export interface Judge {
  readonly trust: Trust;
  readonly hmacKey: Uint8Array | null;
}

/** Two files that belong together. */
export interface PairPaths {
  readonly engine: string;
  readonly metadata: string;
}

/** The state of metadata; `unreadable` may be otherwise the next time. */
export type MetadataState =
  | Extract<EntryRead, { state: "whole" | "other-format" }>
  | { readonly state: "absent" | "damaged" | "untrusted" | "unreadable"; readonly detail: string };

/** Reads metadata and judges it. Never throws for what lies on the disk. */
export async function readMetadata(path: string, { trust, hmacKey }: Judge): Promise<MetadataState> {
  try {
    using opened = await openTrusted(path, trust);
    if (opened.info.size > ENTRY_BYTES_MAX) {
      return { state: "damaged", detail: `"${path}" has ${opened.info.size} bytes, which no metadata has` };
    }
    const { bytes } = await readHashed(opened, path);
    const read = readEntry(new TextDecoder().decode(bytes), hmacKey);
    return "detail" in read ? { ...read, detail: `${read.detail} ("${path}")` } : read;
  } catch (error) {
    return stateFrom(error);
  }
}

/** An engine that is what its metadata says, byte for byte. */
export interface IntactEngine {
  readonly state: "intact";
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Holds the file as in use until it is disposed; null unless that was asked for. */
  readonly held: Disposable | null;
}

export type EngineState =
  | IntactEngine
  | { readonly state: "absent" | "damaged" | "untrusted" | "unreadable"; readonly detail: string };

/**
 * Reads an engine once, and gives those bytes only when they are the ones that the metadata describes.
 * @param hold keep a shared lock on the file, which tells {@link isInUse}
 */
export async function readEngine(
  path: string,
  { engine, hold }: { readonly engine: Entry["engine"]; readonly hold: boolean },
  { trust }: Judge,
): Promise<EngineState> {
  let opened: OpenedFile | null = null;
  try {
    opened = await openTrusted(path, trust);
    if (hold) {
      await opened.file.lock(false);
      if ((await infoOf(path))?.ino !== opened.info.ino) {
        return { state: "unreadable", detail: `"${path}" was replaced` };
      }
    }
    if (opened.info.size !== engine.bytes) {
      return { state: "damaged", detail: `"${path}" has ${opened.info.size} of ${engine.bytes} bytes` };
    }
    const { bytes, sha256 } = await readHashed(opened, path);
    if (sha256 !== engine.sha256) {
      return { state: "damaged", detail: `"${path}" does not have the digest that its metadata tells` };
    }
    const held = hold ? opened : null;
    if (hold) opened = null;
    return { state: "intact", bytes, held };
  } catch (error) {
    return stateFrom(error);
  } finally {
    opened?.[Symbol.dispose]();
  }
}

/** @returns why the file at `path` is not what `engine` describes, null when it is; reads it through a small buffer */
export async function mismatch(engine: Entry["engine"], path: string, { trust }: Judge): Promise<string | null> {
  try {
    using opened = await openTrusted(path, trust);
    if (opened.info.size !== engine.bytes) return `"${path}" has ${opened.info.size} of ${engine.bytes} bytes`;
    return (await hashOpened(opened)).sha256 === engine.sha256
      ? null
      : `"${path}" does not have the digest that its metadata tells`;
  } catch (error) {
    if (error instanceof UnusableFile) return error.message;
    throw error;
  }
}

async function openTrusted(path: string, trust: Trust): Promise<OpenedFile> {
  const opened = await openRegular(path);
  const reason = distrust(path, opened.info, trust);
  if (reason === null) return opened;
  opened[Symbol.dispose]();
  throw new UnusableFile("untrusted", reason);
}

function stateFrom(error: unknown): { state: UnusableFile["state"]; detail: string } {
  if (error instanceof UnusableFile) return { state: error.state, detail: error.message };
  throw error;
}

/** What {@link readPair} found. */
export type PairState =
  | { readonly state: "intact"; readonly entry: Entry; readonly engine: IntactEngine }
  /** The pair has another key; its engine was not read. */
  | { readonly state: "other-key"; readonly entry: Entry }
  | { readonly state: "other-format"; readonly format: Json }
  | { readonly state: "absent" | "damaged" | "untrusted" | "unreadable"; readonly detail: string };

/** Reads a pair for one key: metadata first, the engine only when the key is the wanted one. */
export async function readPair(
  { engine, metadata }: PairPaths,
  { isWanted, hold }: { readonly isWanted: (entry: Entry) => boolean; readonly hold: boolean },
  judge: Judge,
): Promise<PairState> {
  const read = await readMetadata(metadata, judge);
  if (read.state === "absent" && await infoOf(engine) !== null) {
    return { state: "damaged", detail: `"${basename(engine)}" has no metadata` };
  }
  if (read.state === "other-format") return { state: "other-format", format: read.format };
  if (read.state !== "whole") return read;
  if (!isWanted(read.entry)) return { state: "other-key", entry: read.entry };
  const found = await readEngine(engine, { engine: read.entry.engine, hold }, judge);
  if (found.state === "absent") return { state: "damaged", detail: `"${metadata}" has no engine beside it` };
  return found.state === "intact" ? { state: "intact", entry: read.entry, engine: found } : found;
}
