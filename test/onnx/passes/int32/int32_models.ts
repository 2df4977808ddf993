/** Small models with INT64 constants, and what `int32` must not change. */
import assert from "node:assert/strict";
import { int32Pass } from "../../../../src/onnx/passes/int32/int32.ts";
import type { GraphProto, ModelProto, NodeProto } from "../../../../src/onnx/proto.ts";
import { type AttributeValue, int64Tensor, model, node, value } from "../../build_model.ts";
import { checkedRun, int64Facts } from "../pass_checks.ts";
import { allBits, picture, runModel, type Value } from "../run_model.ts";

export const MOST = 2n ** 63n - 1n;
export const LEAST = -(2n ** 63n);

/** A Constant node. */
export const constant = (output: string, attributes: Readonly<Record<string, AttributeValue>>): NodeProto =>
  node("Constant", { inputs: [], outputs: [output] }, { name: `make_${output}`, attributes });

/** The same results before and after, and nothing left beyond INT32. */
export async function assertSame(given: ModelProto, feeds: Readonly<Record<string, Value>>) {
  const result = checkedRun(int32Pass, given);
  assert.equal(int64Facts(result.model).outside_int32, 0);
  assert.deepEqual(allBits(await runModel(result.model, feeds)), allBits(await runModel(given, feeds)));
  return result;
}

/** Feeds for `x` [2, 3, 4, 5]. */
export const X = { x: picture([2, 3, 4, 5]) };

/** A graph over `x` [2, 3, 4, 5] in which `far` is used somewhere. */
export function using(
  nodes: readonly NodeProto[],
  far: readonly bigint[],
  change: Partial<GraphProto> = {},
  opset = 17,
) {
  return model({
    node: [...nodes],
    initializer: [
      int64Tensor("far", [far.length], far),
      int64Tensor("zero", [1], [0]),
      int64Tensor("one", [1], [1]),
      int64Tensor("two", [1], [2]),
    ],
    input: [value("x", [2, 3, 4, 5])],
    output: [value("y", ["a", "b", "c", "d"])],
    ...change,
  }, { opset });
}

/** Cuts the third axis of `x`. */
export const sliceTo = (end: string) =>
  node("Slice", { inputs: ["x", "one", end, "two"], outputs: ["y"] }, { name: "cut" });
/** A node with one output and a name that tells both. */
export const from = (
  op: string,
  inputs: string[],
  output: string,
  attributes: Readonly<Record<string, AttributeValue>> = {},
) => node(op, { inputs, outputs: [output] }, { name: `${op.toLowerCase()}_${output}`, attributes });
/** A declared list. */
export const vector = (
  name: string,
  type: "INT64" | "FLOAT" | "BOOL" | "INT32" = "INT64",
) => [value(name, ["n"], type)];
