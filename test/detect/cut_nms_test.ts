import assert from "node:assert/strict";
import fc from "fast-check";
import type { Backend, Tensor } from "../../src/backends/backend.ts";
import { Detector } from "../../src/detect/detector.ts";
import type { DetectionResult, DetectOptions } from "../../src/detect/detection.ts";
import { detectHead } from "../../src/detect/heads/heads.ts";
import { openDetector } from "../../src/detect/open.ts";
import type { Manifest, Model } from "../../src/models/model.ts";
import { modelFacts } from "../../src/onnx/facts.ts";
import { NMS_PROPERTY } from "../../src/onnx/nms_property.ts";
import { nmsSplitPass } from "../../src/onnx/passes/nms/nms_split.ts";
import type { ModelProto } from "../../src/onnx/proto.ts";
import { readModel } from "../../src/onnx/read.ts";
import { writeModel } from "../../src/onnx/write.ts";
import { constantDetector, node, value } from "../onnx/build_model.ts";
import { nmsModel, type NmsModelOptions } from "../onnx/nms_models.ts";
import { efficientNms, type PluginAttributes, type PluginInputs } from "./efficient_nms.ts";
import { png } from "./png_writer.ts";
import { seededPicture } from "./seeded_picture.ts";

const SIDE = 64;
/** A picture of the model's own size: boxes need no mapping. */
const PICTURE = png({ width: SIDE, height: SIDE, colorType: 2, depth: 8, rows: seededPicture(1, SIDE, SIDE).data });

const modelOf = (path: string, manifest: Partial<Manifest> = {}): Model => ({
  name: "nms",
  path,
  manifest: { name: "nms", file: "nms.onnx", ...manifest },
});

/** What `detect` and `serve` do with a file. */
async function withDetector(
  given: ModelProto,
  use: (detector: Detector) => Promise<void>,
  manifest: Partial<Manifest> = {},
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "trtd-cut-nms-" });
  try {
    await Deno.writeFile(`${folder}/nms.onnx`, writeModel(given));
    const detector = await openDetector(modelOf(`${folder}/nms.onnx`, manifest), { threads: 1 });
    try {
      await use(detector);
    } finally {
      await detector.close();
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const rowsOf = ({ detections }: DetectionResult) =>
  detections.map(({ class_id: classId, score, box }) => ({ classId, score, box: [box.x1, box.y1, box.x2, box.y2] }));

/**
 * The plugin's rows as the detector tells them: corners in order, within the picture, without empty ones, which do not
 * count against the largest number either.
 */
function expected(inputs: PluginInputs, attributes: PluginAttributes) {
  const clip = (v: number) => Math.min(Math.max(v, 0), SIDE);
  return efficientNms(inputs, { ...attributes, maxOutputBoxes: 5000 }).map(({ box: [a, b, c, d], score, classId }) => ({
    classId,
    score,
    box: [Math.min(a!, c!), Math.min(b!, d!), Math.max(a!, c!), Math.max(b!, d!)].map(clip),
  })).filter(({ box }) => box[2]! > box[0]! && box[3]! > box[1]!).slice(0, attributes.maxOutputBoxes);
}

/** A backend that gives what it is told, whatever it is asked. */
const backendOf = (outputs: Record<string, Tensor>): Backend => ({
  info: { name: "onnxruntime", device: "cpu", precision: "f32", engine: null, degraded: null },
  inputs: [],
  outputs: [],
  warmUp: () => Promise.resolve(),
  run: () => Promise.resolve(outputs),
  close: () => Promise.resolve(),
});

const tensorOf = (dims: readonly number[], data: readonly number[]): Tensor => ({
  type: "float32",
  dims: [1, ...dims],
  data: Float32Array.from(data),
});

interface Case {
  readonly inputs: PluginInputs;
  readonly attributes: PluginAttributes;
  readonly rank4: boolean;
}

const ANCHORS_MAX = 12;

/** Boxes on and around a 64x64 picture, few of which are alike; scores with ties. */
const CASE: fc.Arbitrary<Case> = fc.record({
  anchors: fc.integer({ min: 1, max: ANCHORS_MAX }),
  classes: fc.integer({ min: 1, max: 3 }),
  coordinates: fc.array(fc.integer({ min: 0, max: 128 }).map((n) => n / 2), { minLength: 144, maxLength: 144 }),
  scores: fc.array(fc.integer({ min: 0, max: 20 }).map((n) => n / 20), { minLength: 36, maxLength: 36 }),
  perClass: fc.boolean(),
  rank4: fc.boolean(),
  withAnchors: fc.boolean(),
  attributes: fc.record({
    scoreThreshold: fc.constantFrom(0, 0.1, 0.25, 0.5, 0.9),
    iouThreshold: fc.constantFrom(0.1, 0.45, 0.7, 1),
    maxOutputBoxes: fc.constantFrom(1, 3, 20),
    backgroundClass: fc.constantFrom(-1, 0, 2),
    sigmoid: fc.boolean(),
    classAgnostic: fc.boolean(),
    centerSize: fc.boolean(),
  }),
}).map(({ anchors, classes, coordinates, scores, perClass, rank4, withAnchors, attributes }) => {
  const logits = scores.map((score) => attributes.sigmoid ? 8 * score - 4 : score);
  const scale = withAnchors ? 1 / 64 : 1;
  return {
    inputs: {
      boxes: coordinates.slice(0, 4 * anchors * (perClass ? classes : 1)).map((v) => v * scale),
      perClass,
      scores: logits.slice(0, anchors * classes),
      classes,
      anchors: withAnchors ? coordinates.slice(-4 * anchors) : null,
    },
    attributes,
    rank4,
  };
});

const dimsOf = ({ inputs: { classes, perClass, scores }, rank4 }: Case) => {
  const anchors = scores.length / classes;
  return {
    boxDims: perClass ? [anchors, classes, 4] : rank4 ? [anchors, 1, 4] : [anchors, 4],
    scoreDims: rank4 ? [anchors, classes, 1] : [anchors, classes],
  };
};

const modelFor = (one: Case, more: Partial<NmsModelOptions> = {}): ModelProto =>
  nmsModel({
    boxes: one.inputs.boxes,
    scores: one.inputs.scores,
    ...dimsOf(one),
    ...(one.inputs.anchors === null ? {} : { anchors: one.inputs.anchors }),
    attributes: {
      score_threshold: Math.fround(one.attributes.scoreThreshold),
      iou_threshold: Math.fround(one.attributes.iouThreshold),
      max_output_boxes: BigInt(one.attributes.maxOutputBoxes),
      background_class: BigInt(one.attributes.backgroundClass),
      score_activation: one.attributes.sigmoid ? 1n : 0n,
      class_agnostic: one.attributes.classAgnostic ? 1n : 0n,
      box_coding: one.attributes.centerSize ? 1n : 0n,
    },
    ...more,
  });

Deno.test("cut nms: 400 random models find what the plugin finds", async () => {
  await fc.assert(
    fc.asyncProperty(CASE, async (one) => {
      const { model: cut } = nmsSplitPass.run(modelFor(one));
      const { boxDims, scoreDims } = dimsOf(one);
      const backend = backendOf({
        boxes: tensorOf(boxDims, one.inputs.boxes),
        scores: tensorOf(scoreDims, one.inputs.scores),
      });
      const detector = await Detector.open(modelOf("nms.onnx"), modelFacts(readModel(writeModel(cut))), backend);
      assert.deepEqual(rowsOf(await detector.detect(PICTURE)), expected(one.inputs, one.attributes));
    }),
    { numRuns: 400, seed: 11 },
  );
});

const PLAIN: PluginAttributes = {
  scoreThreshold: 0.25,
  iouThreshold: 0.5,
  maxOutputBoxes: 20,
  backgroundClass: -1,
  sigmoid: false,
  classAgnostic: false,
  centerSize: false,
};
const INPUTS: PluginInputs = {
  boxes: [8, 8, 24, 24, 9, 8, 25, 24, 30, 30, 60, 60],
  perClass: false,
  scores: [0.9, 0.3, 0.8, 0.4, 0.1, 0.6],
  classes: 2,
  anchors: null,
};
const ONE: Case = { inputs: INPUTS, attributes: PLAIN, rank4: false };

Deno.test("cut nms: ONNX Runtime runs the rest of a model that ends in EfficientNMS_TRT", async () => {
  const cases: [Case, Partial<NmsModelOptions>][] = [
    [ONE, {}],
    [ONE, { domain: "", opset: 9 }],
    [{ ...ONE, rank4: true, attributes: { ...PLAIN, classAgnostic: true } }, { opset: 17 }],
    [{ ...ONE, attributes: { ...PLAIN, sigmoid: true, centerSize: true } }, {}],
    [{ ...ONE, inputs: { ...INPUTS, anchors: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] } }, {}],
  ];
  for (const [one, more] of cases) {
    await withDetector(modelFor(one, more), async (detector) => {
      assert.equal(detector.head.name, "cut_nms");
      const [first, second] = await detector.detectBatch([{ bytes: PICTURE }, { bytes: PICTURE }]);
      assert.deepEqual(rowsOf(first as DetectionResult), expected(one.inputs, one.attributes));
      assert.deepEqual(rowsOf(second as DetectionResult), rowsOf(first as DetectionResult));
      assert.ok(rowsOf(first as DetectionResult).length > 1);
    });
  }
});

Deno.test("cut nms: f16 boxes and scores are read as numbers", async () => {
  const given = modelFor(ONE);
  const half = given.graph!.node.findIndex(({ op_type }) => op_type === "EfficientNMS_TRT");
  const cast = (name: string) =>
    node("Cast", { inputs: [`/head/${name}`], outputs: [`${name}16`] }, { attributes: { to: 10n } });
  given.graph!.node[half]!.input = ["boxes16", "scores16"];
  given.graph!.node.splice(half, 0, cast("boxes"), cast("scores"));
  await withDetector(given, async (detector) => {
    const rows = rowsOf(await detector.detect(PICTURE));
    const wanted = expected(INPUTS, PLAIN);
    assert.deepEqual(
      rows.map(({ box, classId }) => ({ box, classId })),
      wanted.map(({ box, classId }) => ({ box, classId })),
    );
    rows.forEach(({ score }, i) => assert.ok(Math.abs(score - wanted[i]!.score) < 0.001));
  });
});

Deno.test("cut nms: options go before the manifest, the manifest before the attributes", async () => {
  const cases: [Partial<Manifest>, DetectOptions, Partial<PluginAttributes>][] = [
    [{}, {}, {}],
    [{ score: 0.5 }, {}, { scoreThreshold: 0.5 }],
    [{ score: 0.5 }, { score: 0.35 }, { scoreThreshold: 0.35 }],
    [{ iou: 1 }, {}, { iouThreshold: 1 }],
    [{ iou: 1 }, { iou: 0.2 }, { iouThreshold: 0.2 }],
    [{ max: 2 }, {}, { maxOutputBoxes: 2 }],
    [{ max: 2 }, { max: 1 }, { maxOutputBoxes: 1 }],
    [{ class_agnostic: true }, {}, { classAgnostic: true }],
    [{ head: "efficient_nms" }, {}, {}],
    [{ head: "cut_nms" }, {}, {}],
  ];
  for (const [manifest, options, changed] of cases) {
    await withDetector(modelFor(ONE), async (detector) => {
      const rows = rowsOf(await detector.detect(PICTURE, options));
      assert.deepEqual(rows, expected(INPUTS, { ...PLAIN, ...changed }), JSON.stringify([manifest, options]));
    }, manifest);
  }
});

Deno.test("cut nms: attributes beyond the options' ranges are what the plugin does", async () => {
  const many: PluginAttributes = { ...PLAIN, maxOutputBoxes: 30_000, iouThreshold: 1.5, scoreThreshold: 0 };
  await withDetector(modelFor({ ...ONE, attributes: many }), async (detector) => {
    assert.deepEqual(rowsOf(await detector.detect(PICTURE)), expected(INPUTS, many));
  });
  const none: PluginAttributes = { ...PLAIN, scoreThreshold: 2 };
  await withDetector(modelFor({ ...ONE, attributes: none }), async (detector) => {
    assert.deepEqual(rowsOf(await detector.detect(PICTURE)), []);
    await assert.rejects(() => detector.detect(PICTURE, { score: 2 }), { code: "PARAMETER_INVALID" });
  });
});

Deno.test("cut nms: labels by class, and a number of labels that does not fit is refused", async () => {
  await withDetector(modelFor(ONE, { metadata: { names: "{0: 'cat', 1: 'dog'}" } }), async (detector) => {
    assert.deepEqual(detector.labels, ["cat", "dog"]);
    const { detections } = await detector.detect(PICTURE, { classes: ["dog"] });
    assert.deepEqual(detections.map(({ label }) => label), ["dog", "dog"]);
  });
  await assert.rejects(
    () => withDetector(modelFor(ONE, { metadata: { names: "['a', 'b', 'c']" } }), () => Promise.resolve()),
    { code: "MODEL_NOT_A_DETECTOR", message: /"boxes" .*, "scores" .* with 2 classes, but the model has 3 labels/ },
  );
});

Deno.test("cut nms: what cannot be cut off is refused with the reason", async () => {
  const computed = modelFor({ ...ONE, inputs: { ...INPUTS, anchors: INPUTS.boxes } });
  computed.graph!.initializer = computed.graph!.initializer.filter(({ name }) => name !== "/head/anchors");
  computed.graph!.node.unshift(node("Identity", { inputs: ["images"], outputs: ["/head/anchors"] }));
  await assert.rejects(() => withDetector(computed, () => Promise.resolve()), {
    code: "MODEL_NEEDS_PLUGIN",
    message: /EfficientNMS_TRT".*cannot be cut off either: The anchors "\/head\/anchors" .* depend on the picture/,
  });
});

Deno.test("cut nms: metadata that nms-split did not write is refused, never guessed at", () => {
  const { model: cut } = nmsSplitPass.run(modelFor(ONE));
  const facts = modelFacts(readModel(writeModel(cut)));
  const head = (text: string, manifest: Partial<Manifest> = {}) =>
    detectHead({ ...facts, metadata: { [NMS_PROPERTY]: text } }, { name: "m", file: "m.onnx", ...manifest });
  const good = facts.metadata[NMS_PROPERTY]!;
  assert.equal(head(good).cut!.iouThreshold, 0.5);
  const wrong: [string, RegExp][] = [
    ["{", /is not JSON/],
    ["[]", /is wrong at/],
    [good.replace('"boxes":"boxes"', '"boxes":7'), /is wrong at "boxes"/],
    [
      good.replace('"anchors":null', '"anchors":{"type":"float32","dims":[1,2,4],"data":"AAAA"}'),
      /anchors .* not \[1, A, 4\]/,
    ],
    [good.replace('"f":0.5', '"f":-0.5'), /impossible "iou_threshold"/],
    [good.replace('"scores":"scores"', '"scores":"elsewhere"'), /fit no known head/],
  ];
  for (const [text, says] of wrong) {
    assert.notEqual(text, good);
    assert.throws(() => head(text), { code: "MODEL_NOT_A_DETECTOR", message: says });
  }
  const plain = modelFacts(readModel(writeModel(constantDetector({ output: new Float32Array(60), dims: [6, 10] }))));
  assert.throws(() => detectHead(plain, { name: "m", file: "m.onnx", head: "cut_nms" }), {
    code: "MODEL_NOT_A_DETECTOR",
  });
});

Deno.test("cut nms: anchors that do not fit the boxes are a failure of the run, not wrong boxes", async () => {
  const { model: cut } = nmsSplitPass.run(modelFor({ ...ONE, inputs: { ...INPUTS, anchors: INPUTS.boxes } }));
  const backend = backendOf({
    boxes: tensorOf([2, 4], INPUTS.boxes.slice(0, 8)),
    scores: tensorOf([2, 2], [1, 1, 1, 1]),
  });
  const detector = await Detector.open(modelOf("nms.onnx"), modelFacts(readModel(writeModel(cut))), backend);
  await assert.rejects(() => detector.detect(PICTURE), { code: "INFERENCE_FAILED", message: /2 boxes, .* 3 anchors/ });
});

Deno.test("cut nms: other outputs of the model stay and do not confuse the head", async () => {
  const given = modelFor(ONE);
  given.graph!.output.unshift(value("mean", ["batch"]));
  await withDetector(given, async (detector) => {
    assert.deepEqual(rowsOf(await detector.detect(PICTURE)), expected(INPUTS, PLAIN));
  });
});
