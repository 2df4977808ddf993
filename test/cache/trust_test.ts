import assert from "node:assert/strict";
import { join } from "node:path";
import { readHmacKey } from "../../src/cache/trust/hmac.ts";
import type { EnginePlace } from "../../src/cache/place.ts";
import type { CacheOptions } from "../../src/cache/store.ts";
import { engineBytes, fakeBuild, KEY, noBuild, type SetUp, setUp } from "./set_up.ts";

const isRoot = Deno.uid() === 0;
const STRANGER = 54_321;

async function built(box: SetUp, options: Partial<CacheOptions> = {}): Promise<EnginePlace> {
  return (await box.open(options).obtain({ model: box.model, key: KEY, build: fakeBuild("old") })).place;
}

/** Asks for the engine, and that it was not the one that is there. */
async function assertSetAside(box: SetUp, reason: RegExp, options: Partial<CacheOptions> = {}): Promise<void> {
  const build = fakeBuild("new");
  const obtained = await box.open(options).obtain({ model: box.model, key: KEY, build });
  assert.equal(obtained.built, true);
  assert.deepEqual(obtained.bytes, engineBytes("new"));
  const told = box.remarks.filter(({ code }) => code === "set-aside").map(({ text }) => text);
  assert.equal(told.length, 1);
  assert.match(told[0]!, reason);
  assert.equal((await box.open(options).find(box.model, KEY)).kind, "hit", "what was built serves the next start");
}

for (const file of ["engine", "metadata"] as const) {
  for (const [mode, who] of [[0o664, "its group"], [0o666, "every user"], [0o646, "every user"]] as const) {
    Deno.test(`cache: when ${who} can write the ${file} (mode ${mode.toString(8)}), it is set aside and never loaded`, async () => {
      await using box = await setUp();
      const place = await built(box);
      await Deno.chmod(place[file], mode);
      await assertSetAside(box, new RegExp(`can be written by ${who}`));
    });
  }

  Deno.test({
    name: `cache: when the ${file} belongs to a user who is not trusted, it is set aside${
      isRoot ? "" : " (skipped: only root can give files away)"
    }`,
    ignore: !isRoot,
    fn: async () => {
      await using box = await setUp();
      const place = await built(box);
      await Deno.chown(place[file], STRANGER, STRANGER);
      const trusting = box.open({ trustedOwners: [STRANGER] });
      assert.equal((await trusting.find(box.model, KEY)).kind, "hit", "a trusted owner is no stranger");
      await assertSetAside(box, new RegExp(`belongs to the user ${STRANGER}`));
    },
  });

  Deno.test(`cache: when the ${file} is a link, it is set aside and the link's target left alone`, async () => {
    await using box = await setUp();
    const place = await built(box);
    const target = join(box.folder, "elsewhere");
    await Deno.rename(place[file], target);
    await Deno.symlink(target, place[file]);
    await assertSetAside(box, /is a link/);
    assert.ok((await Deno.lstat(target)).isFile);
  });
}

Deno.test("cache: an engine that the builder left open to others is closed to them before it is stored", async () => {
  await using box = await setUp();
  const build = fakeBuild("open");
  const { place } = await box.open().obtain({
    model: box.model,
    key: KEY,
    build: async (...given) => {
      const built = await build(...given);
      await Deno.chmod(built.part, 0o666);
      return built;
    },
  });
  assert.equal((await Deno.stat(place.engine)).mode! & 0o777, 0o644);
  await box.open().obtain({ model: box.model, key: KEY, build: noBuild });
});

/** Ways in which somebody else could put engines into the folders. */
const FOLDERS: readonly (readonly [string, (box: SetUp, place: EnginePlace) => Promise<void>, RegExp])[] = [
  ["every user can write the place's folder", (_, { folder }) => Deno.chmod(folder, 0o777), /by every user/],
  ["the group can write the model's folder", (_, { root }) => Deno.chmod(join(root, "shelf"), 0o775), /by its group/],
  ["every user can write models/trt", (_, { root }) => Deno.chmod(root, 0o1777), /by every user/],
  ["the model's folder is a link out of models/trt", async (box, { root }) => {
    await Deno.rename(join(root, "shelf"), join(box.folder, "outside"));
    await Deno.symlink(join(box.folder, "outside"), join(root, "shelf"));
  }, /is a link/],
  ...isRoot
    ? [
      ["a stranger owns models/trt", (_: SetUp, { root }: EnginePlace) =>
        Deno.chown(root, STRANGER, STRANGER), /belongs to the user/] as const,
    ]
    : [],
];

for (const [name, spoil, reason] of FOLDERS) {
  Deno.test(`cache: when ${name}, nothing there is used and the user's cache folder serves`, async () => {
    await using box = await setUp();
    await spoil(box, await built(box));
    const found = await box.open().find(box.model, KEY);
    assert.deepEqual(found.kind === "miss" && found.missedBecause, [{
      field: "engine",
      old: "untrusted",
      new: "intact",
    }]);
    const obtained = await box.open().obtain({ model: box.model, key: KEY, build: fakeBuild("new") });
    assert.ok(obtained.place.engine.startsWith(join(box.userCacheDir, "engines")), obtained.place.engine);
    assert.match(box.remarks.find(({ code }) => code === "refused")!.text, reason);
    assert.match(box.remarks.find(({ code }) => code === "other-folder")!.text, reason);
    const second = await box.open().obtain({ model: box.model, key: KEY, build: noBuild });
    assert.deepEqual(second.bytes, engineBytes("new"), "the next start finds it there");
  });
}

Deno.test("cache: models/trt itself may be a link, such as to another disk", async () => {
  await using box = await setUp();
  await Deno.mkdir(join(box.folder, "disk"), { mode: 0o755 });
  await Deno.symlink(join(box.folder, "disk"), join(box.modelsDir, "trt"));
  await built(box);
  await box.open().obtain({ model: box.model, key: KEY, build: noBuild });
  assert.deepEqual(box.remarks, []);
});

Deno.test("cache: without a folder to go to, an untrusted folder is a failure with its reason", async () => {
  await using box = await setUp();
  const place = await built(box);
  await Deno.chmod(place.folder, 0o777);
  const obtaining = box.open({ userCacheDir: null }).obtain({ model: box.model, key: KEY, build: noBuild });
  await assert.rejects(obtaining, { code: "CACHE_FOLDER_UNUSABLE", message: /can be written by every user/ });
});

Deno.test("cache: with a key, only engines that were signed with it are loaded", async () => {
  const [ours, theirs] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  for (const [before, reason] of [[null, /is not signed/], [theirs, /another key/]] as const) {
    await using box = await setUp();
    await built(box, { hmacKey: before });
    await assertSetAside(box, reason, { hmacKey: ours });
    const { place } = await box.open({ hmacKey: ours }).obtain({ model: box.model, key: KEY, build: noBuild });
    assert.ok((await Deno.readTextFile(place.metadata)).includes('"key_id"'));
    await box.open().obtain({ model: box.model, key: KEY, build: noBuild });
  }
});

Deno.test("cache: a signature covers the whole metadata: a fact that was changed with its digest is found out", async () => {
  const { createHash } = await import("node:crypto");
  const { canonicalJson } = await import("../../src/cache/key.ts");
  const hmacKey = new Uint8Array(32).fill(7);
  await using box = await setUp();
  const place = await built(box, { hmacKey });
  const { check, ...content } = JSON.parse(await Deno.readTextFile(place.metadata));
  content.word = "forged";
  check.sha256 = createHash("sha256").update(canonicalJson(content)).digest("hex");
  await Deno.writeTextFile(place.metadata, JSON.stringify({ ...content, check }));
  assert.equal((await box.open().find(box.model, KEY)).kind, "hit", "the forged digest is right");
  await assertSetAside(box, /another key/, { hmacKey });
});

Deno.test("cache: the file of the key must be private, and of a length that a key has", async () => {
  await using box = await setUp();
  const path = join(box.folder, "key");
  const refused = (reason: RegExp) =>
    assert.rejects(() => readHmacKey(path), { code: "CONFIG_INVALID", message: reason });
  await refused(/does not exist/);
  await Deno.writeFile(path, new Uint8Array(15), { mode: 0o600 });
  await refused(/15 bytes/);
  await Deno.writeFile(path, new Uint8Array(32));
  await Deno.chmod(path, 0o644);
  await refused(/can be read by others/);
  await Deno.chmod(path, 0o620);
  await refused(/can be written by its group/);
  await Deno.chmod(path, 0o600);
  assert.equal((await readHmacKey(path)).length, 32);
  await Deno.symlink(path, `${path}-link`);
  await assert.rejects(() => readHmacKey(`${path}-link`), { message: /is a link/ });
});
