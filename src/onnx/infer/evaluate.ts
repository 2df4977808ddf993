/**
 * Exact evaluation of shape arithmetic: what a node makes of inputs that are known in part or in full.
 *
 * Integers are bigints with the range of their type, f32 is rounded after each step, and whatever the standard leaves
 * open or runtimes do differently (overflow, division by zero, order of sums, NaN) is not evaluated.
 */
import type { NodeProto } from "../proto.ts";
import { domainOf } from "../graph/nodes.ts";
import { ARITHMETIC } from "./evaluate_arithmetic.ts";
import { Call, type CallContext, unlessGivenUp } from "./evaluate_call.ts";
import { type Kernel, MOVEMENT } from "./evaluate_movement.ts";
import type { KnownTensor } from "./evaluate_tensor.ts";

const KERNELS: ReadonlyMap<string, Kernel> = new Map(Object.entries({ ...MOVEMENT, ...ARITHMETIC }));

/** Operators of the default domain that {@link evaluate} knows. */
export const EVALUATED_OPERATORS: ReadonlySet<string> = new Set(KERNELS.keys());

/** Operators that move elements and never change one: the first input's, Concat all, Where those of its last two. */
export const MOVING_OPERATORS: ReadonlySet<string> = new Set(
  Object.keys(MOVEMENT).filter((name) => !["Constant", "Shape", "Size", "ConstantOfShape"].includes(name)),
);

/** Before this version operators broadcast and reshape by attributes, in another way. */
export const OPSET_MIN = 7;

/**
 * Evaluate one node.
 * @returns one tensor for each output, elements that cannot be told are `UNKNOWN`; undefined when the node is beyond
 * the evaluation, leaves something open, or would make more than `EVALUATED_ELEMENTS_MAX` elements
 */
export function evaluate(node: NodeProto, context: CallContext): KnownTensor[] | undefined {
  const isKnown = context.opset >= OPSET_MIN && domainOf(node.domain) === "ai.onnx";
  const kernel = isKnown ? KERNELS.get(node.op_type ?? "") : undefined;
  if (kernel === undefined) return undefined;
  const outputs = unlessGivenUp(() => kernel(new Call(node, context)));
  return outputs?.length === node.output.length ? outputs : undefined;
}
