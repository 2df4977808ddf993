import assert from "node:assert/strict";
import { loadOrt } from "../../src/native/onnxruntime.ts";
import { ABILITY_RULES, modelAbilities, type Remark } from "../../src/onnx/abilities.ts";
import { modelFacts } from "../../src/onnx/facts.ts";
import { introducedIn } from "../../src/onnx/operators.ts";
import { nmsSplitPass } from "../../src/onnx/passes/nms/nms_split.ts";
import type { GraphProto, ModelProto } from "../../src/onnx/proto.ts";
import { readModel } from "../../src/onnx/read.ts";
import { writeModel } from "../../src/onnx/write.ts";
import { int64Tensor, model, type ModelOptions, node, tensor, tinyYolo, value } from "./build_model.ts";

function one(parts: Partial<GraphProto> = {}, options: ModelOptions = {}): ModelProto {
  const relu = node("Relu", { inputs: ["x"], outputs: ["y"] });
  return model({ input: [value("x", [1, 3])], output: [value("y", [1, 3])], node: [relu], ...parts }, options);
}

const use = (op: string, domain = "") => ({ node: [node(op, { inputs: ["x"], outputs: ["y"] }, { domain })] });

/** Boxes and scores that go into EfficientNMS_TRT. */
const nms = (outputs = ["n", "b", "s", "c"], inputs = ["x", "x"]) => ({
  input: [value("x", [1, 8, 4])],
  output: outputs.map((name) => value(name, [1])),
  node: [node("EfficientNMS_TRT", { inputs, outputs }, { domain: "TRT" })],
});

/** For each rule a model that it speaks about. */
const EXAMPLES: Record<string, ModelProto> = {
  "onnxruntime plugin": one(use("EfficientNMS_TRT", "TRT"), { domains: { TRT: 1 } }),
  "onnxruntime nms_cut": one(nms(), { domains: { TRT: 1 } }),
  "onnxruntime nms_stays": one(nms(["y"], ["x"]), { domains: { TRT: 1 } }),
  "onnxruntime opset": one({}, { opset: 27 }),
  "onnxruntime ir_version": one({}, { irVersion: 14 }),
  "onnxruntime operator_too_new": one(use("Gelu"), { opset: 19 }),
  "onnxruntime kernel": one(use("RandomUniformLike"), { opset: 22 }),
  "onnxruntime opset_old": one({}, { opset: 6 }),
  "tensorrt plugin": one(use("EfficientNMS_TRT", "TRT"), { domains: { TRT: 1 } }),
  "tensorrt nms_cut": one(nms(), { domains: { TRT: 1 } }),
  "tensorrt custom_operator": one(use("Gelu", "com.microsoft"), { domains: { "com.microsoft": 1 } }),
  "tensorrt operator": one(use("Det")),
  "tensorrt type": one({ input: [value("x", [1], "STRING")] }),
  "tensorrt rank": one({ input: [value("x", [1, 1, 1, 1, 1, 1, 1, 1, 1])] }),
  "tensorrt dynamic_axes": one({ input: [value("x", ["batch", 3])] }),
  "tensorrt int64": one({ initializer: [int64Tensor("i", [1], [2n ** 40n])] }),
  "tensorrt int64_io": one({ input: [value("x", [1], "INT64")] }),
  "tensorrt float64": one({ initializer: [tensor("d", "DOUBLE", [1], new Uint8Array(8))] }),
  "tensorrt opset_old": one({}, { opset: 6 }),
};

/** The model as openDetector would run it. */
const nmsSplitOrNot = (example: ModelProto) => {
  const separable = modelFacts(readModel(writeModel(example))).nms_plugin?.separable === true;
  return separable ? nmsSplitPass.run(example) : { model: example };
};

const abilitiesOf = (example: ModelProto) => modelAbilities(modelFacts(readModel(writeModel(example))));

for (const { backend, id, kind, code, source } of ABILITY_RULES) {
  Deno.test(`abilities: ${backend} has something to say about ${id}`, () => {
    assert.ok(source.length > 10);
    assert.equal(kind === "refuses", code !== undefined);
    const remarkOn = (example: ModelProto): Remark | undefined =>
      abilitiesOf(example).find((ability) => ability.backend === backend)!.remarks.find((remark) => remark.id === id);
    assert.match(remarkOn(EXAMPLES[`${backend} ${id}`]!)?.detail ?? "", /^\S.*[^.]$/);
    assert.equal(remarkOn(one()), undefined);
  });
}

Deno.test("abilities: refusals and needs decide the verdict", () => {
  assert.deepEqual(abilitiesOf(one()).map(({ runs }) => runs), ["yes", "yes"]);
  assert.deepEqual(abilitiesOf(EXAMPLES["tensorrt dynamic_axes"]!).map(({ runs }) => runs), ["yes", "conditional"]);
  assert.deepEqual(abilitiesOf(EXAMPLES["tensorrt plugin"]!).map(({ runs }) => runs), ["no", "conditional"]);
  assert.deepEqual(abilitiesOf(EXAMPLES["onnxruntime nms_cut"]!).map(({ runs }) => runs), [
    "conditional",
    "conditional",
  ]);
  assert.deepEqual(abilitiesOf(EXAMPLES["onnxruntime nms_stays"]!).map(({ runs }) => runs), ["no", "conditional"]);
  assert.deepEqual(abilitiesOf(EXAMPLES["tensorrt int64"]!).map(({ runs }) => runs), ["yes", "yes"]);
});

Deno.test("abilities: the runtime itself agrees with what is said about it", async () => {
  const ort = await loadOrt();
  const loads = async (bytes: Uint8Array) => {
    try {
      const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 4 });
      await session.release();
      return true;
    } catch {
      return false;
    }
  };
  const examples = {
    ...EXAMPLES,
    "newest opset": one({}, { opset: 26 }),
    "newest IR": one({}, { irVersion: 13 }),
    "newest ml opset": one({}, { domains: { "ai.onnx.ml": 5 } }),
    "one more": one({}, { domains: { "ai.onnx.ml": 6 } }),
    detector: readModel(tinyYolo([], { labels: ["a"] })),
  };
  for (const [title, example] of Object.entries(examples)) {
    const isAboutTensorRt = title.startsWith("tensorrt") && title !== "tensorrt plugin";
    const { model: cut } = nmsSplitOrNot(example);
    if (isAboutTensorRt || title === "onnxruntime opset_old") continue;
    const [ability] = abilitiesOf(example);
    assert.equal(await loads(writeModel(example)), ability!.runs === "yes", title);
    assert.equal(await loads(writeModel(cut)), ability!.runs !== "no", title);
  }
});

Deno.test("operators: a few known introductions", () => {
  const cases: [string | undefined, string, number | null][] = [
    [undefined, "Conv", 1],
    ["ai.onnx", "Resize", 10],
    ["", "NonMaxSuppression", 10],
    ["", "GridSample", 16],
    ["ai.onnx.ml", "TreeEnsemble", 5],
    ["", "EfficientNMS_TRT", null],
    ["com.microsoft", "Gelu", null],
    ["toString", "call", null],
  ];
  for (const [domain, name, opset] of cases) assert.equal(introducedIn(domain, name), opset, name);
});
