/** ONNX Runtime on the CPU behind the {@link Backend} interface. */
import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { getLogger } from "@logtape/logtape";
import { TrtdError } from "../errors.ts";
import { loadOrt, type OnnxRuntime } from "../native/onnxruntime.ts";
import type { Backend, BackendInfo, Tensor, TensorSpec } from "./backend.ts";
import { fasterOnCpu } from "./cpu_graph.ts";
import { refusePlugins, type UsedOperators } from "./plugin_operators.ts";
import { sessionOptions } from "./session_options.ts";
import { arrayOf, checkInputs, isTensorType } from "./tensor_check.ts";

const log = getLogger(["trtd", "onnxruntime"]);

export interface OnnxRuntimeOptions {
  /** Threads of one inference, 1..1024. @default {@link usableCores} */
  readonly threads?: number;
  /** Facts of the same model; with them a plugin operator is refused before ONNX Runtime sees the model. */
  readonly facts?: UsedOperators;
  /** Whether the graph may be rewritten as {@link fasterOnCpu} does. @default true */
  readonly rewrite?: boolean;
}

/** Cores that this process may use: affinity masks and cgroup CPU quotas count. */
export const usableCores = (): number => navigator.hardwareConcurrency;

/**
 * Load a model; blocks its thread for 50 to 300 ms.
 * @param model ONNX bytes, which may be dropped afterwards, or the path of an ONNX file
 * @throws {TrtdError} `CONFIG_INVALID` for impossible `threads`, `MODEL_NEEDS_PLUGIN` for EfficientNMS_TRT and its like,
 *   `MODEL_LOAD_FAILED` with ONNX Runtime's message, and what {@link loadOrt} throws
 */
export async function loadOnnxRuntime(model: Uint8Array | string, options: OnnxRuntimeOptions = {}): Promise<Backend> {
  const threads = options.threads ?? usableCores();
  if (!Number.isInteger(threads) || threads < 1 || threads > 1024) {
    throw new TrtdError("CONFIG_INVALID", `"threads" must be an integer from 1 to 1024, current value is ${threads}`);
  }
  if (options.facts !== undefined) refusePlugins(options.facts);
  const ort = await loadOrt();
  // ONNX Runtime throws what it logs as an error; the log would only say it twice, and its warnings are about speed.
  ort.env.logLevel = "fatal";
  const session = await createFaster(ort, model, threads, options.rewrite ?? true);
  try {
    return new OnnxRuntimeBackend(ort, session);
  } catch (error) {
    await session.release();
    throw error;
  }
}

async function createFaster(
  ort: OnnxRuntime,
  model: Uint8Array | string,
  threads: number,
  rewrite: boolean,
): Promise<InferenceSession> {
  const original = typeof model === "string" ? await Deno.readFile(model).catch(() => null) : model;
  const faster = rewrite && original !== null ? fasterOnCpu(original) : null;
  if (faster !== null) {
    try {
      return await create(ort, faster, threads);
    } catch (error) {
      log.debug("The rewritten model is refused, the original is tried: {error}", { error });
    }
  }
  return await create(ort, model, threads);
}

async function create(ort: OnnxRuntime, model: Uint8Array | string, threads: number): Promise<InferenceSession> {
  const options = sessionOptions(threads);
  try {
    return typeof model === "string"
      ? await ort.InferenceSession.create(model, options)
      : await ort.InferenceSession.create(model, options);
  } catch (error) {
    const message = messageOf(error);
    const unknown = /is not a registered function\/op|Could not find an implementation for/.test(message);
    throw new TrtdError(
      unknown ? "MODEL_NEEDS_PLUGIN" : "MODEL_LOAD_FAILED",
      `ONNX Runtime refuses the model: ${message}`,
      { cause: error },
    );
  }
}

class OnnxRuntimeBackend implements Backend {
  readonly info: BackendInfo;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly #ort: OnnxRuntime;
  #session: InferenceSession | undefined;
  #running: Promise<unknown> = Promise.resolve();

  constructor(ort: OnnxRuntime, session: InferenceSession) {
    this.#ort = ort;
    this.#session = session;
    this.inputs = session.inputMetadata.map(specFromMetadata);
    this.outputs = session.outputMetadata.map(specFromMetadata);
    this.info = {
      name: "onnxruntime",
      device: "cpu",
      precision: this.inputs.some((input) => input.type === "float16") ? "fp16" : "f32",
      engine: null,
      degraded: null,
    };
  }

  async warmUp(dims: readonly number[]): Promise<void> {
    const feeds: Record<string, Tensor> = {};
    this.inputs.forEach((spec, index) => {
      const shape = index === 0
        ? dims
        : spec.dims.map((axis, at) => typeof axis === "number" && axis > 0 ? axis : at === 0 ? dims[0] ?? 1 : 1);
      const data = new (arrayOf(spec.type))(shape.reduce((product, axis) => product * axis, 1));
      feeds[spec.name] = { type: spec.type, dims: shape, data };
    });
    await this.run(feeds);
  }

  run(inputs: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> {
    const result = this.#run(inputs);
    this.#running = result.catch(() => {});
    return result;
  }

  async #run(inputs: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> {
    const session = this.#session;
    if (session === undefined) throw new TrtdError("INFERENCE_FAILED", "The model is closed");
    checkInputs(this.inputs, inputs);
    const feeds: Record<string, OrtTensor> = {};
    for (const { name } of this.inputs) feeds[name] = ortTensorFrom(this.#ort, inputs[name]!);
    let fetched: InferenceSession.OnnxValueMapType;
    try {
      fetched = await session.run(feeds);
    } catch (error) {
      throw new TrtdError("INFERENCE_FAILED", `ONNX Runtime failed: ${messageOf(error)}`, { cause: error });
    }
    return Object.fromEntries(
      this.outputs.map((spec) => [spec.name, tensorFromOrt(spec, fetched[spec.name] as OrtTensor)]),
    );
  }

  async close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await this.#running;
    await session?.release();
  }
}

function specFromMetadata(metadata: InferenceSession.ValueMetadata): TensorSpec {
  const { name } = metadata;
  const type = metadata.isTensor ? metadata.type : "sequence or map";
  if (!metadata.isTensor || !isTensorType(type)) {
    throw new TrtdError("MODEL_LOAD_FAILED", `"${name}" is of type ${type}, which no detection model has`);
  }
  return { name, type, dims: metadata.shape.map((axis) => axis === "" ? -1 : axis) };
}

function ortTensorFrom(ort: OnnxRuntime, tensor: Tensor): OrtTensor {
  const made = new ort.Tensor(tensor.type, tensor.data as Float32Array, tensor.dims);
  // Deno's Node-API reports no bytes for a Float16Array, which the constructor makes of the bits; the binding takes both.
  if (tensor.type === "float16") Object.defineProperty(made, "data", { value: tensor.data });
  return made;
}

function tensorFromOrt(spec: TensorSpec, value: OrtTensor): Tensor {
  const data = value.data as Float32Array;
  return {
    type: spec.type,
    dims: value.dims,
    data: spec.type === "float16" ? new Uint16Array(data.buffer, data.byteOffset, data.length) : data,
  };
}

/** ONNX Runtime breaks and indents its messages. */
const messageOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replace(/\s+/g, " ").trim().replace(/\.$/, "");
