import assert from "node:assert/strict";
import { accessOf } from "../../../src/http/access/route_access.ts";
import { openApiDocument } from "../../../src/http/openapi/openapi.ts";
import { routesFor } from "../../../src/http/routes/routes.ts";
import {
  deepstackAnswerSchema,
  detectAnswerSchema,
  liveSchema,
  modelsSchema,
  problemSchema,
  readySchema,
} from "../../../src/http/openapi/schemas.ts";
import type { Served } from "../../../src/http/service.ts";
import { PNG, testServer } from "../fixtures.ts";

type Json = Record<string, unknown>;

const document = openApiDocument() as { paths: Record<string, Record<string, Json>>; components: { schemas: Json } };

Deno.test("openapi: the document has every route and nothing else", () => {
  const served = routesFor({} as Served).map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, "{$1}")}`)
    .sort();
  const described = Object.entries(document.paths)
    .flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`)).sort();
  assert.deepEqual(described, served);
});

Deno.test("openapi: every reference leads to a component and every component is used", () => {
  const text = JSON.stringify(document);
  const references = new Set([...text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name!));
  assert.deepEqual([...references].sort(), Object.keys(document.components.schemas).sort());
  assert.equal(
    [...text.matchAll(/"\$ref":/g)].length,
    [...text.matchAll(/"\$ref":"#\/components\/schemas\/\w+"/g)].length,
  );
});

Deno.test("openapi: the query's ranges are those that validate", () => {
  const { parameters } = document.paths["/v1/detect"]!["post"] as { parameters: { name: string; schema: Json }[] };
  const score = parameters.find(({ name }) => name === "score")!;
  assert.deepEqual([score.schema["type"], score.schema["minimum"], score.schema["maximum"]], ["number", 0, 1]);
  const max = parameters.find(({ name }) => name === "max")!;
  assert.deepEqual([max.schema["type"], max.schema["minimum"], max.schema["maximum"]], ["integer", 1, 5000]);
});

Deno.test("openapi: guarded routes promise what the guard answers, open ones ask for no key", () => {
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, { responses, security }] of Object.entries(methods)) {
      const open = accessOf(method.toUpperCase(), path.replace(/\{(\w+)\}/g, ":$1")) === "open";
      assert.equal("401" in (responses as Json), !open, path);
      assert.equal("403" in (responses as Json), !open, path);
      assert.equal((security as Json[]).length === 0, open, path);
    }
  }
});

Deno.test("openapi: the answers of a server are those that the document promises", async () => {
  await using test = await testServer();
  const form = new FormData();
  form.append("image", new Blob([PNG]));
  const png = { method: "POST", body: PNG, headers: { "content-type": "image/png" } };
  const cases = [
    [await fetch(`${test.url}/v1/detect`, png), detectAnswerSchema],
    [await fetch(`${test.url}/v1/detect?score=9`, png), problemSchema],
    [await fetch(`${test.url}/v1/models`), modelsSchema],
    [await fetch(`${test.url}/health/live`), liveSchema],
    [await fetch(`${test.url}/health/ready`), readySchema],
    [await fetch(`${test.url}/v1/vision/detection`, { method: "POST", body: form }), deepstackAnswerSchema],
  ] as const;
  for (const [response, schema] of cases) schema.strict().parse(await response.json());
  assert.deepEqual(await (await fetch(`${test.url}/openapi.json`)).json(), document);
});

Deno.test("docs: the page and its files come from this server alone", async () => {
  await using test = await testServer();
  const page = await fetch(`${test.url}/docs`);
  assert.equal(page.headers.get("content-type"), "text/html; charset=utf-8");
  assert.match(page.headers.get("content-security-policy")!, /default-src 'none'/);
  const html = await page.text();
  const addresses = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address]) => address!);
  assert.ok(addresses.length >= 3);
  for (const address of addresses.filter((address) => !address.startsWith("data:"))) {
    assert.match(address, /^\/docs\//);
    const file = await fetch(`${test.url}${address}`);
    assert.equal(file.status, 200, address);
    assert.match(file.headers.get("content-type")!, /^text\/(javascript|css)/);
    assert.ok((await file.arrayBuffer()).byteLength > 50, address);
  }
});
