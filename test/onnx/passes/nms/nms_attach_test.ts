import assert from "node:assert/strict";
import type { DetectionResult } from "../../../../src/detect/detection.ts";
import { openDetector } from "../../../../src/detect/open.ts";
import { type NmsAttachOptions, nmsAttachPass } from "../../../../src/onnx/passes/nms/nms_attach.ts";
import { nmsSplitPass } from "../../../../src/onnx/passes/nms/nms_split.ts";
import type { ModelProto } from "../../../../src/onnx/proto.ts";
import { writeModel } from "../../../../src/onnx/write.ts";
import { png } from "../../../detect/png_writer.ts";
import { seededPicture } from "../../../detect/seeded_picture.ts";
import { constantDetector, model, node, tensor, value } from "../../build_model.ts";
import { nmsModel } from "../../nms_models.ts";
import { checkedRun } from "../pass_checks.ts";
import { randomFrom } from "../fp16/photo_variants.ts";

const LABELS = "{0: 'cat', 1: 'dog'}";
/** Anchors of a 64x64 picture at strides 8, 16, 32; three a cell are three times that. */
const ANCHORS = 84;
const PICTURE = png({ width: 64, height: 64, colorType: 2, depth: 8, rows: seededPicture(1, 64, 64).data });

const attach = (given: ModelProto, options: NmsAttachOptions = {}) => checkedRun(nmsAttachPass, given, options);

const nodeIn = ({ graph }: ModelProto) => graph!.node.find(({ op_type }) => op_type === "EfficientNMS_TRT")!;
const attributesOf = (given: ModelProto) =>
  Object.fromEntries(nodeIn(given).attribute.map(({ name, f, i, s }) => [name, f ?? i ?? new TextDecoder().decode(s)]));
const outputsOf = ({ graph }: ModelProto) =>
  graph!.output.map(({ name, type }) => {
    const { elem_type, shape } = type!.tensor_type!;
    return `${name} ${elem_type} [${shape!.dim.map(({ dim_value, dim_param }) => dim_value ?? dim_param).join(", ")}]`;
  });

async function detect(given: ModelProto): Promise<DetectionResult["detections"]> {
  const folder = await Deno.makeTempDir({ prefix: "trtd-attach-" });
  try {
    const path = `${folder}/m.onnx`;
    await Deno.writeFile(path, writeModel(given));
    const detector = await openDetector({ name: "m", path, manifest: { name: "m", file: "m.onnx" } }, { threads: 1 });
    try {
      return (await detector.detect(PICTURE, { score: 0.25, iou: 0.45, max: 100 })).detections;
    } finally {
      await detector.close();
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const random = randomFrom(3);
const boxes = Array.from({ length: 3 * ANCHORS }, () => {
  const [w, h] = [8 + 20 * random(), 8 + 20 * random()];
  return [w / 2 + (64 - w) * random(), h / 2 + (64 - h) * random(), w, h] as const;
});
const scores = boxes.map(() => [random() ** 3, random() ** 3] as const);
const rowsOf = (row: (anchor: number) => readonly number[], anchors: number) =>
  Array.from({ length: anchors }, (_, anchor) => row(anchor));
const flat = rowsOf((a) => [...boxes[a]!, ...scores[a]!], ANCHORS);
const transposed = flat[0]!.flatMap((_, column) => flat.map((row) => row[column]!));

const detector = (dims: readonly number[], output: readonly number[], opset = 17) => {
  const made = constantDetector({ output, dims, metadata: { names: LABELS } });
  made.opset_import[0]!.version = opset;
  return made;
};

/** The raw layouts, each with detections of its own head. */
const RAW: readonly [layout: string, model: ModelProto, nodes: number][] = [
  ["channels-first", detector([6, ANCHORS], transposed), 4],
  ["channels-first of opset 9", detector([6, ANCHORS], transposed, 9), 4],
  ["anchors-first", detector([ANCHORS, 6], flat.flat()), 3],
  ["objectness", detector([3 * ANCHORS, 7], rowsOf((a) => [...boxes[a]!, 0.9, ...scores[a]!], 3 * ANCHORS).flat()), 5],
];

for (const [layout, raw, nodes] of RAW) {
  Deno.test(`nms-attach: ${layout}: split behind attach finds what the raw model finds`, async () => {
    const { model: attached, report } = attach(raw);
    assert.equal(report.counts["nodes_added"], nodes);
    assert.deepEqual(outputsOf(attached), [
      "num_dets 6 [batch, 1]",
      "det_boxes 1 [batch, 100, 4]",
      "det_scores 1 [batch, 100]",
      "det_classes 6 [batch, 100]",
    ]);
    assert.deepEqual(attributesOf(attached), {
      background_class: -1n,
      box_coding: 1n,
      class_agnostic: 0n,
      iou_threshold: Math.fround(0.45),
      max_output_boxes: 100n,
      plugin_version: "1",
      score_activation: 0n,
      score_threshold: 0.25,
    });
    const wanted = await detect(raw);
    assert.ok(wanted.length > 5);
    // openDetector splits by itself; the pass does the same before it.
    assert.deepEqual(await detect(attached), wanted);
    assert.deepEqual(await detect(nmsSplitPass.run(attached).model), wanted);
  });
}

Deno.test("nms-attach: boxes and scores apart are corners, in f16 too", () => {
  for (const type of ["FLOAT", "FLOAT16"] as const) {
    const given = model({
      node: [
        node("Identity", { inputs: ["b"], outputs: ["boxes"] }),
        node("Identity", { inputs: ["s"], outputs: ["scores"] }),
      ],
      initializer: [tensor("b", type, [1, 0, 4], new Uint8Array()), tensor("s", type, [1, 0, 2], new Uint8Array())],
      input: [value("images", [1, 3, 64, 64])],
      output: [value("boxes", [1, ANCHORS, 4], type), value("scores", [1, ANCHORS, 2], type)],
    });
    const { model: attached } = attach(given, { maxOutputBoxes: 7 });
    const elem = type === "FLOAT" ? 1 : 10;
    assert.deepEqual(outputsOf(attached), [
      "num_dets 6 [1, 1]",
      `det_boxes ${elem} [1, 7, 4]`,
      `det_scores ${elem} [1, 7]`,
      "det_classes 6 [1, 7]",
    ]);
    assert.equal(attributesOf(attached)["box_coding"], 0n);
    assert.deepEqual(nodeIn(attached).input, ["boxes", "scores"]);
    assert.deepEqual(attached.opset_import.at(-1), { domain: "TRT", version: 1 });
  }
});

const PLUGIN = {
  boxes: [8, 8, 24, 24, 9, 8, 25, 24],
  scores: [0.9, 0.3, 0.8, 0.4],
  scoreDims: [2, 2],
} as const;

Deno.test("nms-attach: what nms-split cut off comes back with its attributes, names, domain and anchors", () => {
  const attributes = { iou_threshold: Math.fround(0.6), max_output_boxes: 33n, score_activation: 1n, box_coding: 1n };
  const cases = [
    nmsModel({ ...PLUGIN, attributes }),
    nmsModel({ ...PLUGIN, attributes, domain: "", anchors: [1, 2, 3, 4, 5, 6, 7, 8] }),
    nmsModel({ ...PLUGIN, outputs: ["count", "boxes", "scores", "classes"], metadata: { names: LABELS } }),
  ];
  for (const whole of cases) {
    const { model: cut } = nmsSplitPass.run(whole);
    const { model: back } = attach(cut);
    const [was, is] = [nodeIn(whole), nodeIn(back)];
    assert.deepEqual(attributesOf(back), attributesOf(whole));
    assert.deepEqual({ ...is, input: [], attribute: [] }, { ...was, input: [], attribute: [] });
    assert.deepEqual(outputsOf(back), outputsOf(whole));
    assert.deepEqual(back.opset_import, whole.opset_import);
    assert.deepEqual(back.metadata_props, whole.metadata_props);
    assert.deepEqual(writeModel(nmsSplitPass.run(back).model), writeModel(cut));
    if (was.input.length === 3) {
      const anchors = back.graph!.initializer.find(({ name }) => name === is.input[2])!;
      assert.deepEqual([anchors.dims, anchors.raw_data!.length], [[1, 2, 4], 32]);
    }
  }
});

Deno.test("nms-attach: given options go before the layout's and before those that were cut off", () => {
  const options: NmsAttachOptions = {
    scoreThreshold: 0.1,
    iouThreshold: 1,
    maxOutputBoxes: 5000,
    boxCoding: "corners",
    classAgnostic: true,
  };
  const changed = {
    score_threshold: Math.fround(0.1),
    iou_threshold: 1,
    max_output_boxes: 5000n,
    box_coding: 0n,
    class_agnostic: 1n,
  };
  const raw = detector([6, ANCHORS], transposed);
  assert.deepEqual(attributesOf(attach(raw, options).model), { ...attributesOf(attach(raw).model), ...changed });
  const { model: cut } = nmsSplitPass.run(nmsModel({ ...PLUGIN, attributes: { box_coding: 1n } }));
  assert.deepEqual(attributesOf(attach(cut, options).model), { ...attributesOf(attach(cut).model), ...changed });
});

Deno.test("nms-attach: options out of range are mistakes of usage", () => {
  const wrong: NmsAttachOptions[] = [
    { scoreThreshold: -0.1 },
    { scoreThreshold: 1.1 },
    { scoreThreshold: NaN },
    { iouThreshold: 0 },
    { iouThreshold: 2 },
    { maxOutputBoxes: 0 },
    { maxOutputBoxes: 1.5 },
    { maxOutputBoxes: 5001 },
  ];
  for (const options of wrong) {
    assert.throws(() => nmsAttachPass.run(detector([6, ANCHORS], transposed), options), {
      code: "USAGE",
      message: /value is/,
    });
  }
});

Deno.test("nms-attach: a layout that shapes and labels do not tell is refused until it is named", () => {
  const unlabelled = constantDetector({ output: flat.flat(), dims: [ANCHORS, 6] });
  assert.throws(() => nmsAttachPass.run(unlabelled), {
    code: "PASS_REFUSED",
    message: /\[N, 84, 6\] of a model without labels/,
  });
  const { model: named } = attach(unlabelled, { layout: "anchors-first" });
  assert.equal(attributesOf(named)["box_coding"], 1n);
  const cases: [string, ModelProto, RegExp][] = [
    ["end to end", detector([300, 6], new Array(1800).fill(0)), /\[N, 300, 6\] of 2 labels is no known layout/],
    ["YOLOX's offsets", detector([ANCHORS, 7], new Array(7 * ANCHORS).fill(0)), /YOLOX's offsets in cells/],
    ["a classifier", constantDetector({ output: [0, 0], dims: [2] }), /neither one raw output \[N, ., .\] nor boxes/],
    ["other labels", detector([7, ANCHORS], new Array(7 * ANCHORS).fill(0)), /of 2 labels is no known layout/],
  ];
  for (const [what, given, says] of cases) {
    assert.throws(() => nmsAttachPass.run(given), { code: "PASS_REFUSED", message: says }, what);
  }
});

Deno.test("nms-attach: a model that has the node stays the same object, lost outputs are refused", () => {
  const whole = nmsModel(PLUGIN);
  const { model: same, report } = nmsAttachPass.run(whole);
  assert.equal(same, whole);
  assert.deepEqual([report.changed, report.remarks], [false, ["The model has EfficientNMS_TRT already"]]);
  const { model: cut } = nmsSplitPass.run(whole);
  const lost = { ...cut, graph: { ...cut.graph!, output: cut.graph!.output.slice(1) } };
  assert.throws(() => nmsAttachPass.run(lost), { code: "PASS_REFUSED", message: /no output "boxes"/ });
});
