/** Optimization profiles: from the words of the command line and the model's axes to shapes. Pure. */
import { TrtdError } from "../../errors.ts";
import type { ModelFacts, ValueSpec } from "../../onnx/model_facts.ts";
import { quoted } from "../../onnx/quoted.ts";

/** Shapes of one input: `min` <= `opt` <= `max` in every axis, elements. */
export interface InputShapes {
  readonly input: string;
  readonly min: readonly number[];
  readonly opt: readonly number[];
  readonly max: readonly number[];
}

/** What the user said about shapes. */
export interface ShapeWishes {
  /** Size of the first axis of every input. @default 1 where only that axis is dynamic */
  readonly batch?: number;
  /** `images:1x3x640x640,...`; the name may be left out for a model of one input. A missing corner is its neighbour. */
  readonly min?: string;
  readonly opt?: string;
  readonly max?: string;
}

type Corner = "min" | "opt" | "max";
const CORNERS: readonly Corner[] = ["min", "opt", "max"];

/** Batch of an engine of which nobody said it. */
const BATCH_DEFAULT = 1;

/** Largest size of an axis: TensorRT 8 and 9 count in 32 bits. */
const AXIS_MAX = 2 ** 31 - 1;

/**
 * Shapes by input of a text such as `images:1x3x640x640,mask:1x1x640x640`.
 * @throws {TrtdError} `USAGE`
 */
export function readShapes(text: string, flag: string, inputs: readonly ValueSpec[]): Map<string, number[]> {
  const shapes = new Map<string, number[]>();
  for (const part of text.split(",").map((word) => word.trim()).filter((word) => word !== "")) {
    const colon = part.lastIndexOf(":");
    const only = inputs.length === 1 ? inputs[0]!.name : undefined;
    const name = colon < 0 ? only : part.slice(0, colon);
    const dims = part.slice(colon + 1);
    if (name === undefined || !/^\d{1,10}(x\d{1,10})*$/i.test(dims)) {
      throw new TrtdError("USAGE", `${flag} has "${part}", which is not of the form "input:1x3x640x640"`);
    }
    if (shapes.has(name)) throw new TrtdError("USAGE", `${flag} names the input ${quoted(name)} twice`);
    const known = inputs.find((input) => input.name === name);
    if (known === undefined) {
      throw new TrtdError(
        "USAGE",
        `${flag} names ${quoted(name)}, but the model's inputs are ${inputs.map((one) => quoted(one.name)).join(", ")}`,
      );
    }
    shapes.set(name, dims.toLowerCase().split("x").map(Number));
  }
  if (shapes.size === 0) throw new TrtdError("USAGE", `${flag} has no shape`);
  return shapes;
}

/** `axis 0 ("batch")`. */
const axisText = (spec: ValueSpec, axis: number): string => {
  const size = spec.dims[axis];
  return `axis ${axis}${typeof size === "string" ? ` (${quoted(size)})` : ""}`;
};

/** `1x3x640x640`; a dynamic axis is `?`. */
export const shapeText = (dims: readonly (number | string)[]): string =>
  dims.map((size) => typeof size === "number" && size >= 0 ? size : "?").join("x");

const isDynamic = (size: number | string): boolean => typeof size === "string" || size < 0;

/**
 * The profile of a model; empty for a model whose shapes are all fixed.
 * @throws {TrtdError} `PROFILE_MISSING` naming the axes without a range, `PROFILE_INVALID` for shapes that do not fit,
 * `USAGE` for words that cannot be read or that contradict each other
 */
export function profileFor(facts: Pick<ModelFacts, "inputs">, wishes: ShapeWishes): InputShapes[] {
  const given = CORNERS.filter((corner) => wishes[corner] !== undefined);
  if (wishes.batch !== undefined && given.length > 0) {
    throw new TrtdError("USAGE", `--batch and --${given[0]} exclude each other: the shapes have the batch in them`);
  }
  const corners = Object.fromEntries(
    given.map((corner) => [corner, readShapes(wishes[corner]!, `--${corner}`, facts.inputs)]),
  ) as Partial<Record<Corner, Map<string, number[]>>>;
  const batch = wishes.batch ?? (isBatchChosen(facts, wishes) ? BATCH_DEFAULT : undefined);
  return facts.inputs.flatMap((spec) => {
    const shapes = shapesOf(spec, corners) ?? fromBatch(spec, batch);
    checkShapes(spec, shapes);
    return spec.dims.some(isDynamic) ? [shapes] : [];
  });
}

/** Whether nobody said a batch, and it is all that the inputs leave open: it is 1 then. */
export function isBatchChosen({ inputs }: Pick<ModelFacts, "inputs">, wishes: ShapeWishes): boolean {
  if (wishes.batch !== undefined || CORNERS.some((corner) => wishes[corner] !== undefined)) return false;
  const open = inputs.flatMap(({ dims }) => dims.flatMap((size, axis) => isDynamic(size) ? [axis] : []));
  return open.length > 0 && open.every((axis) => axis === 0);
}

function shapesOf(spec: ValueSpec, corners: Partial<Record<Corner, Map<string, number[]>>>): InputShapes | null {
  const [min, opt, max] = CORNERS.map((corner) => corners[corner]?.get(spec.name));
  const any = opt ?? max ?? min;
  if (any === undefined) return null;
  return { input: spec.name, min: min ?? opt ?? any, opt: any, max: max ?? opt ?? any };
}

function fromBatch(spec: ValueSpec, batch: number | undefined): InputShapes {
  const dims = spec.dims.map((size, axis) => axis === 0 && batch !== undefined && isDynamic(size) ? batch : size);
  const open = dims.flatMap((size, axis) => isDynamic(size) ? [axis] : []);
  const fixed = spec.dims[0];
  if (batch !== undefined && typeof fixed === "number" && fixed >= 0 && fixed !== batch) {
    throw new TrtdError(
      "PROFILE_INVALID",
      `The model's input ${quoted(spec.name)} has the fixed batch ${fixed}, so --batch ${batch} cannot be had`,
      { remedy: `Build with --batch ${fixed}, or export the model with a dynamic batch` },
    );
  }
  if (!spec.has_shape) {
    throw new TrtdError("PROFILE_MISSING", `The model does not declare the shape of its input ${quoted(spec.name)}`);
  }
  if (open.length > 0) {
    const names = open.map((axis) => axisText(spec, axis)).join(", ");
    const example = shapeText(dims.map((size, axis) => isDynamic(size) ? (axis === 0 ? 1 : 640) : size));
    throw new TrtdError(
      "PROFILE_MISSING",
      `The input ${quoted(spec.name)} of shape ${shapeText(spec.dims)} is dynamic in ${names}, and no range is given`,
      {
        remedy: open.length === 1 && open[0] === 0
          ? `Fix the batch with --batch 1, or give a range such as --min ${spec.name}:${example}` +
            ` --opt ${spec.name}:${example} --max ${spec.name}:${example}`
          : `Give a range with --min, --opt and --max, such as --opt ${spec.name}:${example}`,
      },
    );
  }
  return { input: spec.name, min: dims as number[], opt: dims as number[], max: dims as number[] };
}

function checkShapes(spec: ValueSpec, shapes: InputShapes): void {
  const invalid = (why: string) => new TrtdError("PROFILE_INVALID", `The input ${quoted(spec.name)}: ${why}`);
  for (const corner of CORNERS) {
    const shape = shapes[corner];
    const shown = `--${corner} ${shapeText(shape)}`;
    if (spec.has_shape && shape.length !== spec.dims.length) {
      throw invalid(`${shown} has ${shape.length} axes, the model's ${shapeText(spec.dims)} has ${spec.dims.length}`);
    }
    for (const [axis, size] of shape.entries()) {
      const fixed = spec.dims[axis];
      if (size < 1 || size > AXIS_MAX) throw invalid(`${shown} has the size ${size} in axis ${axis}`);
      if (typeof fixed === "number" && fixed >= 0 && size !== fixed) {
        throw invalid(`${shown} has ${size} in axis ${axis}, which the model fixes at ${fixed}`);
      }
    }
  }
  for (const axis of shapes.min.keys()) {
    const [min, opt, max] = [shapes.min[axis]!, shapes.opt[axis]!, shapes.max[axis]!];
    if (min > opt || opt > max) {
      throw invalid(`axis ${axis} is ${min} in --min, ${opt} in --opt and ${max} in --max, which do not ascend`);
    }
  }
}

/**
 * The batch that an engine is named by: the largest that it takes, or the fixed one.
 * @returns 1 for a model without inputs or axes
 */
export function batchOf(facts: Pick<ModelFacts, "inputs">, profile: readonly InputShapes[]): number {
  const first = facts.inputs[0];
  if (first === undefined) return 1;
  const shapes = profile.find(({ input }) => input === first.name);
  const size = shapes === undefined ? first.dims[0] : shapes.max[0];
  return typeof size === "number" && size > 0 ? size : 1;
}
