/** The cache of engines: found with their reason for a miss, built once for all who wait, stored whole or not at all. */
import { dirname } from "node:path";
import { TrtdError } from "../errors.ts";
import { amendEntry, type FactsChange } from "./amend.ts";
import { commitPart } from "./commit.ts";
import type { Entry } from "./entry.ts";
import { infoOf, removeIfThere, withCode } from "./disk/files.ts";
import { type CacheKey, type Difference, type Json, keyName } from "./key.ts";
import { acquireLock, tryAcquireLock, type WaitOptions } from "./lock/lock.ts";
import { lookIn, mostTelling, noteUse, settleHit, type Sight, tidied, type Wanted, wantedPlace } from "./look.ts";
import { claimName, type ModelClaim } from "./model_name.ts";
import {
  type CacheLayout,
  type EnginePlace,
  placeIn,
  runtimeCachePath,
  type SideFile,
  siteOf,
  timingCachePath,
} from "./place.ts";
import { readMetadata } from "./pair.ts";
import { pruneRoots } from "./prune.ts";
import { setAside } from "./trust/quarantine.ts";
import type { CacheRemark, Keeper } from "./remark.ts";
import { type CacheRoot, prepareFolder, rootsOf } from "./roots.ts";
import { tidyPlace } from "./tidy.ts";
import { distrust, trustOf } from "./trust/trust.ts";

export interface CacheOptions {
  /** Folder of models and engines. */
  readonly modelsDir: string;
  /** Where engines go when the folder of models cannot be written or not be trusted; null: nowhere. */
  readonly userCacheDir: string | null;
  /** @default "shared" */
  readonly layout?: CacheLayout;
  /** Users whose files are trusted besides this user's and root's. @default none */
  readonly trustedOwners?: readonly number[];
  /** Engines and what lies beside them take no more than this; null: no limit. @default null */
  readonly sizeLimitBytes?: number | null;
  /** Signs engines and must have signed those that are used, see {@link readHmacKey}; null: none. @default null */
  readonly hmacKey?: Uint8Array | null;
  readonly onRemark?: (remark: CacheRemark) => void;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
}

/** An engine that may be used. */
export interface Hit {
  readonly kind: "hit";
  readonly place: EnginePlace;
  /** The file: `place.engine`, or one in `.others` while another process has the lock of the place. */
  readonly path: string;
  readonly entry: Entry;
  /** The engine, read once and checked: these bytes go to TensorRT, never the file again. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where it was found: in its place, in `.others`, or as the one before a damaged one. */
  readonly from: "place" | "others" | "previous";
  /** With `hold`: marks the file as in use, so that it is not pruned, until it is disposed. */
  readonly held: Disposable | null;
}

export interface Miss {
  readonly kind: "miss";
  /** Where it was looked for first. */
  readonly place: EnginePlace;
  /**
   * Fields of the key that differ, for an engine that is there. Otherwise one difference of the field `engine`, whose
   * old value is `absent`, `damaged`, `untrusted` or `unreadable`, or of the field `metadata_format`.
   */
  readonly missedBecause: readonly Difference[];
}

export type Lookup = Hit | Miss;

export interface Obtained extends Hit {
  /** Whether this call built it. */
  readonly built: boolean;
  /** Why it was built; empty for a hit. */
  readonly missedBecause: readonly Difference[];
}

/** What a build left behind. */
export interface BuiltPart {
  /** The whole plan: a file in the place's folder with a name from {@link partName}. */
  readonly part: string;
  /** The rest of the metadata: goes to the top level beside `format`, `key`, `engine` and `check`, which are the store's. */
  readonly facts: Readonly<Record<string, Json>>;
  /**
   * Loads the engine before it replaces an older one. When it throws, nothing is stored and the older one stays. What
   * it returns is added to the facts.
   */
  readonly check?: (next: NextEngine) => Promise<Readonly<Record<string, Json>> | void>;
}

/** An engine that is written, but not in its place yet. */
export interface NextEngine {
  readonly path: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly sha256: string;
}

/** Builds under the lock of the place. The place's folder exists. */
export type BuildStep = (place: EnginePlace, missedBecause: readonly Difference[]) => Promise<BuiltPart>;

export interface ObtainRequest {
  readonly model: ModelClaim;
  readonly key: CacheKey;
  readonly build: BuildStep;
  readonly wait?: WaitOptions;
  /** Mark the engine as in use. @default false */
  readonly hold?: boolean;
  /** Build even when there is an engine. @default false */
  readonly rebuild?: boolean;
}

/** Another process that has the lock for longer is building. */
const REFUSE_WAIT_MS = 1000;

/** One folder of models with its engines. */
export class EngineCache {
  readonly roots: readonly CacheRoot[];
  readonly keeper: Keeper;
  readonly #sizeLimitBytes: number | null;

  constructor(options: CacheOptions) {
    const { modelsDir, userCacheDir, trustedOwners, sizeLimitBytes = null, hmacKey = null } = options;
    this.roots = rootsOf(modelsDir, userCacheDir);
    this.#sizeLimitBytes = sizeLimitBytes;
    this.keeper = {
      judge: { trust: trustOf(trustedOwners), hmacKey },
      layout: options.layout ?? "shared",
      now: options.now ?? Date.now,
      remark: options.onRemark ?? (() => {}),
    };
  }

  /**
   * Looks for an engine and puts in order what it meets. It never throws for what lies on the disk: what cannot be used
   * is a miss with its reason, and a remark.
   */
  async find(model: ModelClaim, key: CacheKey, { hold = false }: { readonly hold?: boolean } = {}): Promise<Lookup> {
    const sights: Sight[] = [];
    for (const root of this.roots) {
      let sight = await lookIn(root, { model, key, hold }, this.keeper);
      if (sight.untidy) sight = await tidied(sight, { model, key, hold }, this.keeper);
      if (sight.hit !== null) {
        await noteUse(sight.hit, this.keeper);
        return sight.hit;
      }
      sights.push(sight);
    }
    return { kind: "miss", place: sights[0]!.place, missedBecause: mostTelling(sights) };
  }

  /**
   * The engine of a key: found, or built by `build`. Of many processes that ask at once, one builds, the others wait
   * for its end and find the engine.
   * @throws {TrtdError} `ENGINE_LOCKED` when another process holds the place past the time limit, `INTERRUPTED`,
   * `OUTPUT_UNWRITABLE`, `CACHE_FOLDER_UNUSABLE` when no folder can be written; whatever `build` and its check throw
   */
  async obtain(request: ObtainRequest): Promise<Obtained> {
    const { model, key, build, wait = {}, hold = false, rebuild = false } = request;
    const wanted: Wanted = { model, key, hold };
    const found = rebuild ? null : await this.find(model, key, { hold });
    if (found?.kind === "hit") return { ...found, built: false, missedBecause: [] };

    const { root, place } = await this.#placeToBuild(wanted);
    await using _ = await withCode(place.lock, () => acquireLock(place.lock, wait));
    const again = await withCode(place.engine, async () => {
      await tidyPlace(place, this.keeper, keyName(key));
      if (rebuild) return null;
      const sight = await lookIn(root, wanted, this.keeper);
      return sight.hit === null ? sight : { ...sight, hit: await settleHit(sight.hit, this.keeper) };
    });
    if (again !== null && again.hit !== null) return { ...again.hit, built: false, missedBecause: [] };
    const missedBecause = mostTelling([again, found].filter((one) => one !== null));
    const built = await build(place, missedBecause);
    const hit = await commitPart(place, { key, hold, ...built }, this.keeper);
    await this.prune({ keep: [place.engine], holdsLockOf: place }).catch((error) =>
      this.keeper.remark({ code: "failed", text: error.message, path: root.path })
    );
    return { ...hit, built: true, missedBecause };
  }

  /**
   * Sets an engine aside that TensorRT refused although it is what was stored, so that the next start builds another.
   * @returns false when another engine is in its place by now, or another process works there
   * @throws {TrtdError} `OUTPUT_UNWRITABLE`, also where the folder is read-only
   */
  async refuse({ place, entry }: Hit, reason: string): Promise<boolean> {
    return await withCode(place.engine, async () => {
      const lock = await tryAcquireLock(place.lock, REFUSE_WAIT_MS);
      if (lock === null) return false;
      await using _ = lock;
      const there = await readMetadata(place.metadata, this.keeper.judge);
      if (there.state !== "whole" || there.entry.engine.sha256 !== entry.engine.sha256) return false;
      await setAside(place, { files: [place.engine, place.metadata], reason }, this.keeper);
      return true;
    });
  }

  /**
   * Adds to the facts in an engine's metadata.
   * @returns why that did not happen, null when it did; a cache that cannot be written is no failure
   */
  async amend(hit: Hit, change: FactsChange): Promise<string | null> {
    return await amendEntry(hit, change, this.keeper);
  }

  /**
   * Path of a file that may be lost: timings of tactics, or compiled kernels of TensorRT-RTX. Its folder exists; a file
   * that somebody else could have written is removed.
   * @throws {TrtdError} `CACHE_FOLDER_UNUSABLE`, `OUTPUT_UNWRITABLE`
   */
  async sideFile(side: SideFile): Promise<string> {
    const { owner } = side;
    const { trust } = this.keeper.judge;
    const refused: string[] = [];
    for (const root of this.roots) {
      const path = side.kind === "timing"
        ? timingCachePath(root.path, owner)
        : runtimeCachePath(root.path, owner, side.engine);
      const reason = await withCode(path, async () => {
        const whyNot = await prepareFolder(root, dirname(path), trust);
        const info = whyNot === null ? await infoOf(path) : null;
        const suspicion = info === null ? null : distrust(path, info, trust);
        if (suspicion === null) return whyNot;
        await removeIfThere(path);
        this.keeper.remark({ code: "refused", text: `Removed a side file: ${suspicion}`, path });
        return null;
      });
      if (reason === null) return path;
      refused.push(reason);
    }
    throw nowhere(refused);
  }

  /**
   * Removes what was not used for longest until the size limit is kept.
   * @returns what was removed
   * @throws {TrtdError} `OUTPUT_UNWRITABLE`
   */
  async prune(
    options: { readonly keep?: readonly string[]; readonly holdsLockOf?: EnginePlace; readonly limitBytes?: number } =
      {},
  ): Promise<readonly string[]> {
    const limitBytes = options.limitBytes ?? this.#sizeLimitBytes;
    if (limitBytes === null) return [];
    return await withCode(this.roots[0]!.path, () =>
      pruneRoots(this.roots, {
        limitBytes,
        keep: new Set(options.keep),
        lockHeld: options.holdsLockOf?.lock ?? null,
      }, this.keeper));
  }

  /** The first root that can be written, and the place there under the name that is the model's from now on. */
  async #placeToBuild(wanted: Wanted): Promise<{ root: CacheRoot; place: EnginePlace }> {
    const { model, key } = wanted;
    const { judge: { trust }, layout, remark } = this.keeper;
    const refused: string[] = [];
    for (const root of this.roots) {
      const { engine, folder } = await wantedPlace(root, wanted, this.keeper);
      const place = await withCode(engine, async () => {
        const reason = await prepareFolder(root, folder, trust);
        if (reason !== null) return reason;
        const claimed = placeIn(root.path, siteOf(await claimName(root.path, model), key, layout));
        return await prepareFolder(root, claimed.folder, trust) ?? claimed;
      });
      if (typeof place !== "string") return { root, place };
      refused.push(place);
      const next = this.roots[refused.length]?.path;
      if (next !== undefined) {
        remark({ code: "other-folder", text: `Engines are stored in "${next}", because ${place}`, path: next });
      }
    }
    throw nowhere(refused);
  }
}

/** Opens the cache of a folder of models. Nothing is read or written before the first question. */
export const openEngineCache = (options: CacheOptions): EngineCache => new EngineCache(options);

const nowhere = (refused: readonly string[]): TrtdError =>
  new TrtdError("CACHE_FOLDER_UNUSABLE", `Engines can be stored nowhere: ${refused.join("; ")}`, {
    remedy: "Make the folder of models writable for this user alone, or point TRTD_CACHE_DIR at a folder that is",
  });
