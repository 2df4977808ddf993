import assert from "node:assert/strict";
import { join } from "node:path";
import { keyLine, newKey } from "../../../src/http/access/api_keys.ts";
import { accessOf } from "../../../src/http/access/route_access.ts";
import { routesFor } from "../../../src/http/routes/routes.ts";
import type { Served } from "../../../src/http/service.ts";
import { PNG, testServer } from "../fixtures.ts";
import { exchange } from "../exchanges/raw_client.ts";
import { until } from "../../until.ts";

const KEY = "0123456789abcdefXYZ";
const keyed = { access: { api_key: KEY } };

const addressOf = (path: string) => path.replace(":name", "codes").replace(":file", "start.js");

function form(fields: Record<string, string | Blob> = {}): FormData {
  const data = new FormData();
  for (const [name, value] of Object.entries({ image: new Blob([PNG], { type: "image/png" }), ...fields })) {
    data.append(name, value);
  }
  return data;
}

async function codeOf(response: Response): Promise<string> {
  const { code, error_code } = await response.json();
  return error_code ?? code;
}

Deno.test("access: every route but the open ones answers 401 without a key and with a wrong one", async () => {
  await using test = await testServer(keyed);
  for (const { method, path } of routesFor({} as Served)) {
    for (const headers of [{}, { "x-api-key": `${KEY}1` }, { authorization: "Bearer wrong" }]) {
      const body = method === "POST" ? form() : null;
      const response = await fetch(`${test.url}${addressOf(path)}`, { method, headers, body });
      const name = `${method} ${path}`;
      if (accessOf(method, path) === "open") {
        assert.ok(![401, 403].includes(response.status), `${name} ${response.status}`);
        await response.body?.cancel();
        continue;
      }
      assert.equal(response.status, 401, name);
      assert.match(response.headers.get("www-authenticate")!, /^Bearer realm="trtd"/, name);
      const code = await codeOf(response);
      assert.equal(code, Object.keys(headers).length === 0 ? "API_KEY_MISSING" : "API_KEY_WRONG", name);
    }
  }
  assert.equal(test.worker.seen.length, 0);
});

Deno.test("access: a key opens every route, as bearer and as X-API-Key", async () => {
  await using test = await testServer(keyed);
  for (const headers of [{ "x-api-key": KEY }, { authorization: `Bearer ${KEY}` }]) {
    for (const { method, path } of routesFor({} as Served)) {
      const body = method === "POST" ? form() : null;
      const response = await fetch(`${test.url}${addressOf(path)}`, { method, headers, body });
      await response.body?.cancel();
      assert.ok(![401, 403].includes(response.status), `${method} ${path} ${response.status}`);
    }
  }
});

Deno.test("access: the health routes tell health to everybody, and not the documents of others' keys", async () => {
  await using test = await testServer(keyed);
  for (const path of ["/health/live", "/health/ready", "/docs", "/openapi.json", "/v1/status/ping"]) {
    const text = await (await fetch(`${test.url}${path}`)).text();
    assert.ok(!text.includes(KEY), path);
  }
});

Deno.test("access: DeepStack's form field api_key is a key, and a wrong one is none", async () => {
  await using test = await testServer(keyed);
  for (const path of ["/v1/vision/detection", "/v1/vision/custom/codes"]) {
    const ask = (fields: Record<string, string>, headers: Record<string, string> = {}) =>
      fetch(`${test.url}${path}`, { method: "POST", body: form(fields), headers });
    const right = await ask({ api_key: KEY });
    assert.equal(right.status, 200);
    assert.equal((await right.json()).success, true);
    const seen = test.worker.seen.length;
    for (
      const [fields, code] of [[{ api_key: "x" }, "API_KEY_WRONG"], [{ api_key: "" }, "API_KEY_MISSING"], [
        {},
        "API_KEY_MISSING",
      ]] as const
    ) {
      const response = await ask(fields);
      assert.equal(response.status, 401);
      assert.match(response.headers.get("www-authenticate")!, /^Bearer/);
      const body = await response.json();
      assert.deepEqual([body.success, body.error_code], [false, code]);
    }
    const statusOf = async (response: Response) => (await response.body?.cancel(), response.status);
    assert.equal(await statusOf(await ask({ api_key: KEY }, { "x-api-key": "wrong-in-the-header" })), 401);
    assert.equal(await statusOf(await ask({ api_key: "wrong" }, { "x-api-key": KEY })), 200);
    assert.equal(test.worker.seen.length, seen + 1);
  }
});

Deno.test("access: without a key nobody learns which models there are", async () => {
  await using test = await testServer(keyed);
  const answers = await Promise.all(
    ["codes", "nothing", "..%2fx"].flatMap((name) => [
      fetch(`${test.url}/v1/models/${name}`),
      fetch(`${test.url}/v1/models/${name}/detect`, { method: "POST", body: form() }),
      fetch(`${test.url}/v1/vision/custom/${name}`, { method: "POST", body: form() }),
      fetch(`${test.url}/v1/vision/custom/${name}`, { method: "POST", body: form({ api_key: "wrong" }) }),
    ]),
  );
  for (const answer of answers) {
    assert.equal(answer.status, 401);
    await answer.body?.cancel();
  }
});

Deno.test("access: a key in the address is no key, and is not repeated", async () => {
  await using test = await testServer(keyed);
  for (const query of [`api_key=${KEY}`, `key=${KEY}`, `token=${KEY}`, `access_token=${KEY}`]) {
    const response = await fetch(`${test.url}/v1/detect?${query}`, { method: "POST", body: form() });
    const text = await response.text();
    assert.equal(response.status, 401);
    assert.ok(!text.includes(KEY));
  }
  const given = await fetch(`${test.url}/v1/detect?api_key=${KEY}`, {
    method: "POST",
    body: form(),
    headers: { "x-api-key": KEY },
  });
  const text = await given.text();
  assert.equal(given.status, 400);
  assert.ok(!text.includes(KEY), text);
});

Deno.test("access: keys of the file are valid and rotate while the server runs", async () => {
  const folder = await Deno.makeTempDir({ prefix: "trtd-access-" });
  const file = join(folder, "keys");
  const [first, second] = [newKey(), newKey()];
  await Deno.writeTextFile(file, keyLine("first", first), { mode: 0o600 });
  try {
    await using test = await testServer({ access: { api_keys_file: file } });
    const ask = async (key: string) => {
      const response = await fetch(`${test.url}/v1/models`, { headers: { "x-api-key": key } });
      await response.body?.cancel();
      return response.status;
    };
    assert.deepEqual([await ask(first), await ask(second)], [200, 401]);
    await Deno.writeTextFile(file, `${keyLine("first", first)}\n${keyLine("second", second)}`);
    await until("valid", async () => (await ask(second)) === 200, { everyMs: 50 });
    assert.equal(await ask(first), 200);
    await Deno.writeTextFile(file, keyLine("second", second));
    await until("invalid", async () => (await ask(first)) === 401, { everyMs: 50 });
    assert.equal(await ask(second), 200);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("access: a client of a trusted network needs no key, of another one it does", async () => {
  {
    await using test = await testServer({ access: { api_key: KEY, http_trusted_networks: ["127.0.0.0/8"] } });
    assert.equal((await (await fetch(`${test.url}/v1/models`)).json()).models.length, 1);
  }
  await using test = await testServer({ access: { http_trusted_networks: ["10.0.0.0/8"] } });
  const response = await fetch(`${test.url}/v1/models`, { headers: { "x-forwarded-for": "10.0.0.1" } });
  assert.equal(response.status, 403);
  assert.equal(await codeOf(response), "NETWORK_REFUSED");
});

Deno.test("access: a name that points here and a page of another site are refused at the loopback", async () => {
  await using test = await testServer();
  const ask = async (headers: string) => {
    const { statuses, body } = await exchange([`GET /v1/models HTTP/1.1\r\n${headers}\r\n\r\n`], test.server);
    return statuses[0] === 200 ? "in" : JSON.parse(body).code;
  };
  const own = `Host: 127.0.0.1:${test.server.port}`;
  assert.equal(await ask(own), "in");
  assert.equal(await ask("Host: localhost"), "in");
  assert.equal(await ask("Host: evil.example"), "HOST_REFUSED");
  assert.equal(await ask(`${own}\r\nOrigin: https://evil.example`), "ORIGIN_REFUSED");
  assert.equal(await ask(`${own}\r\nOrigin: null`), "ORIGIN_REFUSED");
  assert.equal(await ask(`${own}\r\nOrigin: http://127.0.0.1:${test.server.port}`), "in");
});

const MODELS: readonly [name: string, send: (url: string) => Promise<Response>][] = [
  ["PUT of a model", (url) => fetch(`${url}/v1/models/new`, { method: "PUT", body: "x" })],
  ["POST of a model", (url) => fetch(`${url}/v1/models/new`, { method: "POST", body: "x" })],
  ["POST to the models", (url) => fetch(`${url}/v1/models`, { method: "POST", body: form() })],
  ["DELETE of a model", (url) => fetch(`${url}/v1/models/codes`, { method: "DELETE" })],
  ["PUT of an engine", (url) => fetch(`${url}/v1/models/codes/engine`, { method: "PUT", body: "ftrt" })],
  ["POST of an engine", (url) => fetch(`${url}/v1/models/codes/engine`, { method: "POST", body: "ftrt" })],
  ["Triton's load", (url) => fetch(`${url}/v2/repository/models/codes/load`, { method: "POST", body: "{}" })],
  ["a model as a query", (url) => fetch(`${url}/v1/detect?model=/etc/passwd`, { method: "POST", body: form() })],
  ["an engine as a query", (url) => fetch(`${url}/v1/detect?engine=/tmp/e`, { method: "POST", body: form() })],
  [
    "an engine instead of a picture",
    (url) => fetch(`${url}/v1/detect`, { method: "POST", body: form({ image: new Blob(["ftrt\0\0\0\0engine"]) }) }),
  ],
  ["a model instead of a picture", (url) =>
    fetch(`${url}/v1/detect`, {
      method: "POST",
      body: Uint8Array.of(8, 9, 0x3a, 2, 0x0a, 0),
      headers: { "content-type": "application/octet-stream" },
    })],
  [
    "a model's media type",
    (url) => fetch(`${url}/v1/detect`, { method: "POST", body: "x", headers: { "content-type": "application/onnx" } }),
  ],
  ["a path as a name", (url) => fetch(`${url}/v1/models/..%2f..%2fetc/detect`, { method: "POST", body: form() })],
];

for (const [name, send] of MODELS) {
  Deno.test(`access: ${name} is refused, with every key`, async () => {
    await using test = await testServer();
    const response = await send(test.url);
    await response.body?.cancel();
    assert.ok([400, 404, 405, 415, 422].includes(response.status), String(response.status));
    assert.equal(test.worker.seen.length, 0);
  });
}
