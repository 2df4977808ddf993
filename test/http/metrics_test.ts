import assert from "node:assert/strict";
import { FakeWorker } from "../serving/fake_worker.ts";
import { VERSION } from "../../src/version.ts";
import { METRICS } from "../../src/http/metrics/metric_table.ts";
import type { EngineStatus } from "../../src/serving/engine/engine_messages.ts";
import { familyOf, metricsText } from "../grafana/metrics_text.ts";
import { until } from "../until.ts";
import { exchange } from "./exchanges/raw_client.ts";
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
  await using test = await testServer({ worker, serving: { requestTimeoutMs: 600_000 } });
  const all = Array.from(
    { length: 8 },
    () => ask(`${test.url}/v1/detect`, { method: "POST", body: PNG, headers: { "content-type": "image/png" } }),
  );
  await until("asked", () => test.manager.state.queue.waiting === 5);
  const lines = await scrape(test.url);
  assert.ok(lines.includes('trtd_queue_waiting{model="codes"} 5'), lines.join("\n"));
  assert.ok(lines.includes('trtd_queue_running{model="codes"} 3'));
  worker.automatic = true;
  for (const held of [...worker.held]) held.answer();
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

Deno.test("metrics: what is shown is the table: names, types, helps, labels, buckets that add up", async () => {
  const gpu = {
    gpu: "0",
    name: 'A "quoted" GPU',
    utilization: 0.5,
    memory_used_bytes: 1,
    memory_size_bytes: 2,
    temperature_celsius: 40,
    power_watts: null,
  };
  const worker = new FakeWorker({ gpus: [gpu] });
  await using test = await testServer({ worker });
  const png = { method: "POST", body: PNG, headers: { "content-type": "image/png" } };
  for (let i = 0; i < 3; i++) assert.equal(await ask(`${test.url}/v1/detect`, png), 200);
  const { types, helps, samples } = metricsText((await scrape(test.url)).join("\n"));
  assert.deepEqual([...types.keys()].sort(), Object.keys(METRICS).sort());
  for (const [name, { type, help, labels, bounds = [] }] of Object.entries(METRICS)) {
    assert.deepEqual([types.get(name), helps.get(name)], [type, help]);
    assert.equal(type === "counter", name.endsWith("_total"), name);
    if (type === "histogram") assert.ok(bounds.length > 0, name);
    const wanted = labels.toSorted().join();
    for (const sample of samples.filter((sample) => familyOf(sample.name, types) === name)) {
      const shown = Object.keys(sample.labels).filter((label) => label !== "le").sort().join();
      assert.equal(shown, wanted, sample.name);
      assert.ok(sample.value >= 0, sample.name);
    }
  }
  const stage = samples.filter(({ name, labels }) =>
    name === "trtd_stage_duration_seconds_bucket" && labels["stage"] === "inference"
  );
  assert.deepEqual(
    stage.map(({ labels }) => labels["le"]),
    [...METRICS.trtd_stage_duration_seconds.bounds!, "+Inf"].map(String),
  );
  assert.deepEqual(stage.map(({ value }) => value), stage.map(({ labels }) => Number(labels["le"]) < 0.005 ? 0 : 3));
  const gpus = samples.filter(({ name }) => name.startsWith("trtd_gpu_"));
  assert.deepEqual(gpus.map(({ name, value }) => [name, value]), [
    ["trtd_gpu_utilization_ratio", 0.5],
    ["trtd_gpu_memory_used_bytes", 1],
    ["trtd_gpu_memory_size_bytes", 2],
    ["trtd_gpu_temperature_celsius", 40],
  ]);
  assert.deepEqual(gpus[0]!.labels, { gpu: "0", name: gpu.name });
});

Deno.test("metrics: errors are counted by code, also those that no route saw; readiness polls are not", async () => {
  const worker = new FakeWorker({ loading: true });
  await using test = await testServer({ worker });
  const png = { method: "POST", body: PNG, headers: { "content-type": "image/png" } };
  assert.equal(await ask(`${test.url}/health/ready`), 503);
  assert.equal(await ask(`${test.url}/v1/detect`, png), 503);
  assert.equal(await ask(`${test.url}/v1/detect`), 405);
  const garbage = await exchange(["GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"], test.server);
  assert.deepEqual(garbage.statuses, [400]);
  const errors = (await scrape(test.url)).filter((line) => line.startsWith("trtd_errors_total{")).sort();
  assert.deepEqual(errors, [
    'trtd_errors_total{code="METHOD_NOT_ALLOWED"} 1',
    'trtd_errors_total{code="MODEL_NOT_READY"} 1',
    'trtd_errors_total{code="REQUEST_INVALID"} 1',
  ]);
});

Deno.test("server timing: a picture's stages in milliseconds and the whole request; errors have the request alone", async () => {
  await using test = await testServer();
  const png = { method: "POST", body: PNG, headers: { "content-type": "image/png" } };
  const timing = async (path: string, init?: RequestInit) => {
    const response = await fetch(`${test.url}${path}`, init);
    await response.body?.cancel();
    const entries = response.headers.get("server-timing")!.split(", ").map((entry) => {
      const [, name, ms] = /^(\w+);dur=(\d+(?:\.\d{1,3})?)$/.exec(entry)!;
      return [name!, Number(ms)] as const;
    });
    return Object.fromEntries(entries);
  };
  const form = new FormData();
  form.set("image", new Blob([PNG], { type: "image/png" }));
  for (
    const [path, init] of [
      ["/v1/detect", png],
      ["/v1/detect?annotate=1", png],
      ["/v1/vision/detection", { method: "POST", body: form }],
    ] as const
  ) {
    const { queue, request, ...stages } = await timing(path, init);
    assert.deepEqual(stages, { decode: 1, preprocess: 1, inference: 5, postprocess: 1, total: 8 }, path);
    assert.ok(queue! >= 0 && request! >= queue!, path);
  }
  for (const path of ["/v1/models", "/nothing", "/health/live"]) {
    assert.deepEqual(Object.keys(await timing(path)), ["request"]);
  }
});

Deno.test("metrics: without shared memory and worker processes nothing is shown of them", async () => {
  await using test = await testServer({ ringUsage: null });
  const lines = await scrape(test.url);
  for (const name of ["trtd_ring_size_bytes", "trtd_ring_used_bytes", "trtd_worker_resident_memory_bytes"]) {
    assert.deepEqual(lines.filter((line) => line.startsWith(name)), [], name);
  }
  assert.equal(lines.filter((line) => line.startsWith("process_resident_memory_bytes ")).length, 1);
});
