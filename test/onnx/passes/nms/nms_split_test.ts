import assert from "node:assert/strict";
import { loadOnnxRuntime } from "../../../../src/backends/onnxruntime.ts";
import { cutNmsFrom, NMS_PROPERTY, nmsSettingsFrom } from "../../../../src/onnx/nms_property.ts";
import { metadataRecord } from "../../../../src/onnx/metadata.ts";
import { nmsSplitPass } from "../../../../src/onnx/passes/nms/nms_split.ts";
import { splitRefusal } from "../../../../src/onnx/passes/nms/nms_cut.ts";
import type { ModelProto, NodeProto, ValueInfoProto } from "../../../../src/onnx/proto.ts";
import { readModel } from "../../../../src/onnx/read.ts";
import { writeModel } from "../../../../src/onnx/write.ts";
import { floatTensor, graph, node, tinyYolo, value } from "../../build_model.ts";
import { nmsModel, type NmsModelOptions } from "../../nms_models.ts";
import { checkedRun } from "../pass_checks.ts";

const BASE: NmsModelOptions = {
  boxes: [8, 8, 24, 24, 9, 8, 25, 24, 30, 30, 60, 60],
  scores: [0.9, 0.3, 0.8, 0.4, 0.1, 0.6],
  scoreDims: [3, 2],
};
const given = (more: Partial<NmsModelOptions> = {}) => nmsModel({ ...BASE, ...more });

function split(model: ModelProto) {
  const result = checkedRun(nmsSplitPass, model);
  assert.ok(!result.model.graph!.node.some(({ op_type }) => op_type === "EfficientNMS_TRT"));
  return { ...result, cut: cutNmsFrom(metadataRecord(result.model.metadata_props)) };
}

const shown = ({ name, type }: ValueInfoProto) => {
  const { elem_type, shape } = type!.tensor_type!;
  return `${name} ${elem_type} [${
    shape!.dim.map(({ dim_value, dim_param }) => dim_value ?? dim_param ?? "?").join(", ")
  }]`;
};

async function run({ graph, ...rest }: ModelProto): Promise<Record<string, unknown>> {
  const backend = await loadOnnxRuntime(writeModel({ graph: graph!, ...rest }), { threads: 1 });
  try {
    const data = new Float32Array(2 * 3 * 64 * 64).fill(0.5);
    return await backend.run({ images: { type: "float32", dims: [2, 3, 64, 64], data } });
  } finally {
    await backend.close();
  }
}

Deno.test("nms-split: boxes and scores become the outputs, with shapes and types; the attributes are kept", () => {
  const { model, report, cut } = split(given());
  assert.deepEqual(model.graph!.output.map(shown), ["boxes 1 [batch, 3, 4]", "scores 1 [batch, 3, 2]"]);
  assert.deepEqual(report.counts, { nodes_cut: 1, nodes_removed: 0, constants_removed: 0 });
  assert.match(report.remarks[0]!, /"num_dets", .* are gone; "boxes" and "scores" take their place/);
  assert.deepEqual(model.opset_import, [{ domain: "", version: 14 }]);
  assert.deepEqual(cut, {
    boxes: "boxes",
    scores: "scores",
    node: {
      name: "nms",
      domain: "TRT",
      domain_version: 1,
      outputs: ["num_dets", "det_boxes", "det_scores", "det_classes"],
      attributes: [
        { name: "background_class", i: -1 },
        { name: "box_coding", i: 0 },
        { name: "class_agnostic", i: 0 },
        { name: "iou_threshold", f: 0.5 },
        { name: "max_output_boxes", i: 20 },
        { name: "plugin_version", s: "1" },
        { name: "score_activation", i: 0 },
        { name: "score_threshold", f: 0.25 },
      ],
    },
    anchors: null,
  });
  assert.deepEqual(nmsSettingsFrom([]), {
    scoreThreshold: 0.5,
    iouThreshold: 0.5,
    maxOutputBoxes: 100,
    backgroundClass: -1,
    scoreActivation: false,
    classAgnostic: false,
    boxCoding: "corners",
  });
});

Deno.test("nms-split: the new outputs are bit for bit what went into the node", async () => {
  const whole = given();
  const { model } = split(whole);
  const open = structuredClone(whole);
  open.graph!.node = open.graph!.node.filter(({ op_type }) => op_type !== "EfficientNMS_TRT");
  open.graph!.output = [value("/head/boxes", ["batch", 3, 4]), value("/head/scores", ["batch", 3, 2])];
  const [was, is] = [await run(open), await run(model)];
  assert.deepEqual(is["boxes"], was["/head/boxes"]);
  assert.deepEqual(is["scores"], was["/head/scores"]);
});

Deno.test("nms-split: constant anchors are kept exactly, whether stored, behind Identity, or computed from constants", () => {
  const anchors = Float32Array.from({ length: 12 }, (_, i) => 1 / (i + 1));
  const stored = given({ anchors });
  const behind = structuredClone(stored);
  behind.graph!.node.splice(-1, 0, node("Identity", { inputs: ["/head/anchors"], outputs: ["handed"] }));
  const computed = structuredClone(stored);
  computed.graph!.node.splice(-1, 0, node("Mul", { inputs: ["/head/anchors", "two"], outputs: ["handed"] }));
  computed.graph!.initializer.push(floatTensor("two", [], [2]));
  for (const one of [behind, computed]) one.graph!.node.at(-1)!.input[2] = "handed";
  for (const [one, factor] of [[stored, 1], [behind, 1], [computed, 2]] as const) {
    const { cut, model } = split(one);
    assert.deepEqual([cut!.anchors!.type, cut!.anchors!.dims], ["float32", [1, 3, 4]]);
    const data = new Float32Array(Uint8Array.from(atob(cut!.anchors!.data), (char) => char.charCodeAt(0)).buffer);
    assert.deepEqual(data, anchors.map((v) => v * factor));
    assert.ok(!model.graph!.initializer.some(({ name }) => name === "/head/anchors"));
  }
});

Deno.test("nms-split: Cast and Squeeze behind the node go with it, other outputs and metadata stay in place", () => {
  const one = given({
    tail: {
      nodes: [
        node("Cast", { inputs: ["num_dets"], outputs: ["count64"] }, { attributes: { to: 7n } }),
        node("Squeeze", { inputs: ["count64"], outputs: ["count"] }, {}),
      ],
      outputs: ["mean", "count", "det_boxes", "det_scores", "det_classes", "pooled"],
    },
    metadata: { names: "{0: 'a', 1: 'b'}" },
  });
  const { model, cut, report } = split(one);
  assert.deepEqual(model.graph!.output.map(({ name }) => name), ["mean", "boxes", "scores", "pooled"]);
  assert.deepEqual(cut!.node.outputs, ["count", "det_boxes", "det_scores", "det_classes"]);
  assert.equal(report.counts["nodes_removed"], 2);
  assert.deepEqual(model.metadata_props.map(({ key }) => key), ["names", NMS_PROPERTY]);
});

Deno.test("nms-split: names that are taken, inputs as boxes, and values that are outputs already", () => {
  const taken = given();
  taken.graph!.node.push(node("Neg", { inputs: ["mean"], outputs: ["boxes"] }));
  taken.graph!.output.push(value("boxes", ["batch"]));
  assert.deepEqual(split(taken).model.graph!.output.map(({ name }) => name), ["boxes_2", "scores", "boxes"]);

  const already = given();
  already.graph!.output.push(value("/head/boxes", ["batch", 3, 4]));
  const { model: twice, cut } = split(already);
  assert.deepEqual(twice.graph!.output.map(({ name }) => name), ["scores", "/head/boxes"]);
  assert.equal(cut!.boxes, "/head/boxes");

  const fed = given();
  fed.graph!.input.push(value("fed", ["batch", 3, 4]));
  fed.graph!.node.at(-1)!.input[0] = "fed";
  const { model: direct } = split(fed);
  assert.deepEqual(direct.graph!.output.map(shown), ["boxes 1 [batch, 3, 4]", "scores 1 [batch, 3, 2]"]);
  assert.deepEqual(direct.graph!.node.at(-1)!.op_type, "Identity");

  const named = given({ outputs: ["count", "boxes", "scores", "classes"] });
  assert.deepEqual(split(named).model.graph!.output.map(({ name }) => name), ["boxes", "scores"]);
});

Deno.test("nms-split: a value that a graph within a node reads is renamed there too", async () => {
  const one = given();
  const branch = (name: string, op: string) =>
    graph({
      name,
      node: [node(op, { inputs: ["/head/boxes"], outputs: [name] })],
      output: [value(name, ["batch", 3, 4])],
    });
  one.graph!.node.push(
    node("If", { inputs: ["always"], outputs: ["extra"] }, {
      attributes: { then_branch: branch("yes", "Neg"), else_branch: branch("no", "Abs") },
    }),
  );
  one.graph!.initializer.push({ ...floatTensor("always", [], [0]), data_type: 9, raw_data: Uint8Array.of(1) });
  one.graph!.output.push(value("extra", ["batch", 3, 4]));
  const { model } = split(one);
  const outputs = await run(model) as Record<string, { data: Float32Array }>;
  assert.deepEqual(outputs["extra"]!.data, outputs["boxes"]!.data.map((v) => -v));
});

Deno.test("nms-split: a graph within a node keeps its own value of a name that is taken around it", () => {
  const one = given();
  const inner = graph({
    name: "inner",
    node: [
      node("Neg", { inputs: ["mean"], outputs: ["/head/boxes"] }),
      node("Abs", { inputs: ["/head/boxes"], outputs: ["o"] }),
    ],
    output: [value("o", ["batch"])],
  });
  one.graph!.node.push(
    node("If", { inputs: ["always"], outputs: ["extra"] }, { attributes: { then_branch: inner, else_branch: inner } }),
  );
  one.graph!.initializer.push({ ...floatTensor("always", [], [0]), data_type: 9, raw_data: Uint8Array.of(1) });
  one.graph!.output.push(value("extra", ["batch"]));
  const { model } = split(one);
  const within = model.graph!.node.at(-1)!.attribute[0]!.g!;
  assert.deepEqual(within.node.map(({ input, output }) => [input[0], output[0]]), [["mean", "/head/boxes"], [
    "/head/boxes",
    "o",
  ]]);
});

Deno.test("nms-split: the import of the plugin's domain stays while another node needs it", () => {
  const one = given();
  one.graph!.node.push(node("Other", { inputs: ["mean"], outputs: ["other"] }, { domain: "TRT" }));
  one.graph!.output.push(value("other", ["batch"]));
  const { model, cut } = split(one);
  assert.deepEqual(model.opset_import.map(({ domain }) => domain), ["", "TRT"]);
  assert.equal(cut!.node.domain_version, null);
});

Deno.test("nms-split: a model without the node stays the same object", () => {
  const plain = readModel(tinyYolo([], { labels: ["a"] }));
  const { model, report } = nmsSplitPass.run(plain);
  assert.equal(model, plain);
  assert.deepEqual([report.changed, report.remarks], [false, []]);
});

const change = (edit: (nms: NodeProto, model: ModelProto) => void): ModelProto => {
  const one = given();
  edit(one.graph!.node.at(-1)!, one);
  return one;
};
const REFUSED: readonly [why: string, model: () => ModelProto, says: RegExp][] = [
  ["one input", () => change((nms) => nms.input.pop()), /has 1 inputs/],
  ["four inputs", () => change((nms) => nms.input.push("zero", "zero")), /has 4 inputs/],
  ["an empty input", () => change((nms) => nms.input[0] = ""), /takes boxes, scores/],
  [
    "two of them",
    () => change((nms, { graph }) => graph!.node.push({ ...nms, output: ["n2", "b2", "s2", "c2"] })),
    /has 2 nodes/,
  ],
  ["a negative threshold", () => given({ attributes: { iou_threshold: -1 } }), /impossible "iou_threshold": -1/],
  ["no boxes at all", () => given({ attributes: { max_output_boxes: 0n } }), /impossible "max_output_boxes": 0/],
  ["a strange coding", () => given({ attributes: { box_coding: 2n } }), /impossible "box_coding": 2/],
  ["a text as a threshold", () => given({ attributes: { score_threshold: "x" } }), /impossible "score_threshold"/],
  ["an infinite threshold", () => given({ attributes: { score_threshold: Infinity } }), /no finite number/],
  [
    "anchors from the picture",
    () => change((nms) => nms.input.push("/head/boxes")),
    /anchors "\/head\/boxes" .* depend on the picture/,
  ],
  ["anchors of another shape", () => change((nms) => nms.input.push("zero")), /not f32 or f16 \[1, A, 4\] but \[\]/],
  [
    "a node that computes with its scores",
    () => change((_, { graph }) => graph!.node.push(node("Sigmoid", { inputs: ["det_scores"], outputs: ["s"] }))),
    /Another node \(Sigmoid\) computes with "det_scores"/,
  ],
  [
    "a relative with indices",
    () => change((nms) => nms.op_type = "EfficientNMS_ONNX_TRT"),
    /EfficientNMS_ONNX_TRT cannot be cut off/,
  ],
  ["the older plugin", () => change((nms) => nms.op_type = "BatchedNMSDynamic_TRT"), /BatchedNMSDynamic_TRT cannot be/],
];
for (const [why, model, says] of REFUSED) {
  Deno.test(`nms-split: ${why} is refused with the reason`, () => {
    const one = model();
    assert.throws(() => nmsSplitPass.run(one), { code: "PASS_REFUSED", message: says });
    assert.match(splitRefusal(one)!.message, says);
  });
}
