/** One picture on its way through a detector. */
import type { BackendInfo } from "../backends/backend.ts";
import type { Detection, DetectionResult } from "./detection.ts";
import type { Picture, Size } from "./letterbox/letterbox.ts";
import type { CheckedOptions } from "./options.ts";

/** A JPEG file that goes to the GPU as it is. */
export interface DeviceFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly size: Size;
}

export interface Job {
  readonly content: { readonly picture: Picture } | { readonly file: DeviceFile };
  readonly options: CheckedOptions;
  /** `performance.now()` when the request came. */
  readonly started: number;
  /** Milliseconds until the picture's pixels were there; 0 for a file. */
  readonly decodeMs: number;
}

/** What a run found in one picture. */
export interface Found {
  readonly detections: readonly Detection[];
  /** Milliseconds; `decode` comes on top of the job's. */
  readonly timings: {
    readonly decode: number;
    readonly preprocess: number;
    readonly inference: number;
    readonly postprocess: number;
  };
}

/** Upright, in pixels. */
export const sizeOf = ({ content }: Job): Size => "picture" in content ? content.picture : content.file.size;

/** The answer about a job, now. */
export function resultOf(
  job: Job,
  { detections, timings }: Found,
  { model, info }: { readonly model: string; readonly info: BackendInfo },
): DetectionResult {
  const { width, height } = sizeOf(job);
  return {
    image: { width, height },
    model,
    backend: info,
    detections,
    timings_ms: {
      decode: micro(job.decodeMs + timings.decode),
      preprocess: micro(timings.preprocess),
      inference: micro(timings.inference),
      postprocess: micro(timings.postprocess),
      total: micro(performance.now() - job.started),
    },
  };
}

/** Milliseconds with three decimals. */
const micro = (ms: number): number => Math.round(ms * 1000) / 1000;
