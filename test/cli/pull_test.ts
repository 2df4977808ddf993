import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { keyFrom } from "../../src/cache/key.ts";
import { openEngineCache } from "../../src/cache/store.ts";
import { downloadBar } from "../../src/cli/models/download_bar.ts";
import { fakeBuild, INPUTS } from "../cache/set_up.ts";
import { hostileServer, serveFile } from "../models/sources/hostile_server.ts";
import { sha256Of, someModel } from "../models/sources/pull_rig.ts";
import { cleanEnvironment } from "../clean_environment.ts";
import type { Program } from "../server/program.ts";
import { ServeProcess } from "../server/serve_process.ts";
import { until } from "../until.ts";

const MAIN = resolve(import.meta.dirname!, "../../src/main.ts");
const CODES = resolve(import.meta.dirname!, "../../models/codes");
const MODEL = someModel(400_000);
const SECRET = "hunter2hunter2";

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function start(cwd: string, args: readonly string[], env: Record<string, string> = {}): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", MAIN, ...args],
    cwd,
    clearEnv: true,
    env: cleanEnvironment({
      NO_COLOR: "1",
      INIT_CWD: cwd,
      MINIO_ACCESS_KEY: "AKEXAMPLE",
      MINIO_SECRET_KEY: SECRET,
      ...env,
    }),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function ended(process: Deno.ChildProcess): Promise<Ran> {
  const { code, stdout, stderr } = await process.output();
  return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
}

const run = (cwd: string, args: readonly string[], env?: Record<string, string>) => ended(start(cwd, args, env));

/** Size of the part of a download, 0 without one. */
function partBytes(folder: string): number {
  try {
    const part = [...Deno.readDirSync(folder)].find(({ name }) => name.endsWith(".part"));
    return part === undefined ? 0 : Deno.statSync(join(folder, part.name)).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

/** A folder with a configuration whose alias `minio` is the given address. */
async function withFolder(endpoint: string, body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "trtd-cli-pull-" });
  try {
    await Deno.writeTextFile(
      join(folder, "trtd.config.json"),
      JSON.stringify({ aliases: { minio: { endpoint, bucket: "models" } }, download_timeout_ms: 60_000 }),
    );
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("cli pull: a model of an alias lands, is listed, is found the next time, and no secret is told", async () => {
  const signatures: (string | null)[] = [];
  await using server = hostileServer(async (exchange) => {
    signatures.push(exchange.header("authorization"));
    if (exchange.path.endsWith("/coco.txt")) return await serveFile(exchange, new TextEncoder().encode("cat\ndog\n"));
    await serveFile(exchange, MODEL);
  });
  await withFolder(server.origin, async (folder) => {
    const args = ["pull", "minio:Y8/a.onnx", "--name", "pets", "--labels", "coco.txt", "--log-level", "debug"];
    const first = await run(folder, [...args, "--json"]);
    assert.equal(first.code, 0, first.err);
    const { duration_s, file, ...answer } = JSON.parse(first.out);
    assert.equal(typeof duration_s, "number");
    assert.equal(file, join(folder, "models", "pets", "a.onnx"));
    assert.deepEqual(answer, {
      name: "pets",
      status: "downloaded",
      bytes: MODEL.length,
      sha256: sha256Of(MODEL),
      source: "minio:Y8/a.onnx",
      labels: 2,
      resumed_from: 0,
      remarks: [`WARNING: "${server.host}" is asked by plain http: anybody on the way can change the model`],
    });
    assert.match(signatures[0] ?? "", /^AWS4-HMAC-SHA256 Credential=AKEXAMPLE\//);
    assert.deepEqual(server.requests, ["/models/Y8/coco.txt", "/models/Y8/a.onnx"]);

    const second = await run(folder, [...args, "--models-offline"], { MINIO_SECRET_KEY: "" });
    assert.equal(second.code, 0, second.err);
    assert.match(second.out, /^found, skipping: .*a\.onnx \(0\.4 MB, SHA-256 [0-9a-f]{64}\)\n$/);
    assert.equal(server.requests.length, 2);

    const cache = openEngineCache({ modelsDir: join(folder, "models"), userCacheDir: null });
    await cache.obtain({
      model: { name: "pets", named: "manifest", path: file, sha256: sha256Of(MODEL) },
      key: keyFrom({ ...INPUTS, model: { sha256: sha256Of(MODEL), externalDataSha256: null } }),
      build: fakeBuild("engine"),
    });
    const listed = await run(folder, ["models", "--json"]);
    const pets = JSON.parse(listed.out).find(({ name }: { name: string }) => name === "pets");
    assert.equal(pets.sha256, sha256Of(MODEL));
    assert.deepEqual(pets.engines.map(({ where }: { where: string }) => where), ["fp16/bs4"]);
    assert.equal(pets.source.uri, "minio:Y8/a.onnx");
    assert.equal(pets.problem.code, "MODEL_NOT_A_DETECTOR");
    const codes = JSON.parse(listed.out).find(({ name }: { name: string }) => name === "codes");
    assert.deepEqual([codes.head, codes.input, codes.labels.length, codes.problem], [
      "yolov8",
      { width: 640, height: 640, batch: null },
      6,
      null,
    ]);
    for (const { out, err } of [first, second, listed]) assert.doesNotMatch(out + err, new RegExp(SECRET));
  });
});

Deno.test("cli pull: a failure has its code, its remedy and the exit status of the code", async () => {
  await using server = hostileServer((exchange) =>
    exchange.send("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
  );
  await withFolder(server.origin, async (folder) => {
    const missing = await run(folder, ["pull", "minio:Y8/a.onnx", "--json"]);
    assert.equal(missing.code, 1, missing.err);
    assert.equal(JSON.parse(missing.out).error.code, "DOWNLOAD_NOT_FOUND");
    assert.match(missing.err, /trtd: DOWNLOAD_NOT_FOUND: .*404.*\n {2}remedy: /);
    const unknown = await run(folder, ["pull", "nobody:a.onnx"]);
    assert.equal(unknown.code, 2);
    assert.match(unknown.err, /SOURCE_INVALID.*no alias "nobody"/);
    const keyless = await run(folder, ["pull", "minio:a.onnx"], { MINIO_SECRET_KEY: "" });
    assert.equal(keyless.code, 3);
    assert.match(keyless.err, /CREDENTIALS_MISSING: .*MINIO_SECRET_KEY/);
    assert.doesNotMatch(missing.err + unknown.err + keyless.err, new RegExp(SECRET));
  });
});

Deno.test("cli pull: SIGINT ends it at once, and the next one goes on", async () => {
  const midway = Promise.withResolvers<void>();
  await using server = hostileServer(async (exchange) => {
    if (exchange.number > 1) return await serveFile(exchange, MODEL);
    await serveFile(exchange, MODEL, { until: MODEL.length / 2 });
    midway.resolve();
    await exchange.gone;
  });
  await withFolder(server.origin, async (folder) => {
    const process = start(folder, ["pull", "minio:a.onnx"]);
    await midway.promise;
    await until("midway", () => partBytes(join(folder, "models", ".downloads")) > MODEL.length / 3);
    process.kill("SIGINT");
    const interrupted = await ended(process);
    assert.equal(interrupted.code, 130, interrupted.err);
    assert.match(interrupted.err, /INTERRUPTED: The download of "minio:a\.onnx" was interrupted/);
    const next = await run(folder, ["pull", "minio:a.onnx", "--json"]);
    assert.equal(next.code, 0, next.err);
    assert.ok(JSON.parse(next.out).resumed_from > MODEL.length / 3, next.out);
  });
});

Deno.test("cli detect: --model takes a source, pulls it once and detects with it", async () => {
  const codes = await Deno.readFile(join(CODES, "codes.onnx"));
  await using server = hostileServer((exchange) => serveFile(exchange, codes));
  await withFolder(server.origin, async (folder) => {
    const word = `minio:ai/depot.onnx#sha256=${sha256Of(codes)}`;
    const args = ["detect", join(CODES, "photos", "desk.jpg"), "--model", word, "--backend", "onnxruntime", "--json"];
    for (const _ of [1, 2]) {
      const { code, out, err } = await run(folder, args);
      assert.equal(code, 0, err);
      const [{ model, detections }] = JSON.parse(out);
      assert.equal(model, "depot");
      assert.ok(detections.length > 0);
    }
    assert.deepEqual(server.requests, ["/models/ai/depot.onnx"]);
  });
});

Deno.test("cli serve: --model takes a source, and serves it under its name", async () => {
  const codes = await Deno.readFile(join(CODES, "codes.onnx"));
  await using server = hostileServer((exchange) => serveFile(exchange, codes));
  await withFolder(server.origin, async (folder) => {
    const args = ["--backend", "onnxruntime", "--model", "minio:ai/depot.onnx"];
    const program: Program = (words, { env }) => start(folder, words, env);
    await using serve = await ServeProcess.start(args, { program });
    assert.deepEqual(serve.models, ["depot"]);
    await serve.ready();
    const body = await Deno.readFile(join(CODES, "photos", "desk.jpg"));
    const headers = { "content-type": "image/jpeg" };
    const answer = await fetch(`${serve.url}/v1/detect`, { method: "POST", body, headers });
    const { model, detections } = await answer.json();
    assert.equal(model, "depot");
    assert.ok(detections.length > 0);
    assert.deepEqual(server.requests, ["/models/ai/depot.onnx"]);
    assert.equal(await serve.stop(), 0, serve.stderr);
    assert.doesNotMatch(await serve.allStderr(), new RegExp(SECRET));
  });
});

Deno.test("download bar: where nobody watches a line tells bytes, share and rate every 5 s", () => {
  let now = 0;
  const told: string[] = [];
  const bar = downloadBar("minio:a.onnx", { interactive: false, note: (text) => void told.push(text) }, () => now);
  for (let second = 0; second <= 11; second++) {
    now = second * 1000;
    bar.update({ bytes: 2_000_000 * second + 1_000_000, total: 50_000_000, resumedFrom: 1_000_000 });
  }
  bar.stop();
  assert.deepEqual(told, [
    'trtd: "minio:a.onnx": 11.0 MB of 50.0 MB (22 %), 2.0 MB/s',
    'trtd: "minio:a.onnx": 21.0 MB of 50.0 MB (42 %), 2.0 MB/s',
  ]);
});
