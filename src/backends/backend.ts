/** What runs a model: ONNX Runtime on the CPU, TensorRT on a GPU. */

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

/** A loaded model. One call of `run` at a time; `run` may block its thread. */
export interface Backend {
  readonly info: BackendInfo;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Run once with zeros of the given input shape, so that the first request is not the slow one. */
  warmUp(dims: readonly number[]): Promise<void>;
  /**
   * Run one batch.
   * @throws {TrtdError} `INFERENCE_FAILED`
   */
  run(inputs: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>>;
  /** Free everything. Calling it twice is harmless. */
  close(): Promise<void>;
}
