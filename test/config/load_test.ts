import assert from "node:assert/strict";
import { join } from "node:path";
import { layerLines, loadConfig, type LoadedConfig, type LoadOptions, withdrawSecrets } from "../../src/config/load.ts";
import { TrtdError } from "../../src/errors.ts";

interface Place {
  readonly cwd: string;
  write(name: string, value: unknown): string;
  load(flags?: Record<string, string>, options?: Partial<LoadOptions>): Promise<LoadedConfig>;
  refusal(flags?: Record<string, string>, options?: Partial<LoadOptions>): Promise<TrtdError>;
}

async function inPlace(env: Record<string, string>, run: (place: Place) => Promise<void>): Promise<void> {
  const cwd = await Deno.makeTempDir({ prefix: "trtd-config-" });
  const before = new Map(Object.keys(env).map((name) => [name, Deno.env.get(name)]));
  for (const [name, value] of Object.entries(env)) Deno.env.set(name, value);
  const load: Place["load"] = (flags = {}, options = {}) =>
    loadConfig({ cache_dir: join(cwd, "cache"), ...flags }, { cwd, systemPath: join(cwd, "system.json"), ...options });
  try {
    await run({
      cwd,
      load,
      write(name, value) {
        const path = join(cwd, name);
        Deno.writeTextFileSync(path, typeof value === "string" ? value : JSON.stringify(value));
        return path;
      },
      async refusal(flags, options) {
        try {
          await load(flags, options);
        } catch (error) {
          assert.ok(error instanceof TrtdError, String(error));
          return error;
        }
        throw new Error("nothing was refused");
      },
    });
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, value);
    }
    await Deno.remove(cwd, { recursive: true });
  }
}

Deno.test("config: the seven layers are read, each with its origin", async () => {
  const env = {
    SERVING_ENVIRONMENT: '{"cache_wait_s": 5, "max": 5, "score": 0.5, "iou": 0.5}',
    TRTD_MAX: "6",
    TRTD_SCORE: "0.6",
  };
  await inPlace(env, async ({ load, write, cwd }) => {
    const all = { port: 0, threads: 0, queue_limit: 0, cache_wait_s: 0, max: 0, score: 0, iou: 0 };
    const from = (layer: number, ...keys: (keyof typeof all)[]) =>
      Object.fromEntries(keys.map((key) => [key, key === "score" || key === "iou" ? layer / 10 : layer]));
    write("system.json", from(2, "port", "threads", "queue_limit", "cache_wait_s", "max", "score", "iou"));
    write("trtd.config.json", from(3, "threads", "queue_limit", "cache_wait_s", "max", "score", "iou"));
    write("up.json", from(4, "queue_limit", "cache_wait_s", "max", "score", "iou"));
    const { config, origins } = await load({ score: "0.7", upstream: "up.json" });
    assert.deepEqual(
      [config.port, config.threads, config.queue_limit, config.cache_wait_s, config.iou, config.max, config.score],
      [2, 3, 4, 5, 0.5, 6, 0.7],
    );
    assert.deepEqual(
      [
        origins.port,
        origins.threads,
        origins.queue_limit,
        origins.cache_wait_s,
        origins.max,
        origins.score,
        origins.host,
      ],
      [
        join(cwd, "system.json"),
        join(cwd, "trtd.config.json"),
        join(cwd, "up.json"),
        "SERVING_ENVIRONMENT",
        "TRTD_MAX",
        "--score",
        "default",
      ],
    );
  });
});

Deno.test("config: --config stands for the file of the folder, and must exist", async () => {
  await inPlace({}, async ({ load, write, refusal }) => {
    write("trtd.config.json", { port: 1 });
    write("other.json", { host: "::1" });
    const { config } = await load({}, { configPath: "other.json" });
    assert.deepEqual([config.port, config.host], [8080, "::1"]);
    assert.equal((await refusal({}, { configPath: "none.json" })).code, "FILE_NOT_FOUND");
  });
});

Deno.test("config: a folder, a long file, a broken file and a byte order mark", async () => {
  await inPlace({}, async ({ load, write, refusal, cwd }) => {
    assert.equal((await refusal({}, { configPath: cwd })).code, "FILE_UNREADABLE");
    write("long.json", `{"host": "${"x".repeat(1_048_576)}"}`);
    const long = await refusal({}, { configPath: "long.json" });
    assert.match(`${long.code} ${long.message}`, /FILE_UNREADABLE .*more than 1048576 bytes/);
    assert.equal((await refusal({}, { configPath: "/dev/zero" })).code, "FILE_UNREADABLE");
    write("trtd.config.json", '{\n  "port": 1,\n}');
    write("system.json", '{"prot": 1}');
    const broken = await refusal();
    assert.match(broken.message, /2 settings are wrong: .*is not JSON from line 3, column 1.*"prot"/);
    write("system.json", '\ufeff{"port": 9}');
    await Deno.remove(join(cwd, "trtd.config.json"));
    assert.equal((await load()).config.port, 9);
  });
});

Deno.test("config: an empty SERVING_ENVIRONMENT says nothing, one that is no object is refused", async () => {
  await inPlace({ SERVING_ENVIRONMENT: " " }, async ({ load }) => assert.deepEqual((await load()).layers.length, 1));
  for (const text of ["[]", "port=80", "1", "null"]) {
    await inPlace({ SERVING_ENVIRONMENT: text }, async ({ refusal }) => {
      assert.match((await refusal()).message, /"SERVING_ENVIRONMENT" (must hold one JSON object|is not JSON)/);
    });
  }
});

Deno.test("config: inherited settings stand for every layer but flags", async () => {
  await inPlace({ TRTD_PORT: "1", TRTD_NOBODY: "1" }, async ({ load, write }) => {
    write("trtd.config.json", { queue_limit: 3 });
    const { config, origins } = await load({ host: "::1" }, { inherited: '{"cache_wait_s": 2}' });
    assert.deepEqual([config.port, config.queue_limit, config.cache_wait_s, config.host], [8080, 64, 2, "::1"]);
    assert.equal(origins.cache_wait_s, "the parent process");
  });
});

Deno.test("config: each layer is told in one line, without secrets", async () => {
  const env = { TRTD_API_KEY: "0123456789abcdefXYZ", SERVING_ENVIRONMENT: '{"upstream_token": "t0kent0ken"}' };
  await inPlace(env, async ({ load, write, cwd }) => {
    write("trtd.config.json", { port: 1, upstream: "https://ann:pa55word@127.0.0.1:1/x", api_keys_file: "keys" });
    const loaded = await load({ upstream: join(cwd, "trtd.empty.json") }).catch(() => null);
    assert.equal(loaded, null);
    write("trtd.empty.json", {});
    const lines = layerLines(await load({ upstream: "trtd.empty.json" }));
    assert.equal(lines.length, 4);
    assert.match(
      lines[0]!,
      /trtd\.config\.json: port=1, upstream="https:\/\/\*\*\*@127\.0\.0\.1:1\/x", api_keys_file="keys"/,
    );
    assert.match(lines[1]!, /SERVING_ENVIRONMENT: upstream_token="\*\*\*"/);
    assert.match(lines[2]!, /TRTD_ variables: api_key="\*\*\*"/);
    assert.match(lines[3]!, /flags: .*upstream="trtd\.empty\.json"/);
  });
});

Deno.test("config: variables with secrets are withdrawn, others stay", async () => {
  const env = {
    TRTD_API_KEY: "0123456789abcdefXYZ",
    TRTD_PORT: "1",
    SERVING_ENVIRONMENT: '{"upstream_token": "t0kent0ken"}',
  };
  await inPlace(env, async ({ load }) => {
    withdrawSecrets(await load());
    assert.deepEqual(Object.keys(env).map((name) => Deno.env.get(name)), [undefined, "1", undefined]);
  });
  const alias = { endpoint: "https://m.example", bucket: "b", secret_key: "s3cr3ts3cr3t" };
  await inPlace({ TRTD_ALIASES: JSON.stringify({ minio: alias }) }, async ({ load }) => {
    withdrawSecrets(await load());
    assert.equal(Deno.env.get("TRTD_ALIASES"), undefined);
  });
  await inPlace({ SERVING_ENVIRONMENT: '{"port": 1}' }, async ({ load }) => {
    withdrawSecrets(await load());
    assert.equal(Deno.env.get("SERVING_ENVIRONMENT"), '{"port": 1}');
  });
});

Deno.test("config: a file with secrets that others may read is remarked on", async () => {
  await inPlace({}, async ({ load, write }) => {
    const path = write("trtd.config.json", { api: { key: "0123456789abcdefXYZ" } });
    await Deno.chmod(path, 0o644);
    assert.match((await load()).remarks.join(), /holds secrets and others may read it/);
    await Deno.chmod(path, 0o600);
    assert.deepEqual((await load()).remarks, []);
  });
});
