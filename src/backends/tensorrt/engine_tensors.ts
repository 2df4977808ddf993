/** Inputs and outputs of an engine by name, and what may be given to it. */
import type { TensorFacts } from "../../../ffi/builder.ts";
import { ElementType, Mode, Selector } from "../../../ffi/enums.ts";
import type { Engine, ExecutionContext } from "../../../ffi/runtime.ts";
import { TrtdError } from "../../errors.ts";
import type { Tensor, TensorData, TensorSpec, TensorType } from "../backend.ts";
import { arrayOf } from "../tensor_check.ts";

const TYPES: Readonly<Record<number, TensorType>> = {
  [ElementType.FLOAT32]: "float32",
  [ElementType.FLOAT16]: "float16",
  [ElementType.INT32]: "int32",
  [ElementType.INT64]: "int64",
};

const LINEAR_FORMAT = 0;
const ON_HOST = 1;

/** An input, with the shapes that its profile allows. */
export interface EngineInput extends TensorSpec {
  readonly dims: readonly number[];
  /** Whether each run has to name its shape, even where the profile leaves no choice. */
  readonly dynamic: boolean;
  readonly min: readonly number[];
  readonly opt: readonly number[];
  readonly max: readonly number[];
}

export interface EngineTensors {
  readonly inputs: readonly EngineInput[];
  /** Without those of a type that no detection model has. Axes that follow from the input are -1. */
  readonly outputs: readonly (TensorSpec & { readonly dims: readonly number[] })[];
}

/**
 * The tensors of an engine, with the shapes of its first profile. A batch of which the profile leaves a choice is -1; any
 * other dynamic axis of an input has the size that the engine was tuned for.
 * @throws {TrtdError} `LOAD_FAILED` for an input of another type, format or place than trtd can fill
 */
export function engineTensors(engine: Engine): EngineTensors {
  const tensors = engine.tensors();
  return {
    inputs: tensors.filter(({ mode }) => mode === Mode.INPUT).map((tensor) => inputFrom(engine, tensor)),
    outputs: tensors.filter(({ mode }) => mode === Mode.OUTPUT).flatMap(({ name, type, dims, format, location }) => {
      const known = TYPES[type];
      return known === undefined || format !== LINEAR_FORMAT || location === ON_HOST
        ? []
        : [{ name, type: known, dims: dims ?? [] }];
    }),
  };
}

function inputFrom(engine: Engine, { name, type, dims, format, location }: TensorFacts): EngineInput {
  const known = TYPES[type];
  if (known === undefined || format !== LINEAR_FORMAT || location === ON_HOST || dims === null) {
    throw new TrtdError(
      "LOAD_FAILED",
      `The engine's input "${name}" is ${ElementType[type] ?? `of type ${type}`} in format ${format}${
        location === ON_HOST ? " on the host" : ""
      }, which trtd cannot fill`,
    );
  }
  const dynamic = dims.some((axis) => axis < 0);
  const at = (corner: Selector) => dynamic ? engine.profileShape(name, 0, corner) ?? dims : dims;
  const [min, opt, max] = [at(Selector.MIN), at(Selector.OPT), at(Selector.MAX)];
  return {
    name,
    type: known,
    dims: dims.map((axis, i) => axis >= 0 ? axis : i === 0 && min[0] !== max[0] ? -1 : opt[i]!),
    dynamic,
    min,
    opt,
    max,
  };
}

/**
 * Compare tensors with the engine's inputs: each there and no other, type, shape within the profile, data of the shape.
 * @throws {TrtdError} `INFERENCE_FAILED` naming the input and the rule that it breaks
 */
export function checkEngineInputs(specs: readonly EngineInput[], inputs: Readonly<Record<string, Tensor>>): void {
  const stranger = Object.keys(inputs).find((name) => !specs.some((spec) => spec.name === name));
  if (stranger !== undefined) {
    throw wrong(`The engine has no input "${stranger}"; it has ${specs.map(({ name }) => `"${name}"`).join(", ")}`);
  }
  for (const { name, type, min, max } of specs) {
    const tensor = Object.hasOwn(inputs, name) ? inputs[name] : undefined;
    if (tensor === undefined) throw wrong(`The input "${name}" is missing`);
    if (tensor.type !== type) throw wrong(`The input "${name}" must be ${type}, current type is ${tensor.type}`);
    const { dims, data } = tensor;
    if (dims.length !== min.length || dims.some((axis, i) => !(axis >= min[i]! && axis <= max[i]!))) {
      throw wrong(
        `The input "${name}" must have a shape from [${min.join(", ")}] to [${max.join(", ")}], ` +
          `current shape is [${dims.join(", ")}]`,
      );
    }
    const length = productOf(dims);
    if (!(data instanceof arrayOf(type)) || data.length !== length) {
      throw wrong(`The data of the input "${name}" must be ${length} elements, current data is ${data.length}`);
    }
  }
}

/** A tensor of bytes, which it takes over. */
export function tensorFromBytes(type: TensorType, dims: readonly number[], bytes: Uint8Array<ArrayBuffer>): Tensor {
  const array = arrayOf(type) as unknown as new (buffer: ArrayBuffer, offset: number, length: number) => TensorData;
  return { type, dims, data: new array(bytes.buffer, bytes.byteOffset, productOf(dims)) };
}

/** The same memory. */
export const bytesFromTensor = ({ data }: Tensor): Uint8Array<ArrayBuffer> =>
  new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);

export const bytesOfType = (type: TensorType): number => type === "int64" ? 8 : type === "float16" ? 2 : 4;

export const productOf = (dims: readonly number[]): number => dims.reduce((product, axis) => product * axis, 1);

const wrong = (detail: string): TrtdError => new TrtdError("INFERENCE_FAILED", detail);

/** Gives the dynamic inputs of a context the shapes of a batch, within the profile. @throws {ShimError} `EXECUTION_FAILED` */
export function setBatch(context: ExecutionContext, { inputs }: EngineTensors, batch: number): void {
  for (const { name, dims, dynamic } of inputs) if (dynamic) context.setShape(name, [batch, ...dims.slice(1)]);
}
