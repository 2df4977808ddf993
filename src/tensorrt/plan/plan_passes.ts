/** Which passes a model needs before a TensorRT can take it. Pure. */
import type { ModelFacts, ValueSpec } from "../../onnx/model_facts.ts";
import type { PassName } from "../../onnx/passes/pass.ts";
import { plainText } from "../../onnx/quoted.ts";
import { type Family, type Release, releaseText } from "../versions.ts";
import { type EnginePrecision, precisionIsInModel } from "./plan_precision.ts";
import { readShapes, type ShapeWishes } from "./plan_shapes.ts";

/** A pass that runs before the build. */
export interface PassStep {
  readonly pass: PassName;
  /** Why, in a sentence. */
  readonly because: string;
}

/** Who suppresses overlapping boxes of a model that ends in EfficientNMS_TRT: trtd, or TensorRT's plugin. */
export type NmsWish = "ours" | "plugin";

export interface PassWishes extends ShapeWishes {
  readonly precision?: EnginePrecision;
  /** @default ours */
  readonly nms?: NmsWish;
  /** Convert an f32 model to fp16 also where the builder has a flag for it. @default false */
  readonly tofp16?: boolean;
  readonly force?: boolean;
}

/** The TensorRT that is to take the model. */
export interface PassTarget {
  readonly release: Release;
  readonly family: Family;
  /** Its plugin library, null without one. */
  readonly plugins: string | null;
}

/** What decides about a model. */
export interface PassModel {
  readonly facts: ModelFacts;
  readonly precision: EnginePrecision;
}

export const NMS_OPERATOR = "EfficientNMS_TRT";
/** First major release of TensorRT whose parser needs no help with INT64. Source: issue tracker of this project. */
const INT64_SINCE = 9;

/**
 * The passes, in the order in which they run. `fp16` is the first, so that its result depends on the model alone and
 * can be kept beside it.
 * @throws {TrtdError} `USAGE` for shapes that cannot be read
 */
export function passesFor(model: PassModel, target: PassTarget, wishes: PassWishes): PassStep[] {
  const { facts, precision } = model;
  const { release } = target;
  const steps: PassStep[] = [];
  if (wishes.tofp16 === true && precision === "f32") {
    steps.push({ pass: "fp16", because: "--tofp16 asks for it" });
  } else if (wishes.precision === "fp16" && precision === "f32" && precisionIsInModel(target.family)) {
    steps.push({ pass: "fp16", because: `${releaseText(release)} takes the precision from the model` });
  }
  const split = splitReason(facts, target, wishes);
  if (split !== null) steps.push({ pass: "nms-split", because: split });
  const batch = otherBatch(facts, wishes);
  if (batch !== null) {
    steps.push({
      pass: "dynamic-batch",
      because: `The model has the fixed batch ${batch}, and another one is asked for`,
    });
  }
  if (release.product === "tensorrt" && release.version.major < INT64_SINCE && facts.int64.tensors > 0) {
    steps.push({ pass: "int32", because: `${releaseText(release)} computes with INT32 and would clamp by itself` });
  }
  return steps;
}

/** Why EfficientNMS_TRT is cut off, null when it stays or is not there. */
function splitReason(facts: ModelFacts, { release, plugins }: PassTarget, wishes: PassWishes): string | null {
  if (!facts.custom_operators.some(({ name }) => name === NMS_OPERATOR)) return null;
  if (wishes.nms !== "plugin") return `trtd does the work of ${NMS_OPERATOR} itself; --nms plugin leaves it in`;
  if (plugins !== null || wishes.force === true) return null;
  return `There is no plugin library of ${
    releaseText(release)
  } for ${NMS_OPERATOR}, so that it is cut off in spite of ` +
    "--nms plugin, and the engine has boxes and scores as outputs";
}

/** The fixed batch of a model of which another one is wanted, null when it is not so. */
function otherBatch({ inputs }: Pick<ModelFacts, "inputs">, wishes: ShapeWishes): number | null {
  const wanted = (spec: ValueSpec): number[] => {
    if (wishes.batch !== undefined) return [wishes.batch];
    return (["min", "opt", "max"] as const).flatMap((corner) => {
      const text = wishes[corner];
      const shape = text === undefined ? undefined : readShapes(text, `--${corner}`, inputs).get(spec.name);
      return shape?.length === spec.dims.length ? shape.slice(0, 1) : [];
    });
  };
  const { batch, batched } = fixedBatch(inputs);
  const isOther = (size: number) => size !== batch && size > 0;
  return batch !== null && batched.some((spec) => wanted(spec).some(isOther)) ? batch : null;
}

/** Axes of a picture with its batch, and the fewest that have room for a batch. */
const PICTURE_RANK = 4;
const RANK_MIN = 2;

/** The fixed batch of a model and the inputs that have it, as the pass `dynamic-batch` sees them. */
function fixedBatch(inputs: readonly ValueSpec[]): { batch: number | null; batched: readonly ValueSpec[] } {
  const ranked = inputs.filter(({ dims }) => dims.length >= RANK_MIN);
  const batch = (ranked.find(({ dims }) => dims.length === PICTURE_RANK) ?? ranked[0])?.dims[0];
  if (typeof batch !== "number" || batch < 1) return { batch: null, batched: [] };
  return { batch, batched: ranked.filter(({ dims }) => dims[0] === batch) };
}

/** What the passes make of a model, as far as a plan needs it, without running them. */
export function modelAfter({ facts, precision }: PassModel, steps: readonly PassStep[]): PassModel {
  const has = (pass: PassName) => steps.some((step) => step.pass === pass);
  const { batched } = fixedBatch(facts.inputs);
  const inputs = has("dynamic-batch")
    ? facts.inputs.map((spec) => batched.includes(spec) ? { ...spec, dims: ["batch", ...spec.dims.slice(1)] } : spec)
    : facts.inputs;
  const custom = has("nms-split")
    ? facts.custom_operators.filter(({ name }) => name !== NMS_OPERATOR)
    : facts.custom_operators;
  return { facts: { ...facts, inputs, custom_operators: custom }, precision: has("fp16") ? "fp16" : precision };
}

/** A step as a line for people. */
export const stepText = ({ pass, because }: PassStep): string => `Pass ${pass}: ${plainText(because)}`;
