/** Makes what takes pictures to boxes on the GPU: a pipeline for each lane, with its decoder. */
import { getLogger } from "@logtape/logtape";
import type { JpegDecoder } from "../../../ffi/jpeg.ts";
import { Kernels } from "../../../ffi/kernels.ts";
import { Pipeline } from "../../../ffi/pipeline.ts";
import type { PipelineFacts } from "../../../ffi/pipeline_facts.ts";
import { ShimError } from "../../../ffi/shim_error.ts";
import type { Head } from "../../detect/heads/heads.ts";
import { TrtdError } from "../../errors.ts";
import type { TensorSpec } from "../backend.ts";
import { Lanes } from "../lanes.ts";
import {
  anchorsShape,
  detectionsSpec,
  IMAGES_MAX,
  layoutOf,
  type OutputShape,
  whyNoKernels,
} from "./detections_spec.ts";
import { findDecoder } from "./device_decoder.ts";
import { type EngineTensors, setBatch } from "./engine_tensors.ts";
import { GpuPipeline, type GpuPipelineParts, type PipelineLane, warmUpFrames } from "./gpu_pipeline.ts";
import type { LaneMaker } from "./lane_maker.ts";
import type { LoadedEngine, TensorRtOptions } from "./open_tensorrt.ts";

const log = getLogger(["trtd", "tensorrt"]);

/** What the kernels were given up for. */
export class NoKernels extends Error {}

export interface PipelineParts {
  readonly loaded: LoadedEngine;
  readonly options: TensorRtOptions;
  readonly tensors: EngineTensors;
  readonly lanes: LaneMaker;
  /** Frees what was made. */
  readonly stack: DisposableStack;
  /** Turns errors of libtrtd into failures of a run. */
  readonly guarded: GpuPipelineParts["guarded"];
}

export class PipelineMaker {
  readonly #parts: PipelineParts;
  #decoderTaken = false;

  constructor(parts: PipelineParts) {
    this.#parts = parts;
  }

  /** Whether the decoder that was opened with the engine is somebody's. */
  get decoderTaken(): boolean {
    return this.#decoderTaken;
  }

  /**
   * A pipeline for each lane, each of which has run.
   * @throws {NoKernels} when the kernels cannot do it: the CPU has to
   * @throws {TrtdError} `LOAD_FAILED` when the engine has not the model's tensors
   * @throws {ShimError}
   */
  async make(head: Head): Promise<GpuPipeline> {
    const { loaded, options, tensors, stack } = this.#parts;
    const input = tensors.inputs.find(({ name }) => name === head.input.name);
    if (input === undefined) throw wrongTensors(head.input.name, "input", tensors.inputs);
    const type = input.type;
    if (type !== "float32" && type !== "float16") throw new NoKernels(`the input "${input.name}" is ${type}`);
    const [batchMin, batchMax] = [input.min[0] ?? 1, input.max[0] ?? 1];
    const shapes = this.#outputShapes(head, batchMax);
    const layout = layoutOf(head);
    const refusal = whyNoKernels(layout, shapes);
    if (refusal !== null) throw new NoKernels(refusal);
    const kernels = stack.use(await this.#kernels());
    const imagesMax = Math.min(batchMax, IMAGES_MAX);
    if (input.dynamic && batchMin > imagesMax) {
      throw new NoKernels(`the engine runs ${batchMin} pictures at once, the kernels at most ${IMAGES_MAX}`);
    }
    const detections = detectionsSpec(layout, [...shapes, ...anchorsShape(layout)], { imagesMax });
    const { order, range } = head.row.preprocess;
    const sizes = input.dynamic ? runSizes(batchMin, imagesMax, loaded.rtx) : null;
    const lanes = await this.#parts.lanes.make(async (context): Promise<PipelineLane> => {
      using parts = new DisposableStack();
      const jpeg = await this.#nextDecoder();
      if (jpeg !== null) parts.use(jpeg);
      const pipeline = parts.use(
        await Pipeline.create({
          context,
          kernels,
          input: head.input.name,
          outputs: head.outputs,
          sizeInput: head.sizeInput,
          letterbox: { framesMax: imagesMax, width: layout.width, height: layout.height, type, order, range },
          detections,
          jpeg,
          anchors: layout.cut?.anchors?.data ?? null,
          cudaGraph: options.cudaGraph ?? true,
          copies: options.copies ?? {},
        }),
      );
      for (const size of warmedSizes(sizes, loaded.rtx)) await pipeline.run(...warmUpFrames(layout, size));
      tellGraph(pipeline);
      const owned = parts.move();
      return { context, pipeline, jpeg, batch: 1, [Symbol.dispose]: () => owned.dispose() };
    });
    return new GpuPipeline(new Lanes(lanes), {
      imagesMax,
      boxesMax: detections.boxesMax,
      sizes,
      guarded: this.#parts.guarded,
    });
  }

  async #kernels(): Promise<Kernels> {
    try {
      return await Kernels.load(this.#parts.loaded.device);
    } catch (error) {
      if (error instanceof ShimError && error.statusName === "UNSUPPORTED") throw new NoKernels(error.message);
      throw error;
    }
  }

  /** The one that was opened while the engine was loaded, then others. */
  async #nextDecoder(): Promise<JpegDecoder | null> {
    const { loaded, options } = this.#parts;
    const first = await loaded.jpeg;
    if (first === null || !this.#decoderTaken) {
      this.#decoderTaken = true;
      return first;
    }
    return await findDecoder(loaded.device, options.jpeg);
  }

  /** Types and shapes of the head's outputs for the largest batch. */
  #outputShapes(head: Head, batch: number): OutputShape[] {
    const { loaded: { context }, tensors } = this.#parts;
    setBatch(context, tensors, batch);
    return head.outputs.map((name) => {
      const output = tensors.outputs.find((one) => one.name === name);
      if (output === undefined) throw wrongTensors(name, "output", tensors.outputs);
      return { type: output.type, dims: context.shape(name) ?? [] };
    });
  }
}

/** Says why a worker has no CUDA graph, where it has none. */
export function tellGraph(worker: { facts(): PipelineFacts }): void {
  const { graphRefusal } = worker.facts();
  if (graphRefusal !== null) log.info("No CUDA graph: {reason}", { reason: graphRefusal });
}

/**
 * Batches that runs of a dynamic engine are filled up to, ascending. TensorRT-RTX compiles kernels for each size, so it
 * gets a few.
 */
function runSizes(smallest: number, largest: number, rtx: boolean): number[] {
  const sizes = [smallest];
  for (let size = smallest + 1; size < largest; size++) if (!rtx || Number.isInteger(Math.log2(size))) sizes.push(size);
  return largest > smallest ? [...sizes, largest] : sizes;
}

/** Batches that run once before the first request, the smallest last: its graph stays. TensorRT needs room alone. */
function warmedSizes(sizes: readonly number[] | null, rtx: boolean): number[] {
  if (sizes === null) return [1];
  return rtx ? sizes.toReversed() : [...new Set([sizes.at(-1)!, sizes[0]!])];
}

function wrongTensors(name: string, kind: "input" | "output", specs: readonly TensorSpec[]): TrtdError {
  const there = specs.map((spec) => `"${spec.name}"`).join(", ");
  return new TrtdError("LOAD_FAILED", `The engine has no ${kind} "${name}" as the model has; it has ${there}`, {
    remedy: "Build the engine from this very model",
  });
}
