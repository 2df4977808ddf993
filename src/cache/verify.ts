/** Looks at each engine of a cache byte by byte; changes nothing. */
import { type ListedEngine, listRoot } from "./inventory.ts";
import { mismatch } from "./pair.ts";
import type { Keeper } from "./remark.ts";
import type { CacheRoot } from "./roots.ts";
import { distrustFolders } from "./trust/trust.ts";

export interface Verified {
  readonly listed: ListedEngine;
  /** Why it would not be used, null when it would. */
  readonly problem: string | null;
}

/** Hashes every engine, whatever is remembered; checks owners, modes, digests and signatures. */
export async function* verifyEngines(roots: readonly CacheRoot[], { judge }: Keeper): AsyncGenerator<Verified> {
  for (const root of roots) {
    for (const listed of await listRoot(root, judge)) {
      if (listed.kind !== "engine") continue;
      const folder = listed.metadata.slice(0, listed.metadata.lastIndexOf("/"));
      const problem = listed.problem ?? await distrustFolders(root.trustedFrom, folder, judge.trust) ??
        await mismatch(listed.entry!.engine, listed.engine, judge);
      yield { listed, problem };
    }
  }
}
