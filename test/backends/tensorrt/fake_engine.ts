/** Engines of the fake TensorRT in this process, and a backend that computes the same on the CPU. */
import { join } from "node:path";
import type { Backend, Tensor } from "../../../src/backends/backend.ts";
import { openTensorRt, type TensorRtOptions } from "../../../src/backends/tensorrt/open_tensorrt.ts";
import type { TensorRtBackend } from "../../../src/backends/tensorrt/tensorrt_backend.ts";
import { f32FromF16 } from "../../../src/detect/letterbox/half.ts";
import { Detector } from "../../../src/detect/detector.ts";
import type { Manifest } from "../../../src/models/model.ts";
import { modelFacts } from "../../../src/onnx/facts.ts";
import { readModel } from "../../../src/onnx/read.ts";
import type { LoadPlan } from "../../../src/tensorrt/load/load_messages.ts";
import type { FakeSet } from "../../native/children.ts";
import { doubling } from "./doubling.ts";

export interface FakeEngine {
  /** Of one picture. */
  readonly input: readonly [number, number, number];
  readonly output: readonly number[];
  /** A fixed batch, or the smallest and the largest of a dynamic one. @default 1 */
  readonly batch?: number | readonly [number, number];
  /** @default "float32" */
  readonly type?: "float32" | "float16";
  /** What it answers whatever the pictures are: values of one picture. @default output i = 2 * input i + 1 */
  readonly constant?: Float32Array;
  /** Name of the output in the engine. @default "output0" */
  readonly outputName?: string;
  /** Outputs by name, of one picture. @default one, by `outputName` and `output` */
  readonly outputs?: Readonly<Record<string, readonly number[]>>;
  /** Fake set. @default "10.16" */
  readonly set?: string;
  readonly manifest?: Partial<Manifest>;
}

/** Files of a fake set, from the environment: a scenario builds nothing. */
export const setNamed = (name: string): FakeSet => JSON.parse(Deno.env.get("TRTD_TEST_SETS")!)[name];

const VERSIONS = { "10.16": [10, 16, 1], "8.6": [8, 6, 1], "rtx-1.6": [1, 6, 1], "rtx-1.4": [1, 4, 0] } as const;

/** The plan as the fakes write it. */
function planOf({ input, output, batch = 1, type, outputName = "output0", set = "10.16", outputs }: FakeEngine) {
  const first = typeof batch === "number" ? batch : -1;
  const code = type === "float16" ? 1 : 0;
  const shape = (axis: number, rest: readonly number[]) => [axis, ...rest].join("x");
  const lines = [
    `tensor 1 images ${code} ${shape(first, input)}`,
    ...Object.entries(outputs ?? { [outputName]: output }).map(([name, dims]) =>
      `tensor 2 ${name} ${code} ${shape(first, dims)}`
    ),
    ...typeof batch === "number"
      ? []
      : [`profile 0 images ${shape(batch[0], input)} ${shape(batch[1], input)} ${shape(batch[1], input)}`],
    "layers 5",
    "",
  ];
  const version = VERSIONS[set as keyof typeof VERSIONS];
  const body = new TextEncoder().encode(lines.join("\n"));
  const bytes = new Uint8Array(32 + body.length);
  bytes.set(new TextEncoder().encode(set.startsWith("rtx") ? "vtrt" : "ftrt"));
  new DataView(bytes.buffer).setBigInt64(16, BigInt(bytes.length), true);
  bytes.set(version, 24);
  bytes.set(body, 32);
  return { bytes, version };
}

/** @throws {TrtdError} those of `openTensorRt` */
export async function openFake(engine: FakeEngine, options: Partial<TensorRtOptions> = {}): Promise<TensorRtBackend> {
  const { set = "10.16" } = engine;
  const { bytes, version } = planOf(engine);
  const { cuda, core, parser } = setNamed(set);
  const plan = {
    tensorrt: {
      product: set.startsWith("rtx") ? "tensorrt-rtx" : "tensorrt",
      version: version.join("."),
      family: "10",
    },
    libraries: { core, parser, plugins: null, cuda_driver: cuda },
    force: false,
    device: 0,
  } as LoadPlan;
  const precision = engine.type === "float16" ? "fp16" as const : "f32" as const;
  return await openTensorRt({ path: "/engines/pets.engine", bytes, precision }, {
    plan,
    shim: null,
    ...options,
  });
}

const modelOf = ({ manifest = {} }: FakeEngine) => ({
  name: "pets",
  path: "/models/pets.onnx",
  manifest: { name: "pets", file: "pets.onnx", ...manifest },
});

const factsOf = ({ input, output, batch = 1 }: FakeEngine) =>
  modelFacts(readModel(doubling({ input, output, batch: typeof batch === "number" ? batch : null })));

/** A detector of a fake engine. The backend is closed when this fails. */
export async function fakeDetector(engine: FakeEngine, options: Partial<TensorRtOptions> = {}): Promise<Detector> {
  return await Detector.open(modelOf(engine), factsOf(engine), await openFake(engine, options));
}

/** A detector on the CPU's way of a backend that computes what the fake does. */
export const referenceDetector = (engine: FakeEngine): Promise<Detector> =>
  Detector.open(modelOf(engine), factsOf(engine), new SameAsFake(engine));

/** Not named TensorRT, but with its input: the detector takes type and batch from there. */
class SameAsFake implements Backend {
  readonly inputs;
  readonly outputs = [];
  readonly batchMin: number;
  readonly batchMax: number;
  readonly info = { name: "tensorrt", device: "cpu", precision: "f32", engine: null, degraded: null } as const;
  readonly #engine: FakeEngine;

  constructor(engine: FakeEngine) {
    const { batch = 1, type = "float32", input } = engine;
    const isFixed = typeof batch === "number";
    const fixed = isFixed ? batch : batch[0] === batch[1] ? batch[0] : -1;
    this.inputs = [{ name: "images", type, dims: [fixed, ...input] }];
    this.batchMin = isFixed ? batch : batch[0];
    this.batchMax = isFixed ? batch : batch[1];
    this.#engine = engine;
  }

  async warmUp() {}
  async close() {}

  run({ images }: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> {
    const { type, dims, data } = images!;
    const from = type === "float16" ? f32FromF16(data as Uint16Array) : data as Float32Array;
    const all = [dims[0]!, ...this.#engine.output];
    const doubled = new Float32Array(all.reduce((product, axis) => product * axis, 1));
    const { constant } = this.#engine;
    for (let i = 0; i < doubled.length; i++) {
      doubled[i] = constant?.[i % constant.length] ?? 2 * from[i % from.length]! + 1;
    }
    const output = type === "float16" ? Uint16Array.from(doubled, cutHalf) : doubled;
    return Promise.resolve({ output0: { type, dims: all, data: output } });
  }
}

/** What the fake reads a constant output from: the folder is for `TRTD_FAKE_OUTPUTS`. */
export async function writeConstant(folder: string, { type, constant, outputName = "output0" }: FakeEngine) {
  const values = type === "float16" ? Uint16Array.from(constant!, cutHalf) : constant!;
  await Deno.writeFile(join(folder, `${outputName}.bin`), new Uint8Array(values.buffer as ArrayBuffer));
}

/** Cut, not rounded, as the fake does; for numbers of a size that halves have. */
function cutHalf(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!;
  return (bits >>> 16 & 0x8000) | ((bits >>> 23 & 255) - 112) << 10 | (bits >>> 13 & 1023);
}
