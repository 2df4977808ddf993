import assert from "node:assert/strict";
import { dirname, join, resolve } from "node:path";
import { tinyYolo } from "../onnx/build_model.ts";
import { fakeSet, nativeTest, shimAndFakes } from "../native/children.ts";
import { filesUnder } from "../tensorrt/build/fake_build.ts";
import { ServeProcess } from "../server/serve_process.ts";
import { TINY_LABELS, writeTinyModel } from "../server/tiny_model.ts";
import { cleanEnvironment } from "../clean_environment.ts";

const MAIN = resolve(import.meta.dirname!, "../../src/main.ts");

interface Served {
  readonly engine: {
    readonly cache: string;
    readonly path: string | null;
    readonly missed_because: readonly { readonly field: string; readonly old: unknown; readonly new: unknown }[];
    readonly detail: string;
  };
  readonly metrics: string;
  readonly log: string;
}

const environment = (folder: string, extra: Readonly<Record<string, string>> = {}) => ({
  LD_LIBRARY_PATH: dirname(fakeSet("10.16").cuda),
  TRTD_SHIM: shimAndFakes().shim,
  TRTD_FAKE: "",
  TRTD_FAKE_GPUS: "NVIDIA Fake 4090:8.9:24564",
  TRTD_CACHE_DIR: join(folder, "cache"),
  NO_COLOR: "1",
  ...extra,
});

const flagsOf = (folder: string, set: string): string[] => [
  "--models",
  join(folder, "models"),
  "--tensorrt",
  dirname(fakeSet(set).core),
];

/** A folder with the model `tiny` and its engine of TensorRT 10.16. */
async function withEngine(body: (folder: string) => Promise<void>, args: readonly string[] = []): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "trtd-serve-engines-" });
  try {
    const model = writeTinyModel(folder);
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", MAIN, "build-engine", model, ...flagsOf(folder, "10.16"), ...args],
      clearEnv: true,
      env: cleanEnvironment(environment(folder)),
      stdout: "null",
      stderr: "piped",
    }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Starts the server, and tells what it says once it is ready. */
async function served(
  folder: string,
  { set = "10.16", flags = [], env = {} }: {
    readonly set?: string;
    readonly flags?: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
  } = {},
): Promise<Served> {
  const all = [
    "--model",
    join(folder, "tiny.onnx"),
    ...flagsOf(folder, set),
    "--serve-while-building",
    "off",
    ...flags,
  ];
  await using serve = await ServeProcess.start(all, { env: environment(folder, env) });
  await serve.ready();
  const { engine } = await (await fetch(`${serve.url}/v1/models/tiny`)).json();
  const { models } = await (await fetch(`${serve.url}/v1/models`)).json();
  assert.deepEqual(models[0].engine, engine);
  assert.equal(models[0].backend.name, "onnxruntime");
  const scraped = await fetch(`${serve.url}/metrics`);
  assert.match(scraped.headers.get("content-type")!, /^text\/plain; version=0\.0\.4; charset=utf-8$/);
  return { engine, metrics: await scraped.text(), log: serve.stderr };
}

/** Size and time of each file of the cache; that of the metadata is the last use. */
const snapshot = (folder: string) =>
  filesUnder(join(folder, "models/trt")).map((file) => {
    const { size, mtime } = Deno.statSync(join(folder, "models/trt", file));
    return [file, size, mtime?.getTime()];
  });

nativeTest(
  "serve: another TensorRT and another model are misses that name their fields in log, status and metrics",
  () =>
    withEngine(async (folder) => {
      const before = snapshot(folder);
      const upgraded = await served(folder, { set: "11.1" });
      assert.equal(upgraded.engine.cache, "miss", JSON.stringify(upgraded.engine));
      assert.equal(upgraded.engine.path, join(folder, "models/trt/tiny/f32/bs1/tiny.engine"));
      const version = upgraded.engine.missed_because.find(({ field }) => field === "tensorrt_version");
      assert.deepEqual(version, { field: "tensorrt_version", old: "10.16.1.7", new: "11.1.0.7" });
      assert.match(upgraded.engine.detail, /tensorrt_version: "10\.16\.1\.7" -> "11\.1\.0\.7"/);
      assert.match(upgraded.metrics, /^trtd_cache_lookups_total\{model="tiny",result="miss"\} 1$/m);
      assert.match(upgraded.metrics, /^trtd_cache_misses_total\{model="tiny",field="tensorrt_version"\} 1$/m);
      assert.match(
        upgraded.log,
        /has no engine of .*tiny.* that fits: .*tensorrt_version: "10\.16\.1\.7" -> "11\.1\.0\.7"/,
      );
      assert.match(
        upgraded.log,
        /To be built again for this machine: .*tiny\.engine.*tensorrt_version.* s the last time/,
      );

      const rows = [{ box: [32, 32, 24, 12] as const, scores: [0.8, 0.1] }];
      await Deno.writeFile(join(folder, "tiny.onnx"), tinyYolo(rows, { labels: TINY_LABELS }));
      const trained = await served(folder);
      assert.deepEqual(trained.engine.missed_because.map(({ field }) => field), ["model_sha256"]);
      assert.match(trained.metrics, /^trtd_cache_misses_total\{model="tiny",field="model_sha256"\} 1$/m);
      assert.match(trained.log, /that fits: .*model_sha256: "[0-9a-f]{64}" -> "[0-9a-f]{64}"/);
      assert.doesNotMatch(trained.log, /To be built again for this machine/);
      assert.deepEqual(snapshot(folder), before);
    }),
);

nativeTest("serve: an engine of other options is a miss that says so", () =>
  withEngine(async (folder) => {
    const { engine } = await served(folder);
    assert.deepEqual([engine.cache, engine.path], ["miss", null]);
    assert.deepEqual(engine.missed_because, [{ field: "engine", old: "absent", new: "intact" }]);
    assert.match(engine.detail, /There are engines of other options; "f32" of batch 1 was asked for/);
  }, ["--precision", "fp16"]));

nativeTest(
  "serve: without a TensorRT there is none, with the reason, and pictures are answered all the same",
  () =>
    withEngine(async (folder) => {
      const empty = join(folder, "empty");
      await Deno.mkdir(empty);
      const { engine, metrics, log } = await served(folder, { flags: ["--tensorrt", empty] });
      assert.deepEqual([engine.cache, engine.path, engine.missed_because], ["none", null, []]);
      assert.match(engine.detail, /^No engine can be used: No TensorRT was found /);
      assert.doesNotMatch(metrics, /^trtd_cache_lookups_total\{/m);
      assert.match(log, /No engine can be used/);
    }),
);

nativeTest(
  "serve: a damaged engine is a miss that says so, and is set aside by the worker that would load it",
  () =>
    withEngine(async (folder) => {
      const path = join(folder, "models/trt/tiny/f32/bs1/tiny.engine");
      const bytes = await Deno.readFile(path);
      bytes[bytes.length - 1]! ^= 1;
      await Deno.writeFile(path, bytes);
      const { engine } = await served(folder);
      const [difference] = engine.missed_because;
      assert.equal(difference!.field, "engine");
      assert.match(String(difference!.old), /^(damaged|absent)$/, "the worker may have been faster");
      assert.throws(() => Deno.statSync(path), Deno.errors.NotFound);
      assert.match(filesUnder(join(folder, "models/trt")).join(" "), /\.quarantine\/[^ ]*tiny\.engine/);
    }),
);
