/** The Grafana dashboard as rows of panels; scripts/write_metrics_docs.ts writes grafana/trtd.json from it. */

interface Panel {
  readonly title: string;
  /** What to think of it. */
  readonly about?: string;
  readonly kind?: "timeseries" | "stat" | "heatmap" | "table";
  /** A unit of Grafana. @default short */
  readonly unit?: string;
  /** Columns of 24. @default 8 */
  readonly width?: number;
  readonly max?: number;
  /** Values from which the colour warns and alarms. */
  readonly thresholds?: readonly [warning: number, alarm: number];
  /** Words for values. */
  readonly words?: Readonly<Record<string, string>>;
  /** PromQL by the legend of its series. */
  readonly queries: Readonly<Record<string, string>>;
}

/** Labels that Prometheus adds to every series, and the choice at the top of the dashboard. */
const AT = `job=~"$job", instance=~"$instance"`;
const OF = `${AT}, model=~"$model"`;
const RATE = "[$__rate_interval]";

const rate = (metric: string, by: string, where = OF): string => `sum by (${by}) (rate(${metric}{${where}}${RATE}))`;
const quantile = (share: number, metric: string, by: string, where: string): string =>
  `histogram_quantile(${share}, ${rate(`${metric}_bucket`, by, where)})`;
const DETECTIONS = `${AT}, route=~".*/(detect|detection|custom/:name)"`;

const ROWS: Readonly<Record<string, readonly Panel[]>> = {
  "Now": [
    {
      title: "Models ready",
      kind: "stat",
      width: 4,
      words: { "0": "not ready", "1": "ready" },
      queries: { "{{model}}": `min by (model) (trtd_model_ready{${OF}})` },
    },
    {
      title: "Degraded",
      about: "Something slower than wanted answers; /health/ready says why.",
      kind: "stat",
      width: 4,
      words: { "0": "no", "1": "degraded" },
      queries: { "{{model}}": `max by (model) (trtd_degraded{${OF}})` },
    },
    {
      title: "Backend",
      kind: "stat",
      width: 5,
      queries: {
        "{{model}}: {{backend}} {{precision}} on {{device}}":
          `count by (model, backend, precision, device) (trtd_backend_info{${OF}})`,
      },
    },
    {
      title: "Engine",
      kind: "stat",
      width: 5,
      queries: { "{{model}}: {{state}}": `max by (model, state) (trtd_engine_build_state{${OF}} == 1)` },
    },
    {
      title: "Version",
      kind: "stat",
      width: 3,
      queries: { "{{version}}": `count by (version) (trtd_build_info{${AT}})` },
    },
    {
      title: "Running for",
      kind: "stat",
      width: 3,
      unit: "s",
      queries: { "{{instance}}": `time() - max by (instance) (process_start_time_seconds{${AT}})` },
    },
  ],
  "Requests": [
    { title: "Answers", unit: "reqps", queries: { "{{status}}": rate("trtd_http_requests_total", "status", AT) } },
    {
      title: "Errors by code",
      about: "Broken exchanges that no route saw are counted too.",
      unit: "reqps",
      queries: { "{{code}}": rate("trtd_errors_total", "code", AT) },
    },
    {
      title: "Pictures by backend",
      unit: "reqps",
      queries: { "{{model}} on {{backend}}": rate("trtd_answers_total", "model, backend") },
    },
    {
      title: "From request to answer",
      unit: "s",
      queries: Object.fromEntries(
        ([["p50", 0.5], ["p95", 0.95], ["p99", 0.99]] as const).map((
          [name, share],
        ) => [name, quantile(share, "trtd_http_request_duration_seconds", "le", DETECTIONS)]),
      ),
    },
    {
      title: "Stages, mean",
      about: "total is everything but the queue.",
      unit: "s",
      queries: {
        "{{stage}}": `${rate("trtd_stage_duration_seconds_sum", "stage")} / ${
          rate("trtd_stage_duration_seconds_count", "stage")
        }`,
      },
    },
    {
      title: "Stages, p99",
      unit: "s",
      queries: { "{{stage}}": quantile(0.99, "trtd_stage_duration_seconds", "le, stage", OF) },
    },
  ],
  "Queue and batches": [
    {
      title: "Requests waiting and running",
      queries: {
        "{{model}} waiting": `sum by (model) (trtd_queue_waiting{${OF}})`,
        "{{model}} running": `sum by (model) (trtd_queue_running{${OF}})`,
      },
    },
    {
      title: "Queue, share of its limit",
      unit: "percentunit",
      max: 1,
      thresholds: [0.5, 0.9],
      queries: { "{{model}}": `max by (model) (trtd_queue_waiting{${OF}} / trtd_queue_limit{${OF}})` },
    },
    {
      title: "Deadlines exceeded",
      unit: "reqps",
      queries: { "{{where}}": rate("trtd_deadlines_exceeded_total", "where") },
    },
    {
      title: "Pictures of a run, mean",
      queries: {
        "{{model}}": `${rate("trtd_batch_pictures_sum", "model")} / ${rate("trtd_batch_pictures_count", "model")}`,
      },
    },
    {
      title: "Pictures of a run",
      kind: "heatmap",
      queries: { "{{le}}": `sum by (le) (increase(trtd_batch_pictures_bucket{${OF}}${RATE}))` },
    },
    {
      title: "Shared memory in use",
      unit: "percentunit",
      max: 1,
      thresholds: [0.7, 0.9],
      queries: {
        "{{instance}}":
          `sum by (instance) (trtd_ring_used_bytes{${AT}}) / sum by (instance) (trtd_ring_size_bytes{${AT}})`,
      },
    },
  ],
  "Workers": [
    {
      title: "Workers ready",
      queries: {
        "{{model}} ready": `sum by (model) (trtd_workers_ready{${OF}})`,
        "{{model}} configured": `sum by (model) (trtd_workers_configured{${OF}})`,
      },
    },
    {
      title: "Restarts by reason",
      about: "replaced is what was asked for: reload, recycling, a new engine.",
      queries: {
        "{{model}} {{reason}}": `sum by (model, reason) (increase(trtd_worker_restarts_total{${OF}}${RATE})) > 0`,
      },
    },
    {
      title: "Requests tried again, refused as poisonous; models given up",
      queries: {
        "again: {{reason}}": rate("trtd_request_retries_total", "reason"),
        "poisonous": `sum(rate(trtd_requests_poisonous_total{${OF}}${RATE}))`,
        "given up": `sum(rate(trtd_models_given_up_total{${OF}}${RATE}))`,
      },
    },
    {
      title: "Canary by result",
      queries: { "{{result}}": rate("trtd_canary_runs_total", "result") },
    },
    {
      title: "Resident memory",
      unit: "bytes",
      queries: {
        "{{model}}": `sum by (model) (trtd_worker_resident_memory_bytes{${OF}})`,
        "server {{instance}}": `sum by (instance) (process_resident_memory_bytes{${AT}})`,
      },
    },
    {
      title: "Last start of a worker",
      unit: "s",
      queries: { "{{model}}": `max by (model) (trtd_worker_start_seconds{${OF}})` },
    },
  ],
  "Engines": [
    {
      title: "Build, progress",
      unit: "percentunit",
      max: 1,
      queries: { "{{model}}": `max by (model) (trtd_engine_build_progress_ratio{${OF}})` },
    },
    {
      title: "Build, seconds",
      unit: "s",
      queries: {
        "{{model}}": `max by (model) (trtd_engine_build_seconds{${OF}})`,
        "{{model}} expected": `max by (model) (trtd_engine_build_expected_seconds{${OF}})`,
      },
    },
    {
      title: "Builds by result",
      kind: "table",
      queries: { "{{model}} {{result}}": `sum by (model, result) (trtd_engine_builds_total{${OF}})` },
    },
    {
      title: "Lookups in the cache",
      kind: "table",
      width: 12,
      queries: { "{{model}} {{result}}": `sum by (model, result) (trtd_cache_lookups_total{${OF}})` },
    },
    {
      title: "Misses by differing field",
      kind: "table",
      width: 12,
      queries: { "{{model}} {{field}}": `sum by (model, field) (trtd_cache_misses_total{${OF}})` },
    },
  ],
  "GPU": [
    {
      title: "Utilisation",
      unit: "percentunit",
      width: 6,
      max: 1,
      queries: { "{{gpu}} {{name}}": `max by (instance, gpu, name) (trtd_gpu_utilization_ratio{${AT}})` },
    },
    {
      title: "Memory",
      unit: "bytes",
      width: 6,
      queries: {
        "{{gpu}} used": `max by (instance, gpu) (trtd_gpu_memory_used_bytes{${AT}})`,
        "{{gpu}} size": `max by (instance, gpu) (trtd_gpu_memory_size_bytes{${AT}})`,
      },
    },
    {
      title: "Temperature",
      unit: "celsius",
      width: 6,
      queries: { "{{gpu}} {{name}}": `max by (instance, gpu, name) (trtd_gpu_temperature_celsius{${AT}})` },
    },
    {
      title: "Power",
      unit: "watt",
      width: 6,
      queries: { "{{gpu}} {{name}}": `max by (instance, gpu, name) (trtd_gpu_power_watts{${AT}})` },
    },
    {
      title: "Workers on each of several GPUs",
      unit: "short",
      width: 12,
      queries: {
        "{{model}} ready on {{device}}": `sum by (model, device) (trtd_gpu_workers_ready{${OF}})`,
        "{{model}} configured on {{device}}": `sum by (model, device) (trtd_gpu_workers_configured{${OF}})`,
      },
    },
  ],
};

const DATASOURCE = { type: "prometheus", uid: "${datasource}" } as const;

/** As Grafana imports it (dashboard JSON, schema 39: Grafana 10 and later). */
export function dashboard(): Record<string, unknown> {
  const panels: Record<string, unknown>[] = [];
  let y = 0;
  for (const [title, row] of Object.entries(ROWS)) {
    panels.push({
      id: panels.length + 1,
      type: "row",
      title,
      collapsed: false,
      gridPos: { x: 0, y: y++, w: 24, h: 1 },
    });
    const height = title === "Now" ? 5 : 8;
    let x = 0;
    for (const panel of row) {
      const w = panel.width ?? 8;
      if (x + w > 24) [x, y] = [0, y + height];
      panels.push({ id: panels.length + 1, ...panelOf(panel), gridPos: { x, y, w, h: height } });
      x += w;
    }
    y += height;
  }
  return {
    uid: "trtd",
    title: "trtd",
    description: "Object detection with trtd: requests, stages, queues, workers, engines, GPUs",
    tags: ["trtd"],
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: "10s",
    time: { from: "now-1h", to: "now" },
    templating: {
      list: [
        { name: "datasource", label: "Prometheus", type: "datasource", query: "prometheus" },
        variable("job", "label_values(trtd_build_info, job)"),
        variable("instance", 'label_values(trtd_build_info{job=~"$job"}, instance)'),
        variable("model", `label_values(trtd_model_ready{${AT}}, model)`),
      ],
    },
    panels,
  };
}

function panelOf({ title, about, kind = "timeseries", unit = "short", max, thresholds, words, queries }: Panel) {
  const instant = kind === "stat" || kind === "table";
  return {
    type: kind,
    title,
    ...(about === undefined ? {} : { description: about }),
    datasource: DATASOURCE,
    fieldConfig: {
      defaults: {
        unit,
        ...(max === undefined ? {} : { min: 0, max }),
        ...(thresholds === undefined ? {} : {
          thresholds: {
            mode: "absolute",
            steps: ["green", "orange", "red"].map((color, i) => ({ color, value: i === 0 ? null : thresholds[i - 1] })),
          },
        }),
        ...(words === undefined ? {} : {
          mappings: [{
            type: "value",
            options: Object.fromEntries(Object.entries(words).map(([value, text]) => [value, { text }])),
          }],
        }),
      },
      overrides: [],
    },
    options: kind === "stat" && words === undefined && unit === "short" ? { textMode: "name" } : {},
    targets: Object.entries(queries).map(([legendFormat, expr], i) => ({
      refId: String.fromCharCode(65 + i),
      datasource: DATASOURCE,
      expr,
      legendFormat,
      ...(instant ? { instant: true } : {}),
      ...(kind === "table" || kind === "heatmap" ? { format: kind } : {}),
    })),
  };
}

function variable(name: string, query: string): Record<string, unknown> {
  return {
    name,
    label: name,
    type: "query",
    datasource: DATASOURCE,
    query: { query, refId: name },
    refresh: 2,
    multi: true,
    includeAll: true,
    current: { text: "All", value: "$__all" },
  };
}
