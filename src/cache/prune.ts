/** Keeps the size limit: what was set aside goes first, then what was not used for longest, never what is in use. */
import { infoOf, removeIfThere, removeTree } from "./disk/files.ts";
import { type Listed, listRoot } from "./inventory.ts";
import { claimUnused, type HeldLock, tryAcquireLock } from "./lock/lock.ts";
import type { Keeper } from "./remark.ts";
import type { CacheRoot } from "./roots.ts";

export interface PruneOptions {
  readonly limitBytes: number;
  /** Engines that stay. */
  readonly keep: ReadonlySet<string>;
  /** Lock that this process holds already. */
  readonly lockHeld: string | null;
}

/** Waiting for the lock of a place; whoever has it longer is building there. */
const LOCK_WAIT_MS = 50;

/** What may go, in the order in which it goes. */
export function pruneOrder(listed: readonly Listed[], keep: ReadonlySet<string>): Listed[] {
  const rank = ({ kind }: Listed) => kind === "quarantine" ? 0 : 1;
  return listed.filter((one) => one.kind !== "engine" || !keep.has(one.engine))
    .sort((a, b) => rank(a) - rank(b) || (a.usedMs ?? 0) - (b.usedMs ?? 0));
}

/** Removes things from the roots until they hold no more than the limit. @returns paths of what was removed */
export async function pruneRoots(
  roots: readonly CacheRoot[],
  options: PruneOptions,
  keeper: Keeper,
): Promise<string[]> {
  const listed = (await Promise.all(roots.map((root) => listRoot(root, keeper.judge)))).flat();
  let total = listed.reduce((sum, { bytes }) => sum + bytes, 0);
  const removed: string[] = [];
  for (const one of pruneOrder(listed, options.keep)) {
    if (total <= options.limitBytes) break;
    if (!await remove(one, options)) continue;
    total -= one.bytes;
    const path = one.kind === "engine" ? one.engine : one.path;
    removed.push(path);
    keeper.remark({ code: "pruned", text: `Removed "${path}" to keep the size limit`, path });
  }
  return removed;
}

/** @returns false when it is in use */
async function remove(one: Listed, { lockHeld }: PruneOptions): Promise<boolean> {
  if (one.kind !== "engine") {
    await removeTree(one.path);
    return true;
  }
  const lock = one.lock === lockHeld ? NOT_NEEDED : await tryAcquireLock(one.lock, LOCK_WAIT_MS);
  if (lock === null) return false;
  await using _ = lock;
  // Whatever was moved since it was listed is another engine.
  if ((await infoOf(one.metadata))?.mtime?.getTime() !== (one.usedMs ?? undefined) && one.entry !== null) return false;
  using unused = await claimUnused(one.engine);
  if (unused === null) return false;
  await removeIfThere(one.metadata);
  await removeIfThere(one.engine);
  return true;
}

const NOT_NEEDED: Pick<HeldLock, typeof Symbol.asyncDispose> = { [Symbol.asyncDispose]: () => Promise.resolve() };
