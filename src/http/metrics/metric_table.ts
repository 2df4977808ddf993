/** Every metric of `/metrics`, as rows: what is shown is walked from here, and docs/metrics.md is written from it. */
import { BATCH_BOUNDS, DURATION_BOUNDS } from "../../serving/telemetry/serving_counts.ts";

export interface MetricRow {
  readonly type: "counter" | "gauge" | "histogram";
  /** One line, without a full stop. */
  readonly help: string;
  /** Names of labels. Their values are few: routes, codes, served models, causes, GPUs; never what a client sent. */
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets. */
  readonly bounds?: readonly number[];
}

/** A heading of the reference page and its metrics. */
export const METRIC_TOPICS = {
  "Requests": {
    trtd_http_requests_total: counter(
      "Requests that the routes answered, by route and HTTP status; broken exchanges are refused before and not counted",
      ["route", "status"],
    ),
    trtd_http_request_duration_seconds: duration("From a request's head to its answer, by route", ["route"]),
    trtd_errors_total: counter("Requests and connections that were answered with an error, by its code", ["code"]),
    trtd_answers_total: counter("Pictures that were answered, by model and who ran it", ["model", "backend"]),
    trtd_stage_duration_seconds: duration(
      "Stages of pictures that were answered: queue, decode, preprocess, inference, postprocess, and total, which is all but the queue",
      ["model", "backend", "stage"],
    ),
    trtd_batch_pictures: {
      type: "histogram",
      help: "Pictures of one run of the model",
      labels: ["model"],
      bounds: BATCH_BOUNDS,
    },
  },
  "Queues": {
    trtd_queue_waiting: gauge("Requests that wait for a worker", ["model"]),
    trtd_queue_running: gauge("Requests that workers have", ["model"]),
    trtd_queue_limit: gauge("Most requests that may wait", ["model"]),
    trtd_deadlines_exceeded_total: counter(
      "Requests whose time ended, by where they were: queue, worker, or retry after a worker's end",
      ["model", "where"],
    ),
    trtd_ring_size_bytes: gauge("Shared memory that pictures travel in; absent with in_process", []),
    trtd_ring_used_bytes: gauge("Shared memory that pictures take now; absent with in_process", []),
  },
  "Models and workers": {
    trtd_model_ready: gauge("1 when the model is answered, else 0", ["model"]),
    trtd_backend_info: gauge("1, with who runs the model; absent before a worker has loaded it", [
      "model",
      "backend",
      "device",
      "precision",
    ]),
    trtd_degraded: gauge("1 when something slower than wanted runs the model, else 0; /health/ready says why", [
      "model",
    ]),
    trtd_workers_ready: gauge("Worker processes that answered rightly within the interval", ["model"]),
    trtd_workers_configured: gauge("Worker processes that there should be", ["model"]),
    trtd_gpu_workers_ready: gauge(
      "Workers that run the model on this GPU and answered rightly within the interval; absent unless device names several GPUs",
      ["model", "device"],
    ),
    trtd_gpu_workers_configured: gauge(
      "Workers that there should be on this GPU; absent unless device names several GPUs",
      ["model", "device"],
    ),
    trtd_worker_start_seconds: gauge("From the last worker's start until it had answered the canary", ["model"]),
    trtd_worker_resident_memory_bytes: gauge(
      "Resident memory of the model's worker processes; absent with in_process",
      [
        "model",
      ],
    ),
    trtd_worker_restarts_total: counter(
      "Workers that ended and were to be replaced, by reason: crash, memory, hang, gpu_fault, wrong_answer, start_timeout, protocol, killed, exit, replaced",
      ["model", "reason"],
    ),
    trtd_models_given_up_total: counter("Times that a model was not started any more after a crash loop", ["model"]),
    trtd_request_retries_total: counter("Requests that were tried again, by how their worker ended", [
      "model",
      "reason",
    ]),
    trtd_requests_poisonous_total: counter("Requests that were refused because workers died of them", ["model"]),
    trtd_canary_runs_total: counter("Checks of a worker with the fixed picture, by result: right, wrong or failed", [
      "model",
      "result",
    ]),
  },
  "Engines": {
    trtd_cache_lookups_total: counter("Lookups in the cache of engines, by result: hit, miss or failed", [
      "model",
      "result",
    ]),
    trtd_cache_misses_total: counter("Misses of the cache of engines, by each field that differed", [
      "model",
      "field",
    ]),
  },
  "Builds of engines": {
    trtd_engine_build_state: gauge(
      "1 for the state of the model's build, else 0: none, waiting, running, checking, done, failed, cancelled",
      ["model", "state"],
    ),
    trtd_engine_build_progress_ratio: gauge("How far the build is, 0 to 1; absent when nobody knows", ["model"]),
    trtd_engine_build_seconds: gauge("Time that the build takes until now, or took", ["model"]),
    trtd_engine_build_expected_seconds: gauge("Time that the same build took before; absent when it is not known", [
      "model",
    ]),
    trtd_engine_builds_total: counter("Builds that ended, by result: built, failed, cancelled, refused", [
      "model",
      "result",
    ]),
  },
  "GPUs": {
    trtd_gpu_utilization_ratio: gpu("Share of the last sampling period in which something ran, 0 to 1"),
    trtd_gpu_memory_used_bytes: gpu("Memory in use; on a Jetson that of CPU and GPU"),
    trtd_gpu_memory_size_bytes: gpu("Memory that there is; on a Jetson that of CPU and GPU"),
    trtd_gpu_temperature_celsius: gpu("Temperature"),
    trtd_gpu_power_watts: gpu("Power; on a Jetson that of the rail that feeds the GPU"),
  },
  "The server": {
    trtd_build_info: gauge("1, with the version of trtd", ["version"]),
    process_resident_memory_bytes: gauge("Resident memory of the server, without its workers", []),
    process_start_time_seconds: gauge("When the server was started, in seconds since 1970", []),
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, MetricRow>>>>;

type Topics = typeof METRIC_TOPICS;

/** Name of a metric. */
export type MetricName = { [Topic in keyof Topics]: keyof Topics[Topic] }[keyof Topics];

/** Every row by its name. */
export const METRICS = Object.assign({}, ...Object.values(METRIC_TOPICS)) as Readonly<Record<MetricName, MetricRow>>;

function counter(help: string, labels: readonly string[]): MetricRow {
  return { type: "counter", help, labels };
}

function gauge(help: string, labels: readonly string[]): MetricRow {
  return { type: "gauge", help, labels };
}

function duration(help: string, labels: readonly string[]): MetricRow {
  return { type: "histogram", help, labels, bounds: DURATION_BOUNDS };
}

function gpu(what: string): MetricRow {
  return gauge(`${what}; absent where neither NVML nor the files of a Jetson tell`, ["gpu", "name"]);
}
