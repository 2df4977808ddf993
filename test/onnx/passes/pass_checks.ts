/** What must hold for every pass, whatever the model. */
import assert from "node:assert/strict";
import { modelFacts } from "../../../src/onnx/facts.ts";
import type { Pass, PassResult } from "../../../src/onnx/passes/pass.ts";
import type { ModelProto } from "../../../src/onnx/proto.ts";
import { decodeModel, readModel } from "../../../src/onnx/read.ts";
import { writeModel } from "../../../src/onnx/write.ts";

/**
 * Run a pass on a model that has been written and read. The given model is not changed, the result is a valid file, the
 * same bytes every time, and a second run changes nothing.
 */
export function checkedRun<Options>(pass: Pass<Options>, model: ModelProto, options?: Options): PassResult {
  const bytes = writeModel(model);
  const given = readModel(bytes);
  const result = pass.run(given, options);
  assert.deepEqual(writeModel(given), bytes, "the given model was changed");
  const made = writeModel(result.model);
  readModel(made);
  assert.equal(result.report.changed, result.model !== given);
  assert.equal(result.report.pass, pass.name);
  assert.equal(result.report.version, pass.version);
  assert.deepEqual(writeModel(pass.run(decodeModel(bytes), options).model), made, "two runs differ");
  const again = decodeModel(made);
  assert.equal(pass.run(again, options).model, again, "a second run changes the model");
  return result;
}

/** How many INT64 constants a model has, and how many of their elements INT32 cannot hold. */
export const int64Facts = (model: ModelProto) => modelFacts(readModel(writeModel(model))).int64;

export const operatorsOf = (model: ModelProto): string => model.graph!.node.map(({ op_type }) => op_type).join(" ");

export const initializersOf = (model: ModelProto): string[] => model.graph!.initializer.map(({ name }) => name!);
