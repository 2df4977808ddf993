import assert from "node:assert/strict";
import { TrtdError } from "../../../../src/errors.ts";
import { dynamicBatchPass } from "../../../../src/onnx/passes/batch/dynamic_batch.ts";
import type { ModelProto } from "../../../../src/onnx/proto.ts";
import { floatTensor, graph, int64Tensor, node, value } from "../../build_model.ts";
import { built, ints, op, X_DIMS } from "./batch_models.ts";
import { numbers } from "../run_model.ts";

const branch = graph({ name: "b", node: [op("Neg", ["x"], "n")], output: [value("n", [1, ...X_DIMS])] });
const REFUSED: Readonly<Record<string, [ModelProto, string]>> = {
  "a Squeeze of the batch": [
    built([op("Squeeze", ["x", "axis"], "y")], [ints("axis", 0)]),
    "(Squeeze) drops the batch",
  ],
  "a Squeeze of all": [built([op("Squeeze", ["x"], "y")], []), "(Squeeze) drops every axis"],
  "a picture taken out": [
    built([op("Gather", ["x", "first"], "y")], [int64Tensor("first", [], [0])]),
    "(Gather) takes a part of the batch",
  ],
  "a mean over the batch": [
    built([op("ReduceMean", ["x"], "y", { axes: [0n], keepdims: 1n })], []),
    "(ReduceMean) reduces the batch",
  ],
  "rows of all pictures in turn as an output": [
    built([
      op("Transpose", ["x"], "t", { perm: [1n, 0n, 2n, 3n] }),
      op("Reshape", ["t", "rows"], "y"),
      op("Gemm", ["y", "m"], "z"),
    ], [
      ints("rows", 3, 64),
      floatTensor("m", [64, 2], numbers(128)),
    ]),
    "(Reshape) mixes the pictures of an output",
  ],
  "a running sum over the batch": [
    built([op("CumSum", ["x", "axis"], "y")], [int64Tensor("axis", [], [0])]),
    "(CumSum) works along the batch",
  ],
  "a mean over all": [built([op("ReduceMean", ["x"], "y")], []), "(ReduceMean) reduces the batch"],
  "Softmax over the batch": [built([op("Softmax", ["x"], "y", { axis: 0n })], []), "(Softmax) works along the batch"],
  "Softmax of opset 11 over all": [
    built([op("Softmax", ["x"], "y", { axis: 0n })], [], { opset: 11 }),
    "(Softmax) works along the batch",
  ],
  "constants of two pictures": [
    built([op("Add", ["x", "two"], "y")], [floatTensor("two", [2, 1, 1, 1], [1, 2])]),
    "(Add) combines the batch with a constant of 2",
  ],
  "rows of all pictures with constants for each": [
    built([op("Reshape", ["x", "rows"], "r"), op("Add", ["r", "all"], "y")], [
      ints("rows", 24, 8),
      floatTensor("all", [24, 1], numbers(24)),
    ]),
    "(Add) combines the batch with a constant of 24",
  ],
  "a join of all rows": [
    built([op("Reshape", ["x", "rows"], "r"), op("Concat", ["r", "r"], "y", { axis: 0n })], [ints("rows", 24, 8)]),
    "(Concat) joins values along the batch",
  ],
  "a join with a constant": [
    built([op("Concat", ["x", "token"], "y", { axis: 1n })], [floatTensor("token", [1, 1, 8, 8], numbers(64))]),
    "(Concat) joins values with and without the batch",
  ],
  "boxes chosen by NonMaxSuppression": [
    built([op("Reshape", ["x", "boxes"], "b"), op("NonMaxSuppression", ["b", "scores"], "y")], [
      ints("boxes", 1, 48, 4),
      floatTensor("scores", [1, 1, 48], numbers(48)),
    ]),
    "(NonMaxSuppression) cannot be followed",
  ],
  "a graph in a branch": [
    built([op("If", ["yes"], "y", { then_branch: branch, else_branch: branch })], [], {
      change: { input: [value("x", [1, ...X_DIMS]), value("yes", [], "BOOL")] },
    }),
    "(If) cannot be followed",
  ],
  "an operator that nobody knows": [
    built([node("Neg", { inputs: ["x"], outputs: ["y"] }, { domain: "com.example", name: "theirs" })], []),
    '"theirs" (Neg) cannot be followed',
  ],
  "sizes that multiply the batch": [
    built([
      op("Shape", ["x"], "s"),
      op("Gather", ["s", "zero"], "n"),
      op("Mul", ["n", "three"], "many"),
      op("Concat", ["many", "rest"], "shape", { axis: 0n }),
      op("Reshape", ["x", "shape"], "y"),
    ], [ints("zero", 0), ints("three", 3), ints("rest", -1)]),
    "(Reshape) mixes the batch with other axes",
  ],
  "the batch as a number": [
    built([
      op("Shape", ["x"], "s"),
      op("Cast", ["s"], "f", { to: 1n }),
      op("ReduceMax", ["f"], "m", { keepdims: 0n }),
      op("Add", ["x", "m"], "y"),
    ], []),
    "computes with the batch's size",
  ],
  "a Resize of the batch": [
    built([op("Resize", ["x", "", "scales"], "y")], [floatTensor("scales", [4], [2, 1, 1, 1])]),
    "(Resize) scales the batch",
  ],
};

for (const [what, [given, why]] of Object.entries(REFUSED)) {
  Deno.test(`dynamic batch: ${what} is refused by the node's name`, () => {
    assert.throws(() => dynamicBatchPass.run(given), (error: TrtdError) => {
      assert.equal(error.code, "PASS_REFUSED");
      assert.ok(error.message.includes(why), error.message);
      return true;
    });
  });
}
