/** What one server counts for `/metrics`. */
import type { TrtdError } from "../../errors.ts";
import type { EngineStatus } from "../../serving/engine/engine_messages.ts";
import { Counts, Distribution } from "../../serving/telemetry/counts.ts";
import { DURATION_BOUNDS, ServingCounts } from "../../serving/telemetry/serving_counts.ts";

/** Route of requests that no route of the table took. */
export const NO_ROUTE = "none";

export class Metrics {
  readonly requests = new Counts();
  readonly durations = new Distribution(DURATION_BOUNDS);
  readonly errors = new Counts();
  readonly lookups = new Counts();
  readonly misses = new Counts();
  /** Its `listen` belongs to the serving manager. */
  readonly serving: ServingCounts;
  /** Seconds since 1970. */
  readonly startedS = Date.now() / 1000;

  /** @param models names of the served models */
  constructor(models: readonly string[]) {
    this.serving = new ServingCounts(models);
  }

  /** A request was answered. @param route path as in the table of routes, or {@link NO_ROUTE} */
  request(route: string, { status, ms }: { status: number; ms: number }): void {
    this.requests.add({ route, status: String(status) });
    this.durations.observe({ route }, ms / 1000);
  }

  /** A request, or a connection without one, was answered with an error. */
  error({ code }: Pick<TrtdError, "code">): void {
    this.errors.add({ code });
  }

  /** An engine was looked up in the cache; a lookup that failed counts as one, a machine without TensorRT does not. */
  lookup(model: string, { cache, missed_because }: Pick<EngineStatus, "cache" | "missed_because">): void {
    if (cache === "none") return;
    this.lookups.add({ model, result: cache === "unknown" ? "failed" : cache });
    for (const { field } of missed_because) this.misses.add({ model, field });
  }
}
