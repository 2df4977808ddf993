/** What serving needs of a detector, and how it asks one. */
import type { BackendInfo } from "../../backends/backend.ts";
import type { DetectionResult, DetectOptions } from "../../detect/detection.ts";
import type { TrtdError } from "../../errors.ts";
import type { Model } from "../../models/model.ts";
import type { WorkerSettings } from "../channel/messages.ts";

/** Packed RGB, 8 bits each, `[height, width, 3]`. */
export interface RawFrame {
  readonly data: Uint8Array<ArrayBuffer>;
  readonly width: number;
  readonly height: number;
}

/** A JPEG, PNG or WebP file, or a raw frame. */
export type DetectorPicture = { readonly bytes: Uint8Array<ArrayBuffer> } | { readonly frame: RawFrame };

export type DetectorRequest = DetectorPicture & { readonly options: DetectOptions };

export interface ServedDetector {
  readonly labels: readonly string[];
  readonly info: BackendInfo;
  /** Most pictures of one run that are worth it. @default 1 */
  readonly batchMax?: number;
  /** Runs that may be under way at once. @default 1 */
  readonly lanes?: number;
  /** Resolves, if ever, when nothing that this process asks of the device will be answered any more. */
  readonly fault?: Promise<TrtdError>;
  /** A result or an error for each request, in their order; never rejects. */
  detectBatch(requests: readonly DetectorRequest[]): Promise<readonly (DetectionResult | TrtdError)[]>;
  /** JPEG with the boxes drawn. */
  annotate(picture: DetectorPicture, result: DetectionResult): Promise<Uint8Array>;
  /** Free everything. Calling it twice is harmless. */
  close(): Promise<void>;
}

/** Loads one model; throws a `TrtdError` with the code of what is wrong. */
export type OpenDetector = (model: Model, settings: WorkerSettings) => Promise<ServedDetector>;

/** The largest batch that a detector is asked for. @param wish the setting `batch_max` */
export function batchOf(detector: Pick<ServedDetector, "batchMax">, wish: number | undefined): number {
  return Math.max(1, Math.min(wish ?? DEFAULT_BATCH, detector.batchMax ?? 1));
}

/** Larger batches gain little on small GPUs and cost latency. */
const DEFAULT_BATCH = 8;
