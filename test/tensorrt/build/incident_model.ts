/**
 * The model of the incident: YOLOv8s for 80 classes at 640x1152, opset 14, with INT64 ends of slices and EfficientNMS_TRT
 * behind it. The weights are random, of a size that keeps all values in the range of fp16.
 *
 *     deno run -A test/tensorrt/build/incident_model.ts FILE.onnx
 */
import type { NodeProto, TensorProto } from "../../../src/onnx/proto.ts";
import { writeModel } from "../../../src/onnx/write.ts";
import {
  type AttributeValue,
  floatTensor,
  int64Tensor,
  model,
  node,
  rawBytes,
  tensor,
  value,
} from "../../onnx/build_model.ts";

/** Source: yolov8.yaml of Ultralytics, scale s: widths and repeats of the backbone's stages, 16 bins of distances. */
const WIDTHS = [32, 64, 128, 256, 512] as const;
const REPEATS = [1, 2, 2, 1] as const;
const BINS = 16;
const CLASSES = 80;
const STRIDES = [8, 16, 32] as const;
/** End of a slice that means "to the end", as PyTorch writes it. */
const TO_THE_END = 2n ** 63n - 1n;

export interface IncidentOptions {
  /** Pixels. @default [640, 1152] */
  readonly size?: readonly [height: number, width: number];
  /** Size of the first axis; a text makes it dynamic. @default 1 */
  readonly batch?: number | string;
  /** Part of the original's channels: 1 has 11 million weights, 0.25 has 0.7 million. @default 1 */
  readonly width?: number;
}

/** The bytes of the model; the same for the same options. 45 MB unless it is made narrower. */
export function incidentModel(options: IncidentOptions = {}): Uint8Array<ArrayBuffer> {
  return new Incident(options).bytes();
}

class Incident {
  readonly #nodes: NodeProto[] = [];
  readonly #constants: TensorProto[] = [];
  readonly #size: readonly [number, number];
  readonly #batch: number | string;
  readonly #width: number;
  #seed = 7;
  #count = 0;

  constructor({ size = [640, 1152], batch = 1, width = 1 }: IncidentOptions) {
    this.#size = size;
    this.#batch = batch;
    this.#width = width;
  }

  bytes(): Uint8Array<ArrayBuffer> {
    const [a, b, c, d, e] = WIDTHS.map((channels) => channels * this.#width) as [
      number,
      number,
      number,
      number,
      number,
    ];
    let x = this.#block("images", [3, a], 3, 2);
    x = this.#c2f(this.#block(x, [a, b], 3, 2), [b, b], REPEATS[0], true);
    const p3 = this.#c2f(this.#block(x, [b, c], 3, 2), [c, c], REPEATS[1], true);
    const p4 = this.#c2f(this.#block(p3, [c, d], 3, 2), [d, d], REPEATS[2], true);
    x = this.#c2f(this.#block(p4, [d, e], 3, 2), [e, e], REPEATS[3], true);
    const p5 = this.#pools(x, e);
    const n4 = this.#c2f(this.#concat([this.#larger(p5), p4], 1), [e + d, d], 1, false);
    const out3 = this.#c2f(this.#concat([this.#larger(n4), p3], 1), [d + c, c], 1, false);
    const out4 = this.#c2f(this.#concat([this.#block(out3, [c, c], 3, 2), n4], 1), [c + d, d], 1, false);
    const out5 = this.#c2f(this.#concat([this.#block(out4, [d, d], 3, 2), p5], 1), [d + e, e], 1, false);
    this.#head([[out3, c], [out4, d], [out5, e]]);
    const lead = this.#batch;
    return writeModel(model({
      name: "yolov8s",
      node: this.#nodes,
      initializer: this.#constants,
      input: [value("images", [lead, 3, ...this.#size])],
      output: [
        value("num_dets", [lead, 1], "INT32"),
        value("det_boxes", [lead, 100, 4]),
        value("det_scores", [lead, 100]),
        value("det_classes", [lead, 100], "INT32"),
      ],
    }, { opset: 14, irVersion: 7, domains: { TRT: 1 }, metadata: { stride: "32", task: "detect" } }));
  }

  #name(word: string): string {
    return `${word}_${this.#count++}`;
  }

  #node(op: string, inputs: readonly string[], attributes: Readonly<Record<string, AttributeValue>> = {}): string {
    const name = this.#name(op);
    this.#nodes.push(node(op, { inputs, outputs: [name] }, { name: `/${name}`, attributes }));
    return name;
  }

  #keep(constant: TensorProto): string {
    this.#constants.push(constant);
    return constant.name!;
  }

  #numbers(values: readonly bigint[]): string {
    return this.#keep(int64Tensor(this.#name("numbers"), [values.length], values));
  }

  /** Uniform numbers with the variance that keeps that of a layer's input. */
  #weights(dims: readonly number[], gain: number): Float32Array {
    const inward = dims.slice(1).reduce((product, size) => product * size, 1);
    const data = new Float32Array(dims[0]! * inward);
    const reach = gain * Math.sqrt(3 / inward);
    for (let index = 0; index < data.length; index++) {
      this.#seed = (Math.imul(this.#seed, 1664525) + 1013904223) >>> 0;
      data[index] = (this.#seed / 2 ** 31 - 1) * reach;
    }
    return data;
  }

  #convolution(
    input: string,
    [inward, out]: readonly [number, number],
    kernel: number,
    stride: number,
    gain = 1.4,
  ): string {
    const dims = [out, inward, kernel, kernel];
    const weight = this.#keep(tensor(this.#name("weight"), "FLOAT", dims, rawBytes(this.#weights(dims, gain))));
    const bias = this.#keep(floatTensor(this.#name("bias"), [out], new Float32Array(out).fill(0.01)));
    const half = BigInt(kernel >> 1);
    return this.#node("Conv", [input, weight, bias], {
      kernel_shape: [BigInt(kernel), BigInt(kernel)],
      strides: [BigInt(stride), BigInt(stride)],
      pads: [half, half, half, half],
    });
  }

  /** Convolution and SiLU. */
  #block(input: string, channels: readonly [number, number], kernel: number, stride: number): string {
    const made = this.#convolution(input, channels, kernel, stride);
    return this.#node("Mul", [made, this.#node("Sigmoid", [made])]);
  }

  #slice(input: string, from: bigint, to: bigint): string {
    return this.#node("Slice", [input, this.#numbers([from]), this.#numbers([to]), this.#numbers([1n])]);
  }

  #concat(inputs: readonly string[], axis: number): string {
    return this.#node("Concat", inputs, { axis: BigInt(axis) });
  }

  #c2f(input: string, [inward, out]: readonly [number, number], repeats: number, shortcut: boolean): string {
    const half = out / 2;
    const both = this.#block(input, [inward, out], 1, 1);
    const parts = [this.#slice(both, 0n, BigInt(half)), this.#slice(both, BigInt(half), TO_THE_END)];
    for (let repeat = 0; repeat < repeats; repeat++) {
      const last = parts.at(-1)!;
      const made = this.#block(this.#block(last, [half, half], 3, 1), [half, half], 3, 1);
      parts.push(shortcut ? this.#node("Add", [last, made]) : made);
    }
    return this.#block(this.#concat(parts, 1), [half * parts.length, out], 1, 1);
  }

  #pools(input: string, channels: number): string {
    const half = channels / 2;
    const parts = [this.#block(input, [channels, half], 1, 1)];
    for (let pool = 0; pool < 3; pool++) {
      parts.push(
        this.#node("MaxPool", [parts.at(-1)!], { kernel_shape: [5n, 5n], strides: [1n, 1n], pads: [2n, 2n, 2n, 2n] }),
      );
    }
    return this.#block(this.#concat(parts, 1), [half * 4, channels], 1, 1);
  }

  #larger(input: string): string {
    const scales = this.#keep(floatTensor(this.#name("scales"), [4], [1, 1, 2, 2]));
    return this.#node("Resize", [input, "", scales], {
      mode: "nearest",
      nearest_mode: "floor",
      coordinate_transformation_mode: "asymmetric",
    });
  }

  #head(levels: readonly (readonly [string, number])[]): void {
    const first = levels[0]![1];
    const forBoxes = Math.max(16, first / 4, 4 * BINS);
    const forScores = Math.max(first, CLASSES);
    const rows = levels.map(([input, channels]) => {
      const boxes = this.#block(this.#block(input, [channels, forBoxes], 3, 1), [forBoxes, forBoxes], 3, 1);
      const scores = this.#block(this.#block(input, [channels, forScores], 3, 1), [forScores, forScores], 3, 1);
      const both = this.#concat([
        this.#convolution(boxes, [forBoxes, 4 * BINS], 1, 1),
        this.#convolution(scores, [forScores, CLASSES], 1, 1),
      ], 1);
      return this.#node("Reshape", [both, this.#numbers([this.#lead, BigInt(4 * BINS + CLASSES), -1n])]);
    });
    const all = this.#concat(rows, 2);
    const split = BigInt(4 * BINS);
    const distances = this.#distances(this.#slice(all, 0n, split));
    const [x, y, steps] = this.#anchors();
    const centre = this.#keep(floatTensor("anchors", [1, 2, x.length], [...x, ...y]));
    const low = this.#node("Sub", [centre, this.#slice(distances, 0n, 2n)]);
    const high = this.#node("Add", [centre, this.#slice(distances, 2n, TO_THE_END)]);
    const boxes = this.#node("Mul", [
      this.#concat([low, high], 1),
      this.#keep(floatTensor("strides", [1, 1, x.length], steps)),
    ]);
    const scores = this.#node("Sigmoid", [this.#slice(all, split, TO_THE_END)]);
    const turned = (input: string) => this.#node("Transpose", [input], { perm: [0n, 2n, 1n] });
    this.#nodes.push(node("EfficientNMS_TRT", {
      inputs: [turned(boxes), turned(scores)],
      outputs: ["num_dets", "det_boxes", "det_scores", "det_classes"],
    }, {
      name: "/EfficientNMS_TRT",
      domain: "TRT",
      attributes: {
        background_class: -1n,
        box_coding: 0n,
        iou_threshold: 0.45,
        max_output_boxes: 100n,
        plugin_version: "1",
        score_activation: 0n,
        score_threshold: 0.25,
      },
    }));
  }

  /** First size of a Reshape: the batch, or 0 for the input's own. */
  get #lead(): bigint {
    return typeof this.#batch === "number" ? BigInt(this.#batch) : 0n;
  }

  /** From bins to distances: the mean of the bins' numbers, weighed by Softmax. */
  #distances(input: string): string {
    const apart = this.#node("Reshape", [input, this.#numbers([this.#lead, 4n, BigInt(BINS), -1n])]);
    const weighed = this.#node("Softmax", [this.#node("Transpose", [apart], { perm: [0n, 2n, 1n, 3n] })], { axis: 1n });
    const bins = this.#keep(floatTensor("bins", [1, BINS, 1, 1], Array.from({ length: BINS }, (_, bin) => bin)));
    const mean = this.#node("Conv", [weighed, bins], { kernel_shape: [1n, 1n] });
    return this.#node("Reshape", [mean, this.#numbers([this.#lead, 4n, -1n])]);
  }

  #anchors(): [x: number[], y: number[], steps: number[]] {
    const [x, y, steps]: [number[], number[], number[]] = [[], [], []];
    for (const stride of STRIDES) {
      for (let row = 0; row < this.#size[0] / stride; row++) {
        for (let column = 0; column < this.#size[1] / stride; column++) {
          x.push(column + 0.5);
          y.push(row + 0.5);
          steps.push(stride);
        }
      }
    }
    return [x, y, steps];
  }
}

if (import.meta.main) await Deno.writeFile(Deno.args[0]!, incidentModel());
