/** What the dashboard shows of engines: a server that lacks one builds it on a machine of fakes. */
import assert from "node:assert/strict";
import { dirname, join, resolve } from "node:path";
import { doubling, type DoublingOptions, fakeModelText } from "../backends/tensorrt/doubling.ts";
import { ServeProcess } from "../server/serve_process.ts";
import { fakeSet, nativeTest, shimAndFakes } from "../native/children.ts";
import { askedBy, metricsOf, problemsOf } from "./dashboard_check.ts";
import { type MetricsText, metricsText } from "./metrics_text.ts";

const FILE = resolve(import.meta.dirname!, "../../grafana/trtd.json");
const SHAPE: DoublingOptions = { input: [3, 64, 96], output: [6, 126] };

/** Metrics about engines. */
const OF_ENGINES = /^trtd_(cache_|engine_build)/;

nativeTest("grafana: a server that misses an engine and builds it has what the panels ask for", async () => {
  const folder = await Deno.makeTempDir({ prefix: "trtd-test-" });
  try {
    await Deno.writeFile(join(folder, "pets.onnx"), doubling(SHAPE));
    await Deno.writeTextFile(join(folder, "fake.txt"), fakeModelText(SHAPE));
    const { core, cuda } = fakeSet("10.16");
    const flags = [
      "--model",
      join(folder, "pets.onnx"),
      "--models",
      join(folder, "models"),
      "--tensorrt",
      dirname(core),
    ];
    const on = (gpu: string) => ({
      LD_LIBRARY_PATH: dirname(cuda),
      TRTD_SHIM: shimAndFakes().shim,
      TRTD_FAKE_GPUS: gpu,
      TRTD_FAKE_MODEL: join(folder, "fake.txt"),
      TRTD_CACHE_DIR: join(folder, "cache"),
    });
    // The second build has an earlier one to expect its time from, and fields that differ.
    for (const gpu of ["NVIDIA Fake 4090:8.9:24564", "NVIDIA Fake 5090:12.0:32768"]) {
      await using server = await ServeProcess.start(flags, { env: on(gpu) });
      const text = await built(server);
      const value = (name: string, labels: Record<string, string>) =>
        text.samples.find((sample) =>
          sample.name === name && Object.entries(labels).every(([key, one]) => sample.labels[key] === one)
        )?.value;
      assert.equal(value("trtd_engine_builds_total", { model: "pets", result: "built" }), 1);
      assert.equal(value("trtd_engine_build_state", { model: "pets", state: "running" }), 0);
      assert.ok(value("trtd_engine_build_seconds", { model: "pets" })! > 0);
      assert.equal(value("trtd_backend_info", { model: "pets", backend: "tensorrt" }), 1);
      assert.equal(value("trtd_degraded", { model: "pets" }), 0);
      if (gpu.includes("4090")) continue;
      assert.equal(value("trtd_cache_misses_total", { model: "pets", field: "gpu_name" }), 1);
      const asked = askedBy(JSON.parse(await Deno.readTextFile(FILE))).filter((one) =>
        metricsOf(one).some((name) => OF_ENGINES.test(name))
      );
      assert.ok(asked.length >= 6, String(asked.length));
      assert.deepEqual(asked.flatMap((one) => problemsOf(one, text)), []);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** The metrics once the engine answers. */
async function built(server: ServeProcess): Promise<MetricsText> {
  let text = metricsText("");
  await server.until("done with the build", async () => {
    const response = await fetch(`${server.url}/metrics`);
    const body = await response.text();
    text = metricsText(response.ok ? body : "");
    const has = (name: string, label: string, value: string) =>
      text.samples.some((sample) => sample.name === name && sample.labels[label] === value && sample.value === 1);
    return has("trtd_engine_build_state", "state", "done") && has("trtd_backend_info", "backend", "tensorrt");
  });
  return text;
}
