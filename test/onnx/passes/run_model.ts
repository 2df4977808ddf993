/** Run small models of any element type on ONNX Runtime, bit for bit. */
import { loadOrt } from "../../../src/native/onnxruntime.ts";
import type { ModelProto } from "../../../src/onnx/proto.ts";
import { readModel } from "../../../src/onnx/read.ts";
import { writeModel } from "../../../src/onnx/write.ts";
import { rawBytes } from "../build_model.ts";

export interface Value {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: ArrayBufferView & { readonly length: number };
}

export interface RunOptions {
  /**
   * `disabled`: every node is run as it is. `basic`: constants are folded first, which also decides how ONNX Runtime
   * lays out weights. @default "disabled"
   */
  readonly level?: "disabled" | "basic";
}

/** The outputs of a model, which passes the checks of {@link readModel} on its way. */
export async function runModel(
  model: ModelProto,
  feeds: Readonly<Record<string, Value>>,
  { level = "disabled" }: RunOptions = {},
): Promise<Record<string, Value>> {
  const bytes = writeModel(model);
  readModel(bytes);
  const ort = await loadOrt();
  ort.env.logLevel = "fatal";
  const session = await ort.InferenceSession.create(bytes, {
    graphOptimizationLevel: level,
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 4,
  });
  try {
    const given = Object.fromEntries(
      session.inputNames.map((name) => {
        const { type, dims, data } = feeds[name]!;
        return [name, new ort.Tensor(type as "float32", data as Float32Array, dims)];
      }),
    );
    const made = await session.run(given);
    return Object.fromEntries(
      session.outputNames.map((name) => {
        const { type, dims, data } = made[name]!;
        return [name, { type, dims, data: data as Value["data"] }];
      }),
    );
  } finally {
    await session.release();
  }
}

/** A value for comparison: NaN and the sign of zero count. */
export const bitsOf = ({ type, dims, data }: Value) => ({ type, dims: [...dims], bytes: [...rawBytes(data)] });

/** All values for comparison. */
export const allBits = (values: Readonly<Record<string, Value>>) =>
  Object.fromEntries(Object.entries(values).map(([name, one]) => [name, bitsOf(one)]));

/** Numbers in -1..1 that are the same in every run. */
export function numbers(count: number, seed = 1): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** An f32 value with {@link numbers}. */
export const picture = (dims: readonly number[], seed = 7): Value => ({
  type: "float32",
  dims,
  data: numbers(dims.reduce((a, b) => a * b, 1), seed),
});
