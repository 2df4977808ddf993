import assert from "node:assert/strict";
import { join } from "node:path";
import { keyLine, newKey } from "../../../src/http/access/api_keys.ts";
import { PNG } from "../fixtures.ts";
import { exchange } from "../exchanges/raw_client.ts";
import { ServeFailed, ServeProcess } from "../../server/serve_process.ts";
import { writeTinyModel } from "../../server/tiny_model.ts";

const folder = Deno.makeTempDirSync({ prefix: "trtd-test-" });
const model = writeTinyModel(folder);
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

async function refusal(flags: string[], env: Record<string, string> = {}): Promise<ServeFailed> {
  try {
    await using _serve = await ServeProcess.start(["--model", model, ...flags], { env });
  } catch (error) {
    assert.ok(error instanceof ServeFailed, String(error));
    return error;
  }
  throw new Error("it started");
}

Deno.test("serve: it does not listen to strangers without a key, unless told", async () => {
  for (const host of ["0.0.0.0", "::"]) {
    const { status, stderr } = await refusal(["--host", host]);
    assert.equal(status, 2);
    assert.match(stderr, /trtd: OPEN_BIND: "host" is .*\n {2}remedy: Set "api_keys_file"/);
  }
  await using serve = await ServeProcess.start(["--model", model, "--host", "0.0.0.0", "--insecure"]);
  const port = new URL(serve.url).port;
  assert.equal((await (await fetch(`http://127.0.0.1:${port}/health/live`)).json()).status, "live");
  await serve.says(/everybody who reaches .* can use it/);
});

Deno.test("serve: a file of keys that cannot be used is a refused start", async () => {
  const { status, stderr } = await refusal(["--host", "0.0.0.0", "--api-keys-file", join(folder, "none")]);
  assert.equal(status, 2);
  assert.match(stderr, /API_KEYS_INVALID/);
});

for (const form of ["text", "json"]) {
  Deno.test(`serve: no key stands in the log of the form ${form}, nor in the workers' environment`, async () => {
    const keys = join(folder, `keys-${form}`);
    const [own, listed] = ["0123456789abcdefXYZ", newKey()];
    await Deno.writeTextFile(keys, `${keyLine("camera", listed)}\n`, { mode: 0o600 });
    const flags = ["--host", "0.0.0.0", "--api-keys-file", keys, "--log-level", "debug", "--log-format", form];
    await using serve = await ServeProcess.start(["--model", model, ...flags], { env: { TRTD_API_KEY: own } });
    const url = `http://127.0.0.1:${new URL(serve.url).port}`;
    await serve.until("ready", async () => (await status(`${url}/health/ready`)) === 200);
    const detect = (headers: Record<string, string>, query = "") =>
      fetch(`${url}/v1/detect${query}`, {
        method: "POST",
        body: PNG,
        headers: { "content-type": "image/png", ...headers },
      });
    for (const headers of [{ "x-api-key": own }, { authorization: `Bearer ${listed}` }]) {
      const response = await detect(headers);
      await response.body?.cancel();
      assert.equal(response.status, 200);
    }
    const mistakes = [
      await detect({}, `?api_key=${listed}`),
      await detect({ "x-api-key": `${listed}x` }),
      await detect({ "x-api-key": own }, `?token=${listed}`),
      await fetch(`${url}/nowhere/${listed}?key=${own}`),
    ];
    const said = (await Promise.all(mistakes.map((mistake) => mistake.text()))).join("\n");
    const broken = await exchange(
      [`GET /v1/models?api_key=${listed} HTTP/1.1\r\nHost: a\r\nHost: b\r\nX-API-Key: ${own}\r\n\r\n`],
      { host: "127.0.0.1", port: Number(new URL(url).port) },
    );
    assert.deepEqual(broken.statuses, [400]);
    for (const pid of serve.workers) {
      assert.ok(!Deno.readTextFileSync(`/proc/${pid}/environ`).includes(own));
      assert.ok(!Deno.readTextFileSync(`/proc/${pid}/cmdline`).includes(own));
    }
    // The last request is the one that no route saw; when it has ended, every line is there.
    serve.kill("SIGTERM");
    const log = await serve.allStderr();
    assert.match(log, /\/v1\/detect/);
    assert.match(log, /api_key/);
    assert.ok(!log.includes(own), "the key of the setting is in the log");
    assert.ok(
      !(log + broken.body).includes(listed.slice(5)),
      log.split("\n").find((line) => line.includes(listed.slice(5))),
    );
    assert.ok(!said.includes(own));
    if (form === "json") assert.match(log, /"key":"camera"/);
  });
}

async function status(url: string): Promise<number> {
  const response = await fetch(url);
  await response.body?.cancel();
  return response.status;
}
