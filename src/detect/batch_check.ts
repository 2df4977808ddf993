/** Whether a model means its free batch: some exporters leave the first axis free and write 1 into the graph. */
import type { Tensor } from "../backends/backend.ts";
import { TrtdError } from "../errors.ts";
import type { Picture, Size } from "./letterbox/letterbox.ts";
import { f32FromF16 } from "./letterbox/half.ts";

/** Largest difference of an output, of its size and 1. Two runs of one runtime differ in their last bits, if at all. */
const DIFFERENCE_MAX = { float32: 1e-3, float16: 1e-2, int32: 0, int64: 0 };

/**
 * Run pictures together and the last of them alone.
 * @param outputs runs the model on pictures; its tensors begin with the batch
 * @param size of the model's input
 * @returns what differs, null when nothing does
 */
export async function batchDifference(
  outputs: (pictures: readonly Picture[]) => Promise<readonly Tensor[]>,
  size: Size,
  batch: number,
): Promise<string | null> {
  const pictures = Array.from({ length: batch }, (_, at) => stripes(size, at + 1));
  try {
    const together = await outputs(pictures), alone = await outputs(pictures.slice(-1));
    for (const [at, one] of alone.entries()) {
      const { dims, data, type } = together[at]!;
      const expected = [batch * one.dims[0]!, ...one.dims.slice(1)];
      if (dims.join() !== expected.join()) return `output ${at} is [${dims}] and not [${expected}]`;
      const last = numbers({ type, dims: one.dims, data: data.slice(-one.data.length) });
      const wanted = numbers(one);
      const slot = wanted.findIndex((value, i) => !isNear(last[i]!, value, DIFFERENCE_MAX[type]));
      if (slot >= 0) return `output ${at} holds ${last[slot]} where the picture alone gives ${wanted[slot]}`;
    }
    return null;
  } catch (error) {
    if (error instanceof TrtdError && error.code === "INFERENCE_FAILED") return error.message;
    throw error;
  }
}

const isNear = (value: number, wanted: number, most: number): boolean =>
  Object.is(value, wanted) || Math.abs(value - wanted) <= most * (1 + Math.abs(wanted));

function numbers({ type, data }: Tensor): Float64Array {
  if (type === "float16") return Float64Array.from(f32FromF16(data as Uint16Array));
  return Float64Array.from(data as ArrayLike<number | bigint>, Number);
}

/** A picture with something to see everywhere, of other stripes and half as bright for every next `seed`. */
function stripes({ width, height }: Size, seed: number): Picture {
  const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => (i * (2 * seed + 5) & 255) >> (seed & 3));
  return { data, width, height };
}
