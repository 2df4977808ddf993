/** What may be handed to a backend, checked before native code sees it. */
import { TrtdError } from "../errors.ts";
import type { Tensor, TensorData, TensorSpec, TensorType } from "./backend.ts";

type ArrayConstructor = new (length: number) => TensorData;

const ARRAYS: Readonly<Record<TensorType, ArrayConstructor>> = {
  float32: Float32Array,
  float16: Uint16Array,
  int32: Int32Array,
  int64: BigInt64Array,
};

/** Constructor of the array that carries elements of `type`. */
export const arrayOf = (type: TensorType): ArrayConstructor => ARRAYS[type];

export const isTensorType = (type: string): type is TensorType => Object.hasOwn(ARRAYS, type);

/**
 * Compare tensors with what the model declares: every input there and no other, element type, rank, fixed axes, and
 * data of the right class and length.
 * @throws {TrtdError} `INFERENCE_FAILED` naming the input and the rule it breaks
 */
export function checkInputs(specs: readonly TensorSpec[], inputs: Readonly<Record<string, Tensor>>): void {
  for (const name of Object.keys(inputs)) {
    if (!specs.some((spec) => spec.name === name)) {
      throw wrong(`The model has no input "${name}"; it has ${specs.map((spec) => `"${spec.name}"`).join(", ")}`);
    }
  }
  for (const spec of specs) {
    const tensor = Object.hasOwn(inputs, spec.name) ? inputs[spec.name] : undefined;
    if (tensor === undefined) throw wrong(`The input "${spec.name}" is missing`);
    checkTensor(spec, tensor);
  }
}

function checkTensor(spec: TensorSpec, tensor: Tensor): void {
  const { name, type } = spec;
  if (tensor.type !== type) throw wrong(`The input "${name}" must be ${type}, current type is ${tensor.type}`);
  const fits = tensor.dims.length === spec.dims.length && tensor.dims.every((axis, at) => {
    const declared = spec.dims[at];
    return Number.isInteger(axis) && axis > 0 && (typeof declared !== "number" || declared < 0 || declared === axis);
  });
  if (!fits) {
    throw wrong(
      `The input "${name}" must have the shape [${spec.dims.join(", ")}], current shape is [${tensor.dims.join(", ")}]`,
    );
  }
  const length = tensor.dims.reduce((product, axis) => product * axis, 1);
  const array = arrayOf(type);
  if (!(tensor.data instanceof array) || tensor.data.length !== length) {
    throw wrong(
      `The data of the input "${name}" must be ${length} elements of ${array.name}, ` +
        `current data is ${tensor.data.length} of ${tensor.data.constructor.name}`,
    );
  }
}

const wrong = (detail: string): TrtdError => new TrtdError("INFERENCE_FAILED", detail);
