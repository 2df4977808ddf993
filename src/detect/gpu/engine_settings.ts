/** Where engines come from, for whoever opens detectors. */
import type { TensorRtOptions } from "../../backends/tensorrt/open_tensorrt.ts";
import type { TensorRtBackend } from "../../backends/tensorrt/tensorrt_backend.ts";
import type { EngineCache } from "../../cache/store.ts";
import type { Config } from "../../config/config.ts";
import type { findMachine } from "../../tensorrt/request/machine.ts";
import type { PlannedRequest } from "../../tensorrt/request/plan_request.ts";

/** The settings that decide about engines. */
export type EngineConfig = Pick<
  Config,
  | "models"
  | "tensorrt"
  | "device"
  | "nms"
  | "retry"
  | "precision"
  | "batch"
  | "contexts"
  | "cuda_graph"
  | "gpu_decode"
  | "verify"
  | "verify_pictures"
  | "cache_layout"
  | "cache_trusted_owners"
  | "cache_size_limit_mb"
  | "cache_hmac_key"
>;

/** An engine that was loaded. */
export interface LoadedEngineFacts {
  readonly backend: TensorRtBackend;
  readonly planned: PlannedRequest;
}

export interface EngineSettings {
  readonly config: EngineConfig;
  readonly terminal: {
    /** An absolute path; relative ones count from where the user called the command. */
    resolve(path: string): string;
    /** A remark for people. */
    note(text: string): void;
  };
  /**
   * Puts an engine that the cache lacks into it.
   * @throws {TrtdError} the failure of the build
   * @default none is built: the CPU answers and says so
   */
  readonly build?: (planned: PlannedRequest, cache: EngineCache) => Promise<unknown>;
  /** Told of each engine that is loaded; the last one serves, if any does. For measurements. */
  readonly onLoaded?: (loaded: LoadedEngineFacts) => void;
  /** Ways of the pipeline that no setting has: for measurements. @default none */
  readonly tuning?: Pick<TensorRtOptions, "copies" | "jpeg">;
  /** Asks the machine; several models may share the answer. @default in child processes */
  readonly ask?: typeof findMachine;
}
