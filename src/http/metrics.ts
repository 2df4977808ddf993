/** `GET /metrics`: what this server counted, in Prometheus's text format. */
import type { EngineStatus } from "../serving/engine_messages.ts";
import { VERSION } from "../version.ts";
import type { AppContext, Served } from "./service.ts";

/** Route of requests that no route of the table took. */
export const NO_ROUTE = "none";

type Labels = Readonly<Record<string, string>>;

/** Numbers by labels. Kept here, because loading prom-client takes longer than a quarter of the server's whole start. */
class Counts {
  readonly #values = new Map<string, { readonly labels: Labels; value: number }>();

  add(labels: Labels): void {
    const key = JSON.stringify(labels);
    const found = this.#values.get(key);
    if (found === undefined) this.#values.set(key, { labels, value: 1 });
    else found.value++;
  }

  get rows(): Iterable<{ readonly labels: Labels; readonly value: number }> {
    return this.#values.values();
  }
}

/** The counters of one server. */
export class Metrics {
  readonly requests = new Counts();
  readonly lookups = new Counts();
  readonly misses = new Counts();

  /** A request was answered. @param route path as in the table of routes, or {@link NO_ROUTE} */
  request(route: string, status: number): void {
    this.requests.add({ route, status: String(status) });
  }

  /** An engine was looked up in the cache; a lookup that failed counts as one, a machine without TensorRT does not. */
  lookup(model: string, { cache, missed_because }: Pick<EngineStatus, "cache" | "missed_because">): void {
    if (cache === "none") return;
    this.lookups.add({ model, result: cache === "unknown" ? "failed" : cache });
    for (const { field } of missed_because) this.misses.add({ model, field });
  }
}

/** `GET /metrics` */
export function metricsHandler(served: Served): (c: AppContext) => Promise<Response> {
  let registry: ReturnType<typeof registryOf> | undefined;
  return async () => {
    const { contentType, metrics } = await (registry ??= registryOf(served));
    return new Response(await metrics(), { headers: { "Content-Type": contentType } });
  };
}

/** A registry of its own: nothing is counted for the process, and two servers in one process do not meet. */
async function registryOf({ metrics, service }: Served) {
  const { Counter, Gauge, Registry } = await import("prom-client");
  const registry = new Registry();
  const registers = [registry];

  const counter = (name: string, help: string, counts: Counts, labelNames: string[]) =>
    new Counter({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const { labels, value } of counts.rows) this.inc(labels, value);
      },
    });
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });

  new Gauge({ name: "trtd_build_info", help: "1, with the version of trtd", labelNames: ["version"], registers })
    .set({ version: VERSION }, 1);
  counter(
    "trtd_http_requests_total",
    "Requests that the routes answered, by route and HTTP status; broken exchanges are refused before and not counted",
    metrics.requests,
    ["route", "status"],
  );
  gauge("trtd_queue_waiting", "Requests that wait for a worker", () => service.state.queue.waiting);
  gauge("trtd_queue_running", "Requests that workers have", () => service.state.queue.running);
  gauge("trtd_queue_limit", "Most requests that may wait", () => service.state.queue.limit);
  gauge("trtd_workers_ready", "Worker processes that answer", () => service.state.workers.ready);
  gauge("trtd_workers_total", "Worker processes that there should be", () => service.state.workers.total);
  counter(
    "trtd_cache_lookups_total",
    "Lookups in the cache of engines, by model and result: hit, miss or failed",
    metrics.lookups,
    ["model", "result"],
  );
  counter(
    "trtd_cache_misses_total",
    "Misses of the cache of engines, by model and by each field that differed",
    metrics.misses,
    ["model", "field"],
  );
  return { contentType: registry.contentType, metrics: () => registry.metrics() };
}
