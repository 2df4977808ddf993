/** Model files that must be refused, each with its code; also the seeds of the fuzz test. */
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { ErrorCode } from "../../src/errors.ts";
import {
  ATTRIBUTE_TYPE,
  DATA_LOCATION,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type SparseTensorProto,
  type TensorProto,
} from "../../src/onnx/proto.ts";
import { writeModel } from "../../src/onnx/write.ts";
import {
  attribute,
  constantDetector,
  floatTensor,
  functionProto,
  graph,
  int64Tensor,
  model,
  type ModelOptions,
  node,
  propsOf,
  tensor,
  value,
} from "./build_model.ts";

export interface BadModel {
  readonly title: string;
  readonly code: ErrorCode;
  readonly bytes: () => Uint8Array;
  /** What the message must say. */
  readonly says?: RegExp;
}

const X = value("x", [1, 3]);
const Y = value("y", [1, 3]);
const relu = node("Relu", { inputs: ["x"], outputs: ["y"] });

/** A small valid model that rows change. */
function small(parts: Partial<GraphProto> = {}, options: ModelOptions = {}): ModelProto {
  return model({ input: [X], output: [Y], node: [relu], ...parts }, options);
}

export const goodModel = (): ModelProto =>
  constantDetector({ output: new Float32Array(60).fill(0.5), dims: [6, 10], metadata: { task: "detect" } });

const cut = (count: (length: number) => number) => () => {
  const bytes = writeModel(goodModel());
  return bytes.subarray(0, count(bytes.length));
};
const text = (content: string) => () => new TextEncoder().encode(content);
const bytesOf = (...bytes: number[]) => () => Uint8Array.from([...bytes, ...new Uint8Array(64)]);

const external = (location: string, fields: Partial<TensorProto> = {}): TensorProto => {
  const { raw_data: _, ...bare } = floatTensor("w", [1, 3], [0, 0, 0]);
  return { ...bare, data_location: DATA_LOCATION.EXTERNAL, external_data: propsOf({ location }), ...fields };
};
const sparse = (parts: Partial<SparseTensorProto> = {}): SparseTensorProto => ({
  values: floatTensor("w", [2], [1, 2]),
  indices: int64Tensor("i", [2], [0, 2]),
  dims: [1, 3],
  ...parts,
});
const constant = (fields: Parameters<typeof attribute>[1], name: string): NodeProto => ({
  ...node("Constant", { inputs: [], outputs: ["c"] }),
  attribute: [attribute(name, fields)],
});
const withNodes = (...nodes: NodeProto[]) => () => writeModel(small({ node: [...nodes, relu] }));
const branch = (inner: Partial<GraphProto>): NodeProto =>
  node("If", { inputs: ["x"], outputs: ["z"] }, {
    attributes: { then_branch: graph(inner), else_branch: graph(inner) },
  });

/** A model whose node holds a graph whose node holds a graph, and so on. */
export function nested(depth: number): ModelProto {
  let inner = graph({ node: [node("Relu", { inputs: ["x"], outputs: ["deep"] })], output: [value("deep", [1, 3])] });
  for (let level = 1; level < depth; level++) {
    const holder = node("If", { inputs: ["x"], outputs: ["deep"] }, { attributes: { then_branch: inner } });
    inner = graph({ node: [holder], output: [value("deep", [1, 3])] });
  }
  return small({ node: [relu, node("If", { inputs: ["x"], outputs: ["z"] }, { attributes: { then_branch: inner } })] });
}

/** The model's bytes with its graph replaced by what `write` puts there. */
const rawGraph = (write: (writer: BinaryWriter) => void) => () => {
  const writer = new BinaryWriter().tag(1, WireType.Varint).int32(8).tag(7, WireType.LengthDelimited).fork();
  write(writer);
  writer.join().tag(8, WireType.LengthDelimited).fork().tag(2, WireType.Varint).int32(17).join();
  return writer.finish();
};

const input = (dims: number[]) => () => writeModel(small({ input: [value("x", dims)] }));
const weight = (one: TensorProto) => () => writeModel(small({ initializer: [one] }));

const doubling = (levels: number): ModelOptions => ({
  domains: { own: 1 },
  functions: Array.from({ length: levels }, (_, level) => {
    const op = level === 0 ? "Relu" : `f${level - 1}`;
    const domain = level === 0 ? "" : "own";
    return functionProto({
      name: `f${level}`,
      domain: "own",
      input: ["a"],
      output: ["c"],
      node: [
        node(op, { inputs: ["a"], outputs: ["b"] }, { domain }),
        node(op, { inputs: ["b"], outputs: ["c"] }, { domain }),
      ],
    });
  }),
});

export const BAD_MODELS: readonly BadModel[] = [
  // not ONNX at all
  { title: "an empty file", code: "MODEL_NOT_PROTOBUF", bytes: () => new Uint8Array(), says: /empty/ },
  { title: "a TensorRT engine", code: "MODEL_NOT_PROTOBUF", bytes: text("ftrt\0\0\0\0"), says: /TensorRT engine/ },
  { title: "a TensorRT-RTX engine", code: "MODEL_NOT_PROTOBUF", bytes: text("vtrt\0\0\0\0"), says: /TensorRT-RTX/ },
  { title: "a PyTorch checkpoint", code: "MODEL_NOT_PROTOBUF", bytes: text("PK\x03\x04abc"), says: /\.pt/ },
  { title: "an HTML page", code: "MODEL_NOT_PROTOBUF", bytes: text("\n<!DOCTYPE html><p>404</p>"), says: /HTML/ },
  { title: "JSON", code: "MODEL_NOT_PROTOBUF", bytes: text('{"error": "not found"}'), says: /JSON/ },
  {
    title: "a Git LFS pointer",
    code: "MODEL_NOT_PROTOBUF",
    bytes: text("version https://git-lfs.github.com/spec/v1\n"),
  },
  { title: "plain text", code: "MODEL_NOT_PROTOBUF", bytes: text("Blah blah blah ".repeat(50)), says: /text/ },
  { title: "a JPEG", code: "MODEL_NOT_PROTOBUF", bytes: bytesOf(0xff, 0xd8, 0xff, 0xe0), says: /JPEG/ },
  { title: "zeros", code: "MODEL_NOT_PROTOBUF", bytes: bytesOf() },
  {
    title: "another protobuf (a TensorFlow graph)",
    code: "MODEL_NOT_PROTOBUF",
    bytes: bytesOf(0x0a, 3, 0x0a, 1, 0x61),
  },
  // cut short
  { title: "the first byte only", code: "MODEL_TRUNCATED", bytes: cut(() => 1) },
  { title: "cut after ir_version", code: "MODEL_TRUNCATED", bytes: cut(() => 2) },
  { title: "cut in the producer", code: "MODEL_TRUNCATED", bytes: cut(() => 8) },
  { title: "cut at a quarter", code: "MODEL_TRUNCATED", bytes: cut((length) => length >> 2) },
  { title: "cut at the half", code: "MODEL_TRUNCATED", bytes: cut((length) => length >> 1) },
  { title: "without its last byte", code: "MODEL_TRUNCATED", bytes: cut((length) => length - 1) },
  // external data
  {
    title: "external data beside the model",
    code: "MODEL_EXTERNAL_DATA",
    bytes: weight(external("weights.bin")),
    says: /initializer\[0\] "w"/,
  },
  { title: "external data in a parent folder", code: "MODEL_EXTERNAL_DATA", bytes: weight(external("../secret")) },
  { title: "external data behind a/../..", code: "MODEL_EXTERNAL_DATA", bytes: weight(external("a/../../secret")) },
  { title: "external data by absolute path", code: "MODEL_EXTERNAL_DATA", bytes: weight(external("/etc/passwd")) },
  {
    title: "external data with a huge offset",
    code: "MODEL_EXTERNAL_DATA",
    bytes: weight(external("w", { external_data: propsOf({ location: "w", offset: "9".repeat(30), length: "-1" }) })),
  },
  {
    title: "external data in ONNX Runtime's memory",
    code: "MODEL_EXTERNAL_DATA",
    bytes: weight(external("*/_ORT_MEM_ADDR_/*")),
  },
  {
    title: "data_location EXTERNAL without entries",
    code: "MODEL_EXTERNAL_DATA",
    bytes: weight({ ...floatTensor("w", [1], [1]), data_location: DATA_LOCATION.EXTERNAL }),
  },
  {
    title: "external_data entries without data_location",
    code: "MODEL_EXTERNAL_DATA",
    bytes: weight({ ...floatTensor("w", [1], [1]), external_data: propsOf({ location: "w" }) }),
  },
  {
    title: "an unknown data_location",
    code: "MODEL_EXTERNAL_DATA",
    bytes: weight({ ...floatTensor("w", [1], [1]), data_location: 2 }),
  },
  {
    title: "external values of a sparse initializer",
    code: "MODEL_EXTERNAL_DATA",
    bytes: () => writeModel(small({ sparse_initializer: [sparse({ values: external("w", { dims: [2] }) })] })),
  },
  {
    title: "external indices of a sparse initializer",
    code: "MODEL_EXTERNAL_DATA",
    bytes: () => writeModel(small({ sparse_initializer: [sparse({ indices: external("w", { dims: [2] }) })] })),
  },
  {
    title: "external data of a Constant's value",
    code: "MODEL_EXTERNAL_DATA",
    bytes: withNodes(constant({ t: external("w"), type: ATTRIBUTE_TYPE.TENSOR }, "value")),
  },
  {
    title: "external data of a Constant's sparse_value",
    code: "MODEL_EXTERNAL_DATA",
    bytes: withNodes(
      constant(
        { sparse_tensor: sparse({ values: external("w") }), type: ATTRIBUTE_TYPE.SPARSE_TENSOR },
        "sparse_value",
      ),
    ),
  },
  {
    title: "external data in a list of tensors",
    code: "MODEL_EXTERNAL_DATA",
    bytes: withNodes(constant({ tensors: [external("w")], type: ATTRIBUTE_TYPE.TENSORS }, "tensors")),
  },
  {
    title: "external data in a list of sparse tensors",
    code: "MODEL_EXTERNAL_DATA",
    bytes: withNodes(constant({ sparse_tensors: [sparse({ indices: external("w") })] }, "sparse")),
  },
  {
    title: "external data in a subgraph",
    code: "MODEL_EXTERNAL_DATA",
    bytes: withNodes(branch({ initializer: [external("w")], output: [value("w", [1, 3])] })),
  },
  {
    title: "external data in a function",
    code: "MODEL_EXTERNAL_DATA",
    bytes: () =>
      writeModel(small({}, {
        functions: [functionProto({
          name: "f",
          domain: "own",
          output: ["c"],
          node: [constant({ t: external("w"), type: ATTRIBUTE_TYPE.TENSOR }, "value")],
        })],
      })),
  },
  {
    title: "external data in a function's default attribute",
    code: "MODEL_EXTERNAL_DATA",
    bytes: () =>
      writeModel(small({}, {
        functions: [
          functionProto({ name: "f", domain: "own", attribute_proto: [attribute("a", { t: external("w") })] }),
        ],
      })),
  },
  {
    title: "external data in training information",
    code: "MODEL_EXTERNAL_DATA",
    bytes: () =>
      writeModel({
        ...small(),
        training_info: [{
          algorithm: graph({ initializer: [external("w")] }),
          initialization_binding: [],
          update_binding: [],
        }],
      }),
  },
  {
    title: "a compiled model in another file (EPContext)",
    code: "MODEL_EXTERNAL_DATA",
    bytes: withNodes(node("EPContext", { inputs: ["x"], outputs: ["z"] }, {
      domain: "com.microsoft",
      attributes: { embed_mode: 0n, ep_cache_context: "../engine.bin" },
    })),
  },
  // edges
  {
    title: "two nodes that wait for each other",
    code: "MODEL_CYCLE",
    bytes: withNodes(
      node("Add", { inputs: ["x", "b"], outputs: ["a"] }),
      node("Relu", { inputs: ["a"], outputs: ["b"] }),
    ),
    says: /2 nodes of graph/,
  },
  {
    title: "a node that reads its own output",
    code: "MODEL_CYCLE",
    bytes: withNodes(node("Add", { inputs: ["x", "a"], outputs: ["a"] })),
  },
  {
    title: "a cycle through a subgraph",
    code: "MODEL_CYCLE",
    bytes: withNodes(
      branch({ node: [node("Relu", { inputs: ["late"], outputs: ["i"] })], output: [value("i", [1, 3])] }),
      node("Relu", { inputs: ["z"], outputs: ["late"] }),
    ),
  },
  {
    title: "a function that calls itself",
    code: "MODEL_CYCLE",
    bytes: () =>
      writeModel(small({}, {
        functions: [functionProto({
          name: "f",
          domain: "own",
          input: ["a"],
          output: ["b"],
          node: [node("f", { inputs: ["a"], outputs: ["b"] }, { domain: "own" })],
        })],
      })),
  },
  {
    title: "a node that reads what nothing makes",
    code: "MODEL_INPUT_MISSING",
    bytes: withNodes(node("Relu", { inputs: ["ghost"], outputs: ["z"] }, { name: "reader" })),
    says: /"reader" \(Relu\).*"ghost"/,
  },
  {
    title: "a subgraph that reads what nothing makes",
    code: "MODEL_INPUT_MISSING",
    bytes: withNodes(
      branch({ node: [node("Relu", { inputs: ["ghost"], outputs: ["i"] })], output: [value("i", [1])] }),
    ),
  },
  {
    title: "a node that reads what only a subgraph makes",
    code: "MODEL_INPUT_MISSING",
    bytes: withNodes(
      branch({ node: [node("Relu", { inputs: ["x"], outputs: ["i"] })], output: [value("i", [1])] }),
      node("Relu", { inputs: ["i"], outputs: ["late"] }),
    ),
  },
  {
    title: "a function that reads what it was not given",
    code: "MODEL_INPUT_MISSING",
    bytes: () =>
      writeModel(small({}, {
        functions: [functionProto({
          name: "f",
          domain: "own",
          output: ["b"],
          node: [node("Relu", { inputs: ["x"], outputs: ["b"] })],
        })],
      })),
  },
  // shapes
  { title: "an input of 2^62", code: "MODEL_DIMENSIONS_INVALID", bytes: input([2 ** 52, 1024]) },
  {
    title: "a dimension of exactly 2^62",
    code: "MODEL_DIMENSIONS_INVALID",
    bytes: rawGraph((graph) =>
      graph.tag(11, 2).fork().tag(2, 2).fork().tag(1, 2).fork().tag(2, 2).fork().tag(1, 2).fork().tag(1, 0)
        .int64(2n ** 62n).join().join().join().join().join()
    ),
  },
  { title: "a negative input", code: "MODEL_DIMENSIONS_INVALID", bytes: input([1, -3]) },
  { title: "a picture without width", code: "MODEL_DIMENSIONS_INVALID", bytes: input([1, 3, 640, 0]) },
  {
    title: "an output of more elements than any runtime holds",
    code: "MODEL_DIMENSIONS_INVALID",
    bytes: () => writeModel(small({ output: [value("y", [65536, 65536])] })),
  },
  {
    title: "a constant of 2^50 elements",
    code: "MODEL_DIMENSIONS_INVALID",
    bytes: weight(floatTensor("w", [2 ** 50], [])),
  },
  {
    title: "a constant whose shape overflows to its data",
    code: "MODEL_DIMENSIONS_INVALID",
    bytes: weight(floatTensor("w", [2 ** 32, 2 ** 32, 2], [])),
  },
  {
    title: "a constant of negative size",
    code: "MODEL_DIMENSIONS_INVALID",
    bytes: weight(floatTensor("w", [-1], [1])),
  },
  {
    title: "raw_data that is too short",
    code: "MODEL_DIMENSIONS_INVALID",
    bytes: weight(floatTensor("w", [3], [1, 2])),
  },
  {
    title: "raw_data that is too long",
    code: "MODEL_DIMENSIONS_INVALID",
    bytes: weight(floatTensor("w", [1], [1, 2])),
  },
  {
    title: "float_data that is too short",
    code: "MODEL_DIMENSIONS_INVALID",
    bytes: weight({ ...tensor("w", "FLOAT", [4], new Uint8Array()), float_data: new Uint8Array(12) }),
  },
  {
    title: "a sparse constant with an index outside",
    code: "MODEL_DIMENSIONS_INVALID",
    bytes: () => writeModel(small({ sparse_initializer: [sparse({ indices: int64Tensor("i", [2], [0, 3]) })] })),
  },
  {
    title: "a sparse constant whose dense form is terabytes",
    code: "MODEL_DIMENSIONS_INVALID",
    bytes: () => writeModel(small({ sparse_initializer: [sparse({ dims: [2 ** 20, 2 ** 20] })] })),
  },
  {
    title: "a node told to make terabytes",
    code: "MODEL_DIMENSIONS_INVALID",
    bytes: () =>
      writeModel(small({
        initializer: [int64Tensor("shape", [2], [2 ** 20, 2 ** 20])],
        node: [relu, node("ConstantOfShape", { inputs: ["shape"], outputs: ["bomb"] })],
      })),
  },
  // nesting
  { title: "300 graphs within graphs", code: "MODEL_NESTING_TOO_DEEP", bytes: () => writeModel(nested(300)) },
  {
    title: "2,000 types within types",
    code: "MODEL_NESTING_TOO_DEEP",
    bytes: () => {
      let type: NonNullable<GraphProto["input"][number]["type"]> = {};
      for (let level = 0; level < 1000; level++) type = { sequence_type: { elem_type: type } };
      return writeModel(small({ input: [X, { name: "deep", type, metadata_props: [] }] }));
    },
  },
  {
    title: "functions that double forty times",
    code: "MODEL_NESTING_TOO_DEEP",
    bytes: () =>
      writeModel(small({ node: [node("f39", { inputs: ["x"], outputs: ["y"] }, { domain: "own" })] }, doubling(40))),
  },
  // rules of ONNX
  { title: "a graph without nodes", code: "MODEL_INVALID", bytes: () => writeModel(small({ node: [] })) },
  { title: "a graph without outputs", code: "MODEL_INVALID", bytes: () => writeModel(small({ output: [] })) },
  {
    title: "an output that nothing makes",
    code: "MODEL_INVALID",
    bytes: () => writeModel(small({ output: [value("ghost", [1])] })),
    says: /"ghost"/,
  },
  {
    title: "two nodes with the same output",
    code: "MODEL_INVALID",
    bytes: withNodes(node("Neg", { inputs: ["x"], outputs: ["y"] })),
  },
  { title: "two inputs of one name", code: "MODEL_INVALID", bytes: () => writeModel(small({ input: [X, X] })) },
  { title: "two outputs of one name", code: "MODEL_INVALID", bytes: () => writeModel(small({ output: [Y, Y] })) },
  {
    title: "two constants of one name",
    code: "MODEL_INVALID",
    bytes: () => writeModel(small({ initializer: [floatTensor("w", [1], [1]), floatTensor("w", [1], [2])] })),
  },
  {
    title: "a node that overwrites an input",
    code: "MODEL_INVALID",
    bytes: withNodes(node("Neg", { inputs: ["x"], outputs: ["x"] })),
  },
  {
    title: "an unknown element type",
    code: "MODEL_INVALID",
    bytes: weight({ ...floatTensor("w", [1], [1]), data_type: 99 }),
  },
  {
    title: "data in the field of another type",
    code: "MODEL_INVALID",
    bytes: weight({ ...tensor("w", "FLOAT", [1], new Uint8Array()), int32_data: Uint8Array.of(1) }),
  },
  {
    title: "data in two fields",
    code: "MODEL_INVALID",
    bytes: weight({ ...floatTensor("w", [1], [1]), float_data: new Uint8Array(4) }),
  },
  { title: "no operator set", code: "MODEL_INVALID", bytes: () => writeModel({ ...small(), opset_import: [] }) },
  {
    title: "an operator set imported twice",
    code: "MODEL_INVALID",
    bytes: () => writeModel({ ...small(), opset_import: [{ version: 17 }, { domain: "ai.onnx", version: 11 }] }),
  },
  { title: "ir_version 0", code: "MODEL_INVALID", bytes: () => writeModel(small({}, { irVersion: 0 })) },
  {
    title: "a node without an operator",
    code: "MODEL_INVALID",
    bytes: withNodes(node("", { inputs: ["x"], outputs: ["z"] })),
  },
  {
    title: "an attribute with two values",
    code: "MODEL_INVALID",
    bytes: withNodes(constant({ i: 1n, f: 2 }, "value")),
  },
  {
    title: "an attribute whose type is not its value's",
    code: "MODEL_INVALID",
    bytes: withNodes(constant({ i: 1n, type: ATTRIBUTE_TYPE.FLOAT }, "value")),
  },
  {
    title: "an attribute twice",
    code: "MODEL_INVALID",
    bytes: withNodes({
      ...node("LeakyRelu", { inputs: ["x"], outputs: ["z"] }),
      attribute: [attribute("alpha", { f: 1 }), attribute("alpha", { f: 2 })],
    }),
  },
  // wire format
  { title: "a graph that is a number", code: "MODEL_INVALID", bytes: bytesOf(0x08, 8, 0x38, 1) },
  {
    title: "a node's name that is a number",
    code: "MODEL_INVALID",
    bytes: rawGraph((g) => g.tag(1, 2).fork().tag(3, 0).int32(1).join()),
  },
  {
    title: "a group",
    code: "MODEL_INVALID",
    bytes: rawGraph((g) => g.tag(90, WireType.StartGroup).tag(90, WireType.EndGroup)),
  },
  {
    title: "a name that is not UTF-8",
    code: "MODEL_INVALID",
    bytes: rawGraph((g) => g.tag(2, 2).bytes(Uint8Array.of(0xff, 0xfe))),
  },
  {
    title: "a node that is longer than its graph",
    code: "MODEL_INVALID",
    bytes: rawGraph((g) => g.tag(1, 2).uint32(1000)),
  },
  {
    title: "two graphs",
    code: "MODEL_INVALID",
    bytes: () => {
      const bytes = writeModel(small());
      return Uint8Array.from([...bytes, ...new BinaryWriter().tag(7, 2).bytes(new Uint8Array()).finish()]);
    },
    says: /twice/,
  },
  {
    title: "a dimension that is both a number and a name",
    code: "MODEL_INVALID",
    bytes: () => {
      const both = value("x", [1, 3]);
      both.type!.tensor_type!.shape!.dim[0]!.dim_param = "batch";
      return writeModel(small({ input: [both] }));
    },
  },
];
