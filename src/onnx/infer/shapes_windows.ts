/** The shapes that convolutions and pooling make. */
import { type Call, giveUp } from "./evaluate_call.ts";
import { type Dim, UNKNOWN } from "./evaluate_tensor.ts";
import { attribute } from "../graph/graph_index.ts";

export type Dims = readonly Dim[];

/** One shape for each output; fewer when the rest cannot be told. */
export type ShapeRule = (call: Call) => Dims[];

const autoPadOf = (call: Call): string => {
  const given = attribute(call.node, "auto_pad")?.s;
  return given === undefined || given.length === 0 ? "NOTSET" : new TextDecoder().decode(given);
};

interface Window {
  readonly kernel: Dims;
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
  readonly autoPad: string;
}

function windowOf(call: Call, kernel: Dims): Window {
  const rank = kernel.length;
  const list = (name: string, length: number, fallback: number) => {
    const given = call.attributeInts(name) ?? new Array<number>(length).fill(fallback);
    return given.length === length ? given : giveUp();
  };
  return {
    kernel,
    strides: list("strides", rank, 1),
    dilations: list("dilations", rank, 1),
    pads: list("pads", 2 * rank, 0),
    autoPad: autoPadOf(call),
  };
}

/** Places of a window along each axis. */
function windowed(spatial: Dims, { kernel, strides, dilations, pads, autoPad }: Window, ceil = false): Dim[] {
  return spatial.map((size, axis): Dim => {
    const [length, stride] = [kernel[axis]!, strides[axis]!];
    if (autoPad === "SAME_UPPER" || autoPad === "SAME_LOWER") {
      if (stride === 1) return size;
      return typeof size === "number" ? Math.ceil(size / stride) : UNKNOWN;
    }
    if (typeof length !== "number") return UNKNOWN;
    const before = autoPad === "VALID" ? 0 : pads[axis]!;
    const padding = before + (autoPad === "VALID" ? 0 : pads[axis + spatial.length]!);
    const reach = (length - 1) * dilations[axis]! + 1;
    if (stride === 1 && padding === reach - 1) return size;
    if (typeof size !== "number") return UNKNOWN;
    const steps = (size + padding - reach) / stride;
    const count = (ceil ? Math.ceil(steps) : Math.floor(steps)) + 1;
    // Runtimes differ about a last window that starts in the padding.
    if (ceil && (count - 1) * stride >= size + before) return UNKNOWN;
    return count >= 0 ? count : giveUp();
  });
}

/** Conv and DeformConv. */
export const convolution: ShapeRule = (call) => {
  const [batch, , ...spatial] = call.shape(0);
  const [channels, , ...kernel] = call.shape(1);
  if (batch === undefined || channels === undefined || kernel.length !== spatial.length) return giveUp();
  return [[batch, channels, ...windowed(spatial, windowOf(call, call.attributeInts("kernel_shape") ?? kernel))]];
};

/** ConvTranspose. */
export const transposedConvolution: ShapeRule = (call) => {
  const [batch, , ...spatial] = call.shape(0);
  const [, perGroup, ...weights] = call.shape(1);
  if (batch === undefined || typeof perGroup !== "number") return giveUp();
  const { kernel, strides, dilations, pads, autoPad } = windowOf(call, call.attributeInts("kernel_shape") ?? weights);
  const extra = call.attributeInts("output_padding") ?? spatial.map(() => 0);
  const given = call.attributeInts("output_shape");
  const made = spatial.map((size, axis): Dim => {
    const [length, stride] = [kernel[axis], strides[axis]!];
    if (given !== undefined) return given.at(axis - spatial.length) ?? UNKNOWN;
    if (typeof size !== "number" || typeof length !== "number" || autoPad.startsWith("SAME")) return UNKNOWN;
    const padding = autoPad === "VALID" ? 0 : pads[axis]! + pads[axis + spatial.length]!;
    return stride * (size - 1) + (extra[axis] ?? 0) + (length - 1) * dilations[axis]! + 1 - padding;
  });
  return [[batch, perGroup * (call.attributeInt("group") ?? 1), ...made]];
};

/** MaxPool, AveragePool and LpPool. */
export const pool: ShapeRule = (call) => {
  const [batch, channels, ...spatial] = call.shape(0);
  const kernel = call.attributeInts("kernel_shape") ?? giveUp();
  if (channels === undefined || kernel.length !== spatial.length) return giveUp();
  const made = windowed(spatial, windowOf(call, kernel), call.attributeInt("ceil_mode") === 1);
  const dims = [batch!, channels, ...made];
  return [dims, dims];
};
