import assert from "node:assert/strict";
import { FakeWorker } from "../serving/fake_worker.ts";
import { VERSION } from "../../src/version.ts";
import type { EngineStatus } from "../../src/serving/engine/engine_messages.ts";
import { PNG, testServer } from "./fixtures.ts";

const scrape = async (url: string): Promise<string[]> => {
  const response = await fetch(`${url}/metrics`);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  return (await response.text()).split("\n");
};

const ask = async (url: string, init?: RequestInit): Promise<number> => {
  const response = await fetch(url, init);
  await response.body?.cancel();
  return response.status;
};

Deno.test("metrics: requests are counted by route and status, whatever their paths were", async () => {
  await using test = await testServer();
  const png = { method: "POST", body: PNG, headers: { "content-type": "image/png" } };
  assert.equal(await ask(`${test.url}/v1/detect`, png), 200);
  assert.equal(await ask(`${test.url}/v1/models/codes/detect`, png), 200);
  assert.equal(await ask(`${test.url}/v1/models/nothing/detect`, png), 404);
  assert.equal(await ask(`${test.url}/v1/detect?score=9`, png), 400);
  for (const name of ["a", "b", "c"]) assert.equal(await ask(`${test.url}/wp-${name}.php`), 404);
  const lines = await scrape(test.url);
  for (
    const line of [
      `trtd_build_info{version="${VERSION}"} 1`,
      'trtd_http_requests_total{route="/v1/detect",status="200"} 1',
      'trtd_http_requests_total{route="/v1/detect",status="400"} 1',
      'trtd_http_requests_total{route="/v1/models/:name/detect",status="200"} 1',
      'trtd_http_requests_total{route="/v1/models/:name/detect",status="404"} 1',
      'trtd_http_requests_total{route="none",status="404"} 3',
      'trtd_workers_ready{model="codes"} 1',
      'trtd_workers_configured{model="codes"} 1',
      'trtd_queue_limit{model="codes"} 64',
    ]
  ) assert.ok(lines.includes(line), `${line}\n${lines.join("\n")}`);
  assert.equal(lines.filter((line) => line.startsWith("trtd_http_requests_total{")).length, 5);
  assert.ok((await scrape(test.url)).includes('trtd_http_requests_total{route="/metrics",status="200"} 1'));
});

Deno.test("metrics: the queue's length is what waits now", async () => {
  const worker = new FakeWorker({ automatic: false });
  await using test = await testServer({ worker });
  const all = Array.from(
    { length: 8 },
    () => ask(`${test.url}/v1/detect`, { method: "POST", body: PNG, headers: { "content-type": "image/png" } }),
  );
  for (let i = 0; i < 500 && test.manager.state.queue.waiting < 5; i++) await new Promise((r) => setTimeout(r, 2));
  const lines = await scrape(test.url);
  assert.ok(lines.includes('trtd_queue_waiting{model="codes"} 5'), lines.join("\n"));
  assert.ok(lines.includes('trtd_queue_running{model="codes"} 3'));
  worker.automatic = true;
  for (let i = 0; i < 100 && worker.held.length > 0; i++) {
    worker.held[0]!.answer();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.deepEqual(new Set(await Promise.all(all)), new Set([200]));
  assert.ok((await scrape(test.url)).includes('trtd_queue_waiting{model="codes"} 0'));
});

Deno.test("metrics: a miss counts each field, a failed lookup as such, none not at all; two servers do not meet", async () => {
  await using test = await testServer();
  await using other = await testServer();
  const difference = (field: string) => ({ field, old: 1, new: 2 });
  test.metrics.lookup("pets", { cache: "miss", missed_because: [difference("gpu_name"), difference("batch")] });
  test.metrics.lookup("pets", { cache: "miss", missed_because: [difference("batch")] });
  test.metrics.lookup("pets", { cache: "unknown", missed_because: [] });
  test.metrics.lookup("codes", { cache: "none", missed_because: [] });
  const counted = (lines: readonly string[]) => lines.filter((line) => line.startsWith("trtd_cache_")).sort();
  assert.deepEqual(counted(await scrape(test.url)), [
    'trtd_cache_lookups_total{model="pets",result="failed"} 1',
    'trtd_cache_lookups_total{model="pets",result="miss"} 2',
    'trtd_cache_misses_total{model="pets",field="batch"} 2',
    'trtd_cache_misses_total{model="pets",field="gpu_name"} 1',
  ]);
  assert.deepEqual(counted(await scrape(other.url)), []);
});

Deno.test("readiness: it waits for the lookup of engines, pictures and liveness do not", async () => {
  const status: EngineStatus = {
    cache: "miss",
    path: "/models/trt/codes/f32/bs1/codes.engine",
    missed_because: [{ field: "gpu_name", old: "A", new: null }],
    detail: "No engine fits",
  };
  const engines = { pending: true, status: () => status };
  await using test = await testServer({ engines });
  const refused = await fetch(`${test.url}/health/ready`);
  assert.equal(refused.status, 503);
  const problem = await refused.json();
  assert.deepEqual([problem.code, problem.state], ["MODEL_NOT_READY", "starting"]);
  assert.match(problem.detail, /cache of engines/);
  assert.equal(await ask(`${test.url}/health/live`), 200);
  const png = { method: "POST", body: PNG, headers: { "content-type": "image/png" } };
  assert.equal(await ask(`${test.url}/v1/detect`, png), 200);
  engines.pending = false;
  assert.equal(await ask(`${test.url}/health/ready`), 200);
  assert.deepEqual((await (await fetch(`${test.url}/v1/models/codes`)).json()).engine, status);
  assert.deepEqual((await (await fetch(`${test.url}/v1/models`)).json()).models[0].engine, status);
});
