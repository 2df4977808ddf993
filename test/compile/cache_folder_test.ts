import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { boxTest, CANNOT_BECOME_NOBODY, CANNOT_MOUNT, type Outcome } from "./box.ts";

/** A command that needs both native libraries. */
const DETECT = ["detect", "--json", "-o", "out"] as const;

function assertUnusable(outcome: Outcome, says: RegExp): void {
  assert.equal(outcome.code, 3, outcome.stderr);
  assert.match(outcome.stderr, /trtd: CACHE_FOLDER_UNUSABLE: /);
  assert.match(outcome.stderr, says);
  assert.match(outcome.stderr, /remedy: /);
  assert.equal(outcome.stdout, "");
}

function assertFine(outcome: Outcome): void {
  assert.equal(outcome.code, 0, outcome.stderr);
  assert.ok(JSON.parse(outcome.stdout)[0].detections.length > 0);
}

/** Everything below `folder`, with its mode. */
function tree(folder: string): { path: string; mode: number; isFile: boolean; ino: number | null }[] {
  return [...Deno.readDirSync(folder)].flatMap((entry) => {
    const path = join(folder, entry.name);
    const info = Deno.lstatSync(path);
    const own = { path, mode: info.mode! & 0o777, isFile: info.isFile, ino: info.ino };
    return entry.isDirectory ? [own, ...tree(path)] : [own];
  });
}

function unpackedFolder(cache: string): string {
  const [digest, ...others] = [...Deno.readDirSync(join(cache, "native"))];
  assert.equal(others.length, 0);
  return join(cache, "native", digest!.name);
}

boxTest("libraries go to a private folder of the user's cache folder, nothing to the temporary one", async (box) => {
  assertFine(await box.run(DETECT));
  const found = tree(box.cache);
  assert.deepEqual(found.filter(({ mode }) => (mode & 0o077) !== 0), []);
  const libraries = found.filter(({ isFile }) => isFile).map(({ path }) => path.split("/").at(-1)!);
  assert.equal(libraries.length, 4);
  assert.ok(libraries.some((name) => name.startsWith("libvips-cpp.so")));
  assert.ok(libraries.some((name) => name.startsWith("libonnxruntime.so")));
  assert.deepEqual(tree(box.temp), []);
  const others = tree(box.home).filter(({ path }) => path !== dirname(box.cache) && !path.startsWith(box.cache));
  assert.deepEqual(others, [], "ONNX Runtime's telemetry would leave a device id here");
});

boxTest("a second start uses the same files and adds none", async (box) => {
  assertFine(await box.run(DETECT));
  const before = tree(box.cache);
  assertFine(await box.run(DETECT));
  assert.deepEqual(tree(box.cache), before);
});

boxTest("TRTD_CACHE_DIR and the flag --cache-dir name the folder", async (box) => {
  assertFine(await box.run(DETECT, { env: { TRTD_CACHE_DIR: join(box.folder, "by-variable") } }));
  assertFine(await box.run([...DETECT, "--cache-dir", "by-flag"]));
  for (const name of ["by-variable", "by-flag"]) unpackedFolder(join(box.folder, name));
  assert.deepEqual(tree(box.home), []);
});

boxTest("processes that start at the same time unpack without harm", async (box) => {
  const outcomes = await Promise.all(Array.from({ length: 4 }, () => box.run(DETECT)));
  outcomes.forEach(assertFine);
  assert.deepEqual(tree(box.cache).filter(({ path }) => path.endsWith(".part")), []);
});

boxTest("the half-written file of a killed process is removed at the next start", async (box) => {
  assertFine(await box.run(DETECT));
  const ended = new Deno.Command("true").spawn();
  await ended.status;
  const part = join(unpackedFolder(box.cache), `${ended.pid}-0123abcd.part`);
  Deno.writeTextFileSync(part, "half");
  assertFine(await box.run(DETECT));
  assert.deepEqual(tree(box.cache).filter(({ path }) => path.endsWith(".part")), []);
});

boxTest("a process killed while it unpacks does no harm to the next", async (box) => {
  for (const delay of [80, 160, 240, 320]) {
    const child = box.spawn(DETECT);
    await new Promise((resolve) => setTimeout(resolve, delay));
    try {
      child.kill("SIGKILL");
    } catch {
      // it was faster
    }
    await child.output();
  }
  assertFine(await box.run(DETECT));
  assert.deepEqual(tree(box.cache).filter(({ path }) => path.endsWith(".part")), []);
});

boxTest("a damaged library is unpacked again", async (box) => {
  assertFine(await box.run(DETECT));
  for (const { path, isFile } of tree(box.cache)) if (isFile) Deno.truncateSync(path, 4096);
  assertFine(await box.run(DETECT));
});

boxTest("a full folder is named, and left empty", async (box) => {
  const cache = join(box.folder, "cache");
  Deno.mkdirSync(cache);
  const mounts = [{ path: cache, options: "size=8m" }];
  const outcome = await box.run(DETECT, { env: { TRTD_CACHE_DIR: cache }, mounts });
  assertUnusable(outcome, new RegExp(`"${cache}" is full`));
}, { skipped: CANNOT_MOUNT });

boxTest("a folder mounted noexec is named", async (box) => {
  const cache = join(box.folder, "cache");
  Deno.mkdirSync(cache);
  const mounts = [{ path: cache, options: "noexec" }];
  const outcome = await box.run(DETECT, { env: { TRTD_CACHE_DIR: cache }, mounts });
  assertUnusable(outcome, /mounted noexec, so ".*\/cache\/native\//);
}, { skipped: CANNOT_MOUNT });

boxTest("a read-only file system is named", async (box) => {
  const cache = join(box.folder, "cache");
  Deno.mkdirSync(cache);
  const mounts = [{ path: cache, options: "ro" }];
  const outcome = await box.run(DETECT, { env: { TRTD_CACHE_DIR: cache }, mounts });
  assertUnusable(outcome, new RegExp(`"${cache}" is on a read-only file system`));
}, { skipped: CANNOT_MOUNT });

boxTest("a folder on a read-only file system is fine when everything lies in it", async (box) => {
  const cache = join(box.folder, "cache");
  const env = { TRTD_CACHE_DIR: cache };
  assertFine(await box.run(DETECT, { env }));
  assertFine(await box.run(DETECT, { env, before: `mount --bind -o ro '${cache}' '${cache}'` }));
}, { skipped: CANNOT_MOUNT });

boxTest("a folder that this user may not write is named", async (box) => {
  const cache = join(box.folder, "cache");
  Deno.mkdirSync(cache);
  if (Deno.uid() === 0) Deno.chownSync(cache, 65534, 65534);
  Deno.chmodSync(cache, 0o500);
  const outcome = await box.run(DETECT, { env: { TRTD_CACHE_DIR: cache }, unprivileged: true });
  assertUnusable(outcome, new RegExp(`"${cache}" is read-only for this user`));
}, { skipped: CANNOT_BECOME_NOBODY });

boxTest("a folder that others may write is refused", async (box) => {
  const cache = join(box.folder, "cache");
  Deno.mkdirSync(cache);
  Deno.chmodSync(cache, 0o777);
  assertUnusable(await box.run(DETECT, { env: { TRTD_CACHE_DIR: cache } }), /can be written by other users/);
  assert.deepEqual(tree(cache), []);
});

boxTest("a folder of another user is refused", async (box) => {
  const outcome = await box.run(DETECT, { env: { TRTD_CACHE_DIR: box.home }, unprivileged: true });
  assertUnusable(outcome, /belongs to another user/);
}, { skipped: Deno.uid() === 0 ? CANNOT_BECOME_NOBODY : " (skipped: this user cannot make a folder for another)" });

boxTest("commands that need no library do not touch the cache folder", async (box) => {
  for (const args of [["--version"], ["--help"], ["detect", "--help"]]) {
    const outcome = await box.run(args, { env: { TRTD_CACHE_DIR: "/proc/nowhere" } });
    assert.equal(outcome.code, 0, outcome.stderr);
  }
  assert.deepEqual(tree(box.home), []);
});
