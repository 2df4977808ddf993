/** Runs a loaded engine: inputs from files, outputs to files, timings. */
import { join } from "node:path";
import type { TensorFacts } from "../../../ffi/builder.ts";
import type { Device, DeviceMemory } from "../../../ffi/cuda.ts";
import { ElementType, Mode, Selector } from "../../../ffi/enums.ts";
import type { Engine, ExecutionContext } from "../../../ffi/runtime.ts";
import type { EngineRun, LoadedOutput } from "./load_messages.ts";

/** The job does not fit the engine, or a file of it cannot be read. */
export class LoadJobError extends Error {
  constructor(readonly status: "ENGINE_CHANGED" | "FILE_UNREADABLE" | "INPUT_WRONG" | "CANCELLED", message: string) {
    super(message);
  }
}

/** Bits of an element. */
const ELEMENT_BITS: Readonly<Record<ElementType, number>> = {
  [ElementType.FLOAT32]: 32,
  [ElementType.FLOAT16]: 16,
  [ElementType.INT8]: 8,
  [ElementType.INT32]: 32,
  [ElementType.BOOL]: 8,
  [ElementType.UINT8]: 8,
  [ElementType.FLOAT8]: 8,
  [ElementType.BFLOAT16]: 16,
  [ElementType.INT64]: 64,
  [ElementType.INT4]: 4,
  [ElementType.FLOAT4]: 4,
  [ElementType.E8M0]: 8,
};

const LINEAR_FORMAT = 0;
const ON_HOST = 1;

export interface RunOutcome {
  readonly firstRunMs: number;
  /** Median of the runs after the first, null without any. */
  readonly runMs: number | null;
  readonly outputs: readonly LoadedOutput[];
}

/**
 * Runs the engine once, then `run.runs` times.
 * @param options.cancelled asked between runs
 * @throws {LoadJobError} `INPUT_WRONG`, `FILE_UNREADABLE`, `CANCELLED`
 * @throws {ShimError}
 */
export async function runEngine(
  { device, engine, context }: { device: Device; engine: Engine; context: ExecutionContext },
  run: EngineRun,
  options: { cancelled: () => boolean },
): Promise<RunOutcome> {
  const tensors = engine.tensors();
  for (const tensor of tensors) checkLayout(tensor);
  checkNames(tensors, run);
  using stack = new DisposableStack();
  const stream = stack.use(device.createStream());
  for (const tensor of tensors.filter(({ mode }) => mode === Mode.INPUT)) {
    const shape = run.shapes?.[tensor.name] ?? tensor.dims ?? [];
    const dims = shape.some((size) => size < 0) ? engine.profileShape(tensor.name, 0, Selector.OPT) ?? [] : shape;
    if (tensor.dims?.some((size) => size < 0)) context.setShape(tensor.name, dims);
    const memory = stack.use(device.allocate(Math.max(1, bytesOf(tensor, context.shape(tensor.name) ?? dims))));
    memory.write(await inputBytes(tensor.name, memory, run.inputs?.[tensor.name]));
    context.setAddress(tensor.name, memory);
  }
  const missing = context.missingShapes();
  if (missing.length > 0) throw new LoadJobError("INPUT_WRONG", `The shape of ${missing.join(", ")} is not known`);
  const outputs = tensors.filter(({ mode }) => mode === Mode.OUTPUT).map((tensor) => {
    const memory = stack.use(device.allocate(Math.max(1, context.outputBytes(tensor.name))));
    context.setAddress(tensor.name, memory);
    return { tensor, memory };
  });

  const timed = async (): Promise<number> => {
    const begun = performance.now();
    context.enqueue(stream);
    await stream.synchronize();
    return performance.now() - begun;
  };
  const firstRunMs = await timed();
  const times: number[] = [];
  for (let i = 0; i < (run.runs ?? DEFAULT_RUNS); i++) {
    if (options.cancelled()) throw new LoadJobError("CANCELLED", "The runs were ended");
    times.push(await timed());
  }
  const folder = run.outputs ?? null;
  const kept = [];
  for (const [index, { tensor, memory }] of outputs.entries()) {
    const dims = context.shape(tensor.name);
    if (dims === null || dims.some((size) => size < 0)) {
      throw new LoadJobError(
        "INPUT_WRONG",
        `The shape of "${tensor.name}" depends on the data, which trtd cannot read`,
      );
    }
    const file = folder === null ? null : join(folder, `output-${index}.bin`);
    if (file !== null) await Deno.writeFile(file, memory.read(0, bytesOf(tensor, dims)));
    kept.push({ name: tensor.name, type: ElementType[tensor.type]!, dims, file });
  }
  return { firstRunMs, runMs: medianOf(times), outputs: kept };
}

const DEFAULT_RUNS = 20;

function checkLayout({ name, format, location }: TensorFacts): void {
  if (format !== LINEAR_FORMAT) {
    throw new LoadJobError("INPUT_WRONG", `"${name}" has the tensor format ${format}; only linear ones can be run`);
  }
  if (location === ON_HOST) {
    throw new LoadJobError("INPUT_WRONG", `"${name}" lives on the host; such a tensor cannot be run`);
  }
}

function checkNames(tensors: readonly TensorFacts[], { inputs = {}, shapes = {} }: EngineRun): void {
  const names = tensors.filter(({ mode }) => mode === Mode.INPUT).map(({ name }) => name);
  const stranger = [...Object.keys(inputs), ...Object.keys(shapes)].find((name) => !names.includes(name));
  if (stranger !== undefined) {
    throw new LoadJobError("INPUT_WRONG", `The engine has no input "${stranger}"; it has ${names.join(", ")}`);
  }
}

function bytesOf({ type }: TensorFacts, dims: readonly number[]): number {
  return Math.ceil(dims.reduce((product, size) => product * size, 1) * ELEMENT_BITS[type as ElementType] / 8);
}

async function inputBytes(name: string, memory: DeviceMemory, path?: string): Promise<Uint8Array<ArrayBuffer>> {
  if (path === undefined) return new Uint8Array(memory.bytes);
  const bytes = await fileBytes(path);
  if (bytes.length === memory.bytes) return bytes;
  throw new LoadJobError(
    "INPUT_WRONG",
    `"${path}" has ${bytes.length} bytes; the input "${name}" takes ${memory.bytes}`,
  );
}

/** @throws {LoadJobError} `FILE_UNREADABLE` */
export async function fileBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    throw new LoadJobError(
      "FILE_UNREADABLE",
      `Cannot read "${path}": ${error instanceof Error ? error.message : error}`,
    );
  }
}

function medianOf(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return null;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
