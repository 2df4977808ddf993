/** What the stage benchmark measures: a model opened on one backend. */
import type { BackendInfo } from "../../backends/backend.ts";
import type { Picture, Size } from "../../detect/letterbox/letterbox.ts";
import type { Box } from "../../detect/detection.ts";

/** Stages of a picture's way from a file to boxes, in order. Each backend has some of them. */
export const STAGES = {
  decode: "decode: JPEG to RGB",
  upload: "upload: RGB to the GPU",
  letterbox: "letterbox: RGB to the model's input",
  inference: "inference: the model",
  postprocess: "decode + NMS: outputs to boxes",
  download: "download: boxes from the GPU",
  rest: "the rest: JavaScript, native calls, waiting",
} as const;

export type StageName = keyof typeof STAGES;

export const STAGE_NAMES = Object.keys(STAGES) as StageName[];

/** Milliseconds of one run of a batch, each stage until its last picture is done; a stage that there is not is absent. */
export type StageTimes = Readonly<Partial<Record<StageName, number>>>;

/** What stages occupy while they work. */
export interface Resource {
  /** For people, such as `the CPU's cores`. */
  readonly name: string;
  readonly units: number;
}

/** A stage's use of a resource. */
export interface Use {
  readonly resource: Resource;
  /** Units that are held while the stage works. */
  readonly units: number;
  /** Whether each picture of a batch is worked on apart, so that the time of a picture is that of batch 1. */
  readonly apart?: boolean;
}

/** Where a picture starts on its way to boxes: as a JPEG file, or as RGB in host memory. */
export type Way = "jpeg" | "pixels";

/** A picture of the benchmark, as the ways begin with it. */
export interface Sample {
  /** A JPEG file. */
  readonly file: Uint8Array<ArrayBuffer>;
  /** The same decoded. */
  readonly picture: Picture;
}

/** What the benchmark compares between implementations. */
export interface FoundBox {
  readonly class_id: number;
  readonly score: number;
  readonly box: Box;
}

/** The GPU that a subject runs on. */
export interface Platform {
  readonly gpu: string;
  /** Such as `9.0`. */
  readonly compute_capability: string;
  /** Release of the driver, null when it does not tell. */
  readonly driver: string | null;
}

/** A model on a backend, ready to run. Runs may overlap, as many as `lanesMax`. */
export interface Subject extends AsyncDisposable {
  readonly info: BackendInfo;
  /** Library with its version, for people, such as `TensorRT-RTX 1.4.0.76`. */
  readonly runtime: string;
  /** Null on the CPU. */
  readonly platform: Platform | null;
  /** Size of the model's input in pixels. */
  readonly input: Size;
  /** Most pictures of one run. */
  readonly batchMax: number;
  /** Most runs at once. */
  readonly lanesMax: number;
  /** What each stage occupies. */
  readonly uses: Readonly<Partial<Record<StageName, readonly Use[]>>>;
  /** What {@link bare} measures, for people. */
  readonly bareIs: string;
  /** Things to know about the way that is measured, in sentences. */
  readonly remarks: readonly string[];
  /** One run of a batch. @returns milliseconds from where the way starts to boxes, by the clock */
  run(way: Way, samples: readonly Sample[]): Promise<number>;
  /** One run of a batch of JPEG files, stage by stage. */
  runStages(samples: readonly Sample[]): Promise<StageTimes>;
  /** The model alone on a batch, run after run: milliseconds of each run. Null where that cannot be had. */
  readonly bare: ((batch: number, runs: number) => Promise<readonly number[]>) | null;
  /**
   * The same, where each run of the model is timed as `inference` is, so that both can be compared: on a GPU by events
   * inside the graph. @default as `bare`
   */
  readonly bareInference?: (batch: number, runs: number) => Promise<readonly number[]>;
  /**
   * The model inside the pipeline, run after run without anything between them, as the bare one: milliseconds of each run.
   * Where it is null, `inference` of {@link runStages} counts.
   */
  readonly inference?: (samples: readonly Sample[], runs: number) => Promise<readonly number[] | null>;
  /** Boxes of one JPEG file, best first. */
  find(file: Uint8Array<ArrayBuffer>): Promise<readonly FoundBox[]>;
}
