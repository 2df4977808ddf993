import assert from "node:assert/strict";
import { join } from "node:path";
import { openEngineCache } from "../../src/cache/store.ts";
import { claimIn, engineBytes, fakeBuild, INPUTS, KEY, keyOf, noBuild, type SetUp, setUp } from "./set_up.ts";
import { keyFrom } from "../../src/cache/key.ts";

const isRoot = Deno.uid() === 0;

async function sh(...words: string[]): Promise<boolean> {
  try {
    return (await new Deno.Command(words[0]!, { args: words.slice(1), stderr: "null" }).output()).success;
  } catch {
    return false;
  }
}

/** Whether small file systems can be made here: containers often forbid it even to root. */
const canMount = isRoot && await (async () => {
  const folder = await Deno.makeTempDir();
  const can = await sh("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder) && await sh("umount", folder);
  await Deno.remove(folder);
  return can;
})();

/** A disk of its own in the folder of models. */
async function mountModels(box: SetUp, size: string): Promise<AsyncDisposable> {
  assert.ok(await sh("mount", "-t", "tmpfs", "-o", `size=${size},mode=755`, "tmpfs", box.modelsDir));
  return { [Symbol.asyncDispose]: async () => void await sh("umount", box.modelsDir) };
}

Deno.test({
  name: `cache: on a full disk the old engine stays and serves${
    canMount ? "" : " (skipped: needs root that may mount)"
  }`,
  ignore: !canMount,
  fn: async () => {
    await using box = await setUp();
    await using _ = await mountModels(box, "400k");
    const ends = new Set<string>();
    // From what fits to what does not, past the sizes at which only the files after the plan find no room.
    for (let size = 216_000; size <= 256_000; size += 4_096) {
      const cache = box.open();
      await cache.obtain({ model: box.model, key: KEY, build: fakeBuild("old", 150_000) });
      const filling = cache.obtain({ model: box.model, key: KEY, build: fakeBuild("new", size), rebuild: true });
      const end = await filling.then(() => "stored", (error: Error) => error.message);
      assert.match(end, /^stored$|No space left on device/);
      ends.add(end.includes(".part") ? "metadata" : end === "stored" ? end : "plan");
      const { bytes } = await cache.obtain({ model: box.model, key: KEY, build: noBuild });
      const [old, fresh] = [engineBytes("old", 150_000), engineBytes("new", size)];
      assert.deepEqual(bytes, end === "stored" ? fresh : bytes.length === size ? fresh : old);
      await Deno.remove(join(box.modelsDir, "trt"), { recursive: true });
    }
    assert.ok(ends.has("stored") && ends.size >= 2, [...ends].join());
  },
});

Deno.test(
  `cache: on a read-only folder a baked engine is used in place, and a damaged one is refused${
    isRoot && !canMount ? " (skipped: root that may not mount)" : ""
  }`,
  {
    ignore: isRoot && !canMount,
  },
  async () => {
    for (const damaged of [false, true]) {
      await using box = await setUp();
      await using _ = canMount ? await mountModels(box, "1m") : { [Symbol.asyncDispose]: () => Promise.resolve() };
      const { place } = await box.open().obtain({ model: box.model, key: KEY, build: fakeBuild("baked") });
      if (damaged) await Deno.writeFile(place.engine, engineBytes("forged"));
      if (canMount) assert.ok(await sh("mount", "-o", "remount,ro", box.modelsDir));
      else await Deno.chmod(place.folder, 0o555);
      const build = fakeBuild("new");
      const obtained = await box.open().obtain({ model: box.model, key: KEY, build });
      if (damaged) {
        assert.deepEqual(obtained.missedBecause, [{ field: "engine", old: "damaged", new: "intact" }]);
        assert.ok(obtained.place.engine.startsWith(box.userCacheDir));
        assert.deepEqual(box.remarks.map(({ code }) => code), ["refused", "other-folder"]);
        assert.deepEqual(await Deno.readFile(place.engine), engineBytes("forged"), "it stays where it was");
        const second = await box.open().obtain({ model: box.model, key: KEY, build: noBuild });
        assert.deepEqual(second.bytes, engineBytes("new"));
      } else {
        assert.equal(obtained.built, false);
        assert.equal(obtained.place.engine, place.engine);
        assert.deepEqual(box.remarks, []);
        const other = await box.open().obtain({
          model: box.model,
          key: keyOf("10.12.0.36"),
          build: fakeBuild("theirs"),
        });
        assert.ok(other.place.engine.startsWith(box.userCacheDir), "what is built goes to the user's cache folder");
        assert.deepEqual(other.missedBecause.map(({ field }) => field), ["tensorrt_version"]);
      }
      if (!canMount) await Deno.chmod(place.folder, 0o755);
    }
  },
);

Deno.test("cache: a clock that went back costs nothing but the order of use", async () => {
  await using box = await setUp();
  let now = Date.parse("2026-11-22T12:00:00Z");
  const open = () => box.open({ now: () => now });
  await open().obtain({ model: box.model, key: KEY, build: fakeBuild("ours") });
  now = Date.parse("2001-01-01T00:00:00Z");
  await open().obtain({ model: box.model, key: KEY, build: noBuild });
  await open().obtain({ model: box.model, key: keyOf("10.12.0.36"), build: fakeBuild("theirs") });
  const { place } = await open().obtain({ model: box.model, key: KEY, build: noBuild });
  await Deno.writeFile(place.engine, engineBytes("forged"));
  assert.equal((await open().obtain({ model: box.model, key: KEY, build: fakeBuild("again") })).built, true);
  now = Date.parse("2030-01-01T00:00:00Z");
  await open().obtain({ model: box.model, key: KEY, build: noBuild });
});

Deno.test("cache: what is not used for longest is pruned first, what was set aside before it, and the last build never", async () => {
  await using box = await setUp();
  let now = Date.parse("2026-01-01T00:00:00Z");
  const open = (sizeLimitBytes: number | null = null) =>
    openEngineCache({ ...paths(box), now: () => now, sizeLimitBytes });
  const model = (name: string) => ({ ...claimIn(box.modelsDir), name });
  const places: Record<string, string> = {};
  for (const name of ["a", "b", "c"]) {
    now += 3_600_000;
    await Deno.utime(box.modelsDir, now / 1000, now / 1000);
    const { place } = await open().obtain({ model: model(name), key: KEY, build: fakeBuild(name) });
    await Deno.utime(place.metadata, new Date(now), new Date(now));
    places[name] = place.engine;
  }
  now += 3_600_000;
  await open().find(model("a"), KEY);
  await Deno.writeFile(places["b"]!, engineBytes("damage"));
  const later = await open().obtain({ model: model("b"), key: KEY, build: fakeBuild("b") });
  assert.equal(later.built, true);

  const exists = async (path: string) => await Deno.lstat(path).then(() => true, () => false);
  const there = async () => (await Promise.all(["a", "b", "c"].map((name) => exists(places[name]!)))).join();
  const quarantined = () => Array.from(Deno.readDirSync(later.place.quarantine)).length;
  assert.equal(quarantined(), 1);
  await open(22_000).prune();
  assert.deepEqual([quarantined(), await there()], [0, "true,true,true"]);
  await open(14_500).prune();
  assert.equal(await there(), "true,true,false", "a was used after c was built");
  const { place } = await open(1).obtain({ model: model("d"), key: KEY, build: fakeBuild("d") });
  assert.equal(await there(), "false,false,false");
  assert.ok(await exists(place.engine), "what was just built stays whatever the limit");
});

Deno.test("cache: of one place at most eight engines of other keys are kept", async () => {
  await using box = await setUp();
  for (let batch = 1; batch <= 11; batch++) {
    const key = keyFrom({ ...INPUTS, workspaceBytes: batch });
    await box.open().obtain({ model: box.model, key, build: fakeBuild(`${batch}`, 500) });
  }
  const { place } = await box.open().find(box.model, KEY);
  assert.equal(Array.from(Deno.readDirSync(place.others)).length, 8);
});

Deno.test("cache: the folders of side files are there, and losing one is harmless", async () => {
  await using box = await setUp();
  const owner = { product: "tensorrt-rtx", version: "1.6.1.120", gpu: INPUTS.gpu!, driver: "580.95.05" } as const;
  const timing = await box.open().sideFile({ kind: "timing", owner });
  const runtime = await box.open().sideFile({ kind: "runtime", owner, engine: "0123456789abcdef".repeat(4) });
  const name = "tensorrt-rtx-1.6.1.120-sm89-nvidia-geforce-rtx-4090";
  assert.equal(timing, join(box.modelsDir, "trt", ".timing", `${name}.cache`));
  assert.equal(runtime, join(box.modelsDir, "trt", ".runtime", `${name}-driver-580-95-05-0123456789abcdef.cache`));
  await Deno.writeTextFile(timing, "t");
  await Deno.remove(join(box.modelsDir, "trt", ".timing"), { recursive: true });
  assert.equal(await box.open().sideFile({ kind: "timing", owner }), timing);
  await Deno.writeTextFile(timing, "t");
});

const paths = ({ modelsDir, userCacheDir }: SetUp) => ({ modelsDir, userCacheDir });
