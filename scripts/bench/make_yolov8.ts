/**
 * Writes an ONNX file laid out as Ultralytics exports YOLOv8 (80 classes, opset 17, free batch), with random weights.
 *
 *     deno run -A scripts/bench/make_yolov8.ts n 640x640 yolov8n.onnx
 *     deno run -A scripts/bench/make_yolov8.ts s 640x1152 yolov8s.onnx
 *
 * It has the operators, the shapes and the work of the real model, and finds nothing sensible: for measuring speed only.
 * The same arguments give the same bytes.
 */
import {
  type AttributeValue,
  floatTensor,
  int64Tensor,
  model,
  node,
  rawBytes,
  tensor,
  value,
} from "../../test/onnx/build_model.ts";
import type { ModelProto, NodeProto, TensorProto } from "../../src/onnx/proto.ts";
import { writeModel } from "../../src/onnx/write.ts";

const CLASSES = 80;
const STRIDES = [8, 16, 32] as const;
/** Bins of the distribution of each side of a box (`reg_max` in Ultralytics nn/modules/head.py). */
const BINS = 16;
/** Seeds of the random weights. */
const SEED = 1;

/**
 * Channels relative to YOLOv8l's (Ultralytics cfg/models/v8/yolov8.yaml; n and s have the same depth). `gain` and `bias`
 * of the scores are chosen so that a photograph gives some hundred candidates at 0.25, as a full street does.
 */
export const SIZES = {
  n: { width: 0.25, gain: 60, bias: -4 },
  s: { width: 0.5, gain: 60, bias: -3.66 },
} as const;

export interface YoloOptions {
  readonly size: keyof typeof SIZES;
  /** Of the input in pixels, multiples of 32. */
  readonly height: number;
  readonly width: number;
}

interface Convolution {
  readonly from: number;
  readonly to: number;
  readonly kernel?: number;
  readonly stride?: number;
  readonly silu?: boolean;
  readonly bias?: number;
  readonly gain?: number;
}

/** The model. @throws {RangeError} for a height or width that is no multiple of 32 */
export function yolov8(options: YoloOptions): ModelProto {
  const { height, width } = options;
  if (height % 32 !== 0 || width % 32 !== 0) throw new RangeError(`${height}x${width} is no multiple of 32`);
  const builder = new Builder();
  builder.head(builder.backboneAndNeck(SIZES[options.size].width), options);
  const anchors = STRIDES.reduce((sum, stride) => sum + height * width / stride ** 2, 0);
  const names = Array.from({ length: CLASSES }, (_, index) => `${index}: 'class_${index}'`);
  return model({
    name: `yolov8${options.size}`,
    node: builder.nodes,
    initializer: builder.weights,
    input: [value("images", ["batch", 3, height, width])],
    output: [value("output0", ["batch", 4 + CLASSES, anchors])],
  }, {
    opset: 17,
    metadata: { names: `{${names.join(", ")}}`, stride: "32", imgsz: `[${height}, ${width}]`, task: "detect" },
  });
}

/** Collects nodes and weights; each method returns the name of the value that it makes. */
class Builder {
  readonly nodes: NodeProto[] = [];
  readonly weights: TensorProto[] = [];
  readonly #normal = normalFrom(SEED);
  #count = 0;

  backboneAndNeck(width: number): { readonly name: string; readonly channels: number }[] {
    const [c1, c2, c3, c4, c5] = [64, 128, 256, 512, 1024].map((channels) => channels * width) as [
      number,
      number,
      number,
      number,
      number,
    ];
    const down = (x: string, from: number, to: number) => this.conv(x, { from, to, kernel: 3, stride: 2 });
    const stem = this.c2f(down(down("images", 3, c1), c1, c2), { from: c2, to: c2, depth: 1, shortcut: true });
    const p8 = this.c2f(down(stem, c2, c3), { from: c3, to: c3, depth: 2, shortcut: true });
    const p16 = this.c2f(down(p8, c3, c4), { from: c4, to: c4, depth: 2, shortcut: true });
    const p32 = this.sppf(this.c2f(down(p16, c4, c5), { from: c5, to: c5, depth: 1, shortcut: true }), c5);
    const joined = (x: string, y: string, from: number, to: number) =>
      this.c2f(this.node("Concat", [x, y], { axis: 1n }), { from, to, depth: 1, shortcut: false });
    const up16 = joined(this.twice(p32), p16, c5 + c4, c4);
    const n8 = joined(this.twice(up16), p8, c4 + c3, c3);
    const n16 = joined(down(n8, c3, c3), up16, c3 + c4, c4);
    const n32 = joined(down(n16, c4, c4), p32, c4 + c5, c5);
    return [{ name: n8, channels: c3 }, { name: n16, channels: c4 }, { name: n32, channels: c5 }];
  }

  head(levels: readonly { name: string; channels: number }[], { size, height, width }: YoloOptions): void {
    const rows = 4 * BINS;
    const { gain, bias } = SIZES[size];
    const first = levels[0]!.channels;
    const boxChannels = Math.max(16, first / 4, rows), classChannels = Math.max(first, Math.min(CLASSES, 100));
    const flat = levels.map(({ name, channels }) => {
      const box = this.#tower(name, [channels, boxChannels, rows], { bias: 1 });
      const scores = this.#tower(name, [channels, classChannels, CLASSES], { bias, gain });
      const shape = this.#integers([0, rows + CLASSES, -1]);
      return this.node("Reshape", [this.node("Concat", [box, scores], { axis: 1n }), shape]);
    });
    const all = this.node("Concat", flat, { axis: 2n });
    const [sides, scores] = this.#split(all, [rows, CLASSES]);
    const { centres, strides, anchors } = anchorsOf(height, width);
    const bins = this.node("Reshape", [sides, this.#integers([0, 4, BINS, anchors])]);
    const shares = this.node("Softmax", [this.node("Transpose", [bins], { perm: [0n, 2n, 1n, 3n] })], { axis: 1n });
    const weights = this.#floats([1, BINS, 1, 1], Array.from({ length: BINS }, (_, bin) => bin));
    const expected = this.node("Conv", [shares, weights], { kernel_shape: [1n, 1n] });
    const reach = this.node("Reshape", [expected, this.#integers([0, 4, anchors])]);
    const [near, far] = this.#split(reach, [2, 2]);
    const centre = this.#floats([1, 2, anchors], centres);
    const low = this.node("Sub", [centre, near]), high = this.node("Add", [centre, far]);
    const middle = this.node("Div", [this.node("Add", [low, high]), this.#floats([], [2])]);
    const box = this.node("Concat", [middle, this.node("Sub", [high, low])], { axis: 1n });
    const boxes = this.node("Mul", [box, this.#floats([1, anchors], strides)]);
    const inputs = [boxes, this.node("Sigmoid", [scores])];
    this.nodes.push(node("Concat", { inputs, outputs: ["output0"] }, { attributes: { axis: 1n } }));
  }

  conv(x: string, { from, to, kernel = 1, stride = 1, silu = true, bias = 0, gain = 1 }: Convolution): string {
    const deviation = gain * Math.sqrt(2 / (from * kernel * kernel));
    const weights = Float32Array.from({ length: to * from * kernel * kernel }, () => deviation * this.#normal());
    const inputs = [
      x,
      this.#constant("FLOAT", [to, from, kernel, kernel], weights),
      this.#floats([to], Array(to).fill(bias)),
    ];
    const pad = BigInt(kernel >> 1);
    const y = this.node("Conv", inputs, {
      kernel_shape: [BigInt(kernel), BigInt(kernel)],
      strides: [BigInt(stride), BigInt(stride)],
      pads: [pad, pad, pad, pad],
    });
    return silu ? this.node("Mul", [y, this.node("Sigmoid", [y])]) : y;
  }

  c2f(
    x: string,
    { from, to, depth, shortcut }: { from: number; to: number; depth: number; shortcut: boolean },
  ): string {
    const half = to / 2;
    const parts: string[] = this.#split(this.conv(x, { from, to }), [half, half]);
    for (let i = 0; i < depth; i++) {
      const last = parts.at(-1)!;
      const three = { from: half, to: half, kernel: 3 };
      const y = this.conv(this.conv(last, three), three);
      parts.push(shortcut ? this.node("Add", [last, y]) : y);
    }
    return this.conv(this.node("Concat", parts, { axis: 1n }), { from: (2 + depth) * half, to });
  }

  sppf(x: string, channels: number): string {
    const parts = [this.conv(x, { from: channels, to: channels / 2 })];
    for (let i = 0; i < 3; i++) {
      const attributes = { kernel_shape: [5n, 5n], strides: [1n, 1n], pads: [2n, 2n, 2n, 2n] };
      parts.push(this.node("MaxPool", [parts.at(-1)!], attributes));
    }
    return this.conv(this.node("Concat", parts, { axis: 1n }), { from: 2 * channels, to: channels });
  }

  twice(x: string): string {
    return this.node("Resize", [x, "", this.#floats([4], [1, 1, 2, 2])], {
      mode: "nearest",
      coordinate_transformation_mode: "asymmetric",
      nearest_mode: "floor",
    });
  }

  node(op: string, inputs: readonly string[], attributes: Readonly<Record<string, AttributeValue>> = {}): string {
    const name = this.#name(op.toLowerCase());
    this.nodes.push(node(op, { inputs, outputs: [name] }, { name, attributes }));
    return name;
  }

  #tower(x: string, [from, inner, to]: readonly [number, number, number], last: Partial<Convolution>): string {
    const once = this.conv(x, { from, to: inner, kernel: 3 });
    return this.conv(this.conv(once, { from: inner, to: inner, kernel: 3 }), { ...last, from: inner, to, silu: false });
  }

  #split(x: string, sizes: readonly [number, number]): [string, string] {
    const outputs: [string, string] = [this.#name("split"), this.#name("split")];
    this.nodes.push(node("Split", { inputs: [x, this.#integers(sizes)], outputs }, { attributes: { axis: 1n } }));
    return outputs;
  }

  #constant(type: "FLOAT", dims: readonly number[], data: Float32Array): string {
    const name = this.#name("weight");
    this.weights.push(tensor(name, type, dims, rawBytes(data)));
    return name;
  }

  #floats(dims: readonly number[], values: ArrayLike<number>): string {
    const name = this.#name("constant");
    this.weights.push(floatTensor(name, dims, values));
    return name;
  }

  #integers(values: readonly number[]): string {
    const name = this.#name("constant");
    this.weights.push(int64Tensor(name, [values.length], values));
    return name;
  }

  #name(prefix: string): string {
    return `${prefix}_${++this.#count}`;
  }
}

/** Centres of the cells in units of their stride, x of all and then y of all, and each cell's stride. */
function anchorsOf(height: number, width: number): { centres: number[]; strides: number[]; anchors: number } {
  const xs: number[] = [], ys: number[] = [], strides: number[] = [];
  for (const stride of STRIDES) {
    for (let y = 0; y < height / stride; y++) {
      for (let x = 0; x < width / stride; x++) {
        xs.push(x + 0.5);
        ys.push(y + 0.5);
        strides.push(stride);
      }
    }
  }
  return { centres: [...xs, ...ys], strides, anchors: strides.length };
}

/** Normally distributed numbers: xorshift32 (Marsaglia) and the Box-Muller transform. */
function normalFrom(seed: number): () => number {
  let state = seed;
  const uniform = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  let spare: number | undefined;
  return () => {
    if (spare !== undefined) {
      const kept = spare;
      spare = undefined;
      return kept;
    }
    const radius = Math.sqrt(-2 * Math.log(uniform() + 2 ** -33)), angle = 2 * Math.PI * uniform();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
}

if (import.meta.main) {
  const [size, shape, path] = Deno.args;
  const [height, width] = (shape ?? "").split("x").map(Number);
  if (!(size !== undefined && size in SIZES) || !height || !width || path === undefined) {
    console.error("Usage: make_yolov8.ts n|s HEIGHTxWIDTH OUT.onnx");
    Deno.exit(2);
  }
  await Deno.writeFile(path, writeModel(yolov8({ size: size as keyof typeof SIZES, height, width })));
  console.log(path);
}
