/** The seam between the serving manager and whatever holds a model. */
import type { BackendInfo } from "../backends/backend.ts";
import type { DetectionResult, DetectOptions } from "../detect/detection.ts";

/** A model that a worker has loaded. */
export interface LoadedModel {
  readonly name: string;
  /** By class id. */
  readonly labels: readonly string[];
  /** Who runs it. */
  readonly backend: BackendInfo;
}

/** One picture's way through a worker. */
export interface WorkerRequest {
  /** Name of a loaded model. */
  readonly model: string;
  /** An encoded picture: JPEG, PNG or WebP. */
  readonly bytes: Uint8Array;
  readonly options: DetectOptions;
  /** Whether a JPEG with the boxes drawn is wanted. */
  readonly annotate: boolean;
  /** Milliseconds since the epoch; the worker does not begin after it. */
  readonly deadline: number;
}

export interface WorkerAnswer {
  readonly result: DetectionResult;
  /** JPEG, null unless it was asked for. */
  readonly annotated: Uint8Array<ArrayBuffer> | null;
}

/** A process that answers {@link WorkerRequest}s. How the picture gets there is its own matter. */
export interface DetectionWorker {
  /**
   * Resolves when every model is loaded and has answered a picture.
   * Rejects with the {@link TrtdError} of the loading, or `WORKER_DIED`.
   */
  readonly ready: Promise<readonly LoadedModel[]>;
  /** Resolves with how it ended, once, whatever the reason. Never rejects. */
  readonly ended: Promise<string>;
  /**
   * Detect on one picture. Several calls may be under way: decoding overlaps with inference.
   * @throws {TrtdError} the worker's own failure, or `WORKER_DIED` when it ends first
   */
  detect(request: WorkerRequest): Promise<WorkerAnswer>;
  /** End it at once. */
  kill(): void;
  /** Let it end by itself, by force after two seconds. Calling it twice is harmless. */
  close(): Promise<void>;
}
