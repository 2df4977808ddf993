/** `GET /metrics`: what this server counted and what it is like now, in Prometheus's text format. */
import type { Histogram, Registry } from "prom-client";
import type { BackendInfo } from "../../backends/backend.ts";
import type { GpuSample } from "../../native/gpu/gpu_sample.ts";
import type { BuildStatus } from "../../serving/engine/build_messages.ts";
import type { InstanceState } from "../../serving/manager/instance_state.ts";
import type { ModelState } from "../../serving/manager/manager.ts";
import { gpuDevice } from "../../serving/policy/places.ts";
import type { CountRow, DistributionRow } from "../../serving/telemetry/counts.ts";
import { VERSION } from "../../version.ts";
import type { AppContext, Served } from "../service.ts";
import { type MetricName, type MetricRow, METRICS } from "./metric_table.ts";

/** `GET /metrics` */
export function metricsHandler(served: Served): (c: AppContext) => Promise<Response> {
  let registry: Promise<Registry> | undefined;
  return async () => {
    const { contentType, metrics } = await (registry ??= registryOf(served)).then((made) => ({
      contentType: made.contentType,
      metrics: () => made.metrics(),
    }));
    return new Response(await metrics(), { headers: { "Content-Type": contentType } });
  };
}

const BUILD_STATES = [
  "none",
  "waiting",
  "running",
  "checking",
  "done",
  "failed",
  "cancelled",
] as const satisfies readonly BuildStatus["state"][];

type Reading = Iterable<CountRow> | Iterable<DistributionRow>;

/** What each metric shows when it is asked. */
function readings({ metrics, service, builds, ringUsage }: Served): Readonly<Record<MetricName, () => Reading>> {
  const { serving } = metrics;
  const states = () => service.modelStates;
  const each = (read: (state: ReturnType<typeof states>[number]) => number | boolean) => () =>
    states().map((state) => ({ labels: { model: state.model }, value: Number(read(state)) }));
  const alone = (value: number | undefined): CountRow[] => value === undefined ? [] : [{ labels: {}, value }];
  const builtModels = () => states().map(({ model }) => model);
  const build = (read: (status: BuildStatus) => number | null) => () =>
    builtModels().flatMap((model) => {
      const value = read(builds.status(model));
      return value === null ? [] : [{ labels: { model }, value }];
    });
  const onGpus = (counts: (instance: InstanceState) => boolean) => () =>
    states().flatMap(({ model, instances }) =>
      [...Map.groupBy(instances, ({ place }) => place.gpu)].flatMap(([gpu, these]) =>
        gpu === null ? [] : [{ labels: { model, device: gpuDevice(gpu) }, value: these.filter(counts).length }]
      )
    );
  const gpus = (read: (sample: GpuSample) => number | null) => () =>
    onceEach(states().flatMap((state) => state.gpus)).flatMap((sample) => {
      const value = read(sample);
      return value === null ? [] : [{ labels: { gpu: sample.gpu, name: sample.name }, value }];
    });
  return {
    trtd_http_requests_total: () => metrics.requests.rows,
    trtd_http_request_duration_seconds: () => metrics.durations.rows,
    trtd_errors_total: () => metrics.errors.rows,
    trtd_answers_total: () => serving.answers.rows,
    trtd_stage_duration_seconds: () => serving.stages.rows,
    trtd_batch_pictures: () => serving.batches,
    trtd_queue_waiting: each(({ queue }) => queue.waiting),
    trtd_queue_running: each(({ queue }) => queue.running),
    trtd_queue_limit: each(({ queue }) => queue.limit),
    trtd_deadlines_exceeded_total: () => serving.expired.rows,
    trtd_ring_size_bytes: () => alone(ringUsage()?.bytes),
    trtd_ring_used_bytes: () => alone(ringUsage()?.usedBytes),
    trtd_model_ready: each(({ ready }) => ready),
    trtd_backend_info: () =>
      states().flatMap((state) =>
        backendsOf(state).map(({ name, device, precision }) => ({
          labels: { model: state.model, backend: name, device, precision },
          value: 1,
        }))
      ),
    trtd_degraded: each(({ backend }) => backend !== null && backend.degraded !== null),
    trtd_workers_ready: each(({ workers }) => workers.ready),
    trtd_workers_configured: each(({ workers }) => workers.total),
    trtd_gpu_workers_ready: onGpus(({ status, backend }) => status === "ready" && backend?.name === "tensorrt"),
    trtd_gpu_workers_configured: onGpus(() => true),
    trtd_worker_start_seconds: () => [...serving.startSeconds].map(([model, value]) => ({ labels: { model }, value })),
    trtd_worker_resident_memory_bytes: () =>
      states().flatMap(({ model, rssBytes }) => rssBytes === null ? [] : [{ labels: { model }, value: rssBytes }]),
    trtd_worker_restarts_total: () => serving.restarts.rows,
    trtd_models_given_up_total: () => serving.givenUp.rows,
    trtd_request_retries_total: () => serving.retries.rows,
    trtd_requests_poisonous_total: () => serving.poisonous.rows,
    trtd_canary_runs_total: () => serving.canaries.rows,
    trtd_cache_lookups_total: () => metrics.lookups.rows,
    trtd_cache_misses_total: () => metrics.misses.rows,
    trtd_engine_build_state: () =>
      builtModels().flatMap((model) => {
        const { state } = builds.status(model);
        return BUILD_STATES.map((one) => ({ labels: { model, state: one }, value: Number(one === state) }));
      }),
    trtd_engine_build_progress_ratio: build(({ percent }) => percent === null ? null : percent / 100),
    trtd_engine_build_seconds: build(({ elapsed_s }) => elapsed_s),
    trtd_engine_build_expected_seconds: build(({ expected_s }) => expected_s),
    trtd_engine_builds_total: () => serving.builds.rows,
    trtd_gpu_utilization_ratio: gpus(({ utilization }) => utilization),
    trtd_gpu_memory_used_bytes: gpus((sample) => sample.memory_used_bytes),
    trtd_gpu_memory_size_bytes: gpus((sample) => sample.memory_size_bytes),
    trtd_gpu_temperature_celsius: gpus((sample) => sample.temperature_celsius),
    trtd_gpu_power_watts: gpus((sample) => sample.power_watts),
    trtd_build_info: () => [{ labels: { version: VERSION }, value: 1 }],
    process_resident_memory_bytes: () => alone(Deno.memoryUsage().rss),
    process_start_time_seconds: () => alone(metrics.startedS),
  };
}

/** Who runs a model: several where its instances are on several GPUs. */
function backendsOf({ backend, instances }: ModelState): BackendInfo[] {
  if (backend === null) return [];
  if (instances.every(({ place }) => place.gpu === null)) return [backend];
  const ready = instances.filter(({ status }) => status === "ready").flatMap((one) => one.backend ?? []);
  return ready.length === 0 ? [backend] : ready;
}

/** The workers of one machine tell of the same GPUs. */
function onceEach(samples: readonly GpuSample[]): GpuSample[] {
  return [...new Map(samples.map((sample) => [sample.gpu, sample])).values()];
}

/** A registry of its own: nothing is counted for the process, and two servers in one process do not meet. */
async function registryOf(served: Served): Promise<Registry> {
  const { Counter, Gauge, Registry } = await import("prom-client");
  const registry = new Registry();
  const registers = [registry];
  for (const [name, read] of Object.entries(readings(served)) as [MetricName, () => Reading][]) {
    const { type, help, labels } = METRICS[name];
    const common = { name, help, labelNames: [...labels], registers };
    if (type === "histogram") {
      registry.registerMetric(new ShownHistogram(name, METRICS[name], read as () => Iterable<DistributionRow>).metric);
    } else if (type === "counter") {
      new Counter({
        ...common,
        collect() {
          this.reset();
          for (const { labels, value } of read() as Iterable<CountRow>) this.inc(labels, value);
        },
      });
    } else {
      new Gauge({
        ...common,
        collect() {
          this.reset();
          // A gauge without labels is reset to 0; what cannot be read is not shown.
          if (labels.length === 0) this.remove();
          for (const { labels, value } of read() as Iterable<CountRow>) this.set(labels, value);
        },
      });
    }
  }
  return registry;
}

/** prom-client's own histogram counts by itself; this one shows what was counted without it. */
class ShownHistogram {
  readonly name: string;
  readonly #row: MetricRow;
  readonly #read: () => Iterable<DistributionRow>;

  constructor(name: string, row: MetricRow, read: () => Iterable<DistributionRow>) {
    this.name = name;
    this.#row = row;
    this.#read = read;
  }

  /** As a registry takes it, which asks nothing but `name` and `get`. */
  get metric(): Histogram {
    return this as unknown as Histogram;
  }

  get(): Promise<unknown> {
    const values = [...this.#read()].flatMap((row) => this.#lines(row));
    return Promise.resolve({ name: this.name, help: this.#row.help, type: "histogram", aggregator: "sum", values });
  }

  #lines({ labels, buckets, sum }: DistributionRow): unknown[] {
    const bounds = [...this.#row.bounds!, "+Inf"];
    let count = 0;
    const lines: unknown[] = bounds.map((le, at) => {
      count += buckets[at]!;
      return { metricName: `${this.name}_bucket`, labels: { ...labels, le }, value: count };
    });
    lines.push({ metricName: `${this.name}_sum`, labels, value: sum });
    lines.push({ metricName: `${this.name}_count`, labels, value: count });
    return lines;
  }
}
