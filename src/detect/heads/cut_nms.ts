/**
 * The boxes and scores in front of an EfficientNMS_TRT that was cut off: decoded and thresholded as the plugin does it
 * (TensorRT plugin/efficientNMSPlugin), with all arithmetic in f32, whatever the outputs' type.
 */
import { TrtdError } from "../../errors.ts";
import { bytesFromBase64, cutNmsFrom, type NmsSettings, nmsSettingsFrom } from "../../onnx/nms_property.ts";
import { f32FromF16 } from "../letterbox/half.ts";
import type { Candidates } from "./candidates.ts";
import { type DecodeContext, type Decoder, floats, writeCenterSize } from "./head_decoders.ts";

/** What the node said. */
export interface CutNmsHead extends NmsSettings {
  /** Names of the outputs with the boxes and the scores. */
  readonly outputs: readonly [boxes: string, scores: string];
  /** `[A, 4]` for each picture or one for all, as the boxes are coded; null when there were two inputs. */
  readonly anchors: { readonly data: Float32Array; readonly images: number } | null;
}

const fround = Math.fround;

/**
 * The node that a model had, from its metadata.
 * @returns null when none was cut off
 * @throws {TrtdError} `MODEL_NOT_A_DETECTOR` when the metadata is not what the pass `nms-split` writes
 */
export function cutNmsHead(metadata: Readonly<Record<string, string>>): CutNmsHead | null {
  const cut = cutNmsFrom(metadata);
  if (cut === null) return null;
  try {
    return {
      ...nmsSettingsFrom(cut.node.attributes),
      outputs: [cut.boxes, cut.scores],
      anchors: cut.anchors === null ? null : anchorsFrom(cut.anchors),
    };
  } catch (thrown) {
    if (!(thrown instanceof TrtdError)) throw thrown;
    throw new TrtdError("MODEL_NOT_A_DETECTOR", thrown.message, { cause: thrown });
  }
}

function anchorsFrom({ type, dims, data }: { type: string; dims: readonly number[]; data: string }) {
  const bytes = bytesFromBase64(data);
  const [images = 0, rows = 0, columns = 0] = dims;
  const width = type === "float16" ? 2 : 4;
  if (dims.length !== 3 || columns !== 4 || bytes.length !== images * rows * columns * width) {
    throw new TrtdError("MODEL_NOT_A_DETECTOR", `The anchors of the NMS that was cut off are not [1, A, 4]`);
  }
  const values = width === 2 ? f32FromF16(new Uint16Array(bytes.buffer)) : new Float32Array(bytes.buffer);
  return { data: values, images };
}

/** The plugin's stand-in for a logit of minus infinity. */
const LOWEST_LOGIT = -32768;

/** The score that outputs are compared with: a logit where the node took the sigmoid itself. Rounded to f32. */
export function outputThreshold(score: number, cut: CutNmsHead | null): number {
  if (cut === null || !cut.scoreActivation) return score;
  const threshold = fround(score);
  if (threshold <= 0) return LOWEST_LOGIT;
  return fround(Math.log(fround(threshold / fround(1 - threshold))));
}

/** The score that is reported for one of an output. */
export function reportedScore(output: number, cut: CutNmsHead | null): number {
  return cut === null || !cut.scoreActivation ? output : fround(1 / (1 + Math.exp(-output)));
}

/** `boxes [N, A, 4]`, `[N, A, 1, 4]` or `[N, A, C, 4]` and `scores [N, A, C]` or `[N, A, C, 1]`. */
export const cutNms: Decoder = (context, into) => {
  const [boxes, scores] = context.outputs as [DecodeContext["outputs"][number], DecodeContext["outputs"][number]];
  const cut = context.cut!;
  const { wanted, image } = context;
  const anchors = scores.dims[1]!, classes = scores.dims[2]!;
  const isShared = boxes.data.length * classes === 4 * scores.data.length;
  const boxData = floats(boxes), scoreData = floats(scores);
  const anchorsAt = anchorsOffset(cut, context, anchors);
  const limit = fround(context.score);
  const from = image * anchors * classes;
  for (let e = 0, a = 0; a < anchors; a++) {
    for (let c = 0; c < classes; c++, e++) {
      const score = scoreData[from + e]!;
      if (!(score >= limit) || c === cut.backgroundClass || (wanted !== null && wanted[c] === 0)) continue;
      const slot = into.push(e, c, score);
      const at = 4 * (isShared ? image * anchors + a : from + e);
      writeBox(into, slot, boxData, at, cut, anchorsAt + 4 * a);
    }
  }
};

/** Where the picture's anchors begin. */
function anchorsOffset({ anchors }: CutNmsHead, { image, outputs }: DecodeContext, rows: number): number {
  if (anchors === null) return 0;
  const each = 4 * rows;
  if (
    anchors.data.length !== each * anchors.images || (anchors.images !== 1 && anchors.images !== outputs[0]!.dims[0])
  ) {
    throw new TrtdError(
      "INFERENCE_FAILED",
      `The model gave ${rows} boxes, but its NMS had ${anchors.data.length / 4} anchors`,
    );
  }
  return anchors.images === 1 ? 0 : image * each;
}

/** Write one box as corners, each operation rounded to f32 as the plugin's. */
function writeBox(
  { boxes: to }: Candidates,
  slot: number,
  from: Float32Array,
  at: number,
  { boxCoding, anchors }: CutNmsHead,
  anchorAt: number,
): void {
  const b0 = from[at]!, b1 = from[at + 1]!, b2 = from[at + 2]!, b3 = from[at + 3]!;
  if (anchors === null) {
    if (boxCoding === "center_size") return writeCenterSize(to, slot, b0, b1, b2, b3);
    for (let i = 0; i < 4; i++) to[4 * slot + i] = from[at + i]!;
    return;
  }
  const { data } = anchors;
  const a0 = data[anchorAt]!, a1 = data[anchorAt + 1]!, a2 = data[anchorAt + 2]!, a3 = data[anchorAt + 3]!;
  if (boxCoding === "center_size") {
    const c0 = fround(fround(b0 * a2) + a0), c1 = fround(fround(b1 * a3) + a1);
    const s0 = fround(a2 * fround(Math.exp(b2))), s1 = fround(a3 * fround(Math.exp(b3)));
    return writeCenterSize(to, slot, c0, c1, s0, s1);
  }
  const [box0, box2] = ordered(b0, b2), [box1, box3] = ordered(b1, b3);
  const [anchor0, anchor2] = ordered(a0, a2), [anchor1, anchor3] = ordered(a1, a3);
  to[4 * slot] = fround(box0 + anchor0);
  to[4 * slot + 1] = fround(box1 + anchor1);
  to[4 * slot + 2] = fround(box2 + anchor2);
  to[4 * slot + 3] = fround(box3 + anchor3);
}

/** The plugin swaps by subtracting and adding in f32; the rounding is part of the result. */
function ordered(low: number, high: number): readonly [number, number] {
  if (!(low > high)) return [low, high];
  const difference = fround(low - high);
  const top = fround(difference + high);
  return [fround(top - difference), top];
}
