import assert from "node:assert/strict";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import type { AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto } from "../../src/onnx/proto.ts";
import { decodeModel, readModel } from "../../src/onnx/read.ts";
import { modelChunks, writeModel } from "../../src/onnx/write.ts";
import {
  attribute,
  attributeOf,
  constantDetector,
  floatTensor,
  graph,
  int64Tensor,
  model,
  node,
  tensor,
  tinyYolo,
  value,
} from "./build_model.ts";

const hex = (bytes: Uint8Array) => bytes.toHex?.() ?? [...bytes].map((byte) => byte.toString(16)).join(" ");

Deno.test("onnx: a model is written as protobuf writes it", () => {
  const bytes = writeModel(model({ name: "g", node: [node("Relu", { inputs: ["x"], outputs: ["y"] })] }));
  const expected = new BinaryWriter()
    .tag(1, 0).int32(8).tag(2, 2).string("trtd-test").tag(3, 2).string("1")
    .tag(7, 2).fork()
    .tag(1, 2).fork().tag(1, 2).string("x").tag(2, 2).string("y").tag(4, 2).string("Relu").join()
    .tag(2, 2).string("g").join()
    .tag(8, 2).fork().tag(1, 2).string("").tag(2, 0).int32(17).join()
    .finish();
  assert.equal(hex(bytes), hex(expected));
});

Deno.test("onnx: raw_data is a view into the file", () => {
  const bytes = writeModel(constantDetector({ output: new Float32Array(6000), dims: [6, 1000] }));
  const read = readModel(bytes);
  for (const { raw_data } of read.graph.initializer) assert.equal(raw_data!.buffer, bytes.buffer);
});

Deno.test("onnx: large tensors are written without a copy of their own", () => {
  const read = readModel(tinyYolo([], { labels: ["a"], anchors: 8400 }));
  const answer = read.graph.initializer.find(({ name }) => name === "answer")!.raw_data!;
  assert.ok(modelChunks(read).some((chunk) => chunk.buffer === answer.buffer && chunk.length === answer.length));
});

Deno.test("onnx: unknown fields of every wire type are kept where protobuf would write them", () => {
  const extra = (writer: BinaryWriter) =>
    writer.tag(50, WireType.Varint).uint32(300).tag(60, WireType.Bit32).fixed32(7).tag(61, WireType.Bit64).fixed64(8)
      .tag(62, WireType.LengthDelimited).string("kept");
  const writer = new BinaryWriter().tag(1, 0).int32(8).tag(7, 2).fork();
  writer.tag(1, 2).fork().tag(1, 2).string("x").tag(2, 2).string("y").tag(4, 2).string("Relu").tag(10, 2).string("dev");
  writer.join().tag(2, 2).string("g");
  extra(writer).join();
  extra(writer.tag(8, 2).fork().tag(2, 0).int32(17).join().tag(26, 2).string("configuration"));
  const bytes = writer.finish();
  const read = decodeModel(bytes);
  assert.deepEqual(read.graph!.unknown!.map(({ no }) => no), [50, 60, 61, 62]);
  assert.deepEqual(read.graph!.node[0]!.unknown!.map(({ no }) => no), [10]);
  assert.equal(hex(writeModel(read)), hex(bytes));
});

Deno.test("onnx: repeated numbers come back packed or unpacked as they came", () => {
  for (const packed of [true, false]) {
    const writer = new BinaryWriter().tag(1, 0).int32(8).tag(7, 2).fork().tag(5, 2).fork();
    if (packed) writer.tag(1, 2).fork().int64(2).int64(3).join();
    else writer.tag(1, 0).int64(2).tag(1, 0).int64(3);
    const bytes = writer.join().join().finish();
    const read = decodeModel(bytes);
    assert.deepEqual(read.graph!.initializer[0]!.dims, [2, 3]);
    assert.equal(hex(writeModel(read)), hex(bytes));
  }
});

Deno.test("onnx: packed data that comes in pieces or unpacked is joined", () => {
  const writer = new BinaryWriter().tag(1, 0).int32(8).tag(7, 2).fork().tag(5, 2).fork()
    .tag(7, 2).fork().int64(1).int64(-1).join().tag(7, 0).int64(300).tag(7, 2).fork().join()
    .tag(4, 5).float(1.5).tag(4, 2).fork().float(2.5).join();
  const [tensor] = decodeModel(writer.join().join().finish()).graph!.initializer;
  assert.deepEqual(tensor!.int64_data, new BinaryWriter().int64(1).int64(-1).int64(300).finish());
  assert.deepEqual(tensor!.float_data, new BinaryWriter().float(1.5).float(2.5).finish());
});

const name = fc.string({ unit: "binary", maxLength: 12 });
const bytes = fc.uint8Array({ maxLength: 700 });
const tensors: fc.Arbitrary<TensorProto> = fc.oneof(
  fc.tuple(name, fc.array(fc.float({ noNaN: true }), { maxLength: 9 })).map(([name, data]) =>
    floatTensor(name, [data.length], data)
  ),
  fc.tuple(name, fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), { maxLength: 9 })).map((
    [name, data],
  ) => int64Tensor(name, [data.length], data)),
  fc.tuple(name, bytes).map(([name, data]) => tensor(name, "UINT8", [data.length], data)),
  fc.tuple(bytes, bytes).map(([a, b]) => ({
    ...tensor("s", "STRING", [2], a),
    string_data: [a, b],
    doc_string: b,
    data_location: 0,
  })),
);
const attributes: fc.Arbitrary<AttributeProto> = fc.oneof(
  fc.tuple(name, fc.float({ noNaN: true })).map(([name, value]) => attributeOf(name, value)),
  fc.tuple(name, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })).map(([name, value]) =>
    attributeOf(name, value)
  ),
  fc.tuple(name, name).map(([name, value]) => attributeOf(name, value)),
  fc.tuple(name, fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }))).map(([name, ints]) =>
    attribute(name, { ints })
  ),
  fc.tuple(name, fc.array(fc.float({ noNaN: true }))).map(([name, floats]) => attribute(name, { floats })),
  fc.tuple(name, tensors).map(([name, value]) => attributeOf(name, value)),
  fc.tuple(name, fc.array(bytes)).map(([name, strings]) => attribute(name, { strings })),
);
const nodes = (deeper: fc.Arbitrary<GraphProto>): fc.Arbitrary<NodeProto> =>
  fc.record({
    inputs: fc.array(name),
    outputs: fc.array(name),
    op: name,
    domain: name,
    attributes: fc.array(attributes),
  })
    .chain(({ inputs, outputs, op, domain, attributes }) =>
      fc.option(deeper, { nil: null }).map((inner) => ({
        ...node(op, { inputs, outputs }, { domain }),
        attribute: inner === null ? attributes : [...attributes, attributeOf("body", inner)],
      }))
    );
const graphs: fc.Arbitrary<GraphProto> = fc.letrec<{ graph: GraphProto }>((tie) => ({
  graph: fc.record({
    name,
    node: fc.array(nodes(fc.oneof({ maxDepth: 2 }, fc.constant(graph({})), tie("graph"))), { maxLength: 4 }),
    initializer: fc.array(tensors, { maxLength: 3 }),
    input: fc.array(
      fc.tuple(name, fc.array(fc.oneof(fc.integer({ min: -1 }), name)))
        .map(([name, dims]) => value(name, dims)),
      { maxLength: 2 },
    ),
  }).map(graph),
})).graph;
const models: fc.Arbitrary<ModelProto> = fc.tuple(graphs, fc.dictionary(name, name), fc.integer()).map((
  [graph, metadata, version],
) => ({ ...model(graph, { metadata }), model_version: version }));

Deno.test("onnx: what is written is read back equal, and written again byte for byte", () => {
  fc.assert(
    fc.property(models, (one) => {
      const written = writeModel(one);
      const read = decodeModel(written);
      assert.deepEqual(read, one);
      assert.equal(hex(writeModel(read)), hex(written));
    }),
    { numRuns: 300, seed: 3 },
  );
});

const CODES = new URL("../../models/codes/codes.onnx", import.meta.url);

Deno.test({
  name: "onnx: the bundled model is written back byte for byte",
  ignore: !await Deno.stat(CODES).then(() => true, () => false),
  fn: async () => {
    const bytes = await Deno.readFile(CODES);
    assert.ok(hex(writeModel(readModel(bytes))) === hex(bytes));
  },
});
