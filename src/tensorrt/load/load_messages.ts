/** What passes between {@link checkEngine} and its load child: a job in, frames out. */
import type { BuildPlan } from "../plan/plan.ts";

/** Of a build's plan, what loading its engine needs. `device` null is the first GPU. */
export type LoadPlan = Pick<BuildPlan, "tensorrt" | "libraries" | "force" | "device">;

/** A file and its SHA-256 in hexadecimal digits. */
export interface DigestedFile {
  /** Absolute. */
  readonly path: string;
  readonly sha256: string;
}

/** TensorRT-RTX's cache of compiled kernels; ignored where the family has none. */
export interface RuntimeCacheFiles {
  /**
   * The cache of before, null for none. A file that is missing, not of its digest (null: not compared), or refused is a
   * remark: kernels are compiled anew.
   */
  readonly read: { readonly path: string; readonly sha256: string | null } | null;
  /** Absolute temporary path that gets the cache of after; null: it is not kept. Written only when loading went well. */
  readonly write: string | null;
}

/** Running the engine once it is loaded. */
export interface EngineRun {
  /** Absolute paths of raw little-endian values by the input's name. An input that is not named gets zeros. */
  readonly inputs?: Readonly<Record<string, string>>;
  /** Shapes of inputs by name. @default OPT of the first profile, for inputs with dynamic axes */
  readonly shapes?: Readonly<Record<string, readonly number[]>>;
  /** Absolute folder that gets the raw values of each output as `output-<i>.bin`. @default none */
  readonly outputs?: string | null;
  /** Timed runs after the first, 0 to 100000. @default 20 */
  readonly runs?: number;
}

/** First line of the child's standard input. The pipe stays open: the child ends when it closes. */
export interface LoadJob {
  readonly engine: DigestedFile;
  readonly plan: LoadPlan;
  /** Path of libtrtd, null for where it usually is. */
  readonly shim: string | null;
  readonly runtimeCache: RuntimeCacheFiles | null;
  readonly run: EngineRun | null;
}

/** What the child is at. */
export type LoadStage = "open" | "self-check" | "read" | "deserialize" | "context" | "run" | "write";

/** An input or output of the engine. */
export interface LoadedTensor {
  readonly name: string;
  readonly mode: "input" | "output";
  /** Such as `FLOAT32`. */
  readonly type: string;
  /** -1 for a dynamic axis; null when TensorRT does not know the shape. */
  readonly dims: readonly number[] | null;
}

/** A result of the last run. */
export interface LoadedOutput {
  readonly name: string;
  readonly type: string;
  readonly dims: readonly number[];
  /** Path of its raw values, null when they were not wanted. */
  readonly file: string | null;
}

/** Milliseconds of each step; `run` is the median of the runs after the first. */
export interface LoadTimings {
  readonly open: number;
  readonly self_check?: number;
  readonly read: number;
  readonly deserialize: number;
  readonly context: number;
  readonly first_run?: number;
  readonly run?: number;
}

export interface EngineLoad {
  readonly timings_ms: LoadTimings;
  readonly tensors: readonly LoadedTensor[];
  /** Bytes: what the engine needs for activations; free on the GPU before the engine and with its context. */
  readonly memory: {
    readonly engine_bytes: number;
    readonly free_before: number | null;
    readonly free_after: number | null;
  };
  /** Null where there is no runtime cache, or none was wanted. `given_bytes` 0: it began empty. */
  readonly runtime_cache: {
    readonly given_bytes: number;
    readonly accepted: boolean;
    /** 0 when it was not written. */
    readonly written_bytes: number;
  } | null;
  /** Of the last run; empty without one. */
  readonly outputs: readonly LoadedOutput[];
  /** The library as it reports itself. */
  readonly library: string;
  readonly gpu: { readonly name: string; readonly compute_capability: string };
  /** Things that happened on the way, in sentences. */
  readonly remarks: readonly string[];
}

export interface LoadedReport extends EngineLoad {
  readonly outcome: "loaded";
}

export interface LoadFailedReport {
  readonly outcome: "failed";
  readonly stage: LoadStage | "start";
  /** Status of the shim such as `PLAN_REFUSED`, or `ENGINE_CHANGED`, `FILE_UNREADABLE`, `INPUT_WRONG`, `INTERNAL`. */
  readonly status: string;
  readonly message: string;
}

export type LoadReport = LoadedReport | LoadFailedReport;
