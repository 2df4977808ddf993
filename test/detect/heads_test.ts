import assert from "node:assert/strict";
import type { Tensor, TensorType } from "../../src/backends/backend.ts";
import { Candidates } from "../../src/detect/heads/candidates.ts";
import { detectHead, type HeadName, HEADS } from "../../src/detect/heads/heads.ts";
import type { HeadFacts } from "../../src/detect/heads/head_shapes.ts";
import type { Manifest } from "../../src/models/model.ts";
import { TrtdError } from "../../src/errors.ts";

type Spec = [name: string, dims: (number | string)[], type?: TensorType];

const MANIFEST: Manifest = { name: "m", file: "m.onnx" };
const names = (n: number) => Array.from({ length: n }, (_, i) => `label ${i}`);
const specs = (list: Spec[]) =>
  list.map(([name, dims, type]) => ({ name, dims, type: type ?? "float32", has_shape: true } as const));

interface Facts {
  inputs?: Spec[];
  outputs: Spec[];
  metadata?: Record<string, string>;
  operators?: Record<string, number>;
  labels?: number;
  size?: { height: number; width: number };
  task?: string;
}

const factsOf = (facts: Facts): HeadFacts => ({
  inputs: specs(facts.inputs ?? [["images", [1, 3, 640, 640]]]),
  outputs: specs(facts.outputs),
  metadata: facts.metadata ?? {},
  operators: facts.operators ?? {},
  labels: facts.labels === undefined ? null : names(facts.labels),
  image_size: facts.size ?? null,
  task: facts.task ?? null,
});

const FOUND: [what: string, head: HeadName, facts: Facts][] = [
  ["YOLOv8 with COCO labels", "yolov8", { outputs: [["output0", [1, 84, 8400]]], labels: 80 }],
  ["YOLOv8 without labels", "yolov8", { outputs: [["output0", [1, 84, 8400]]] }],
  ["YOLOv8 with 6 classes", "yolov8", { outputs: [["output0", ["batch", 10, 8400]]], labels: 6 }],
  ["YOLOv8 with 2 classes", "yolov8", { outputs: [["output0", [1, 6, 8400]]], labels: 2 }],
  ["YOLOv8 with dynamic axes", "yolov8", {
    inputs: [["images", ["batch", 3, "height", "width"]]],
    outputs: [["output0", ["batch", 84, "anchors"]]],
    labels: 80,
  }],
  ["YOLOv8 with P6 at 1280", "yolov8", {
    inputs: [["images", [1, 3, 1280, 1280]]],
    outputs: [["output0", [1, 84, 34000]]],
  }],
  ["YOLOv8 640x1152", "yolov8", {
    inputs: [["images", [1, 3, 640, 1152]]],
    outputs: [["output0", [1, 84, 15120]]],
  }],
  ["YOLOv8 transposed", "yolov8_transposed", { outputs: [["output0", [1, 8400, 84]]], labels: 80 }],
  ["YOLOv8 transposed, no labels", "yolov8_transposed", { outputs: [["output0", [1, 8400, 84]]] }],
  ["YOLOv8 transposed, 2 classes", "yolov8_transposed", { outputs: [["output0", [1, 8400, 6]]], labels: 2 }],
  ["YOLOv5", "yolov5", { outputs: [["output0", [1, 25200, 85]]], labels: 80 }],
  ["YOLOv5 without labels", "yolov5", { outputs: [["output", [1, 25200, 85]]] }],
  ["YOLOv5 with one class", "yolov5", { outputs: [["output0", [1, 25200, 6]]], labels: 1 }],
  ["YOLOv5 with its feature maps", "yolov5", {
    outputs: [
      ["output", [1, 25200, 85]],
      ["p3", [1, 3, 80, 80, 85]],
      ["p4", [1, 3, 40, 40, 85]],
      ["p5", [1, 3, 20, 20, 85]],
    ],
    labels: 80,
  }],
  ["YOLOv5 with dynamic anchors", "yolov5", { outputs: [["output0", ["batch", "anchors", 85]]], labels: 80 }],
  ["YOLOv10", "end_to_end", { outputs: [["output0", [1, 300, 6]]], labels: 80, metadata: { end2end: "True" } }],
  ["YOLO26 without labels", "end_to_end", { outputs: [["output0", [1, 300, 6]]] }],
  ["YOLO26 with 2 classes", "end_to_end", { outputs: [["output0", [1, 300, 6]]], labels: 2 }],
  ["YOLOv8 with NMS inside, dynamic, one class", "end_to_end", {
    outputs: [["output0", ["batch", "boxes", 6]]],
    labels: 1,
    metadata: { args: "{'batch': 1, 'nms': True}" },
  }],
  ["YOLOX", "yolox", { outputs: [["output", [1, 8400, 85]]], labels: 80 }],
  ["YOLOX at 416", "yolox", { inputs: [["images", [1, 3, 416, 416]]], outputs: [["output", [1, 3549, 85]]] }],
  ["YOLOX decoded", "yolox_decoded", { outputs: [["output", [1, 8400, 85]]], operators: { Exp: 1 } }],
  ["RT-DETR", "rtdetr", { outputs: [["output0", [1, 300, 84]]], labels: 80 }],
  ["RT-DETR with 2 classes", "rtdetr", {
    outputs: [["output0", [1, 300, 6]]],
    labels: 2,
    metadata: { description: "Ultralytics rt-detr-l model" },
  }],
  ["RT-DETR without labels", "rtdetr", { outputs: [["output0", [1, 300, 84]]], operators: { GridSample: 18 } }],
  ["RT-DETR of Ultralytics 8.4", "rtdetr_selected", {
    outputs: [["output0", [1, 300, 6]]],
    labels: 80,
    metadata: { head: "RTDETRDecoder", end2end: "False", description: "Ultralytics rtdetr-l model" },
    operators: { GridSample: 18 },
  }],
  ["RT-DETR of Ultralytics 8.4 with 2 classes and symbolic sizes", "rtdetr_selected", {
    outputs: [["output0", ["batch", "Concatoutput0_dim_1", "Concatoutput0_dim_2"]]],
    labels: 2,
    metadata: { head: "RTDETRDecoder" },
    operators: { GridSample: 18 },
  }],
  ["D-FINE", "dfine", {
    inputs: [["images", ["N", 3, 640, 640]], ["orig_target_sizes", ["N", 2], "int64"]],
    outputs: [["labels", ["N", 300], "int64"], ["boxes", ["N", 300, 4]], ["scores", ["N", 300]]],
    labels: 80,
  }],
  ["Hugging Face RT-DETR", "detr_logits", {
    inputs: [["pixel_values", ["batch", 3, 640, 640]]],
    outputs: [["logits", ["batch", 300, 80]], ["pred_boxes", ["batch", 300, 4]]],
  }],
  ["D-FINE with 4 classes", "detr_logits", {
    outputs: [["pred_boxes", [1, 300, 4]], ["pred_logits", [1, 300, 4]]],
    labels: 4,
  }],
  ["EfficientNMS_TRT", "efficient_nms", {
    outputs: [
      ["num_dets", [1, 1], "int32"],
      ["det_boxes", [1, 100, 4]],
      ["det_scores", [1, 100]],
      ["det_classes", [1, 100], "int32"],
    ],
    labels: 80,
  }],
  ["EfficientNMS_TRT with labels for classes", "efficient_nms", {
    outputs: [
      ["num_dets", ["batch", 1], "int32"],
      ["bboxes", ["batch", 100, 4]],
      ["scores", ["batch", 100]],
      ["labels", ["batch", 100], "int32"],
    ],
  }],
  ["what EfficientNMS_TRT takes", "boxes_scores", {
    outputs: [["boxes", [1, 15120, 4]], ["scores", [1, 15120, 80]]],
    labels: 80,
  }],
  ["f16", "yolov8", {
    inputs: [["images", [1, 3, 640, 640], "float16"]],
    outputs: [["output0", [1, 84, 8400], "float16"]],
  }],
];

for (const [what, name, facts] of FOUND) {
  Deno.test(`heads: ${what} is ${name}`, () => {
    const head = detectHead(factsOf(facts), MANIFEST);
    assert.equal(head.name, name);
    if (facts.labels !== undefined) assert.deepEqual(head.labels, names(facts.labels));
  });
}

const REFUSED: [what: string, facts: Facts, says: RegExp, manifest?: Partial<Manifest>][] = [
  ["wrong label count", { outputs: [["o", [1, 84, 8400]]], labels: 6 }, /\[1, 84, 8400\].*80 classes.*6 labels/],
  ["a classifier", { outputs: [["o", [1, 1000]]] }, /"o" float32 \[1, 1000\] with no labels fit no known head/],
  ["segmentation", {
    outputs: [["o", [1, 116, 8400]], ["p", [1, 32, 160, 160]]],
    labels: 80,
    task: "segment",
  }, /task is "segment"/],
  [
    "segmentation without a task",
    { outputs: [["o", [1, 116, 8400]], ["p", [1, 32, 160, 160]]], labels: 80 },
    /no known/,
  ],
  ["no outputs", { outputs: [] }, /\(none\)/],
  ["a gray input", { inputs: [["i", [1, 1, 640, 640]]], outputs: [["o", [1, 84, 8400]]] }, /"i" float32 \[1, 1, 640/],
  ["channels last", { inputs: [["i", [1, 640, 640, 3]]], outputs: [["o", [1, 84, 8400]]] }, /one picture/],
  ["two pictures", {
    inputs: [["a", [1, 3, 64, 64]], ["b", [1, 3, 64, 64]]],
    outputs: [["o", [1, 84, 8400]]],
  }, /one picture/],
  ["a huge input", { inputs: [["i", [1, 3, 99999, 640]]], outputs: [["o", [1, 84, 8400]]] }, /one picture/],
  ["an unknown second input", {
    inputs: [["i", [1, 3, 640, 640]], ["im_shape", [1, 2]]],
    outputs: [["o", [1, 84, 8400]]],
  }, /im_shape/],
  ["integers", { outputs: [["o", [1, 84, 8400], "int32"]] }, /int32/],
  ["objectness or not, without labels", { outputs: [["o", [1, 8400, 12]]] }, /no labels fit no known head/],
  ["a head that does not fit", { outputs: [["o", [1, 84, 8400]]] }, /not the head "dfine"/, { head: "dfine" }],
  ["a named head with other labels", { outputs: [["o", [1, 84, 8400]]] }, /80 classes.*2 labels/, {
    head: "yolov8",
    labels: ["a", "b"],
  }],
];

for (const [what, facts, says, manifest] of REFUSED) {
  Deno.test(`heads: ${what} is refused with what was seen`, () => {
    assert.throws(() => detectHead(factsOf(facts), { ...MANIFEST, ...manifest }), (error: unknown) => {
      assert.ok(error instanceof TrtdError);
      assert.equal(error.code, "MODEL_NOT_A_DETECTOR");
      assert.match(error.message, says);
      return true;
    });
  });
}

Deno.test("heads: an unknown head in the manifest is refused with the known ones", () => {
  const facts = factsOf({ outputs: [["o", [1, 84, 8400]]] });
  assert.throws(
    () => detectHead(facts, { ...MANIFEST, head: "yolo99" }),
    (error: TrtdError) => error.code === "MANIFEST_INVALID" && /yolo99.*yolov8/.test(error.message),
  );
});

Deno.test("heads: the manifest's head and labels go before what the model says", () => {
  const facts = factsOf({ outputs: [["o", [1, 8400, 85]]], labels: 80 });
  const head = detectHead(facts, { ...MANIFEST, head: "yolov5", labels: names(80).map((n) => `my ${n}`) });
  assert.equal(head.name, "yolov5");
  assert.equal(head.labels[3], "my label 3");
});

Deno.test("heads: a dynamic input takes its size from the metadata, else 640", () => {
  const facts: Facts = { inputs: [["images", ["n", 3, "h", "w"]]], outputs: [["o", ["n", 84, "a"]]], labels: 80 };
  assert.deepEqual(detectHead(factsOf(facts), MANIFEST).input, {
    name: "images",
    type: "float32",
    batch: null,
    height: 640,
    width: 640,
  });
  const { input } = detectHead(factsOf({ ...facts, size: { height: 640, width: 1152 } }), MANIFEST);
  assert.deepEqual([input.height, input.width], [640, 1152]);
});

Deno.test("heads: classes that nothing names are called class_0, class_1", () => {
  assert.deepEqual(detectHead(factsOf({ outputs: [["o", [1, 6, 8400]]] }), MANIFEST).labels, ["class_0", "class_1"]);
});

const f32 = (dims: number[], values: number[] = []): Tensor => {
  const data = new Float32Array(dims.reduce((a, b) => a * b, 1));
  data.set(values);
  return { type: "float32", dims, data };
};

interface Decoded {
  box: number[];
  score: number;
  classId: number;
  element: number;
}

function decode(
  name: HeadName,
  outputs: Tensor[],
  options: { image?: number; score?: number; wanted?: Uint8Array } = {},
) {
  const into = new Candidates();
  const { image = 0, score = 0.25, wanted = null } = options;
  const context = { outputs, image, classes: 2, score, wanted, width: 64, height: 32, strides: [8, 16, 32] };
  HEADS[name].decode(context, into);
  return Array.from({ length: into.count }, (_, i): Decoded => ({
    box: Array.from(into.boxes.subarray(4 * i, 4 * i + 4)),
    score: Math.round(into.scores[i]! * 1e4) / 1e4,
    classId: into.classes[i]!,
    element: into.elements[i]!,
  }));
}

const transposed = (rows: number[][]): number[] => rows[0]!.flatMap((_, c) => rows.map((row) => row[c]!));
/** The third of 42 anchors is an object of class 1 and, weaker, of class 0; the second has NaN scores. */
const ANCHORS = Array.from(
  { length: 42 },
  (_, a) => a === 2 ? [30, 20, 10, 8, 0.5, 0.75] : [1, 1, 1, 1, 0.1, a === 1 ? NaN : 0.1],
);
const TWO = [
  { box: [25, 16, 35, 24], score: 0.5, classId: 0, element: 4 },
  { box: [25, 16, 35, 24], score: 0.75, classId: 1, element: 5 },
];

Deno.test("heads: yolov8 gives one candidate for each anchor and class over the threshold", () => {
  assert.deepEqual(decode("yolov8", [f32([1, 6, 42], transposed(ANCHORS))]), TWO);
  assert.deepEqual(decode("yolov8_transposed", [f32([1, 42, 6], ANCHORS.flat())]), TWO);
});

Deno.test("heads: only wanted classes become candidates", () => {
  const wanted = Uint8Array.of(0, 1);
  assert.deepEqual(decode("yolov8", [f32([1, 6, 42], transposed(ANCHORS))], { wanted }), TWO.slice(1));
  assert.deepEqual(decode("yolov8_transposed", [f32([1, 42, 6], ANCHORS.flat())], { wanted }), TWO.slice(1));
});

Deno.test("heads: the second picture of a batch is read from its own part", () => {
  const both = [...new Array(42 * 6).fill(0), ...transposed(ANCHORS)];
  assert.deepEqual(decode("yolov8", [f32([2, 6, 42], both)], { image: 1 }), TWO);
  assert.deepEqual(decode("yolov8", [f32([2, 6, 42], both)]), []);
});

Deno.test("heads: yolov5 multiplies objectness and class", () => {
  const rows = [[30, 20, 10, 8, 0.5, 0.4, 0.75], [30, 20, 10, 8, 0.2, 1, 1]];
  assert.deepEqual(decode("yolov5", [f32([1, 2, 7], rows.flat())]), [
    { box: [25, 16, 35, 24], score: 0.375, classId: 1, element: 1 },
  ]);
});

Deno.test("heads: yolox adds the cell and takes the exponential of the size", () => {
  // 64x32: 8x4 cells of 8 pixels, 4x2 of 16, 2x1 of 32; anchor 32 + 5 is cell (1, 1) of 16 pixels.
  const data = f32([1, 42, 7], [...new Array(37 * 7).fill(0), 0.5, 0.25, Math.log(2), 0, 0.5, 1, 0]);
  const [only, ...rest] = decode("yolox", [data]);
  assert.deepEqual(rest, []);
  assert.deepEqual([only!.classId, only!.score, only!.element], [0, 0.5, 74]);
  assert.deepEqual(only!.box.map(Math.round), [8, 12, 40, 28]);
});

Deno.test("heads: rtdetr, rtdetr_selected and detr_logits scale normalised boxes by the input", () => {
  const box = [0.5, 0.5, 0.25, 0.5];
  assert.deepEqual(decode("rtdetr", [f32([1, 1, 6], [...box, 0.1, 0.9])]), [
    { box: [24, 8, 40, 24], score: 0.9, classId: 1, element: 1 },
  ]);
  assert.deepEqual(decode("rtdetr_selected", [f32([1, 2, 6], [...box, 0.75, 1, ...box, 0.01, 0])]), [
    { box: [24, 8, 40, 24], score: 0.75, classId: 1, element: 0 },
  ]);
  assert.deepEqual(decode("detr_logits", [f32([1, 1, 2], [-9, 0]), f32([1, 1, 4], box)]), [
    { box: [24, 8, 40, 24], score: 0.5, classId: 1, element: 1 },
  ]);
});

Deno.test("heads: end-to-end rows, D-FINE and EfficientNMS outputs are taken as they are", () => {
  const boxes = f32([1, 2, 4], [1, 2, 3, 4, 5, 6, 7, 8]), scores = f32([1, 2], [0.75, 0.5]);
  const given = [
    { box: [1, 2, 3, 4], score: 0.75, classId: 1, element: 0 },
    { box: [5, 6, 7, 8], score: 0.5, classId: 0, element: 1 },
  ];
  const labels64: Tensor = { type: "int64", dims: [1, 2], data: BigInt64Array.of(1n, 0n) };
  const labels32: Tensor = { type: "int32", dims: [1, 2], data: Int32Array.of(1, 0) };
  const count: Tensor = { type: "int32", dims: [1, 1], data: Int32Array.of(1) };
  const rows = f32([1, 3, 6], [1, 2, 3, 4, 0.75, 1, 5, 6, 7, 8, 0.5, 0, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual(decode("end_to_end", [rows]), given);
  assert.deepEqual(decode("dfine", [labels64, boxes, scores]), given);
  assert.deepEqual(decode("efficient_nms", [count, boxes, scores, labels32]), given.slice(0, 1));
});

Deno.test("heads: boxes and scores for EfficientNMS are one candidate for each box and class", () => {
  const boxes = f32([1, 1, 4], [25, 16, 35, 24]), scores = f32([1, 1, 2], [0.5, 0.75]);
  assert.deepEqual(decode("boxes_scores", [boxes, scores]), TWO.map((c) => ({ ...c, element: c.element - 4 })));
});

Deno.test("heads: f16 outputs are read as numbers", () => {
  const half: Tensor = {
    type: "float16",
    dims: [1, 1, 6],
    data: Uint16Array.of(0x4f80, 0x4d00, 0x4900, 0x4800, 0x3800, 0x3a00),
  };
  assert.deepEqual(decode("yolov8_transposed", [half]), TWO.map((c) => ({ ...c, element: c.element - 4 })));
});

Deno.test("heads: every row names its source and its outputs", () => {
  for (const row of Object.values(HEADS)) assert.ok(row.source.length > 10 && row.outputs.length > 0 && row.summary);
});
