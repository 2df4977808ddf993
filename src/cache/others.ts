/** `.others/<key>/`: intact engines of the same place with other keys, so that set-ups that share it do not evict each other. */
import { join } from "node:path";
import { infoOf, makeFolder, namesIn, removeIfThere, removeTree, rename, syncFolder } from "./disk/files.ts";
import { claimUnused } from "./lock/lock.ts";
import type { PairPaths } from "./pair.ts";
import { type EnginePlace, filesIn } from "./place.ts";

/** Engines that one place keeps apart; the least recently used go. */
const KEPT = 8;

/** Where the engine of a key lies when it is kept apart. */
export function otherPair({ others, site }: EnginePlace, name: string): PairPaths & { readonly folder: string } {
  const { folder, engine, metadata } = filesIn(join(others, name), site.model);
  return { folder, engine, metadata };
}

/** Moves a pair to `.others`; one of the same key that is there goes. The metadata is moved last. */
export async function keepApart(place: EnginePlace, pair: PairPaths, name: string): Promise<void> {
  const to = otherPair(place, name);
  await makeFolder(to.folder);
  if (await infoOf(pair.engine) !== null) {
    await removeIfThere(to.metadata);
    await rename(pair.engine, to.engine);
  }
  await rename(pair.metadata, to.metadata);
  await syncFolder(to.folder);
  await syncFolder(place.folder);
}

/** Moves a pair back, to be the `.next` one. The metadata is moved first: without it the engine would count as unchecked. */
export async function takeBack(place: EnginePlace, name: string): Promise<void> {
  const from = otherPair(place, name);
  await rename(from.metadata, `${place.metadata}.next`);
  await rename(from.engine, `${place.engine}.next`);
  await syncFolder(place.folder);
}

/**
 * Removes what is no whole pair, then the pairs that were not used for longest and are not in use.
 * @param keep name of a key that stays
 */
export async function sweepOthers(place: EnginePlace, keep?: string): Promise<void> {
  const whole: { folder: string; engine: string; usedMs: number }[] = [];
  for (const name of await namesIn(place.others)) {
    const { folder, engine, metadata } = otherPair(place, name);
    const info = await infoOf(metadata);
    if (info === null || await infoOf(engine) === null) await removeTree(folder);
    else if (name !== keep) whole.push({ folder, engine, usedMs: info.mtime?.getTime() ?? 0 });
  }
  whole.sort((a, b) => b.usedMs - a.usedMs);
  for (const { folder, engine } of whole.slice(KEPT)) {
    using unused = await claimUnused(engine);
    if (unused !== null) await removeTree(folder);
  }
}
