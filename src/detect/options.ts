/** What a caller asks of one picture, checked and completed. */
import { TrtdError } from "../errors.ts";
import type { NmsSettings } from "../onnx/nms_property.ts";
import type { Manifest } from "../models/model.ts";
import type { DetectOptions } from "./detection.ts";
import { CANDIDATES_MAX } from "./nms.ts";

export interface CheckedOptions {
  readonly score: number;
  readonly iou: number;
  readonly max: number;
  /** 1 at each wanted class index; null for all. */
  readonly wanted: Uint8Array | null;
}

/** Ultralytics' predictor has 0.25, 0.45 (0.7 since 8.1) and 300. */
const DEFAULTS = { score: 0.25, iou: 0.45, max: 300 };

/** Most labels that a message names. */
const NAMED_MAX = 100;

/** What else decides about the options. */
export interface OptionsContext {
  readonly manifest: Manifest;
  /** By class index. */
  readonly labels: readonly string[];
  /** Attributes of an NMS that was cut off the model. @default none was */
  readonly cut?: NmsSettings | null;
}

/**
 * Options, then those of the manifest, then those of an NMS that was cut off the model, then the common defaults.
 * @throws {TrtdError} `PARAMETER_INVALID` for a value out of range or an unknown label
 */
export function checkOptions(options: DetectOptions, { manifest, labels, cut = null }: OptionsContext): CheckedOptions {
  const score = options.score ?? manifest.score;
  const iou = options.iou ?? manifest.iou;
  const max = options.max ?? manifest.max ?? Math.min(cut?.maxOutputBoxes ?? DEFAULTS.max, CANDIDATES_MAX);
  for (const [name, value] of [["score", score], ["iou", iou]] as const) {
    if (value === undefined) continue;
    if (typeof value !== "number" || !(value >= 0 && value <= 1)) {
      throw new TrtdError("PARAMETER_INVALID", `"${name}" must be a number from 0 to 1, current value is ${value}`);
    }
  }
  if (!Number.isInteger(max) || max < 1 || max > CANDIDATES_MAX) {
    throw new TrtdError(
      "PARAMETER_INVALID",
      `"max" must be an integer from 1 to ${CANDIDATES_MAX}, current value is ${max}`,
    );
  }
  return {
    score: score ?? cut?.scoreThreshold ?? DEFAULTS.score,
    iou: iou ?? cut?.iouThreshold ?? DEFAULTS.iou,
    max,
    wanted: options.classes === undefined ? null : wantedOf(options.classes, labels),
  };
}

function wantedOf(classes: readonly string[], labels: readonly string[]): Uint8Array {
  if (classes.length === 0) throw new TrtdError("PARAMETER_INVALID", '"classes" must name at least one label');
  const wanted = new Uint8Array(labels.length);
  for (const label of classes) {
    if (!labels.includes(label)) {
      const more = labels.length > NAMED_MAX ? ` and ${labels.length - NAMED_MAX} more` : "";
      throw new TrtdError(
        "PARAMETER_INVALID",
        `"classes" names "${String(label).slice(0, 80)}", known labels are ${
          labels.slice(0, NAMED_MAX).join(", ")
        }${more}`,
      );
    }
    for (let id = 0; id < labels.length; id++) if (labels[id] === label) wanted[id] = 1;
  }
  return wanted;
}
