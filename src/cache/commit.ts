/** From a built part to an engine in its place, with the one before it kept until the new one was checked. */
import { basename } from "node:path";
import { TrtdError } from "../errors.ts";
import { entryText } from "./entry.ts";
import {
  infoOf,
  openRegular,
  readHashed,
  removeIfThere,
  rename,
  secureFile,
  syncFolder,
  withCode,
  writeWhole,
} from "./disk/files.ts";
import type { CacheKey } from "./key.ts";
import { readPair } from "./pair.ts";
import type { EnginePlace } from "./place.ts";
import type { Keeper } from "./remark.ts";
import type { BuiltPart, Hit } from "./store.ts";
import { slotPair, tidyPlace } from "./tidy.ts";

/** A part with the key that it was built for. */
export interface KeyedPart extends BuiltPart {
  readonly key: CacheKey;
  /** Mark the engine as in use. */
  readonly hold: boolean;
}

/**
 * Stores a part: as `.next`, checked, then in its place. Whoever calls holds the lock. Moving it into its place is what
 * the next start would do too, see recovery.ts, so a crash leaves nothing that a start does not know.
 * @throws {TrtdError} `OUTPUT_UNWRITABLE`; whatever the check throws
 */
export async function commitPart(place: EnginePlace, built: KeyedPart, keeper: Keeper): Promise<Hit> {
  const { key, part, facts, check, hold } = built;
  const next = slotPair(place, "next");
  try {
    const engine = await withCode(place.engine, async () => {
      await secureFile(part);
      await rename(part, next.engine);
      await syncFolder(place.folder);
      using opened = await openRegular(next.engine);
      return await readHashed(opened, next.engine);
    });
    const more = await check?.({ path: next.engine, ...engine }) ?? {};
    const file = { file: basename(place.engine), bytes: engine.bytes.length, sha256: engine.sha256 };
    const text = entryText({ key, engine: file, facts: { ...facts, ...more } }, keeper.judge.hmacKey);
    return await withCode(place.engine, async () => {
      await writeWhole(next.metadata, text);
      await tidyPlace(place, { ...keeper, remark: (one) => one.code === "recovered" || keeper.remark(one) });
      const stored = await readPair(place, { isWanted: () => true, hold }, keeper.judge);
      if (stored.state !== "intact" || stored.entry.engine.sha256 !== engine.sha256) {
        const why = "detail" in stored ? stored.detail : "another one is there";
        throw new TrtdError("OUTPUT_UNWRITABLE", `Cannot store "${place.engine}": ${why}`);
      }
      const { entry, engine: { bytes, held } } = stored;
      return { kind: "hit", place, path: place.engine, entry, bytes, from: "place", held };
    });
  } catch (error) {
    await removeIfThere(part).catch(() => {});
    // Without metadata it was not checked; with it the next start brings it into its place.
    if (await infoOf(next.metadata) === null) await removeIfThere(next.engine).catch(() => {});
    throw error;
  }
}
