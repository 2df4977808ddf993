/** What runs a model: ONNX Runtime on the CPU, TensorRT on a GPU. */
import type { Head } from "../detect/heads/heads.ts";
import type { Placement } from "../detect/letterbox/letterbox.ts";
import type { TrtdError } from "../errors.ts";

/** Element types that detectors use. f16 data is carried as its bits. */
export type TensorType = "float32" | "float16" | "int32" | "int64";

export type TensorData = Float32Array | Uint16Array | Int32Array | BigInt64Array;

/** A dense tensor in row-major order; `data.length` is the product of `dims`. */
export interface Tensor {
  readonly type: TensorType;
  readonly dims: readonly number[];
  readonly data: TensorData;
}

/** A named input or output as the model declares it; a dynamic axis is its symbolic name or -1. */
export interface TensorSpec {
  readonly name: string;
  readonly type: TensorType;
  readonly dims: readonly (number | string)[];
}

/** Who answers: part of every detection result. */
export interface BackendInfo {
  readonly name: "onnxruntime" | "tensorrt";
  /** For example `cpu` or `cuda:0 NVIDIA H100 80GB HBM3`. */
  readonly device: string;
  readonly precision: "f32" | "fp16";
  /** Path of the engine file, null when the backend has none. */
  readonly engine: string | null;
  /** Why a better backend is not used, null when the wanted one answers. */
  readonly degraded: string | null;
}

/** What is asked of one picture of a pipeline. */
export interface PipelineQuestion {
  /** Lowest score of an output: a logit where the NMS that was cut off took those. */
  readonly score: number;
  /** IoU from which the weaker of two boxes is dropped. */
  readonly iou: number;
  /** Most boxes, 1..5000. */
  readonly max: number;
  readonly classAgnostic: boolean;
  /** 1 for each wanted class; null for all. */
  readonly wanted: Uint8Array | null;
}

/** A picture in host memory and what is asked of it. */
export interface PipelineFrame {
  /** Packed RGB u8 `[height, width, 3]`, or a JPEG file where the pipeline takes it. */
  readonly kind: "rgb" | "jpeg";
  /** Read until the run is over. */
  readonly data: Uint8Array<ArrayBuffer>;
  /** Upright, in pixels. */
  readonly width: number;
  readonly height: number;
  /** Where the picture lies in the model's input. Boxes beside it are left out before `max` counts. */
  readonly placement: Placement;
  readonly question: PipelineQuestion;
}

/** Boxes of one picture by falling score. */
export interface PipelineBoxes {
  /** `x1, y1, x2, y2` in pixels of the model's input and the score of the output, five of each box. */
  readonly numbers: Float32Array;
  /** Class of each box. */
  readonly labels: Int32Array;
}

/** One run of a pipeline. */
export interface PipelineRun {
  /** By frame. */
  readonly boxes: readonly PipelineBoxes[];
  /** Milliseconds, of the whole run. */
  readonly timings: {
    /** JPEG files to pixels on the GPU. */
    readonly decode: number;
    /** Pictures to the GPU; the letterbox too, where each stage is measured. */
    readonly preprocess: number;
    /** Letterbox, model, decoding, suppression and the boxes' way back, in one CUDA graph. */
    readonly inference: number;
    /** Decoding, suppression and download, where each stage is measured. */
    readonly postprocess: number;
  };
}

/** A backend that keeps pictures on its device from pixels to boxes. */
export interface FramePipeline {
  /** Pictures of one run. */
  readonly batchMax: number;
  /** Runs that may be under way at once; more wait. */
  readonly lanes: number;
  /** Whether it takes JPEG files as they are. */
  readonly jpeg: boolean;
  /**
   * One run of 1 to `batchMax` pictures.
   * @throws {PictureRefused} for a JPEG file that the device does not take: decode it on the CPU
   * @throws {TrtdError} `INFERENCE_FAILED`, `OUT_OF_GPU_MEMORY`, `GPU_FAULT` (see {@link Backend.fault})
   */
  run(frames: readonly PipelineFrame[]): Promise<PipelineRun>;
}

/** A loaded model. `run` may block its thread. */
export interface Backend {
  readonly info: BackendInfo;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Calls of `run` that may be under way at once; more wait or must not be made. @default 1 */
  readonly lanes?: number;
  /** Smallest and largest batch of a dynamic one. @default 1, no limit */
  readonly batchMin?: number;
  readonly batchMax?: number;
  /**
   * Resolves, if ever, with the `GPU_FAULT` after which every call of every backend of this process fails at once with
   * the same code: the process must end. @default never
   */
  readonly fault?: Promise<TrtdError>;
  /**
   * Make the way from pictures to boxes, and run it. Once; the backend closes it.
   * @returns null when there is none for this head or device, which `info.degraded` explains
   * @throws {TrtdError} `OUT_OF_GPU_MEMORY`, `INFERENCE_FAILED`, `GPU_FAULT`
   */
  openPipeline?(head: Head): Promise<FramePipeline | null>;
  /** Run once with zeros of the given input shape, so that the first request is not the slow one. */
  warmUp(dims: readonly number[]): Promise<void>;
  /**
   * Run one batch.
   * @throws {TrtdError} `INFERENCE_FAILED`, `OUT_OF_GPU_MEMORY`, `GPU_FAULT`
   */
  run(inputs: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>>;
  /** Free everything. Calling it twice is harmless. */
  close(): Promise<void>;
}

/** A pipeline's decoder does not take a picture file. */
export class PictureRefused extends Error {
  override readonly name = "PictureRefused";
  /** Which of the run's frames, null when that is not known. */
  readonly frame: number | null;

  constructor(message: string, frame: number | null) {
    super(message);
    this.frame = frame;
  }
}
