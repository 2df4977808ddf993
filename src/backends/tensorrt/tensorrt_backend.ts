/** TensorRT behind the {@link Backend} interface: lanes of execution contexts over one engine. */
import { getLogger } from "@logtape/logtape";
import type { PipelineTimes } from "../../../ffi/pipeline.ts";
import type { PipelineFacts } from "../../../ffi/pipeline_facts.ts";
import { Runner } from "../../../ffi/runner.ts";
import type { ExecutionContext } from "../../../ffi/runtime.ts";
import { ShimError } from "../../../ffi/shim_error.ts";
import { timeContext, type TimeOptions } from "../../../ffi/time_context.ts";
import type { Head } from "../../detect/heads/heads.ts";
import { TrtdError } from "../../errors.ts";
import type { LoadStage } from "../../tensorrt/load/load_messages.ts";
import type { Backend, BackendInfo, FramePipeline, PipelineFrame, Tensor, TensorSpec } from "../backend.ts";
import {
  bytesFromTensor,
  bytesOfType,
  checkEngineInputs,
  type EngineTensors,
  engineTensors,
  productOf,
  setBatch,
  tensorFromBytes,
} from "./engine_tensors.ts";
import type { GpuPipeline } from "./gpu_pipeline.ts";
import { cudaCodeOf, gpuFailure } from "./gpu_failure.ts";
import { Lanes } from "../lanes.ts";
import { CONTEXTS, LaneMaker } from "./lane_maker.ts";
import { drainNativeLog, takeNativeLog } from "./native_log.ts";
import type { LoadedEngine, TensorRtOptions } from "./open_tensorrt.ts";
import { NoKernels, PipelineMaker, tellGraph } from "./pipeline_maker.ts";
import { faultMet, meetFault, processFault } from "./process_fault.ts";

const log = getLogger(["trtd", "tensorrt"]);

/** Bytes for the question whether the device still answers. */
const ASKED_BYTES = 256;

export class TensorRtBackend implements Backend {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly batchMin: number;
  readonly batchMax: number;
  readonly fault: Promise<TrtdError> = faultMet;
  readonly #loaded: LoadedEngine;
  readonly #options: TensorRtOptions;
  readonly #tensors: EngineTensors;
  readonly #stack = new DisposableStack();
  readonly #maker: LaneMaker;
  readonly #pipelines: PipelineMaker;
  #degraded: string | null;
  #runners: Promise<Lanes<Runner>> | null = null;
  #pipeline: GpuPipeline | null = null;
  #closed = false;

  /** Takes over what was loaded, unless it throws. @throws {TrtdError} `LOAD_FAILED` */
  constructor(loaded: LoadedEngine, options: TensorRtOptions) {
    this.#tensors = engineTensors(loaded.engine);
    this.#loaded = loaded;
    this.#options = options;
    this.#maker = new LaneMaker(loaded, options, {
      stack: this.#stack,
      failure: (thrown) => this.#failure("context", thrown),
    });
    this.#pipelines = new PipelineMaker({
      loaded,
      options,
      tensors: this.#tensors,
      lanes: this.#maker,
      stack: this.#stack,
      guarded: (work) => this.#guarded("run", work),
    });
    this.#degraded = options.degraded ?? null;
    this.inputs = this.#tensors.inputs;
    this.outputs = this.#tensors.outputs;
    this.batchMin = this.#tensors.inputs[0]?.min[0] ?? 1;
    this.batchMax = this.#tensors.inputs[0]?.max[0] ?? 1;
    for (const owned of [loaded.device, loaded.runtime, loaded.engine, loaded.context]) this.#stack.use(owned);
  }

  get info(): BackendInfo {
    const { gpu, precision, path } = this.#loaded;
    return { name: "tensorrt", device: gpu, precision, engine: path, degraded: this.#degraded };
  }

  get lanes(): number {
    return this.#pipeline?.lanes ?? this.#options.contexts ?? CONTEXTS;
  }

  async openPipeline(head: Head): Promise<FramePipeline | null> {
    return await this.#guarded("context", async () => {
      try {
        return this.#pipeline = await this.#pipelines.make(head);
      } catch (error) {
        if (!(error instanceof NoKernels)) throw error;
        const note = `Pictures are scaled and boxes are chosen on the CPU: ${error.message}`;
        this.#degraded = this.#degraded === null ? note : `${this.#degraded}. ${note}`;
        log.warning("{note}", { note });
        return null;
      }
    });
  }

  async warmUp(dims: readonly number[]): Promise<void> {
    const inputs = Object.fromEntries(this.#tensors.inputs.map((spec, index) => {
      const batch = Math.max(this.batchMin, dims[0] ?? 1);
      const shape = index === 0 ? [batch, ...dims.slice(1)] : spec.dims.map((axis) => axis > 0 ? axis : batch);
      return [
        spec.name,
        tensorFromBytes(spec.type, shape, new Uint8Array(productOf(shape) * bytesOfType(spec.type))),
      ];
    }));
    await this.run(inputs);
  }

  async run(inputs: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> {
    if (this.#closed) throw new TrtdError("INFERENCE_FAILED", "The engine is closed");
    return await this.#guarded("run", async () => {
      checkEngineInputs(this.#tensors.inputs, inputs);
      const lanes = await (this.#runners ??= this.#makeRunners());
      return await lanes.use(async (runner) => {
        const { outputs } = await runner.run(this.#tensors.inputs.map(({ name }) => {
          const tensor = inputs[name]!;
          return { data: bytesFromTensor(tensor), dims: tensor.dims };
        }));
        return Object.fromEntries(
          outputs.map(({ data, dims }, i) => {
            const { name, type } = this.#tensors.outputs[i]!;
            return [name, tensorFromBytes(type, dims, data.slice())];
          }),
        );
      });
    });
  }

  async #makeRunners(): Promise<Lanes<Runner>> {
    try {
      return new Lanes(
        await this.#maker.make((context) => this.#runner(context), this.#pipeline === null ? undefined : 1),
      );
    } catch (error) {
      this.#runners = null;
      throw error;
    }
  }

  async #runner(context: ExecutionContext): Promise<Runner> {
    for (const { name, max, dynamic } of this.#tensors.inputs) if (dynamic) context.setShape(name, max);
    const runner = await Runner.create({
      context,
      device: this.#loaded.device,
      inputs: this.#tensors.inputs.map(({ name, type, max }) => ({
        name,
        bytesMax: productOf(max) * bytesOfType(type),
      })),
      outputs: this.#tensors.outputs.map(({ name }) => ({ name, bytesMax: Math.max(1, context.outputBytes(name)) })),
      cudaGraph: this.#options.cudaGraph ?? true,
    });
    try {
      await runner.run(this.#tensors.inputs.map(({ type, min }) => ({
        data: new Uint8Array(productOf(min) * bytesOfType(type)),
        dims: min,
      })));
    } catch (error) {
      runner.close();
      throw error;
    }
    tellGraph(runner);
    return runner;
  }

  /** Whether the pipeline takes JPEG files as they are; false without one. */
  get decodesJpeg(): boolean {
    return this.#pipeline?.jpeg ?? false;
  }

  /** JPEG files that the GPU decoded, and those that it did not take; while nothing is under way. */
  decodedJpegs(): { readonly pictures: number; readonly refused: number } {
    return this.#pipeline?.decoded() ?? { pictures: 0, refused: 0 };
  }

  /** What the first lane's pipeline holds, null without one. */
  pipelineFacts(): PipelineFacts | null {
    return this.#pipeline?.facts() ?? null;
  }

  /** One run of the pipeline with each stage measured by itself. @throws {TrtdError} as `FramePipeline.run` */
  async stageTimes(frames: readonly PipelineFrame[]): Promise<PipelineTimes> {
    return await this.#withPipeline().stageTimes(frames);
  }

  /**
   * The model inside the pipeline's graph, run after run in libtrtd, on frames that are on the GPU already.
   * @returns milliseconds of each run; null where there is no graph with events
   * @throws {TrtdError} as {@link bareTimes}
   */
  async inferenceTimes(frames: readonly PipelineFrame[], runs: number): Promise<readonly number[] | null> {
    return await this.#withPipeline().inferenceTimes(frames, runs);
  }

  /**
   * The engine alone, run after run in libtrtd, on a lane that does nothing else meanwhile.
   * @param batch of every run; within the engine's
   * @returns milliseconds of each run
   * @throws {TrtdError} `INFERENCE_FAILED`, also without a pipeline; `OUT_OF_GPU_MEMORY`, `GPU_FAULT`
   */
  async bareTimes(batch: number, options: TimeOptions): Promise<readonly number[]> {
    return await this.#withPipeline().onLane(async ({ context }) => {
      setBatch(context, this.#tensors, batch);
      return Array.from(await timeContext(context, this.#loaded.device, options));
    });
  }

  #withPipeline(): GpuPipeline {
    if (this.#pipeline === null) throw new TrtdError("INFERENCE_FAILED", "The engine has no pipeline on the GPU");
    return this.#pipeline;
  }

  async #guarded<R>(stage: LoadStage, work: () => Promise<R>): Promise<R> {
    const fault = processFault();
    if (fault !== null) throw fault;
    try {
      return await work();
    } catch (thrown) {
      throw this.#failure(stage, thrown);
    }
  }

  #failure(stage: LoadStage, thrown: unknown): Error {
    if (!(thrown instanceof ShimError)) return thrown instanceof Error ? thrown : new Error(String(thrown));
    const met = processFault();
    if (met !== null) return met;
    const lines = takeNativeLog();
    const error = gpuFailure(thrown, { engine: this.#loaded.path, stage, lines, afterwards: this.#ask() });
    if (error instanceof TrtdError && error.code === "GPU_FAULT") {
      log.error("{fault}", { fault: error.message });
      meetFault(error);
    }
    return error;
  }

  /** A sticky error of CUDA answers every call after it. @returns CUresult of a harmless one */
  #ask(): number {
    try {
      this.#loaded.device.allocate(ASKED_BYTES).close();
      return 0;
    } catch (error) {
      return cudaCodeOf(error);
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    // After a fault the driver may hang in what frees; the process ends anyway.
    if (processFault() !== null) return;
    await this.#pipeline?.idle();
    await this.#runners?.then((lanes) => lanes.idle(), () => {});
    drainNativeLog();
    try {
      if (!this.#pipelines.decoderTaken) (await this.#loaded.jpeg)?.close();
      this.#stack.dispose();
    } catch (error) {
      log.debug("Something of the engine could not be freed: {error}", { error });
    }
  }
}
