import assert from "node:assert/strict";
import { fileDigests, modelFacts } from "../../src/onnx/facts.ts";
import { ATTRIBUTE_TYPE, type ModelProto } from "../../src/onnx/proto.ts";
import { readModel } from "../../src/onnx/read.ts";
import { writeModel } from "../../src/onnx/write.ts";
import {
  attribute,
  floatTensor,
  functionProto,
  graph,
  int64Tensor,
  model,
  node,
  tensor,
  tinyYolo,
  value,
} from "./build_model.ts";

const factsOf = (one: ModelProto) => modelFacts(readModel(writeModel(one)));

Deno.test("facts: a YOLO-like detector is described completely", () => {
  const facts = modelFacts(readModel(tinyYolo([], { labels: ["cat", "dog's"], size: [96, 64] })));
  assert.deepEqual(facts.inputs, [{
    name: "images",
    type: "float32",
    dims: ["batch", 3, 96, 64],
    has_shape: true,
  }]);
  assert.deepEqual(facts.outputs.map(({ dims }) => dims), [["batch", 6, 84]]);
  assert.deepEqual(facts.dynamic_axes, [
    { tensor: "images", kind: "input", axis: 0, name: "batch" },
    { tensor: "output0", kind: "output", axis: 0, name: "batch" },
  ]);
  assert.deepEqual(facts.opsets, { "ai.onnx": 17 });
  assert.equal(facts.ir_version, 8);
  assert.deepEqual(facts.producer, { name: "trtd-test", version: "1" });
  assert.equal(facts.nodes, 5);
  assert.deepEqual(facts.operators, { Add: 1, GlobalAveragePool: 1, Mul: 1, ReduceMean: 1, Reshape: 1 });
  assert.deepEqual(facts.custom_operators, []);
  assert.deepEqual(facts.weights, { tensors: 3, elements: 508, bytes: 2044, types: { float32: 505, int64: 3 } });
  assert.deepEqual(facts.int64, { tensors: 1, elements: 3, outside_int32: 0 });
  assert.deepEqual(facts.labels, ["cat", "dog's"]);
  assert.deepEqual(facts.warnings, []);
  assert.equal(facts.stride, 32);
  assert.deepEqual(facts.image_size, { height: 96, width: 64 });
  assert.equal(facts.task, "detect");
});

Deno.test("facts: inputs that are initializers are left out", () => {
  const facts = factsOf(model({
    input: [value("x", [1]), value("w", [1])],
    output: [value("y", [1])],
    node: [node("Add", { inputs: ["x", "w"], outputs: ["y"] })],
    initializer: [floatTensor("w", [1], [1])],
  }));
  assert.deepEqual(facts.inputs.map(({ name }) => name), ["x"]);
});

Deno.test("facts: every kind and type of value has a name", () => {
  const facts = factsOf(model({
    input: [
      value("a", [1], "FLOAT16"),
      value("b", [], "UINT8"),
      value("c", [-1], "BFLOAT16"),
      { name: "d", type: { sequence_type: { elem_type: { tensor_type: { elem_type: 1 } } } }, metadata_props: [] },
      { name: "e", type: { tensor_type: { elem_type: 7 } }, metadata_props: [] },
      { name: "f", metadata_props: [] },
      { name: "g", type: { map_type: { key_type: 7 } }, metadata_props: [] },
      { name: "h", type: { optional_type: {} }, metadata_props: [] },
    ],
    output: [value("y", [])],
    node: [node("Neg", { inputs: ["a"], outputs: ["y"] })],
  }));
  assert.deepEqual(facts.inputs.map(({ type }) => type), [
    "float16",
    "uint8",
    "bfloat16",
    "sequence",
    "int64",
    "unknown",
    "map",
    "optional",
  ]);
  assert.deepEqual(facts.inputs.map(({ has_shape: has }) => has), [
    true,
    true,
    true,
    false,
    false,
    false,
    false,
    false,
  ]);
  assert.deepEqual(facts.dynamic_axes, [{ tensor: "c", kind: "input", axis: 0, name: null }]);
});

Deno.test("facts: operators and INT64 constants of subgraphs and functions count", () => {
  const big = int64Tensor("big", [3], [2n ** 31n, -(2n ** 31n), 2n ** 63n - 1n]);
  const { raw_data: _, ...bare } = big;
  const packed = { ...bare, name: "packed", int64_data: Uint8Array.of(5, 0xff, 0xff, 0xff, 0xff, 0x0f, 1), dims: [3] };
  const inner = graph({
    node: [node("Relu", { inputs: ["x"], outputs: ["i"] })],
    initializer: [packed],
    output: [value("i", [1])],
  });
  const constants = ["value_int", "value_ints"].map((name, index) => ({
    ...node("Constant", { inputs: [], outputs: [name] }),
    attribute: [
      index === 0
        ? attribute(name, { i: -(2n ** 31n) - 1n, type: ATTRIBUTE_TYPE.INT })
        : attribute(name, { ints: [1n, 2n], type: ATTRIBUTE_TYPE.INTS }),
    ],
  }));
  const facts = factsOf(model({
    input: [value("x", [1])],
    output: [value("y", [1])],
    node: [
      ...constants,
      node("Constant", { inputs: [], outputs: ["c"] }, { attributes: { value: big } }),
      node("If", { inputs: ["x"], outputs: ["z"] }, { attributes: { then_branch: inner, else_branch: inner } }),
      node("Own", { inputs: ["x"], outputs: ["y"] }, { domain: "mine" }),
    ],
  }, {
    domains: { mine: 1 },
    functions: [functionProto({
      name: "Own",
      domain: "mine",
      input: ["a"],
      output: ["b"],
      node: [node("Relu", { inputs: ["a"], outputs: ["b"] })],
    })],
  }));
  assert.deepEqual(facts.operators, { Constant: 3, Relu: 3, If: 1, "mine::Own": 1 });
  assert.deepEqual(facts.custom_operators, []);
  // big: 2 of 3 outside; packed twice: 5, 2^32 - 1, 1; value_int: outside; value_ints: inside
  assert.deepEqual(facts.int64, { tensors: 5, elements: 12, outside_int32: 5 });
});

Deno.test("facts: custom operators are those that neither ONNX nor the model defines", () => {
  const use = (op: string, domain: string) =>
    node(op, { inputs: ["x"], outputs: [`${domain}.${op}`] }, { domain, name: "n" });
  const facts = factsOf(model({
    input: [value("x", [1])],
    output: [value("TRT.EfficientNMS_TRT", [1])],
    node: [
      use("EfficientNMS_TRT", "TRT"),
      use("BatchedNMS_TRT", ""),
      use("Gelu", "com.microsoft"),
      use("Relu", "ai.onnx"),
      use("Scaler", "ai.onnx.ml"),
      use("constructor", "constructor"),
    ],
  }, { domains: { TRT: 1, "com.microsoft": 1, "ai.onnx.ml": 3, constructor: 1 } }));
  assert.deepEqual(facts.custom_operators, [
    { domain: "", name: "BatchedNMS_TRT", count: 1 },
    { domain: "TRT", name: "EfficientNMS_TRT", count: 1 },
    { domain: "com.microsoft", name: "Gelu", count: 1 },
    { domain: "constructor", name: "constructor", count: 1 },
  ]);
  assert.equal(facts.operators["TRT::EfficientNMS_TRT"], 1);
  assert.equal(facts.operators["Relu"], 1);
});

Deno.test("facts: an operator newer than the imported opset is told", () => {
  const one = model({
    input: [value("x", [1])],
    output: [value("y", [1])],
    node: [node("Gelu", { inputs: ["x"], outputs: ["y"] })],
  }, { opset: 17 });
  assert.deepEqual(factsOf(one).too_new_operators, ["Gelu needs opset 20"]);
  assert.deepEqual(factsOf({ ...one, opset_import: [{ domain: "", version: 20 }] }).too_new_operators, []);
});

Deno.test("facts: narrow types count their bytes as they are packed", () => {
  const facts = factsOf(model({
    input: [value("x", [1])],
    output: [value("y", [1])],
    node: [node("Relu", { inputs: ["x"], outputs: ["y"] })],
    initializer: [
      tensor("four", "INT4", [5], new Uint8Array(3)),
      tensor("two", "UINT2", [5], new Uint8Array(2)),
      tensor("six", "FLOAT6E2M3", [4], new Uint8Array(3)),
      tensor("half", "FLOAT16", [2, 2], new Uint8Array(8)),
    ],
  }));
  assert.deepEqual(facts.weights, {
    tensors: 4,
    elements: 18,
    bytes: 16,
    types: { int4: 5, uint2: 5, float6e2m3: 4, float16: 4 },
  });
});

Deno.test("facts: digests are those of the standards", () => {
  assert.deepEqual(fileDigests(new TextEncoder().encode("abc")), {
    bytes: 3,
    sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    md5: "900150983cd24fb0d6963f7d28e17f72",
  });
});
