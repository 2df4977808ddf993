/**
 * What an EfficientNMS_TRT node said, kept in the model's metadata after the node is cut off, so that the boxes and
 * scores in front of it still mean the same to whoever suppresses boxes instead.
 */
import { z } from "zod";
import { TrtdError } from "../errors.ts";
import { quoted } from "./quoted.ts";

/** The key in `metadata_props`; its value is the JSON of {@link CutNms}. */
export const NMS_PROPERTY = "trtd.efficient_nms";

const LIST_MAX = 64;
const TEXT_MAX = 10_000;

const text = z.string().max(TEXT_MAX);

const attributeSchema = z.union([
  z.strictObject({ name: text, f: z.number() }),
  z.strictObject({ name: text, i: z.number().int() }),
  z.strictObject({ name: text, s: text }),
]);

/** An attribute as the node had it. */
export type CutAttribute = z.infer<typeof attributeSchema>;

const cutSchema = z.strictObject({
  boxes: text.min(1),
  scores: text.min(1),
  node: z.strictObject({
    name: text,
    domain: text.nullable(),
    domain_version: z.number().int().min(1).nullable(),
    outputs: z.array(text).min(1).max(4),
    attributes: z.array(attributeSchema).max(LIST_MAX),
  }),
  anchors: z.strictObject({
    type: z.enum(["float32", "float16"]),
    dims: z.array(z.number().int().min(0)).min(1).max(4),
    data: z.base64(),
  }).nullable(),
});

/** Content of the property. */
export interface CutNms {
  /** Output with the boxes, `[N, A, 4]`, `[N, A, 1, 4]` or `[N, A, C, 4]`. */
  readonly boxes: string;
  /** Output with the scores, `[N, A, C]` or `[N, A, C, 1]`. */
  readonly scores: string;
  /** The node, to put it back. */
  readonly node: {
    readonly name: string;
    /** As in the file, null when that has none. */
    readonly domain: string | null;
    /** Imported version of a domain that only this node used; null when the import stayed. */
    readonly domain_version: number | null;
    /** Names of the model's outputs that the node made: count, boxes, scores, classes. */
    readonly outputs: readonly string[];
    readonly attributes: readonly CutAttribute[];
  };
  /** The constant third input, `[1, A, 4]` or `[N, A, 4]`, little-endian in base 64; null when there is none. */
  readonly anchors: {
    readonly type: "float32" | "float16";
    readonly dims: readonly number[];
    readonly data: string;
  } | null;
}

/** What the plugin computes. Source: TensorRT plugin/efficientNMSPlugin, attributes and their defaults. */
export interface NmsSettings {
  /** Candidates with at least this score take part. @default 0.5 */
  readonly scoreThreshold: number;
  /** A box is dropped when its IoU with a kept one is at least this. @default 0.5 */
  readonly iouThreshold: number;
  /** Most boxes of one picture. @default 100 */
  readonly maxOutputBoxes: number;
  /** A class that is never detected, -1 for none. @default -1 */
  readonly backgroundClass: number;
  /** Whether scores are logits, for a sigmoid. @default false */
  readonly scoreActivation: boolean;
  /** Whether a box drops boxes of other classes too. @default false */
  readonly classAgnostic: boolean;
  /** Corners `x1, y1, x2, y2`, or centre and size. @default "corners" */
  readonly boxCoding: "corners" | "center_size";
}

/**
 * The property's settings.
 * @param metadata of the model
 * @returns null without the property
 * @throws {TrtdError} `MODEL_NOT_A_DETECTOR` when the property is not what the pass `nms-split` writes
 */
export function cutNmsFrom(metadata: Readonly<Record<string, string>>): CutNms | null {
  const value = Object.hasOwn(metadata, NMS_PROPERTY) ? metadata[NMS_PROPERTY]! : null;
  if (value === null) return null;
  const refuse = (what: string, cause?: unknown): never => {
    throw new TrtdError("MODEL_NOT_A_DETECTOR", `The metadata ${quoted(NMS_PROPERTY)} ${what}`, { cause });
  };
  let json: unknown;
  try {
    json = JSON.parse(value);
  } catch (cause) {
    return refuse("is not JSON", cause);
  }
  const { success, data, error } = cutSchema.safeParse(json);
  if (success) return data;
  const [issue] = error.issues;
  return refuse(`is wrong at "${issue?.path.join(".")}": ${issue?.message}`);
}

/**
 * What the attributes mean, with the plugin's defaults for those that are missing.
 * @throws {TrtdError} `PASS_REFUSED` for a value that the plugin refuses
 */
export function nmsSettingsFrom(attributes: readonly CutAttribute[]): NmsSettings {
  const number = (name: string, otherwise: number): number => {
    const found = attributes.find((one) => one.name === name);
    if (found === undefined) return otherwise;
    return "f" in found ? found.f : "i" in found ? found.i : NaN;
  };
  const flag = (name: string): boolean => number(name, 0) === 1;
  const settings = {
    scoreThreshold: number("score_threshold", 0.5),
    iouThreshold: number("iou_threshold", 0.5),
    maxOutputBoxes: number("max_output_boxes", 100),
    backgroundClass: number("background_class", -1),
  };
  const rules: [name: string, isFine: boolean][] = [
    ["score_threshold", settings.scoreThreshold >= 0],
    ["iou_threshold", settings.iouThreshold > 0],
    ["max_output_boxes", settings.maxOutputBoxes > 0],
    ["background_class", settings.backgroundClass >= -1],
    ...["score_activation", "class_agnostic", "box_coding"].map((name): [string, boolean] => [
      name,
      [0, 1].includes(number(name, 0)),
    ]),
  ];
  for (const [name, isFine] of rules) {
    if (!isFine) {
      throw new TrtdError("PASS_REFUSED", `EfficientNMS_TRT has an impossible "${name}": ${number(name, 0)}`);
    }
  }
  return {
    ...settings,
    scoreActivation: flag("score_activation"),
    classAgnostic: flag("class_agnostic"),
    boxCoding: flag("box_coding") ? "center_size" : "corners",
  };
}

/** Bytes in base 64. */
export function base64FromBytes(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += 0x8000) {
    binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  }
  return btoa(binary);
}

/** Bytes from base 64 that the schema has accepted. */
export const bytesFromBase64 = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
