import assert from "node:assert/strict";
import { BoxFlag, Layout } from "../../../ffi/enums.ts";
import {
  anchorsShape,
  detectionsSpec,
  type HeadLayout,
  layoutOf,
  type OutputShape,
  whyNoKernels,
} from "../../../src/backends/tensorrt/detections_spec.ts";
import { fittedHead } from "../../../src/detect/fitted_head.ts";
import { detectHead, HEADS } from "../../../src/detect/heads/heads.ts";
import { modelFacts } from "../../../src/onnx/facts.ts";
import { readModel } from "../../../src/onnx/read.ts";
import { tinyYolo } from "../../onnx/build_model.ts";

const YOLO: HeadLayout = {
  name: "yolov8",
  classes: 2,
  labels: 2,
  width: 96,
  height: 64,
  strides: [8, 16, 32],
  cut: null,
  nms: true,
};
const f32 = (...dims: number[]): OutputShape => ({ type: "float32", dims });
const cut = {
  scoreThreshold: 0.25,
  iouThreshold: 0.5,
  maxOutputBoxes: 100,
  backgroundClass: 1,
  scoreActivation: true,
  classAgnostic: false,
  boxCoding: "center_size",
  outputs: ["boxes", "scores"],
} as const;

Deno.test("detections spec: boxes that are listed are as many as rows, others as many as candidates", () => {
  const spec = detectionsSpec(YOLO, [f32(4, 6, 126)], { imagesMax: 4 });
  assert.deepEqual([spec.layout, spec.rows, spec.columns, spec.boxesMax], [Layout.CHANNELS_FIRST, 6, 126, 5000]);
  const list = detectionsSpec({ ...YOLO, name: "end_to_end", nms: false }, [f32(1, 300, 6)], { imagesMax: 1 });
  assert.deepEqual([list.layout, list.boxesMax, list.suppress], [Layout.END_TO_END, 300, false]);
});

Deno.test("detections spec: a cut NMS tells its coding, its background and whether boxes are of a class", () => {
  const head = { ...YOLO, name: "cut_nms", classes: 3, cut: { ...cut, anchors: null } } as HeadLayout;
  const flags = (boxes: OutputShape) => detectionsSpec(head, [boxes, f32(1, 10, 3)], { imagesMax: 1 }).boxFlags;
  assert.deepEqual([flags(f32(1, 10, 4)), flags(f32(1, 10, 3, 4))], [2, 2 | 4]);
  assert.equal(detectionsSpec(head, [f32(1, 10, 4), f32(1, 10, 3)], { imagesMax: 1 }).background, 1);
});

const REFUSED:
  readonly (readonly [title: string, head: Partial<HeadLayout>, outputs: OutputShape[], reason: RegExp])[] = [
    ["a shape that depends on the picture", {}, [f32(1, 6, -1)], /output 0 depends on the picture/],
    ["an unknown number of classes", { classes: 0 }, [f32(1, 6, 126)], /number of classes/],
    ["too many labels", { labels: 65_537 }, [f32(1, 6, 126)], /65537 labels/],
    ["too many sizes of cells", { name: "yolox", strides: [4, 8, 16, 32, 64] }, [f32(1, 126, 7)], /5 sizes of cells/],
  ];

for (const [title, head, outputs, reason] of REFUSED) {
  Deno.test(`detections spec: ${title} is left to the CPU`, () => {
    assert.match(whyNoKernels({ ...YOLO, ...head }, outputs) ?? "", reason);
  });
}

Deno.test("detections spec: every head with known shapes is for the kernels", () => {
  for (const [name, row] of Object.entries(HEADS)) {
    const outputs = row.outputs.map(() => f32(1, 20, 6));
    const head = { ...YOLO, name, nms: row.nms } as HeadLayout;
    assert.equal(whyNoKernels(head, outputs), null, name);
  }
});

Deno.test("detections spec: anchors of a cut NMS are one more tensor, for all pictures or for each of the batch", () => {
  const outputs = [f32(2, 10, 4), f32(2, 10, 3)];
  const of = (images: number, rows: number) => {
    const anchors = { data: new Float32Array(4 * images * rows), images };
    const head: HeadLayout = { ...YOLO, name: "cut_nms", classes: 3, cut: { ...cut, anchors } };
    const refusal = whyNoKernels(head, outputs);
    if (refusal !== null) return refusal;
    const all = [...outputs, ...anchorsShape(head)];
    const { types, boxFlags } = detectionsSpec(head, all, { imagesMax: 2 });
    return [all[2]!.dims, types.length, boxFlags! & (BoxFlag.ANCHORS | BoxFlag.OWN_ANCHORS)];
  };
  assert.deepEqual(of(1, 10), [[1, 10, 4], 3, BoxFlag.ANCHORS]);
  assert.deepEqual(of(2, 10), [[2, 10, 4], 3, BoxFlag.ANCHORS | BoxFlag.OWN_ANCHORS]);
  assert.equal(of(1, 9), "the NMS that was cut off has 9 anchors, the engine 10 boxes a picture");
  assert.equal(of(3, 10), "the NMS that was cut off has 30 anchors, the engine 10 boxes a picture");
});

const HEAD = detectHead(modelFacts(readModel(tinyYolo([], { labels: ["cat", "dog"], batch: null }))), {
  name: "m",
  file: "m.onnx",
});
const info = { name: "tensorrt", device: "cuda:0", precision: "fp16", engine: null, degraded: null } as const;

Deno.test("fitted head: type, batch and size of the input are the engine's; ONNX Runtime changes nothing", () => {
  const dims = [-1, 3, 32, 96];
  const fitted = fittedHead(HEAD, { info, inputs: [{ name: HEAD.input.name, type: "float16", dims }] });
  assert.deepEqual(fitted.input, { name: HEAD.input.name, type: "float16", batch: null, height: 32, width: 96 });
  assert.deepEqual([layoutOf(fitted).width, layoutOf(fitted).labels], [96, 2]);
  assert.equal(fittedHead(HEAD, { info: { ...info, name: "onnxruntime" }, inputs: [] }), HEAD);
});

Deno.test("fitted head: an engine of another model is refused with its inputs", () => {
  for (const [name, type, dims] of [["x", "float32", [1, 3, 4, 4]], ["images", "int32", [1, 3, 4, 4]]] as const) {
    assert.throws(() => fittedHead(HEAD, { info, inputs: [{ name, type, dims }] }), { code: "LOAD_FAILED" });
  }
  const gray = [{ name: "images", type: "float32", dims: [1, 1, 64, 64] }] as const;
  assert.throws(() => fittedHead(HEAD, { info, inputs: gray }), /"images" float32 \[1, 1, 64, 64\]/);
});
