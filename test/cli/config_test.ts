import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { cleanEnvironment } from "../clean_environment.ts";

const MAIN = resolve(import.meta.dirname!, "../../src/main.ts");

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Run the real program in a folder of its own. */
async function trtd(args: string[], options: { cwd?: string; env?: Record<string, string> } = {}): Promise<Said> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", MAIN, ...args],
    clearEnv: true,
    env: cleanEnvironment({ NO_COLOR: "1", INIT_CWD: options.cwd ?? "/", ...options.env }),
    cwd: options.cwd ?? "/",
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

async function withFile(value: unknown, run: (cwd: string) => Promise<void>): Promise<void> {
  const cwd = await Deno.makeTempDir({ prefix: "trtd-config-" });
  try {
    await Deno.writeTextFile(join(cwd, "trtd.config.json"), JSON.stringify(value));
    await run(cwd);
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
}

const KEY = "0123456789abcdefXYZ";
const SECRETS = { SERVING_ENVIRONMENT: '{"upstream_token": "t0kent0ken"}', TRTD_API_KEY: KEY };

Deno.test("config: the command shows each value with its origin, and no secret", async () => {
  await withFile({ cache: { layout: "per-device" }, http: { trusted_networks: ["10.0.0.0/8"] } }, async (cwd) => {
    const json = await trtd(["config", "--json", "--port", "99"], { cwd, env: SECRETS });
    assert.equal(json.code, 0, json.err);
    const rows: { key: string; value?: unknown; origin: string; secret: boolean }[] = JSON.parse(json.out).settings;
    const row = (key: string) => rows.find((row) => row.key === key);
    const file = join(cwd, "trtd.config.json");
    assert.deepEqual(row("port"), { key: "port", value: 99, origin: "--port", secret: false });
    assert.deepEqual(row("cache_layout"), { key: "cache_layout", value: "per-device", origin: file, secret: false });
    assert.deepEqual(row("api_key"), { key: "api_key", value: "***", origin: "TRTD_API_KEY", secret: true });
    assert.deepEqual(row("upstream_token"), {
      key: "upstream_token",
      value: "***",
      origin: "SERVING_ENVIRONMENT",
      secret: true,
    });
    assert.deepEqual(row("device"), { key: "device", origin: "default", secret: false });
    const text = await trtd(["config", "--changed"], { cwd, env: SECRETS });
    assert.match(text.out, /^SETTING +VALUE +FROM\n/);
    assert.match(text.out, /^http_trusted_networks +\["10\.0\.0\.0\/8"\] +\/.*trtd\.config\.json$/m);
    assert.doesNotMatch(text.out, /^port/m);
    const layers = await trtd(["config", "--layers", "--log-level", "debug"], { cwd, env: SECRETS });
    assert.equal(layers.out.trim().split("\n").length, 4);
    assert.match(layers.err, /Settings from TRTD_ variables: api_key=/);
    for (const said of [json, text, layers]) assert.doesNotMatch(said.out + said.err, /t0ken|0123456789abcdef/);
  });
});

Deno.test("config: every problem is told at once, with status 2", async () => {
  await withFile({ prot: 1, score: 7, api_key: "short" }, async (cwd) => {
    const { code, out, err } = await trtd(["config", "--iou", "x"], { cwd, env: { TRTD_PROT: "1" } });
    assert.deepEqual([code, out], [2, ""]);
    assert.match(err, /^trtd: CONFIG_INVALID: 5 settings are wrong: /);
    for (const says of [/"prot": Did you mean "port"/, /"score"/, /"api_key"/, /"TRTD_PORT"/, /--iou/]) {
      assert.match(err, says);
    }
    assert.doesNotMatch(err, /"short"/);
  });
});

Deno.test("config: a secret has no flag, and a try does not print it", async () => {
  const { code, out, err } = await trtd(["config", `--api-key=${KEY}`]);
  assert.equal(code, 2);
  assert.doesNotMatch(out + err, /0123456789abcdef/);
});

Deno.test("config: booleans have flags for both", async () => {
  await withFile({ insecure: true }, async (cwd) => {
    const insecure = async (...args: string[]) =>
      JSON.parse((await trtd(["config", "--json", ...args], { cwd })).out).settings
        .find(({ key }: { key: string }) => key === "insecure");
    assert.deepEqual((await insecure()).value, true);
    const off = await insecure("--no-insecure");
    assert.deepEqual([off.value, off.origin], [false, "--insecure"]);
    assert.equal((await insecure("--no-insecure", "--insecure")).value, true);
  });
});

Deno.test("config: key makes a key and its line", async () => {
  const { code, out } = await trtd(["config", "key", "--name", "camera-1", "--json"]);
  assert.equal(code, 0);
  const { key, line } = JSON.parse(out);
  assert.match(key, /^trtd_[A-Za-z0-9_-]{43}$/);
  assert.match(line, /^camera-1 sha256:[0-9a-f]{64}$/);
  const again = await trtd(["config", "key", "--name", "camera-1"]);
  assert.match(again.out, /^trtd_[A-Za-z0-9_-]{43}\n$/);
  assert.notEqual(again.out.trim(), key);
  assert.match(again.err, /camera-1 sha256:/);
  assert.equal((await trtd(["config", "key", "--name", "a b"])).code, 2);
  assert.equal((await trtd(["config", "keys"])).code, 2);
});

Deno.test("config: a child process has its parent's settings and not its secrets", async () => {
  await withFile({ queue_limit: 3, api_key: KEY }, async (cwd) => {
    const script = join(cwd, "parent.ts");
    const run = resolve(import.meta.dirname!, "../../src/cli/run.ts");
    const deno = resolve(import.meta.dirname!, "../../deno.json");
    await Deno.writeTextFile(
      script,
      `import { runCli } from ${JSON.stringify(run)};
const command = (name, hidden) => () => Promise.resolve({ name, hidden, summary: "", configure() {}, async run({ config, terminal }) {
  const told = Deno.env.get("TRTD_INHERITED")?.includes("0123456789") ?? null;
  const { queue_limit, port, api_key } = config;
  terminal.print(JSON.stringify([name, queue_limit, port, api_key ?? null, Deno.env.get("TRTD_API_KEY") ?? null, told]));
  if (hidden) return 0;
  const args = ["run", "-A", "--quiet", "--config", ${JSON.stringify(deno)}, ${JSON.stringify(script)}, "child"];
  return (await new Deno.Command(Deno.execPath(), { args, env: { INIT_CWD: "/" } }).spawn().status).code;
} });
Deno.exit(await runCli(Deno.args, { parent: command("parent", false), child: command("child", true) }));
`,
    );
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", "--config", deno, script, "parent"],
      clearEnv: true,
      env: cleanEnvironment({ INIT_CWD: cwd, TRTD_API_KEY: `${KEY}2`, TRTD_PORT: "77" }),
    }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    const said = new TextDecoder().decode(stdout).trim().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(said, [
      ["parent", 3, 77, `${KEY}2`, null, false],
      ["child", 3, 77, null, null, false],
    ]);
  });
});
