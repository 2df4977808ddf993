/** The dashboard against a server that is a process of its own. */
import assert from "node:assert/strict";
import { resolve } from "node:path";
import { killQuietly } from "../server/process.ts";
import { fromFile, fromSource } from "../server/program.ts";
import { ServeProcess } from "../server/serve_process.ts";
import { writeTinyModel } from "../server/tiny_model.ts";
import { fakeNvml } from "../native_addons/fake_nvml.ts";
import { grayPicture } from "../serving/gray_picture.ts";
import { type Asked, askedBy, metricsOf, problemsOf } from "./dashboard_check.ts";
import { type MetricsText, metricsText } from "./metrics_text.ts";

const FILE = resolve(import.meta.dirname!, "../../grafana/trtd.json");
/** Every query of the file. */
export const ASKED = askedBy(JSON.parse(await Deno.readTextFile(FILE)));
const PICTURE = grayPicture();

/** They need an engine that is built: test/grafana/build_metrics_test.ts. */
const OF_BUILDS = /^trtd_(cache_|engine_build_(progress|seconds|expected)|engine_builds_)/;
const OF_GPUS = /^trtd_gpu_/;
/** They need several GPUs: test/cli/serve_gpus_test.ts. */
const OF_PLACES = /^trtd_gpu_workers_/;

const wantsAny = (asked: Asked, names: RegExp) => metricsOf(asked).some((name) => names.test(name));

async function ask(url: string, path: string, init: RequestInit = {}): Promise<number> {
  const response = await fetch(`${url}${path}`, init);
  await response.body?.cancel();
  return response.status;
}

const png = (extra: Record<string, string> = {}): RequestInit => ({
  method: "POST",
  body: PICTURE,
  headers: { "content-type": "image/png", ...extra },
});

async function scrape(url: string): Promise<MetricsText> {
  return metricsText(await (await fetch(`${url}/metrics`)).text());
}

/**
 * Serve a model, from the source or from a compiled file, answer good and bad requests, kill a worker, and look for what
 * every panel asks for but those about builds of engines.
 */
export async function checkServed(compiled?: string): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "trtd-test-" });
  const nvml = await fakeNvml(folder);
  try {
    const flags = ["--model", writeTinyModel(folder), "--backend", "onnxruntime", "--max-body-bytes", "200000"];
    await using server = await ServeProcess.start(flags, {
      program: compiled === undefined ? fromSource : fromFile(compiled),
      env: nvml === null ? {} : { LD_LIBRARY_PATH: folder },
    });
    await server.ready();
    const { url } = server;
    for (let i = 0; i < 3; i++) assert.equal(await ask(url, "/v1/detect", png()), 200);
    assert.equal(await ask(url, "/v1/models/tiny/detect?score=7", png()), 400);
    assert.equal(await ask(url, "/v1/models/secret-name/detect", png()), 404);
    assert.equal(await ask(url, "/secret-path"), 404);
    assert.equal(await ask(url, "/v1/detect", { ...png(), body: PICTURE.subarray(0, 40) }), 422);
    await oneRetry(server);
    const text = await settled(server, nvml !== null);

    const later = (asked: Asked) =>
      wantsAny(asked, OF_BUILDS) || wantsAny(asked, OF_PLACES) || nvml === null && wantsAny(asked, OF_GPUS);
    const now = ASKED.filter((asked) => !later(asked));
    assert.ok(now.length >= 30, String(now.length));
    assert.deepEqual(now.flatMap((asked) => problemsOf(asked, text)), []);

    const { samples } = text;
    const value = (name: string, labels: Record<string, string>) =>
      samples.find((sample) =>
        sample.name === name && Object.entries(labels).every(([key, one]) => sample.labels[key] === one)
      )?.value;
    assert.equal(value("trtd_errors_total", { code: "MODEL_NOT_FOUND" }), 1);
    assert.equal(value("trtd_errors_total", { code: "ROUTE_NOT_FOUND" }), 1);
    assert.ok(value("trtd_worker_restarts_total", { model: "tiny", reason: "killed" })! >= 1);
    assert.ok(value("trtd_request_retries_total", { model: "tiny", reason: "killed" })! >= 1);
    const answers = value("trtd_answers_total", { model: "tiny", backend: "onnxruntime" })!;
    assert.ok(answers >= 3);
    for (const stage of ["queue", "decode", "preprocess", "inference", "postprocess", "total"]) {
      assert.equal(value("trtd_stage_duration_seconds_count", { stage }), answers, stage);
    }
    assert.equal(value("trtd_batch_pictures_count", { model: "tiny" }), answers);
    assert.equal(value("trtd_ring_size_bytes", {}), 2 * 24 * 1_048_576);
    if (nvml !== null) assert.equal(value("trtd_gpu_power_watts", { gpu: "0", name: "Fake GPU A" }), 312.5);
    const all = JSON.stringify(samples);
    for (const secret of ["secret-name", "secret-path", folder]) assert.ok(!all.includes(secret), secret);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Kill the worker below requests until one of them had to be tried again. */
async function oneRetry(server: ServeProcess): Promise<void> {
  const retried = async () => {
    await server.ready();
    const worker = await server.worker();
    Deno.kill(worker, "SIGSTOP");
    let isAnswered = false;
    const answers = Promise.all(Array.from({ length: 2 }, () => ask(server.url, "/v1/detect", png())))
      .finally(() => isAnswered = true);
    const isAsked = async () => valueOf(await scrape(server.url), "trtd_queue_running") >= 2;
    await server.until("asked", async () => isAnswered || await isAsked());
    killQuietly(worker);
    assert.deepEqual(await answers, [200, 200]);
    return valueOf(await scrape(server.url), "trtd_request_retries_total") > 0;
  };
  await server.until("made to try a request again", retried);
}

/** The first sample of that name, 0 without one. */
const valueOf = ({ samples }: MetricsText, wanted: string): number =>
  samples.find(({ name }) => name === wanted)?.value ?? 0;

/** Heartbeats come every second. */
async function settled(server: ServeProcess, gpus: boolean): Promise<MetricsText> {
  let text = await scrape(server.url);
  await server.until("told of its worker", async () => {
    text = await scrape(server.url);
    const has = (name: string) => text.samples.some((sample) => sample.name === name && sample.value > 0);
    return has("trtd_worker_resident_memory_bytes") && (!gpus || has("trtd_gpu_power_watts"));
  });
  return text;
}
