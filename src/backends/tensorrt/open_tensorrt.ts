/** An engine, loaded in this process: TensorRT, driver and device behind it. */
import { cudaDevice, Device, openCuda } from "../../../ffi/cuda.ts";
import { Evidence, Product } from "../../../ffi/enums.ts";
import type { JpegDecoder } from "../../../ffi/jpeg.ts";
import type { CopyOptions } from "../../../ffi/pipeline.ts";
import { TensorRtLibrary } from "../../../ffi/library.ts";
import { loadShim, ShimLoadError } from "../../../ffi/load.ts";
import type { Engine, ExecutionContext, Runtime } from "../../../ffi/runtime.ts";
import { TrtdError } from "../../errors.ts";
import type { KernelStore } from "../../tensorrt/load/kernel_cache.ts";
import type { LoadPlan, LoadStage } from "../../tensorrt/load/load_messages.ts";
import { firstContext } from "./contexts.ts";
import { findDecoder, type JpegOptions } from "./device_decoder.ts";
import { gpuFailure } from "./gpu_failure.ts";
import { drainNativeLog, startNativeLog, takeNativeLog } from "./native_log.ts";
import { meetFault, processFault } from "./process_fault.ts";
import { TensorRtBackend } from "./tensorrt_backend.ts";

/** An engine that was verified. */
export interface TensorRtEngine {
  /** For messages and answers. */
  readonly path: string;
  /** The plan; may be dropped once it is loaded. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly precision: "f32" | "fp16";
}

export interface TensorRtOptions {
  /** The plan that it was built by, or as much of it as loading needs. */
  readonly plan: LoadPlan;
  /** Path of libtrtd, null for where it usually is. */
  readonly shim: string | null;
  /** Runs that may be under way at once, each with an execution context and a stream, 1..64. @default 2 */
  readonly contexts?: number;
  /** Record CUDA graphs. @default true */
  readonly cudaGraph?: boolean;
  /** Decode JPEG files on the GPU where nvJPEG is. @default true */
  readonly gpuDecode?: boolean;
  /** TensorRT-RTX: where compiled kernels are kept. @default nowhere */
  readonly kernels?: KernelStore | null;
  /** Why something better does not answer. @default null */
  readonly degraded?: string | null;
  /** How frames get into pinned memory. @default those of {@link CopyOptions} */
  readonly copies?: CopyOptions;
  /** How JPEG files are decoded on the GPU. @default those of `JpegOpenOptions` */
  readonly jpeg?: JpegOptions;
}

/** What one loaded engine holds; its backend closes it. */
export interface LoadedEngine {
  readonly path: string;
  readonly precision: "f32" | "fp16";
  /** Such as `cuda:0 NVIDIA H100 80GB HBM3`. */
  readonly gpu: string;
  readonly device: Device;
  readonly runtime: Runtime;
  readonly engine: Engine;
  /** The first of its contexts. */
  readonly context: ExecutionContext;
  /** Whether it is TensorRT-RTX, which compiles kernels for each context. */
  readonly rtx: boolean;
  /** A decoder of JPEG files for the first lane: opening it takes as long as loading the engine. Null without one. */
  readonly jpeg: Promise<JpegDecoder | null>;
}

/**
 * Load an engine: library, driver, runtime and one execution context; the others follow with the pipeline.
 * @throws {TrtdError} `NATIVE_LOAD_FAILED`, `TENSORRT_UNSUPPORTED`, `ABI_MISMATCH`, `GPU_UNAVAILABLE`,
 * `OUT_OF_GPU_MEMORY`, `GPU_FAULT`; `ENGINE_INCOMPATIBLE`, `ENGINE_CORRUPT` and `LOAD_FAILED` when TensorRT refuses the
 * engine, with the cause that it logged
 */
export async function openTensorRt(engine: TensorRtEngine, options: TensorRtOptions): Promise<TensorRtBackend> {
  const fault = processFault();
  if (fault !== null) throw fault;
  const loading = new Loading(engine, options);
  try {
    const backend = new TensorRtBackend(await loading.run(), options);
    loading.done();
    return backend;
  } catch (thrown) {
    throw loading.failed(thrown);
  }
}

class Loading {
  readonly #file: TensorRtEngine;
  readonly #options: TensorRtOptions;
  readonly #stack = new DisposableStack();
  #stage: LoadStage = "open";

  constructor(file: TensorRtEngine, options: TensorRtOptions) {
    this.#file = file;
    this.#options = options;
  }

  async run(): Promise<LoadedEngine> {
    const { plan, shim, kernels = null } = this.#options;
    const index = plan.device ?? 0;
    loadShim(shim ?? undefined);
    startNativeLog();
    takeNativeLog();
    await openCuda(plan.libraries.cuda_driver ?? undefined);
    using library = await TensorRtLibrary.open(plan.libraries.core, { force: plan.force });
    if (plan.libraries.plugins !== null) await library.openPlugins(plan.libraries.plugins);
    const { evidence, product } = library.facts();
    if (evidence === Evidence.NONE) {
      this.#stage = "self-check";
      await library.selfCheck();
      this.#stage = "open";
    }
    const { name } = await cudaDevice(index);
    const device = this.#stack.use(await Device.open(index));
    const jpeg = this.#options.gpuDecode === false ? Promise.resolve(null) : findDecoder(device, this.#options.jpeg);
    this.#stack.defer(() => void jpeg.then((decoder) => decoder?.close()));
    const runtime = this.#stack.use(await library.createRuntime({ device }));
    this.#stage = "deserialize";
    const engine = this.#stack.use(await runtime.load(this.#file.bytes));
    this.#stage = "context";
    const rtx = product === Product.TENSORRT_RTX;
    const given = rtx ? await kernels?.read() ?? new Uint8Array(0) : null;
    const context = this.#stack.use(await firstContext(engine, given));
    drainNativeLog();
    const { path, precision } = this.#file;
    return { path, precision, gpu: `cuda:${index} ${name}`, device, runtime, engine, context, rtx, jpeg };
  }

  /** What was loaded is the backend's. */
  done(): void {
    this.#stack.move();
  }

  /** What was loaded is freed. */
  failed(thrown: unknown): Error {
    const lines = thrown instanceof ShimLoadError ? [] : takeNativeLog();
    try {
      this.#stack.dispose();
    } catch {
      // What cannot be freed any more goes with the process.
    }
    if (thrown instanceof ShimLoadError) {
      return new TrtdError("NATIVE_LOAD_FAILED", thrown.message, { cause: thrown });
    }
    const error = gpuFailure(thrown, { engine: this.#file.path, stage: this.#stage, lines, afterwards: 0 });
    if (error instanceof TrtdError && error.code === "GPU_FAULT") meetFault(error);
    return error;
  }
}
