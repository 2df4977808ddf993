/** What the routes need of the rest of trtd. */
import type { Context } from "hono";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Timings } from "../detect/detection.ts";
import type { ErrorCode } from "../errors.ts";
import type { Model } from "../models/model.ts";
import type { EngineBuilds } from "../serving/engine/engine_builds.ts";
import type { EngineCheck } from "../serving/engine/engine_check.ts";
import type { ServingManager } from "../serving/manager/manager.ts";
import type { RingUsage } from "../serving/ring/ring_pool.ts";
import type { Guard } from "./access/guard.ts";
import type { BodyBudget } from "./request/body.ts";
import type { Metrics } from "./metrics/metrics.ts";

/** The part of the serving manager that routes use. */
export type DetectionService = Pick<
  ServingManager,
  "admit" | "detect" | "isReady" | "modelStates" | "models" | "state"
>;

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

/** What becomes of engines that are built behind the service. */
export type EngineBuildsView = Pick<EngineBuilds, "status" | "cancel" | "watch" | "closed">;

export interface Served {
  readonly builds: EngineBuildsView;
  /** Replace the workers of a model by new ones. @throws {TrtdError} what the new worker fails with */
  reload(model: string): Promise<void>;
  readonly service: DetectionService;
  readonly engines: EngineStatuses;
  readonly metrics: Metrics;
  /** The shared memory of workers now; null without any. */
  ringUsage(): RingUsage | null;
  readonly settings: HttpSettings;
  /** What is served; the first is the default. */
  readonly models: readonly Model[];
  readonly budget: BodyBudget;
  readonly guard: Guard;
}

/** What answers have as `timings_ms`. */
export type StageTimings = Timings & { readonly queue: number };

/** Types of Hono's context: node's own objects, and what the first middleware leaves for the routes. */
export interface AppEnv {
  Bindings: {
    readonly incoming: IncomingMessage;
    readonly outgoing: ServerResponse;
    /** Address of the client, null when it is not known. */
    readonly peer: string | null;
  };
  Variables: {
    requestId: string;
    /** Path of the route that answers, as in the table. */
    route: string;
    /** What the request failed with. */
    code: ErrorCode | undefined;
    /** Stages of the picture, milliseconds; undefined for other requests and before it was answered. */
    timings: StageTimings | undefined;
    /** `performance.now()` when the request's head had arrived. */
    arrivedMs: number;
    /** Name of the API key, null for access without one; undefined before the guard has let the request in. */
    key: string | null | undefined;
    /** Aborted when the client has gone. */
    gone: AbortSignal;
  };
}

export type AppContext = Context<AppEnv>;
