/** Detectors that end in EfficientNMS_TRT, small enough for tests. */
import type { ModelProto, NodeProto } from "../../src/onnx/proto.ts";
import { type AttributeValue, floatTensor, int64Tensor, model, node, value } from "./build_model.ts";

/** EfficientNMS_TRT's attributes by name; numbers are floats, bigints integers. */
export type NmsAttributes = Readonly<Record<string, AttributeValue>>;

export const ATTRIBUTES: NmsAttributes = {
  background_class: -1n,
  box_coding: 0n,
  class_agnostic: 0n,
  iou_threshold: 0.5,
  max_output_boxes: 20n,
  plugin_version: "1",
  score_activation: 0n,
  score_threshold: 0.25,
};

export interface NmsModelOptions {
  /** `[anchors, 4]`, or another shape with {@link boxDims}. */
  readonly boxes: ArrayLike<number>;
  /** Without the batch. @default [anchors, 4] */
  readonly boxDims?: readonly number[];
  /** `[anchors, classes]`, or another shape with {@link scoreDims}. */
  readonly scores: ArrayLike<number>;
  readonly scoreDims: readonly number[];
  /** `[1, anchors, 4]` */
  readonly anchors?: ArrayLike<number>;
  readonly attributes?: NmsAttributes;
  /** @default "TRT" */
  readonly domain?: string;
  /** @default 14 */
  readonly opset?: number;
  readonly outputs?: readonly [string, string, string, string];
  /** Nodes behind the plugin, and names of the outputs that take its place. */
  readonly tail?: { readonly nodes: readonly NodeProto[]; readonly outputs: readonly string[] };
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * `images` `[batch, 3, 64, 64]` f32, whatever it shows, to EfficientNMS_TRT over the given boxes and scores, which carry
 * no shapes of their own in the file.
 */
export function nmsModel(options: NmsModelOptions): ModelProto {
  const { boxes, scores, scoreDims, anchors, domain = "TRT", opset = 14, tail } = options;
  const attributes = { ...ATTRIBUTES, ...options.attributes };
  const boxDims = options.boxDims ?? [boxes.length / 4, 4];
  const outputs = options.outputs ?? ["num_dets", "det_boxes", "det_scores", "det_classes"];
  const max = Number(attributes["max_output_boxes"] as bigint);
  const spread = (name: string) => [
    node("Reshape", { inputs: ["none", `${name}_column`], outputs: [`${name}_zero`] }),
    node("Add", { inputs: [`${name}_zero`, `${name}_given`], outputs: [`/head/${name}`] }),
  ];
  const constants = (name: string, dims: readonly number[], data: ArrayLike<number>) => [
    int64Tensor(`${name}_column`, [dims.length + 1], [-1, ...dims.map(() => 1)]),
    floatTensor(`${name}_given`, [1, ...dims], data),
  ];
  const declared = [
    value(outputs[0], ["batch", 1], "INT32"),
    value(outputs[1], ["batch", max, 4]),
    value(outputs[2], ["batch", max]),
    value(outputs[3], ["batch", max], "INT32"),
  ];
  return model({
    name: "nms_model",
    node: [
      node("GlobalAveragePool", { inputs: ["images"], outputs: ["pooled"] }),
      node("ReduceMean", { inputs: ["pooled"], outputs: ["mean"] }, {
        attributes: { axes: [1n, 2n, 3n], keepdims: 0n },
      }),
      node("Mul", { inputs: ["mean", "zero"], outputs: ["none"] }),
      ...spread("boxes"),
      ...spread("scores"),
      node("EfficientNMS_TRT", {
        inputs: ["/head/boxes", "/head/scores", ...(anchors === undefined ? [] : ["/head/anchors"])],
        outputs,
      }, { name: "nms", domain, attributes }),
      ...tail?.nodes ?? [],
    ],
    initializer: [
      floatTensor("zero", [], [0]),
      ...constants("boxes", boxDims, boxes),
      ...constants("scores", scoreDims, scores),
      ...(anchors === undefined ? [] : [floatTensor("/head/anchors", [1, anchors.length / 4, 4], anchors)]),
    ],
    input: [value("images", ["batch", 3, 64, 64])],
    output: tail === undefined ? declared : tail.outputs.map((name) => value(name, [-1])),
  }, { opset, domains: domain === "" ? {} : { [domain]: 1 }, metadata: options.metadata ?? {} });
}
