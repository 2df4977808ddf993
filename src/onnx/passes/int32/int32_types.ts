/** Where the standard takes INT32 in the place of INT64 without another type coming out. */

/** Inputs that must have one type with each other, and that no output takes its type from. */
export interface IndexInputs {
  /** The version of the default operator set that first allows both types. */
  readonly since: number;
  readonly inputs: readonly number[];
}

const from = (since: number, ...inputs: number[]): IndexInputs => ({ since, inputs });

/**
 * Groups of inputs by operator. All other inputs of INT64 either must be INT64 (the shape of Reshape, Expand, Tile and
 * ConstantOfShape, the axes of Squeeze, Unsqueeze and the reductions, the pads of Pad, k of TopK, sizes of Split and
 * Resize, indices of GatherND and ScatterND, the trip count of Loop), or hand their type on to an output (Add, Concat,
 * Where, the data of Gather).
 *
 * Left out although the standard has INT32: OneHot, of which ONNX Runtime has a few combinations of types only, and the
 * axes of Pad, which the shape inference of onnx 1.23.2 and of ONNX Runtime 1.30 reads as INT64.
 * Source: the type constraints of `onnx.defs.get_all_schemas_with_history()` of onnx 1.23.2 up to opset 28.
 */
export const INDEX_INPUTS: Readonly<Record<string, readonly IndexInputs[]>> = {
  Cast: [from(1, 0)],
  CastLike: [from(15, 0)],
  CumSum: [from(11, 1)],
  Equal: [from(1, 0, 1)],
  Gather: [from(1, 1)],
  GatherElements: [from(11, 1)],
  Greater: [from(9, 0, 1)],
  GreaterOrEqual: [from(12, 0, 1)],
  Less: [from(9, 0, 1)],
  LessOrEqual: [from(12, 0, 1)],
  NonZero: [from(9, 0)],
  Pow: [from(12, 1)],
  Scatter: [from(9, 1)],
  ScatterElements: [from(11, 1)],
  Shape: [from(1, 0)],
  Size: [from(1, 0)],
  Slice: [from(10, 1, 2, 3, 4)],
};

/** The group that an input of an operator belongs to. */
export function indexInputs(operator: string, at: number, opset: number): IndexInputs | undefined {
  return INDEX_INPUTS[operator]?.find(({ since, inputs }) => opset >= since && inputs.includes(at));
}
