/** The ways to copy frames into pinned memory that are measured side by side, and what their figures look like. */
import type { CopyOptions } from "../../ffi/pipeline.ts";
import type { Range } from "./gpu_goals.ts";

export interface CopyWay {
  readonly id: string;
  /** Pictures of a run. */
  readonly batch: number;
  readonly copies: CopyOptions;
  /** For people. */
  readonly summary: string;
}

/** One run of eight frames of YOLOv8s is 17.7 MB. */
export const BATCH = 8;

const WAYS: readonly (readonly [id: string, copies: CopyOptions, summary: string])[] = [
  ["plain", { shared: false, streamed: false }, "by one thread with ordinary stores"],
  ["streamed", { shared: false, streamed: true }, "by one thread with streaming stores"],
  ["shared", { shared: true, streamed: false }, "by up to 4 threads with ordinary stores"],
  ["shared_streamed", { shared: true, streamed: true }, "by up to 4 threads with streaming stores"],
];

/** The first is what the others are compared with. */
export const COPY_WAYS: readonly CopyWay[] = ([["one", 1], ["eight", BATCH]] as const).flatMap(([size, batch]) =>
  WAYS.map(([id, copies, summary]) => ({ id: `${size}_${id}`, batch, copies, summary }))
);

/** What `gpu_copies.ts` prints. */
export interface CopyReport {
  /** Bytes of a frame. */
  readonly frame_bytes: number;
  /** The engine of {@link BATCH} alone, milliseconds of a run by the clock, launch and wait included. */
  readonly bare_ms: number;
  readonly ways: readonly CopyFigures[];
}

export interface CopyFigures {
  readonly id: string;
  readonly pictures_per_s: Range;
  /** Pictures a second over those of the plain way with as many pictures a run, in the same round. */
  readonly to_plain: Range;
  /** Over those of the plain way with one picture a run, in the same round. */
  readonly to_single: Range;
  /** Milliseconds until the frames are copied and their transfers begun. */
  readonly upload_ms: number;
}
