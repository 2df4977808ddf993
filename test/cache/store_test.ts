import assert from "node:assert/strict";
import { join } from "node:path";
import { keyFrom, keyName } from "../../src/cache/key.ts";
import { acquireLock } from "../../src/cache/lock/lock.ts";
import { claimName } from "../../src/cache/model_name.ts";
import { openRegular } from "../../src/cache/disk/files.ts";
import { claimIn, engineBytes, fakeBuild, INPUTS, KEY, keyOf, noBuild, setUp } from "./set_up.ts";

/** A wait for a lock that is given up goes on behind the scenes until the kernel grants it. */
const LOOSE = { sanitizeOps: false };

Deno.test("cache: the second start finds what the first one built", async () => {
  await using box = await setUp();
  const build = fakeBuild("one");
  const first = await box.open().obtain({ model: box.model, key: KEY, build });
  assert.equal(first.built, true);
  assert.deepEqual(first.missedBecause, [{ field: "engine", old: "absent", new: "intact" }]);
  assert.equal(first.place.engine, join(box.modelsDir, "trt", "shelf", "fp16", "bs4", "shelf.engine"));
  assert.deepEqual(await Deno.readFile(first.place.engine), engineBytes("one"));

  const second = await box.open().obtain({ model: box.model, key: KEY, build: noBuild });
  assert.equal(second.built, false);
  assert.deepEqual(second.missedBecause, []);
  assert.deepEqual(second.bytes, engineBytes("one"));
  assert.deepEqual(second.entry.facts["word"], "one");
  assert.equal(build.count, 1);
  assert.deepEqual(box.remarks, []);
});

Deno.test("cache: a miss names the fields that differ, old and new", async () => {
  await using box = await setUp();
  await box.open().obtain({ model: box.model, key: keyOf("10.12.0.36"), build: fakeBuild("old") });
  const found = await box.open().find(box.model, KEY);
  assert.equal(found.kind, "miss");
  assert.deepEqual(found.kind === "miss" && found.missedBecause, [
    { field: "tensorrt_version", old: "10.12.0.36", new: "10.13.2.6" },
  ]);
});

Deno.test("cache: two set-ups that share a folder do not evict each other", async () => {
  await using box = await setUp();
  const [ours, theirs] = [KEY, keyOf("10.12.0.36")];
  await box.open().obtain({ model: box.model, key: ours, build: fakeBuild("ours") });
  const other = await box.open().obtain({ model: box.model, key: theirs, build: fakeBuild("theirs") });
  assert.deepEqual(other.missedBecause.map(({ field }) => field), ["tensorrt_version"]);
  const parted = join(other.place.others, keyName(ours));
  assert.deepEqual((await namesIn(parted)).sort(), ["shelf.engine", "shelf.engine.json"]);
  for (let turn = 0; turn < 3; turn++) {
    for (const [key, word] of [[ours, "ours"], [theirs, "theirs"]] as const) {
      const hit = await box.open().obtain({ model: box.model, key, build: noBuild });
      assert.equal(hit.from, "others");
      assert.deepEqual(hit.bytes, engineBytes(word));
      assert.deepEqual(await Deno.readFile(hit.place.engine), engineBytes(word), "moved back");
      const again = await box.open().find(box.model, key);
      assert.equal(again.kind === "hit" && again.from, "place");
    }
  }
  assert.deepEqual(await namesIn(other.place.folder), [
    ".others",
    "shelf.engine",
    "shelf.engine.json",
    "shelf.engine.lock",
  ]);
});

Deno.test("cache: a damaged engine is set aside with the reason, and the one before it serves", async () => {
  await using box = await setUp();
  await box.open().obtain({ model: box.model, key: KEY, build: fakeBuild("first") });
  const { place } = await box.open().obtain({ model: box.model, key: KEY, build: fakeBuild("second"), rebuild: true });
  const bytes = engineBytes("second");
  bytes[1234]! ^= 1;
  await Deno.writeFile(place.engine, bytes);
  const hit = await box.open().obtain({ model: box.model, key: KEY, build: noBuild });
  assert.equal(hit.from, "previous");
  assert.deepEqual(hit.bytes, engineBytes("first"));
  assert.deepEqual(await Deno.readFile(place.engine), engineBytes("first"));
  const [folder] = await namesIn(place.quarantine);
  const away = join(place.quarantine, folder!);
  assert.deepEqual(await namesIn(away), ["reason.json", "shelf.engine", "shelf.engine.json"]);
  assert.match(await Deno.readTextFile(join(away, "reason.json")), /does not have the digest that its metadata tells/);
  assert.equal(box.remarks.filter(({ code }) => code === "set-aside").length, 1);
});

Deno.test("cache: an engine that fails its check is not stored, and the old one stays", async () => {
  await using box = await setUp();
  const { place } = await box.open().obtain({ model: box.model, key: KEY, build: fakeBuild("good") });
  const before = await namesIn(place.folder);
  const bad = fakeBuild("bad");
  const obtaining = box.open().obtain({
    model: box.model,
    key: KEY,
    rebuild: true,
    build: async (...given) => ({
      ...await bad(...given),
      check: (next) => {
        assert.deepEqual(next.bytes, engineBytes("bad"));
        return Promise.reject(new Error("It does not load"));
      },
    }),
  });
  await assert.rejects(obtaining, /It does not load/);
  const hit = await box.open().obtain({ model: box.model, key: KEY, build: noBuild });
  assert.deepEqual(hit.bytes, engineBytes("good"));
  assert.deepEqual(await namesIn(place.folder), before, "nothing is left behind");
});

Deno.test("cache: what the check finds out is added to the facts", async () => {
  await using box = await setUp();
  const { entry } = await box.open().obtain({
    model: box.model,
    key: KEY,
    build: async (...given) => ({
      ...await fakeBuild("one")(...given),
      check: () => Promise.resolve({ load_ms: 12, key: "not taken" }),
    }),
  });
  assert.equal(entry.facts["load_ms"], 12);
  assert.equal(keyName(entry.key), keyName(KEY));
});

Deno.test("cache: an engine from before keys is kept for the version that made it", async () => {
  await using box = await setUp();
  const folder = join(box.modelsDir, "trt", "shelf", "fp16", "bs4");
  await Deno.mkdir(folder, { recursive: true, mode: 0o755 });
  await Deno.writeFile(join(folder, "shelf.engine"), engineBytes("old"), { mode: 0o644 });
  const metadata = join(folder, "shelf.engine.json");
  await Deno.writeTextFile(metadata, JSON.stringify({ format: 1, durations: [] }), { mode: 0o644 });
  const { missedBecause, place } = await box.open().obtain({ model: box.model, key: KEY, build: fakeBuild("new") });
  assert.deepEqual(missedBecause, [{ field: "metadata_format", old: 1, new: 2 }]);
  const [kept] = await namesIn(place.others);
  assert.match(kept!, /^format-1-/);
  assert.deepEqual(await Deno.readFile(join(place.others, kept!, "shelf.engine")), engineBytes("old"));
});

Deno.test("cache: with the layout per-device two kinds of GPU have two places", async () => {
  await using box = await setUp();
  const [ada, ampere] = [
    KEY,
    keyFrom({ ...INPUTS, targets: [86], gpu: { name: "NVIDIA RTX A4000", computeCapability: "8.6" } }),
  ];
  const cache = box.open({ layout: "per-device" });
  const places = [];
  for (const key of [ada, ampere]) {
    places.push((await cache.obtain({ model: box.model, key, build: fakeBuild("x") })).place.folder);
  }
  const folder = join(box.modelsDir, "trt", "shelf", "fp16", "bs4");
  assert.deepEqual(places, [join(folder, "sm89-nvidia-geforce-rtx-4090"), join(folder, "sm86-nvidia-rtx-a4000")]);
});

Deno.test("cache: two model files of one name do not share a place, and a model that was trained again keeps its own", async () => {
  await using box = await setUp();
  const cache = box.open();
  const file = { ...claimIn(box.modelsDir), named: "file" as const };
  const paths = ["a", "b"].map((name) => join(box.folder, name));
  for (const path of paths) await Deno.writeTextFile(path, path);
  const named = async (path: string, sha256: string) =>
    (await cache.obtain({
      model: { ...file, path, sha256 },
      key: keyFrom({ ...INPUTS, model: { sha256, externalDataSha256: null } }),
      build: fakeBuild(sha256),
    }))
      .place.site.model;
  assert.equal(await named(paths[0]!, "11".repeat(32)), "shelf");
  assert.equal(await named(paths[1]!, "22".repeat(32)), "shelf-22222222");
  assert.equal(await named(paths[0]!, "33".repeat(32)), "shelf", "trained again");
  assert.equal(await named(paths[1]!, "33".repeat(32)), "shelf", "the same bytes");
  await Deno.remove(paths[0]!);
  await Deno.remove(paths[1]!);
  assert.equal(await named(join(box.folder, "c"), "44".repeat(32)), "shelf", "the file that had the name is gone");
});

Deno.test("cache: two models of one name that come at once get two names", async () => {
  await using box = await setUp();
  await Deno.mkdir(join(box.modelsDir, "trt"), { mode: 0o755 });
  for (let turn = 0; turn < 5; turn++) {
    const claims = ["1", "2", "3"].map((digit) => ({
      name: `m${turn}`,
      named: "file" as const,
      path: join(box.folder, digit),
      sha256: digit.repeat(64),
    }));
    for (const { path } of claims) await Deno.writeTextFile(path, "");
    const names = await Promise.all(claims.map((claim) => claimName(join(box.modelsDir, "trt"), claim)));
    assert.equal(new Set(names).size, 3, names.join());
    assert.equal(names.filter((name) => name === `m${turn}`).length, 1);
    const again = await Promise.all(claims.map((claim) => claimName(join(box.modelsDir, "trt"), claim)));
    assert.deepEqual(again, names);
  }
});

Deno.test(
  "cache: an engine that TensorRT refused is set aside, unless another one is there by now",
  LOOSE,
  async () => {
    await using box = await setUp();
    const cache = box.open();
    const hit = await cache.obtain({ model: box.model, key: KEY, build: fakeBuild("one") });
    assert.equal(await cache.refuse(hit, "TensorRT could not load it"), true);
    assert.equal((await cache.find(box.model, KEY)).kind, "miss");
    await cache.obtain({ model: box.model, key: KEY, build: fakeBuild("two") });
    assert.equal(await cache.refuse(hit, "TensorRT could not load it"), false);
    assert.equal((await cache.find(box.model, KEY)).kind, "hit");
  },
);

Deno.test(
  "cache: while another process has the place, an engine that was kept apart is used where it is",
  LOOSE,
  async () => {
    await using box = await setUp();
    const cache = box.open();
    await cache.obtain({ model: box.model, key: KEY, build: fakeBuild("ours") });
    const { place } = await cache.obtain({ model: box.model, key: keyOf("9.9.9.9"), build: fakeBuild("theirs") });
    await using _ = await acquireLock(place.lock);
    const hit = await cache.obtain({ model: box.model, key: KEY, build: noBuild, wait: { limitMs: 5000 } });
    assert.deepEqual([hit.from, hit.path], ["others", join(place.others, keyName(KEY), "shelf.engine")]);
    assert.deepEqual(hit.bytes, engineBytes("ours"));
  },
);

Deno.test("cache: an engine that is held is marked as in use until it is let go", LOOSE, async () => {
  await using box = await setUp();
  const cache = box.open();
  await cache.obtain({ model: box.model, key: KEY, build: fakeBuild("one") });
  const hit = await cache.find(box.model, KEY, { hold: true });
  assert.ok(hit.kind === "hit" && hit.held !== null);
  assert.deepEqual(await cache.prune({ limitBytes: 0 }), []);
  hit.held[Symbol.dispose]();
  const removed = await cache.prune({ limitBytes: 0 });
  assert.deepEqual(removed, [hit.place.engine]);
  assert.equal((await cache.find(box.model, KEY)).kind, "miss");
  await assert.rejects(() => openRegular(hit.place.engine), /does not exist/);
});

async function namesIn(path: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name).sort();
}
