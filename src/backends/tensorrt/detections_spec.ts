/** How a head's outputs are told to the kernels that decode and suppress. Pure. */
import { BoxFlag, ElementType, Layout } from "../../../ffi/enums.ts";
import type { DetectionsSpec } from "../../../ffi/kernels.ts";
import type { CutNmsHead } from "../../detect/heads/cut_nms.ts";
import type { Head, HeadName } from "../../detect/heads/heads.ts";
import type { TensorType } from "../backend.ts";

/** What of a head decides. */
export interface HeadLayout {
  readonly name: HeadName;
  /** Number of classes, 0 where rows name their class. */
  readonly classes: number;
  /** Number of labels. */
  readonly labels: number;
  /** Of the model's input, in pixels. */
  readonly width: number;
  readonly height: number;
  /** Cell sizes of the feature maps in pixels. */
  readonly strides: readonly number[];
  readonly cut: CutNmsHead | null;
  /** Whether overlapping boxes are dropped. */
  readonly nms: boolean;
}

/** Type and shape of an output with all its axes known. */
export interface OutputShape {
  readonly type: TensorType;
  readonly dims: readonly number[];
}

export interface SpecLimits {
  /** Most pictures of one run, 1..32. */
  readonly imagesMax: number;
  /** Most boxes of one picture, 1..5000. @default 5000, or rows of a head that lists its boxes */
  readonly boxesMax?: number;
  /** Candidates that are looked at after sorting. @default 5000 */
  readonly candidatesMax?: number;
}

/** The kernels' layout of each head. */
const LAYOUTS: Readonly<Record<HeadName, Layout>> = {
  cut_nms: Layout.BOXES_SCORES,
  yolov8: Layout.CHANNELS_FIRST,
  yolov8_transposed: Layout.ANCHORS_FIRST,
  rtdetr: Layout.ANCHORS_FIRST,
  yolov5: Layout.OBJECTNESS,
  yolox_decoded: Layout.OBJECTNESS,
  yolox: Layout.OBJECTNESS_GRID,
  end_to_end: Layout.END_TO_END,
  rtdetr_selected: Layout.END_TO_END,
  boxes_scores: Layout.BOXES_SCORES,
  detr_logits: Layout.LOGITS_BOXES,
  dfine: Layout.LABELS_BOXES_SCORES,
  efficient_nms: Layout.COUNT_BOXES_SCORES_LABELS,
};

/** Layouts whose rows are boxes with one class each. */
const LISTS: readonly Layout[] = [Layout.END_TO_END, Layout.LABELS_BOXES_SCORES, Layout.COUNT_BOXES_SCORES_LABELS];

/** Which output has the scores, where it is not the first. */
const SCORES_AT: Partial<Record<HeadName, number>> = { cut_nms: 1, boxes_scores: 1, dfine: 2, efficient_nms: 2 };

const TYPES: Readonly<Record<TensorType, ElementType>> = {
  float32: ElementType.FLOAT32,
  float16: ElementType.FLOAT16,
  int32: ElementType.INT32,
  int64: ElementType.INT64,
};

/** Limits of `trtd_detect_spec` in `cpp/include/trtd.h`. */
export const BOXES_MAX = 5000;
const LABELS_MAX = 65_536;
const STRIDES_MAX = 4;
export const IMAGES_MAX = 32;

/** The layout of a head that was found. */
export const layoutOf = ({ name, row, classes, labels, strides, cut, input }: Head): HeadLayout => ({
  name,
  classes: classes ?? 0,
  labels: labels.length,
  width: input.width,
  height: input.height,
  strides,
  cut,
  nms: row.nms,
});

/**
 * What the kernels are told.
 * @param outputs in the head's order; then the anchors of a cut NMS, `[images, A, 4]`
 */
export function detectionsSpec(head: HeadLayout, outputs: readonly OutputShape[], limits: SpecLimits): DetectionsSpec {
  const { name, classes, labels, width, height, cut } = head;
  const layout = LAYOUTS[name];
  const [, rows = 1, columns = 1] = outputs[SCORES_AT[name] ?? 0]!.dims;
  const candidatesMax = limits.candidatesMax ?? BOXES_MAX;
  const listed = LISTS.includes(layout) ? Math.max(1, rows) : BOXES_MAX;
  return {
    layout,
    classes,
    width,
    height,
    types: outputs.map(({ type }) => TYPES[type]),
    rows,
    columns,
    boxFlags: boxFlags(head, outputs),
    background: cut?.backgroundClass ?? -1,
    strides: head.strides,
    imagesMax: limits.imagesMax,
    boxesMax: limits.boxesMax ?? Math.min(candidatesMax, listed),
    candidatesMax,
    labels,
    suppress: head.nms,
  };
}

function boxFlags({ name, cut, classes }: HeadLayout, [boxes, scores]: readonly OutputShape[]): number {
  if (name === "rtdetr") return BoxFlag.NORMALIZED;
  if (name === "rtdetr_selected") return BoxFlag.NORMALIZED | BoxFlag.CENTER_SIZE;
  if (cut === null) return 0;
  return (cut.boxCoding === "center_size" ? BoxFlag.CENTER_SIZE : 0) |
    (sizeOf(boxes!) * classes === 4 * sizeOf(scores!) ? 0 : BoxFlag.OF_CLASS) |
    (cut.anchors === null ? 0 : BoxFlag.ANCHORS | (cut.anchors.images > 1 ? BoxFlag.OWN_ANCHORS : 0));
}

const sizeOf = ({ dims }: OutputShape): number => dims.reduce((product, axis) => product * axis, 1);

/**
 * Why the kernels cannot read a head's outputs, so that the CPU has to; null when they can.
 * @param outputs in the head's order, all axes known
 */
export function whyNoKernels(head: HeadLayout, outputs: readonly OutputShape[]): string | null {
  const { name, classes, labels, strides, cut } = head;
  const layout = LAYOUTS[name];
  const open = outputs.findIndex(({ dims }) => dims.some((axis) => !(axis >= 1)));
  if (open >= 0) return `the shape of output ${open} depends on the picture`;
  if (classes < 1 && !LISTS.includes(layout)) return "the number of classes is not known";
  if (labels > LABELS_MAX) return `there are ${labels} labels, more than ${LABELS_MAX}`;
  if (layout === Layout.OBJECTNESS_GRID && (strides.length < 1 || strides.length > STRIDES_MAX)) {
    return `there are ${strides.length} sizes of cells`;
  }
  return cut === null ? null : whyNoAnchors(cut, outputs);
}

/** Anchors of a cut NMS must be those of the model's boxes. */
function whyNoAnchors({ anchors }: CutNmsHead, [, scores]: readonly OutputShape[]): string | null {
  if (anchors === null) return null;
  const [images = 1, rows = 1] = scores!.dims;
  const numbers = 4 * rows * anchors.images;
  if ((anchors.images === 1 || anchors.images === images) && anchors.data.length === numbers) return null;
  return `the NMS that was cut off has ${anchors.data.length / 4} anchors, the engine ${rows} boxes a picture`;
}

/** The anchors of a cut NMS as one more output, none where there are none. */
export const anchorsShape = ({ cut }: HeadLayout): OutputShape[] =>
  cut === null || cut.anchors === null
    ? []
    : [{ type: "float32", dims: [cut.anchors.images, cut.anchors.data.length / 4 / cut.anchors.images, 4] }];
