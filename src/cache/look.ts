/** Looks for an engine in one root: in its place, among those of other keys, and as the one before a damaged one. */
import { engineDifference, ENTRY_FORMAT } from "./entry.ts";
import { faultPoint } from "./disk/fault.ts";
import { isReadOnly } from "./disk/files.ts";
import { type CacheKey, type Difference, keyDifferences, keyName } from "./key.ts";
import { tryAcquireLock } from "./lock/lock.ts";
import { type ModelClaim, nameIn } from "./model_name.ts";
import { otherPair, takeBack } from "./others.ts";
import { type PairPaths, type PairState, readPair } from "./pair.ts";
import { type EnginePlace, placeIn, siteOf } from "./place.ts";
import type { Keeper } from "./remark.ts";
import type { CacheRoot } from "./roots.ts";
import type { Hit, Miss } from "./store.ts";
import { hasLeftovers, slotPair, tidyPlace } from "./tidy.ts";
import { distrustFolders } from "./trust/trust.ts";

/** An engine that is looked for. */
export interface Wanted {
  readonly model: ModelClaim;
  readonly key: CacheKey;
  /** Mark it as in use. */
  readonly hold: boolean;
}

/** What was seen in one root. */
export interface Sight {
  readonly root: CacheRoot;
  readonly place: EnginePlace;
  readonly hit: Hit | null;
  readonly missedBecause: readonly Difference[];
  /** Whether something there is to be put in order. */
  readonly untidy: boolean;
}

/** Waiting for the lock only to put things in order: another process that holds it does so itself. */
const TIDY_WAIT_MS = 250;
/** A use that was written down so recently is not written down again. */
const USE_STEP_MS = 60_000;

/** The place of an engine in a root. */
export async function wantedPlace(
  root: CacheRoot,
  { model, key }: Pick<Wanted, "model" | "key">,
  { layout }: Pick<Keeper, "layout">,
): Promise<EnginePlace> {
  return placeIn(root.path, siteOf(await nameIn(root.path, model), key, layout));
}

/** Looks and changes nothing. */
export async function lookIn(root: CacheRoot, wanted: Wanted, keeper: Keeper): Promise<Sight> {
  const { key, hold } = wanted;
  const place = await wantedPlace(root, wanted, keeper);
  const name = keyName(key);
  const other = otherPair(place, name);
  const refused = await distrustFolders(root.trustedFrom, other.folder, keeper.judge.trust);
  if (refused !== null) {
    keeper.remark({ code: "refused", text: `Used no engine of "${place.folder}": ${refused}`, path: place.folder });
    return { root, place, hit: null, missedBecause: [engineDifference("untrusted")], untidy: false };
  }
  const read = (pair: PairPaths) =>
    readPair(pair, { isWanted: (entry) => keyName(entry.key) === name, hold }, keeper.judge);
  const hitFrom = (state: PairState, { engine: path }: PairPaths, from: Hit["from"]): Hit | null =>
    state.state === "intact"
      ? { kind: "hit", place, path, entry: state.entry, bytes: state.engine.bytes, from, held: state.engine.held }
      : null;
  const current = await read(place);
  const there = hitFrom(current, place, "place");
  if (there !== null) return { root, place, hit: there, missedBecause: [], untidy: await hasLeftovers(place) };
  const apart = await read(other);
  const before = slotPair(place, "previous");
  const hit = hitFrom(apart, other, "others") ?? hitFrom(await read(before), before, "previous");
  const untidy = hit !== null || [current, apart].some(isBroken) || await hasLeftovers(place);
  return { root, place, hit, missedBecause: differencesOf(current, key), untidy };
}

const isBroken = (state: PairState): boolean => "detail" in state && state.state !== "absent";

/** Puts a place in order when nobody else does so now; then what is seen there counts. */
export async function tidied(sight: Sight, wanted: Wanted, keeper: Keeper): Promise<Sight> {
  const { place, root, hit } = sight;
  try {
    const lock = await tryAcquireLock(place.lock, TIDY_WAIT_MS);
    if (lock === null) return sight;
    await using _ = lock;
    if (hit !== null && hit.from !== "place") return { ...sight, hit: await settleHit(hit, keeper) };
    await tidyPlace(place, keeper, keyName(wanted.key));
    const fresh = await lookIn(root, wanted, keeper);
    hit?.held?.[Symbol.dispose]();
    return fresh;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    if (!isReadOnly(error)) {
      keeper.remark({ code: "failed", text: `Cannot put files in order: ${why}`, path: place.folder });
    } else if (hit === null) {
      const state = sight.missedBecause.map(({ old }) => old).join();
      const text = `Used no engine of "${place.folder}", which cannot be written: it is ${state}`;
      keeper.remark({ code: "refused", text, path: place.folder });
    }
    return sight;
  }
}

/** Brings a hit from elsewhere into its place. Its lock is held. */
export async function settleHit(hit: Hit, keeper: Keeper): Promise<Hit> {
  const { place, entry, from } = hit;
  if (from === "place") return hit;
  const name = keyName(entry.key);
  await tidyPlace(place, keeper, name);
  if (from === "others") {
    await takeBack(place, name);
    await tidyPlace(place, keeper);
    keeper.remark({ code: "kept-apart", text: "Took back the engine of this key", path: place.engine });
  }
  return { ...hit, path: place.engine };
}

/** Writes down when an engine was used: the modification time of its metadata. */
export async function noteUse({ place, entry, path }: Hit, { now }: Keeper): Promise<void> {
  const metadata = path === place.engine ? place.metadata : otherPair(place, keyName(entry.key)).metadata;
  try {
    const nowMs = now();
    const last = (await Deno.lstat(metadata)).mtime?.getTime() ?? 0;
    if (Math.abs(nowMs - last) < USE_STEP_MS) return;
    faultPoint("utime", metadata);
    await Deno.utime(metadata, new Date(nowMs), new Date(nowMs));
  } catch {
    // The folder cannot be written; then nothing is pruned in it either.
  }
}

/** Why a pair is not the wanted one. */
function differencesOf(current: PairState, key: CacheKey): readonly Difference[] {
  if (current.state === "other-key") return keyDifferences(current.entry.key, key);
  if (current.state === "other-format") {
    return [{ field: "metadata_format", old: current.format, new: ENTRY_FORMAT }];
  }
  return [engineDifference(current.state)];
}

/** The first reason that says more than that there is nothing. */
export function mostTelling(all: readonly Pick<Miss, "missedBecause">[]): readonly Difference[] {
  const tells = ({ missedBecause: [first] }: Pick<Miss, "missedBecause">) =>
    first !== undefined && first.old !== "absent";
  return (all.find(tells) ?? all[0])?.missedBecause ?? [];
}
