/** The seam between the serving manager and whatever holds a model. */
import type { BackendInfo } from "../backends/backend.ts";
import type { DetectionResult, DetectOptions } from "../detect/detection.ts";
import type { GpuSample } from "../native/gpu/gpu_sample.ts";
import type { EndCause, KillReason } from "./policy/blame.ts";
import type { Region, Ring } from "./ring/ring.ts";

/** A model that a worker has loaded. */
export interface LoadedModel {
  readonly name: string;
  /** By class id. */
  readonly labels: readonly string[];
  /** Who runs it. */
  readonly backend: BackendInfo;
  /** Most pictures of one run. */
  readonly batch: number;
  /** Runs that may be under way at once. */
  readonly lanes: number;
}

/** Where a picture's bytes are: in this process, or in a ring that somebody else wrote to. */
export type PicturePlace = { readonly bytes: Uint8Array } | { readonly ring: Ring; readonly region: Region };

/** A JPEG, PNG or WebP file, or rows of `stride` bytes with packed RGB, 8 bits each. */
export type ServedPicture =
  | { readonly kind: "file"; readonly place: PicturePlace }
  | {
    readonly kind: "rgb";
    readonly place: PicturePlace;
    readonly width: number;
    readonly height: number;
    readonly stride: number;
  };

/** A picture file in this process. */
export const pictureFile = (bytes: Uint8Array): ServedPicture => ({ kind: "file", place: { bytes } });

/** Bytes that the picture takes. */
export const pictureBytes = ({ place }: ServedPicture): number =>
  "bytes" in place ? place.bytes.length : place.region.length;

/** One picture's way through a worker. */
export interface WorkerRequest {
  readonly picture: ServedPicture;
  readonly options: DetectOptions;
  /** Whether a JPEG with the boxes drawn is wanted. */
  readonly annotate: boolean;
  /** Milliseconds since the epoch; the worker does not begin after it. */
  readonly deadline: number;
  /** For log lines. */
  readonly requestId?: string;
}

export interface WorkerAnswer {
  readonly result: DetectionResult;
  /** JPEG, null unless it was asked for. */
  readonly annotated: Uint8Array<ArrayBuffer> | null;
  /** Pictures of the run that it was part of. */
  readonly batch: number;
}

/** How a worker ended. */
export interface WorkerEnd {
  readonly cause: EndCause;
  /** In words, such as `SIGSEGV` or `exit status 5`. */
  readonly how: string;
}

/** A process that answers {@link WorkerRequest}s about one model. How the picture gets there is its own matter. */
export interface DetectionWorker {
  /** Resolves when the model is loaded. Rejects with the {@link TrtdError} of the loading, or `WORKER_DIED`. */
  readonly ready: Promise<LoadedModel>;
  /** Resolves with how it ended, once, whatever the reason. Never rejects. */
  readonly ended: Promise<WorkerEnd>;
  /** Number of its process, null when it has none of its own. */
  readonly pid: number | null;
  /** Resident bytes of its process as it last said; null before that, and when it has no process of its own. */
  readonly rssBytes: number | null;
  /** What it said last about the GPUs of its machine. @default nothing */
  readonly gpus?: readonly GpuSample[];
  /** Whether it has room for the picture now; a worker with nothing to do takes any picture that it can take at all. */
  fits(picture: ServedPicture): boolean;
  /**
   * Detect on one picture. Several calls may be under way: decoding overlaps with inference.
   * @throws {TrtdError} the worker's own failure, `BODY_TOO_LARGE`, or `WORKER_DIED` when it ends first
   */
  detect(request: WorkerRequest): Promise<WorkerAnswer>;
  /** Resolves when it answers at all. @throws {TrtdError} `WORKER_DIED` when it ends first */
  ping(): Promise<void>;
  /** End it at once. The first reason counts. */
  kill(reason: KillReason): void;
  /** Let it end by itself, by force after two seconds. Calling it twice is harmless. */
  close(): Promise<void>;
}
