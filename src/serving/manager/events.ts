/** What happens in serving, for whoever counts or shows it. */
import type { BackendInfo } from "../../backends/backend.ts";
import type { Timings } from "../../detect/detection.ts";
import type { BuildEnded } from "../engine/engine_builds.ts";
import type { EndCause } from "../policy/blame.ts";
import type { Whereabouts } from "./job.ts";

export type ServingEvent =
  /** A worker was started. */
  | { readonly type: "worker_started"; readonly model: string }
  /** A worker loaded its model and answered the canary. */
  | { readonly type: "worker_ready"; readonly model: string; readonly ms: number }
  | { readonly type: "worker_ended"; readonly model: string; readonly cause: EndCause }
  /** A model is not started again before somebody asks for it. */
  | { readonly type: "gave_up"; readonly model: string }
  | { readonly type: "canary"; readonly model: string; readonly result: "right" | "wrong" | "failed" }
  | {
    readonly type: "answered";
    readonly model: string;
    readonly backend: BackendInfo["name"];
    readonly batch: number;
    readonly queueMs: number;
    readonly timings: Timings;
  }
  /** A request is tried again. */
  | { readonly type: "retried"; readonly model: string; readonly cause: EndCause }
  | { readonly type: "poisonous"; readonly model: string }
  | { readonly type: "expired"; readonly model: string; readonly where: Whereabouts }
  | BuildEnded;

export type ServingListener = (event: ServingEvent) => void;
