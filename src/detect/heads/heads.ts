/**
 * How a detector's raw output is laid out: one table, found from shapes and metadata. `manifest.head` names a row and
 * overrides the search; the row must still fit the shapes.
 *
 * Rules where shapes alone are ambiguous (L is the number of labels in the manifest or, failing that, the metadata; an
 * anchor count is the number of cells of the input at strides 8, 16, 32, or 8 to 64, or 4 to 32, or three times that):
 * - `[N, K, 6]` is end-to-end, unless K is an anchor count, or L is 2 and the model shows signs of RT-DETR (the operator
 *   GridSample, or "RT-DETR" in the metadata's description), or K is dynamic and L is 1 or 2 and the metadata does not
 *   say `end2end` or `nms`.
 * - `[N, K, 6]` with the metadata `head: RTDETRDecoder`, or with signs of RT-DETR and L known and not 2, is RT-DETR with
 *   the best queries selected inside, which Ultralytics exports since 8.4; K and the 6 may be symbolic there.
 * - `[N, A, 4+C]` and `[N, A, 5+C]` are told apart by L; without labels only 84 (C is 80) and 85 are taken.
 * - `[N, A, 5+C]` with three anchors a cell, or an unknown number of anchors, is YOLOv5; with one anchor a cell it is
 *   YOLOX, already decoded when the graph has the operator Exp. YOLOv6 has the same shape: name `yolov5`.
 * - two outputs `[N, Q, C]` and `[N, Q, 4]` are DETR logits when a name contains "logit", else EfficientNMS's inputs.
 */
import type { Tensor, TensorType } from "../../backends/backend.ts";
import type { Manifest } from "../../models/model.ts";
import { TrtdError } from "../../errors.ts";
import { anchorStrides, USUAL_STRIDES } from "../../onnx/anchor_strides.ts";
import { NMS_PROPERTY } from "../../onnx/nms_property.ts";
import { cutNms, type CutNmsHead, cutNmsHead } from "./cut_nms.ts";
import * as decoders from "./head_decoders.ts";
import {
  type Dim,
  type HeadFacts,
  known,
  matchOutputs,
  type OutputPattern,
  type Shape,
  type Spec,
} from "./head_shapes.ts";

/** How pictures become the input tensor. */
export interface Preprocess {
  /** `center` and `top_left` keep the aspect ratio and pad with 114; `stretch` does not. */
  readonly fit: "center" | "top_left" | "stretch";
  readonly order: "rgb" | "bgr";
  /** Highest value of a pixel in the tensor: 1 (0..1) or 255. */
  readonly range: 1 | 255;
}

export interface HeadRow {
  readonly summary: string;
  readonly outputs: readonly OutputPattern[];
  /** Whether the row is meant, given that the shapes match. Not asked when the manifest names the row. */
  readonly when: (shape: Shape) => boolean;
  /** Whether overlapping boxes are still to be dropped. */
  readonly nms: boolean;
  readonly preprocess: Preprocess;
  readonly decode: decoders.Decoder;
  /** Where the layout is defined. */
  readonly source: string;
}

const ULTRALYTICS: Preprocess = { fit: "center", order: "rgb", range: 1 };
const STRETCHED: Preprocess = { fit: "stretch", order: "rgb", range: 1 };
const YOLOX: Preprocess = { fit: "top_left", order: "bgr", range: 255 };
const FLOATS: readonly TensorType[] = ["float32", "float16"];
const INTEGERS: readonly TensorType[] = ["int32", "int64"];
const NUMBERS: readonly TensorType[] = [...FLOATS, ...INTEGERS];

const always = () => true;
const single = (dims: readonly Dim[]): OutputPattern[] => [{ dims, types: FLOATS }];

const saysRtDetr = ({ facts }: Shape): boolean =>
  (facts.operators["GridSample"] ?? 0) > 0 || /rt-?detr/i.test(facts.metadata["description"] ?? "");

const saysEndToEnd = ({ facts }: Shape): boolean =>
  /^true$/i.test(facts.metadata["end2end"] ?? "") || /['"]nms['"]:\s*true/i.test(facts.metadata["args"] ?? "");

/** Ultralytics notes the class of a model's last layer. */
const isRtDetrSelected = (shape: Shape): boolean =>
  shape.facts.metadata["head"] === "RTDETRDecoder" ||
  (saysRtDetr(shape) && shape.labelCount !== null && shape.labelCount !== 2);

const isEndToEnd = (shape: Shape): boolean => {
  if (shape.anchorsPerCell !== null) return false;
  if (shape.labelCount === 2 && saysRtDetr(shape)) return false;
  if (shape.anchors === null && (shape.labelCount === 1 || shape.labelCount === 2)) return saysEndToEnd(shape);
  return true;
};

/** Anchors-first layouts with `extra` values before the classes: labels decide, else COCO's 80. */
const tellsClasses = (shape: Shape): boolean =>
  shape.labelCount === null ? shape.classes === 80 : shape.classes === shape.labelCount;

const hasExp = ({ facts }: Shape): boolean => (facts.operators["Exp"] ?? 0) > 0;

/** The metadata names the outputs. */
const NAMED = /(?:)/;

/** Rows in the order in which they are tried. */
export const HEADS = {
  cut_nms: {
    summary: "Boxes and scores in front of an EfficientNMS_TRT that was cut off",
    outputs: [
      { dims: ["N", "A", 4], also: [["N", "A", "1|C", 4]], types: FLOATS, name: NAMED },
      { dims: ["N", "A", "C"], also: [["N", "A", "C", 1]], types: FLOATS, name: NAMED },
    ],
    when: ({ facts }) => NMS_PROPERTY in facts.metadata,
    nms: true,
    preprocess: ULTRALYTICS,
    decode: cutNms,
    source: "NVIDIA TensorRT plugin/efficientNMSPlugin; the metadata property that the pass nms-split writes",
  },
  efficient_nms: {
    summary: "EfficientNMS_TRT's four outputs: count, boxes, scores, classes",
    outputs: [
      { dims: ["N", 1], types: INTEGERS, name: /num/i },
      { dims: ["N", "K", 4], types: FLOATS, name: /box/i },
      { dims: ["N", "K"], types: FLOATS, name: /score|conf/i },
      { dims: ["N", "K"], types: NUMBERS, name: /class|label|cls/i },
    ],
    when: always,
    nms: false,
    preprocess: ULTRALYTICS,
    decode: decoders.efficientNms,
    source: "NVIDIA TensorRT plugin/efficientNMSPlugin README, outputs; boxes in input pixels as YOLO exporters write",
  },
  dfine: {
    summary: "D-FINE, RT-DETRv2 with post-processing: labels, boxes, scores; input orig_target_sizes",
    outputs: [
      { dims: ["N", "K"], types: INTEGERS, name: /label|class/i },
      { dims: ["N", "K", 4], types: FLOATS, name: /box/i },
      { dims: ["N", "K"], types: FLOATS, name: /score/i },
    ],
    when: always,
    nms: false,
    preprocess: STRETCHED,
    decode: decoders.labelsBoxesScores,
    source: "D-FINE tools/deployment/export_onnx.py and src/zoo/dfine/postprocessor.py; eval transform Resize 640x640",
  },
  detr_logits: {
    summary: "RT-DETR, D-FINE without post-processing: logits and normalised boxes",
    outputs: [
      { dims: ["N", "K", "C"], types: FLOATS, name: /logit/i },
      { dims: ["N", "K", 4], types: FLOATS, name: /box/i },
    ],
    when: always,
    nms: false,
    preprocess: STRETCHED,
    decode: decoders.logitsAndBoxes,
    source: "Hugging Face transformers RTDetrForObjectDetection, post_process_object_detection with focal loss",
  },
  boxes_scores: {
    summary: "Boxes as corners and class scores, as EfficientNMS_TRT takes them",
    outputs: [
      { dims: ["N", "A", 4], types: FLOATS, name: /box/i },
      { dims: ["N", "A", "C"], types: FLOATS, name: /score|conf|class|cls/i },
    ],
    when: always,
    nms: true,
    preprocess: ULTRALYTICS,
    decode: decoders.boxesAndScores,
    source: "NVIDIA TensorRT plugin/efficientNMSPlugin README, inputs with box_coding 0",
  },
  rtdetr_selected: {
    summary:
      "RT-DETR as Ultralytics exports it since 8.4: normalised centre and size, score, class of the best queries",
    // Any name: what the metadata says is evidence enough for symbolic sizes.
    outputs: [{ dims: ["N", "K", 6], types: FLOATS, name: /./ }],
    when: isRtDetrSelected,
    nms: false,
    preprocess: STRETCHED,
    decode: decoders.selectedQueriesNormalized,
    source: "Ultralytics 8.4 nn/modules/head.py RTDETRDecoder.postprocess; models/rtdetr/predict.py",
  },
  end_to_end: {
    summary: "YOLOv10, YOLO26 and exports with NMS inside: x1, y1, x2, y2, score, class",
    outputs: single(["N", "K", 6]),
    when: isEndToEnd,
    nms: false,
    preprocess: ULTRALYTICS,
    decode: decoders.endToEnd,
    source: "Ultralytics nn/modules/head.py Detect.postprocess; engine/exporter.py NMSModel",
  },
  rtdetr: {
    summary: "RT-DETR as Ultralytics exported it before 8.4: normalised boxes and probabilities per query",
    outputs: single(["N", "K", "4+C"]),
    when: (shape) =>
      saysRtDetr(shape) ||
      (shape.anchorsPerCell === null && shape.anchors !== null && shape.anchors <= 1000 &&
        shape.labelCount !== null && shape.classes === shape.labelCount),
    nms: false,
    preprocess: STRETCHED,
    decode: decoders.queriesNormalized,
    source: "Ultralytics nn/modules/head.py RTDETRDecoder; models/rtdetr/predict.py (scale_fill)",
  },
  yolov8: {
    summary: "YOLOv8, v9, 11, 12 raw: 4 + C rows of A anchors",
    outputs: single(["N", "4+C", "A"]),
    when: (shape) =>
      shape.anchorsPerCell === 1 ||
      (shape.classes !== null && (shape.anchors ?? Infinity) > shape.classes + 4 &&
        (shape.anchors === null || shape.classes === shape.labelCount)),
    nms: true,
    preprocess: ULTRALYTICS,
    decode: decoders.channelsFirst,
    source: "Ultralytics nn/modules/head.py Detect.forward with export",
  },
  yolov8_transposed: {
    summary: "YOLOv8, v9, 11, 12 raw, transposed: A rows of 4 + C",
    outputs: single(["N", "A", "4+C"]),
    when: (shape) => tellsClasses(shape) && (shape.anchors ?? Infinity) > 4 + (shape.classes ?? 0),
    nms: true,
    preprocess: ULTRALYTICS,
    decode: decoders.anchorsFirstPixels,
    source: "the row yolov8 behind a Transpose, as TensorRT pipelines export it",
  },
  yolox_decoded: {
    summary: "YOLOX with decode_in_inference: pixels, objectness, classes",
    outputs: single(["N", "A", "5+C"]),
    when: (shape) => shape.anchorsPerCell === 1 && tellsClasses(shape) && hasExp(shape),
    nms: true,
    preprocess: YOLOX,
    decode: decoders.objectness,
    source: "YOLOX yolox/models/yolo_head.py decode_outputs; yolox/data/data_augment.py preproc",
  },
  yolox: {
    summary: "YOLOX raw: offsets in cells, logarithms of sizes, objectness, classes",
    outputs: single(["N", "A", "5+C"]),
    when: (shape) => shape.anchorsPerCell === 1 && tellsClasses(shape),
    nms: true,
    preprocess: YOLOX,
    decode: decoders.objectnessGrid,
    source: "YOLOX yolox/utils/demo_utils.py demo_postprocess; yolox/data/data_augment.py preproc",
  },
  yolov5: {
    summary: "YOLOv5, v7: A rows of box, objectness and C classes",
    outputs: single(["N", "A", "5+C"]),
    when: (shape) => shape.anchorsPerCell === 3 || (tellsClasses(shape) && (shape.anchors ?? Infinity) > 1000),
    nms: true,
    preprocess: ULTRALYTICS,
    decode: decoders.objectness,
    source: "YOLOv5 models/yolo.py Detect.forward with export",
  },
} as const satisfies Record<string, HeadRow>;

export type HeadName = keyof typeof HEADS;

/** A row of {@link HEADS} fitted to a model. */
export interface Head {
  readonly name: HeadName;
  readonly row: HeadRow;
  /** The picture's input, `[N, 3, height, width]`; `batch` is null when it is dynamic. */
  readonly input: {
    readonly name: string;
    readonly type: "float32" | "float16";
    readonly batch: number | null;
    readonly height: number;
    readonly width: number;
  };
  /** Name of the int64 input `[N, 2]` that takes width and height, null when there is none. */
  readonly sizeInput: string | null;
  /** Names of the output tensors in the row's order. */
  readonly outputs: readonly string[];
  /** Null when neither labels nor shapes tell. */
  readonly classes: number | null;
  /** Labels by class index; `class_0`, `class_1`, ... when neither the manifest nor the model names them. */
  readonly labels: readonly string[];
  /** Cell sizes of the feature maps in pixels. */
  readonly strides: readonly number[];
  /** The NMS that was cut off the model: its attributes are defaults. Null when none was. */
  readonly cut: CutNmsHead | null;
}

const INPUT_SIDE = 640;
const INPUT_SIDE_MIN = 32;
const INPUT_SIDE_MAX = 8192;

/** What is searched when an NMS was cut off: the head before the cut is the other name of the one behind it. */
const BEFORE_CUT = "efficient_nms";

/**
 * The head of a model.
 * @param facts what src/onnx read from the file
 * @param manifest of the model: `labels` go before the metadata's, `head` before the search
 * @throws {TrtdError} `MODEL_NOT_A_DETECTOR` when no row fits, with the shapes that were seen, or the metadata about a
 * cut NMS is wrong; `MANIFEST_INVALID` when the manifest names no known row
 */
export function detectHead(facts: HeadFacts, manifest: Manifest): Head {
  const { input, sizeInput } = imageInput(facts);
  const labels = manifest.labels ?? facts.labels;
  const labelCount = labels?.length ?? null;
  const cut = cutNmsHead(facts.metadata);
  const named = cut === null ? facts : withOutputs(facts, cut.outputs);
  const context = { facts: named, labelCount, height: input.height, width: input.width };
  const names = Object.keys(HEADS) as HeadName[];
  if (manifest.head !== undefined && !(manifest.head in HEADS)) {
    throw new TrtdError("MANIFEST_INVALID", `There is no head "${manifest.head}"; known are ${names.join(", ")}`);
  }
  if (manifest.head === undefined && facts.task !== null && facts.task !== "detect") {
    throw new TrtdError("MODEL_NOT_A_DETECTOR", `The model's task is "${facts.task}"; only "detect" is known`);
  }
  let mismatch: string | undefined;
  const wanted = cut !== null && manifest.head === BEFORE_CUT ? undefined : manifest.head as HeadName | undefined;
  for (const name of wanted === undefined ? cut === null ? names : ["cut_nms" as const] : [wanted]) {
    const row: HeadRow = HEADS[name];
    const found = matchOutputs(row.outputs, context);
    const isMeant = wanted === undefined ? found !== null && row.when(found.shape) : name !== "cut_nms" || cut !== null;
    if (found === null || !isMeant) continue;
    const { classes } = found.shape;
    if (labelCount !== null && classes !== null && classes !== labelCount) {
      mismatch ??= `The outputs ${described(facts.outputs)} fit the head "${name}" with ${classes} classes, ` +
        `but the model has ${labelCount} labels`;
      continue;
    }
    const count = classes ?? labelCount;
    return {
      name,
      row,
      input,
      sizeInput,
      outputs: found.names,
      classes: count,
      labels: labels ?? Array.from({ length: count ?? 0 }, (_, id) => `class_${id}`),
      strides: anchorStrides(found.shape.anchors, input.height, input.width)?.strides ?? USUAL_STRIDES,
      cut: name === "cut_nms" ? cut : null,
    };
  }
  throw new TrtdError("MODEL_NOT_A_DETECTOR", mismatch ?? unfit(facts, manifest, labelCount));
}

/** Facts with these outputs alone, in this order. */
function withOutputs(facts: HeadFacts, names: readonly string[]): HeadFacts {
  return { ...facts, outputs: names.flatMap((name) => facts.outputs.find((output) => output.name === name) ?? []) };
}

function unfit(facts: HeadFacts, manifest: Manifest, labelCount: number | null): string {
  const what = manifest.head === undefined ? "no known head" : `not the head "${manifest.head}"`;
  const labels = labelCount === null ? "no labels" : `${labelCount} labels`;
  return `The outputs ${described(facts.outputs)} with ${labels} fit ${what}`;
}

const described = (specs: readonly Spec[]): string =>
  specs.map((spec) => `"${spec.name}" ${spec.type} [${spec.dims.join(", ")}]`).join(", ") || "(none)";

function imageInput(facts: HeadFacts): Pick<Head, "input" | "sizeInput"> {
  const refuse = (): never => {
    throw new TrtdError(
      "MODEL_NOT_A_DETECTOR",
      `The inputs ${described(facts.inputs)} are not one picture [N, 3, height, width] in float32 or float16`,
    );
  };
  const images = facts.inputs.filter((spec) => spec.dims.length === 4);
  const others = facts.inputs.filter((spec) => spec.dims.length !== 4);
  const [image] = images, [size] = others;
  if (image === undefined || images.length > 1 || others.length > 1) return refuse();
  if (image.type !== "float32" && image.type !== "float16") return refuse();
  if ((known(image.dims[1]) ?? 3) !== 3) return refuse();
  if (size !== undefined && (size.type !== "int64" || size.dims.length !== 2 || (known(size.dims[1]) ?? 2) !== 2)) {
    return refuse();
  }
  const input = {
    name: image.name,
    type: image.type,
    batch: known(image.dims[0]),
    height: known(image.dims[2]) ?? facts.image_size?.height ?? INPUT_SIDE,
    width: known(image.dims[3]) ?? facts.image_size?.width ?? INPUT_SIDE,
  };
  for (const side of [input.height, input.width]) if (side < INPUT_SIDE_MIN || side > INPUT_SIDE_MAX) return refuse();
  return { input, sizeInput: size?.name ?? null };
}

/**
 * Check what a backend gave for one batch against the head.
 * @returns the tensors in the row's order
 * @throws {TrtdError} `INFERENCE_FAILED` when an output is missing or has a shape that the head does not have
 */
export function outputsOf(head: Head, tensors: Readonly<Record<string, Tensor>>, batch: number): Tensor[] {
  return head.row.outputs.map(({ dims, also = [] }, i) => {
    const name = head.outputs[i]!, tensor = tensors[name];
    if (tensor === undefined) throw new TrtdError("INFERENCE_FAILED", `The backend gave no output "${name}"`);
    const fits = [dims, ...also].some((one) =>
      tensor.dims.length === one.length && one.every((dim, axis) => {
        const size = tensor.dims[axis]!;
        if (typeof dim === "number") return size === dim;
        if (dim === "N") return size === batch;
        if (dim === "A" || dim === "K" || head.classes === null) return true;
        if (dim === "1|C") return size === 1 || size === head.classes;
        return size === head.classes + (dim === "C" ? 0 : Number(dim[0]));
      })
    );
    if (!fits || tensor.data.length !== tensor.dims.reduce((product, size) => product * size, 1)) {
      throw new TrtdError("INFERENCE_FAILED", `The output "${name}" [${tensor.dims}] is not that of "${head.name}"`);
    }
    return tensor;
  });
}
