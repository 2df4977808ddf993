/** Things that a process does to a cache, to be cut short at each operation. */
import { join } from "node:path";
import type { CacheKey } from "../../src/cache/key.ts";
import { filesIn } from "../../src/cache/place.ts";
import { type EngineCache, openEngineCache } from "../../src/cache/store.ts";
import { claimIn, engineBytes, fakeBuild, KEY, keyOf, noBuild } from "./set_up.ts";

export interface Box {
  readonly modelsDir: string;
  readonly userCacheDir: string;
}

export interface Scenario {
  readonly name: string;
  /** What was done before, undisturbed. */
  prepare(box: Box): Promise<void>;
  /** What is cut short. */
  act(box: Box): Promise<void>;
  /** Engines that the next start must have, each with the words it may hold; null: it may have to build. */
  readonly survive: readonly {
    readonly key: CacheKey;
    readonly words: readonly string[];
    readonly mayBuild: boolean;
  }[];
}

export const OTHER = keyOf("10.12.0.36");

export const openBox = ({ modelsDir, userCacheDir }: Box): EngineCache => openEngineCache({ modelsDir, userCacheDir });

const obtain = async (box: Box, key: CacheKey, word: string, rebuild = false) =>
  void await openBox(box).obtain({ model: claimIn(box.modelsDir), key, build: fakeBuild(word), rebuild });

const engineIn = ({ modelsDir }: Box): string =>
  filesIn(join(modelsDir, "trt", "shelf", "fp16", "bs4"), "shelf").engine;

export const SCENARIOS: readonly Scenario[] = [
  {
    name: "the first build",
    prepare: () => Promise.resolve(),
    act: (box) => obtain(box, KEY, "new"),
    survive: [{ key: KEY, words: ["new"], mayBuild: true }],
  },
  {
    name: "a build over an engine of the same key, with one before it",
    async prepare(box) {
      await obtain(box, KEY, "older");
      await obtain(box, KEY, "old", true);
    },
    act: (box) => obtain(box, KEY, "new", true),
    survive: [{ key: KEY, words: ["old", "new"], mayBuild: false }],
  },
  {
    name: "a build over an engine of another key",
    prepare: (box) => obtain(box, OTHER, "theirs"),
    act: (box) => obtain(box, KEY, "new"),
    survive: [{ key: KEY, words: ["new"], mayBuild: true }, { key: OTHER, words: ["theirs"], mayBuild: false }],
  },
  {
    name: "taking back an engine that was kept apart",
    async prepare(box) {
      await obtain(box, KEY, "ours");
      await obtain(box, OTHER, "theirs");
    },
    async act(box) {
      await openBox(box).obtain({ model: claimIn(box.modelsDir), key: KEY, build: noBuild });
    },
    survive: [{ key: KEY, words: ["ours"], mayBuild: false }, { key: OTHER, words: ["theirs"], mayBuild: false }],
  },
  {
    name: "setting a damaged engine aside",
    async prepare(box) {
      await obtain(box, KEY, "old");
      const bytes = engineBytes("old");
      bytes[0]! ^= 0x80;
      await Deno.writeFile(engineIn(box), bytes);
    },
    act: (box) => obtain(box, KEY, "new"),
    survive: [{ key: KEY, words: ["new"], mayBuild: true }],
  },
  {
    name: "pruning",
    async prepare(box) {
      await obtain(box, OTHER, "theirs");
      await obtain(box, KEY, "ours");
    },
    async act(box) {
      await openBox(box).prune({ limitBytes: 9000, keep: [engineIn(box)] });
    },
    survive: [{ key: KEY, words: ["ours"], mayBuild: false }, { key: OTHER, words: ["theirs", "new"], mayBuild: true }],
  },
];

/** Does a scenario's deed in a process that the fault hook may kill: `fault_child <index> <modelsDir> <userCacheDir>`. */
if (import.meta.main) {
  const [index, modelsDir, userCacheDir] = Deno.args;
  await SCENARIOS[Number(index)]!.act({ modelsDir: modelsDir!, userCacheDir: userCacheDir! });
  Deno.exit(0);
}
