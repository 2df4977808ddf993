import assert from "node:assert/strict";
import { dirname, join, resolve } from "node:path";
import { cacheCommand } from "../../src/cli/cache/cache.ts";
import type { Terminal } from "../../src/cli/command.ts";
import { runCli } from "../../src/cli/run.ts";
import { fakeSet, nativeTest, shimAndFakes } from "../native/children.ts";
import { detector } from "../tensorrt/build/fake_build.ts";
import { engineBytes, fakeBuild, KEY, keyOf, type SetUp, setUp } from "./set_up.ts";
import { cleanEnvironment } from "../clean_environment.ts";

const MAIN = resolve(import.meta.dirname!, "../../src/main.ts");

async function run(box: SetUp, ...args: string[]): Promise<{ status: number; out: string[]; err: string[] }> {
  const [out, err]: [string[], string[]] = [[], []];
  const terminal: Terminal = {
    cwd: box.folder,
    interactive: false,
    resolve: (path) => resolve(box.folder, path),
    print: (text) => void out.push(text),
    note: (text) => void err.push(text),
  };
  const before = Deno.env.get("TRTD_CACHE_DIR");
  const status = await runCli(["cache", ...args, "--cache-dir", box.userCacheDir], {
    cache: () => Promise.resolve(cacheCommand),
  }, terminal);
  if (before === undefined) Deno.env.delete("TRTD_CACHE_DIR");
  else Deno.env.set("TRTD_CACHE_DIR", before);
  return { status, out, err };
}

/** A cache with an engine, one of another key, and one that was set aside. */
async function filled(box: SetUp): Promise<string> {
  const cache = box.open();
  const { place } = await cache.obtain({ model: box.model, key: KEY, build: fakeBuild("bad") });
  await Deno.writeFile(place.engine, engineBytes("damage"));
  await cache.obtain({ model: box.model, key: KEY, build: fakeBuild("ours") });
  await cache.obtain({ model: box.model, key: keyOf("10.12.0.36"), build: fakeBuild("theirs") });
  return place.engine;
}

Deno.test("trtd cache ls: lists engines, those of other keys and what was set aside", async () => {
  await using box = await setUp();
  const empty = await run(box, "ls");
  assert.deepEqual([empty.status, empty.out], [0, [`There are no engines in "${join(box.modelsDir, "trt")}"`]]);
  const engine = await filled(box);
  const { status, out } = await run(box, "ls", "--json");
  assert.equal(status, 0);
  const { items, bytes, roots, limit_bytes: limit } = JSON.parse(out.join());
  assert.deepEqual(items.map(({ kind, role }: { kind: string; role?: string }) => [kind, role]), [
    ["engine", "current"],
    ["engine", "other"],
    ["quarantine", undefined],
  ]);
  assert.equal(items[0].engine, engine);
  assert.equal(items[0].key.tensorrt_version, "10.12.0.36");
  assert.equal(items[0].problem, null);
  assert.match(items[2].reason, /digest/);
  assert.equal(bytes, items.reduce((sum: number, one: { bytes: number }) => sum + one.bytes, 0));
  assert.equal(roots.length, 2);
  assert.equal(limit, 8_192_000_000);
  const text = (await run(box, "ls")).out.join("\n");
  assert.match(
    text,
    /current, 0\.0 MB, last used \d{4}-\d\d-\d\dT\d\d:\d\d\n {2}tensorrt 10\.12\.0\.36, fp16, batch 4, on NVIDIA GeForce RTX 4090, key [0-9a-f]{32}/,
  );
});

Deno.test("trtd cache verify: reads every engine, says which would not be used, and changes nothing", async () => {
  await using box = await setUp();
  const engine = await filled(box);
  const sound = await run(box, "verify", "--json");
  assert.equal(sound.status, 0);
  assert.deepEqual(JSON.parse(sound.out.join()).engines.map(({ ok }: { ok: boolean }) => ok), [true, true]);

  const info = await Deno.stat(engine);
  const bytes = await Deno.readFile(engine);
  bytes[77]! ^= 4;
  await Deno.writeFile(engine, bytes);
  await Deno.utime(engine, info.atime!, info.mtime!);
  const { status, out } = await run(box, "verify", "--json");
  assert.equal(status, 1);
  const [bad, good] = JSON.parse(out.join()).engines;
  assert.deepEqual([bad.ok, good.ok], [false, true]);
  assert.match(bad.detail, /does not have the digest/);
  assert.deepEqual(await Deno.readFile(engine), bytes);
  await Deno.chmod(engine, 0o666);
  assert.match(
    (await run(box, "verify")).out.join("\n"),
    /can be written by every user .*\n.*sound\n2 engines, 1 of them would not be used/s,
  );
});

Deno.test("trtd cache prune: removes until the size is kept", async () => {
  await using box = await setUp();
  const engine = await filled(box);
  assert.deepEqual(
    JSON.parse((await run(box, "prune", "--json")).out.join()).removed,
    [],
    "under the limit nothing goes",
  );
  const { status, out } = await run(box, "prune", "--to", "0", "--json");
  const { removed, bytes } = JSON.parse(out.join());
  assert.deepEqual([status, removed.length, bytes], [0, 3, 0]);
  await assert.rejects(Deno.lstat(engine), Deno.errors.NotFound);
});

Deno.test("trtd cache: a wrong call is told, and nothing printed", async () => {
  await using box = await setUp();
  const rows: [string[], RegExp][] = [
    [["list"], /There is no action "list"\n {2}remedy: Name one of ls, verify, prune, key/],
    [["ls", "x.onnx"], /takes no model/],
    [["key"], /needs a model/],
    [["key", "none.onnx"], /does not exist/],
    [["prune", "--to", "-1"], /--to is "-1"/],
    [["ls", "--cache-hmac-key", "none"], /"cache_hmac_key": .* does not exist/],
  ];
  for (const [args, message] of rows) {
    const { status, out, err } = await run(box, ...args);
    assert.ok(status > 0 && out.length === 0, args.join(" "));
    assert.match(err.join("\n"), message, args.join(" "));
  }
});

nativeTest("trtd cache key: dumps what decides about a hit, and ls --machine says what an upgrade costs", async () => {
  await using box = await setUp({ onDisk: true });
  await Deno.writeFile(join(box.folder, "pets.onnx"), detector([1, 3, 64, 64]));
  const trtd = async (set: string, ...args: string[]) => {
    const { core, cuda } = fakeSet(set);
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", MAIN, ...args, "--tensorrt", dirname(core)],
      cwd: box.folder,
      clearEnv: true,
      env: cleanEnvironment({
        LD_LIBRARY_PATH: dirname(cuda),
        TRTD_SHIM: shimAndFakes().shim,
        TRTD_FAKE: "",
        TRTD_FAKE_GPUS: "NVIDIA Fake 4090:8.9:24564",
        TRTD_CACHE_DIR: box.userCacheDir,
        INIT_CWD: box.folder,
        NO_COLOR: "1",
      }),
    }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout);
  };
  const dump = await trtd("10.16", "cache", "key", "pets.onnx");
  assert.match(dump, /^trtd engine key\n"batch": 1\n"compute_capability": "8\.9"\n/);
  assert.match(dump, /\n"gpu_name": "NVIDIA Fake 4090"\n/);
  const name = /# ([0-9a-f]{32})\n$/.exec(dump)?.[1];
  const before = JSON.parse(await trtd("10.16", "cache", "key", "pets.onnx", "--json"));
  assert.deepEqual([before.name, before.cache], [name, "miss"]);
  const built = JSON.parse(await trtd("10.16", "build-engine", "pets.onnx", "--json"));
  assert.equal(built.cache, "built");
  assert.equal(JSON.parse(await trtd("10.16", "cache", "key", "pets.onnx", "--json")).cache, "hit");
  assert.match(await trtd("10.16", "cache", "ls", "--machine"), /1 engines fit this machine, 0 must be built again/);
  const upgraded = await trtd("11.1", "cache", "ls", "--machine");
  assert.match(upgraded, /changed since: tensorrt_version: "10\.16\.1\.7" -> "11\.1\.0\.7"/);
  assert.match(upgraded, /to be built again: .*pets\.engine \(.*tensorrt_version/);
});
