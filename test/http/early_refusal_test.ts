import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { picturesPerWorker } from "../../src/serving/policy/load.ts";
import type { Counts, Labels } from "../../src/serving/telemetry/counts.ts";
import { FakeWorker } from "../serving/fake_worker.ts";
import { until } from "../until.ts";
import { PNG, type TestServer, testServer } from "./fixtures.ts";

const QUEUE = 2;
/** Pictures that a fake worker has at a time, and those that wait. */
const FULL = picturesPerWorker({ batch: 1, lanes: 1 }) + QUEUE;

const post = (
  { url }: TestServer,
  path: string,
  headers: Record<string, string> = {},
  body: Uint8Array<ArrayBuffer> = PNG,
) => fetch(`${url}${path}`, { method: "POST", body, headers: { "content-type": "image/png", ...headers } });

/** A server whose only worker answers nothing until it is told to, with a full queue; `end` answers everything. */
async function fullServer(access: { api_key?: string } = {}) {
  const worker = new FakeWorker({ automatic: false });
  const test = await testServer({ worker, access, serving: { queueLimit: QUEUE, requestTimeoutMs: 600_000 } });
  const headers: Record<string, string> = access.api_key === undefined ? {} : { "x-api-key": access.api_key };
  const inside = Array.from({ length: FULL }, () => post(test, "/v1/detect", headers));
  await until("full", () => test.manager.state.queue.waiting === QUEUE);
  const end = async () => {
    worker.automatic = true;
    for (const held of [...worker.held]) held.answer();
    for (const response of await Promise.all(inside)) {
      assert.equal(response.status, 200);
      await response.body?.cancel();
    }
  };
  return { test, end };
}

const countOf = (counts: Counts, wanted: Labels) =>
  [...counts.rows].find(({ labels }) => isDeepStrictEqual(labels, wanted))?.value;

Deno.test("early refusal: a full queue is told by the head alone, as the application tells it, and counted once", async () => {
  const { test, end } = await fullServer();
  await using _ = test;
  const large = new Uint8Array(400_000);
  for (
    const [path, route] of [["/v1/detect?score=0.5", "/v1/detect"], [
      "/v1/models/codes/detect",
      "/v1/models/:name/detect",
    ]]
  ) {
    const response = await post(test, path!, { "x-request-id": "flood-1" }, large);
    const body = await response.json();
    assert.deepEqual([response.status, body.code, body.status, body.request_id], [503, "QUEUE_FULL", 503, "flood-1"]);
    assert.match(response.headers.get("content-type")!, /^application\/problem\+json/);
    assert.match(response.headers.get("retry-after")!, /^[1-9]\d*$/);
    assert.equal(response.headers.get("x-request-id"), "flood-1");
    assert.match(response.headers.get("server-timing")!, /^request;dur=\d/);
    assert.notEqual(response.headers.get("connection"), "close");
    assert.equal(countOf(test.metrics.requests, { route: route!, status: "503" }), 1);
  }
  assert.equal(countOf(test.metrics.errors, { code: "QUEUE_FULL" }), 2);
  await end();
});

Deno.test("early refusal: what is no detection of a served model is the application's", async () => {
  const { test, end } = await fullServer();
  await using _ = test;
  const answers = await Promise.all([
    fetch(`${test.url}/v1/models`),
    fetch(`${test.url}/v1/detect`),
    post(test, "/v1/models/nobody/detect"),
    post(test, "/v1/models/%00/detect"),
    post(test, "/v1/detect/more"),
  ]);
  const codes = await Promise.all(answers.map(async (answer) => (await answer.json()).code ?? answer.status));
  assert.deepEqual(codes, [200, "METHOD_NOT_ALLOWED", "MODEL_NOT_FOUND", "MODEL_NAME_INVALID", "ROUTE_NOT_FOUND"]);
  await end();
  const after = await post(test, "/v1/detect");
  assert.equal(after.status, 200);
  await after.body?.cancel();
});

Deno.test("early refusal: where a key is wanted, nobody without one learns how full the queue is", async () => {
  const { test, end } = await fullServer({ api_key: "a-key-of-many-characters-0123456789" });
  await using _ = test;
  const stranger = await post(test, "/v1/detect");
  assert.equal((await stranger.json()).code, "API_KEY_MISSING");
  const known = await post(test, "/v1/detect", { "x-api-key": "a-key-of-many-characters-0123456789" });
  assert.equal((await known.json()).code, "QUEUE_FULL");
  await end();
});
