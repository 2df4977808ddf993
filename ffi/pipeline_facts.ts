/** What a pipeline or runner tells about itself. */

import { call, outRecord } from "./call.ts";
import type { Status } from "./enums.ts";
import type { Symbols } from "./symbols.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What a pipeline or runner holds. */
export interface PipelineFacts {
  /** Graphs that are ready to be launched. */
  readonly graphs: number;
  /** Why there is none and will be none; null while there is no such reason. */
  readonly graphRefusal: string | null;
  /** Memory of its own, in bytes; the context's is not in it. */
  readonly deviceBytes: number;
  readonly pinnedBytes: number;
  /** Pictures of every run of an engine with a fixed batch; 0 for a dynamic one. */
  readonly batch: number;
  /** Runs that ended well. */
  readonly runs: number;
}

/** Facts of what `ask` fills a `trtd_pipeline_info` for. Never waits for a run. @throws {ShimError} */
export function pipelineFacts(ask: (symbols: Symbols, out: Bytes, error: Bytes) => Status): PipelineFacts {
  const record = outRecord("trtd_pipeline_info", (out) => call((symbols, error) => ask(symbols, out, error)));
  return {
    graphs: record.graphs,
    graphRefusal: record.refusal === "" ? null : record.refusal,
    deviceBytes: record.device_bytes,
    pinnedBytes: record.pinned_bytes,
    batch: record.batch,
    runs: record.runs,
  };
}
