/** What the routes need of the rest of trtd. */
import type { Context } from "hono";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Model } from "../models/model.ts";
import type { EngineCheck } from "../serving/engine_check.ts";
import type { ServingManager } from "../serving/manager.ts";
import type { BodyBudget } from "./body.ts";
import type { Metrics } from "./metrics.ts";

/** The part of the serving manager that routes use. */
export type DetectionService = Pick<ServingManager, "admit" | "detect" | "models" | "state">;

/** Settings of the configuration that routes read, by the same words. */
export interface HttpSettings {
  readonly max_body_bytes: number;
  readonly max_pixels: number;
  readonly body_timeout_ms: number;
  readonly score?: number | undefined;
  readonly iou?: number | undefined;
  readonly max?: number | undefined;
  readonly classes?: readonly string[] | undefined;
}

/** What the cache of engines has for the served models. */
export type EngineStatuses = Pick<EngineCheck, "pending" | "status">;

export interface Served {
  readonly service: DetectionService;
  readonly engines: EngineStatuses;
  readonly metrics: Metrics;
  readonly settings: HttpSettings;
  /** What is served; the first is the default. */
  readonly models: readonly Model[];
  readonly budget: BodyBudget;
}

/** Types of Hono's context: node's own objects, and what the first middleware leaves for the routes. */
export interface AppEnv {
  Bindings: { readonly incoming: IncomingMessage; readonly outgoing: ServerResponse };
  Variables: {
    requestId: string;
    /** Path of the route that answers, as in the table. */
    route: string;
    /** `performance.now()` when the request's head had arrived. */
    arrivedMs: number;
    /** Aborted when the client has gone. */
    gone: AbortSignal;
  };
}

export type AppContext = Context<AppEnv>;
