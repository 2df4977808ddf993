/** Facts that become known about an engine after it was stored: its metadata are written anew, whole or not at all. */
import { entryText } from "./entry.ts";
import { isReadOnly, writeWhole } from "./disk/files.ts";
import { type Json, keyName } from "./key.ts";
import { tryAcquireLock } from "./lock/lock.ts";
import { otherPair } from "./others.ts";
import { type MetadataState, readMetadata } from "./pair.ts";
import type { Keeper } from "./remark.ts";
import type { Hit } from "./store.ts";

/** Facts of an engine with something new among them. */
export type FactsChange = (facts: Readonly<Record<string, Json>>) => Readonly<Record<string, Json>>;

/** Another process that has the lock for longer is building, and what is known can wait for the next start. */
const WAIT_MS = 1000;

/**
 * Changes the facts in an engine's metadata under the lock of its place. The facts that are there count, not those of
 * the hit, so that processes do not undo each other's work; key, digest and name of the engine stay.
 * @returns why nothing was changed, null when it was; it throws only what `change` throws
 */
export async function amendEntry(hit: Hit, change: FactsChange, keeper: Keeper): Promise<string | null> {
  const { place } = hit;
  try {
    const lock = await tryAcquireLock(place.lock, WAIT_MS);
    if (lock === null) return `Another process works in "${place.folder}"`;
    await using _ = lock;
    const there = await metadataOf(hit, keeper);
    if (there === null) return `"${hit.path}" is another engine by now, or none`;
    const { path, read: { entry: { key, engine, facts, signature } } } = there;
    const { judge: { hmacKey } } = keeper;
    if (signature !== null && hmacKey === null) return `"${path}" is signed, and the key is not known here`;
    await writeWhole(path, entryText({ key, engine, facts: change(facts) }, hmacKey));
    return null;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return isReadOnly(error)
      ? `"${place.folder}" cannot be written`
      : `Cannot write "${place.metadata}": ${error.message}`;
  }
}

/** The metadata that describe the engine now: it may have moved between its place and `.others`. */
async function metadataOf(
  { place, entry }: Hit,
  { judge }: Keeper,
): Promise<{ path: string; read: Extract<MetadataState, { state: "whole" }> } | null> {
  const name = keyName(entry.key);
  for (const { metadata: path } of [place, otherPair(place, name)]) {
    const read = await readMetadata(path, judge);
    if (read.state !== "whole" || keyName(read.entry.key) !== name) continue;
    if (read.entry.engine.sha256 === entry.engine.sha256) return { path, read };
  }
  return null;
}
