import assert from "node:assert/strict";
import type { Backend, Tensor } from "../../src/backends/backend.ts";
import { Detector } from "../../src/detect/detector.ts";
import { openDetector } from "../../src/detect/open.ts";
import type { DetectionResult, DetectOptions } from "../../src/detect/detection.ts";
import { readImageHeader } from "../../src/detect/picture/image_header.ts";
import type { Manifest, Model } from "../../src/models/model.ts";
import { modelFacts } from "../../src/onnx/facts.ts";
import { readModel } from "../../src/onnx/read.ts";
import { type ErrorCode, TrtdError } from "../../src/errors.ts";
import { tinyYolo, type YoloRow } from "../onnx/build_model.ts";
import { exifBlock } from "./jpeg_writer.ts";
import { chunk, png } from "./png_writer.ts";
import { seededPicture } from "./seeded_picture.ts";

const LABELS = ["cat", "dog"];
/** Boxes on the 64x64 input; a 128x64 picture lies on rows 16 to 48 at half size. */
const ROWS: YoloRow[] = [
  { box: [32, 32, 16, 16], scores: [0.9, 0.3] },
  { box: [33, 32, 16, 16], scores: [0.8, 0.1] },
  { box: [10, 20, 30, 20], scores: [0.1, 0.6] },
  { box: [50, 5, 10, 10], scores: [0.7, 0.1] },
];

const pngOf = (width: number, height: number, orientation = 1) =>
  png({
    width,
    height,
    colorType: 2,
    depth: 8,
    rows: seededPicture(1, width, height).data,
    chunks: orientation === 1 ? [] : [chunk("eXIf", exifBlock(orientation))],
  });
const PICTURE = pngOf(128, 64);

const modelOf = (path: string, manifest: Partial<Manifest> = {}): Model => ({
  name: "tiny",
  path,
  manifest: { name: "tiny", file: "tiny.onnx", ...manifest },
});

/** Open the tiny model from a file, as the command line does. */
async function withDetector(
  manifest: Partial<Manifest>,
  use: (detector: Detector) => Promise<void>,
  batch: number | null = null,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/tiny.onnx`;
    await Deno.writeFile(path, tinyYolo(ROWS, { labels: LABELS, batch }));
    const detector = await openDetector(modelOf(path, manifest), { threads: 1, maxPixels: 1_000_000 });
    try {
      await use(detector);
    } finally {
      await detector.close();
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const brief = ({ detections }: DetectionResult) =>
  detections.map(({ label, score, box }) => [
    label,
    Math.round(score * 1e4) / 1e4,
    ...[box.x1, box.y1, box.x2, box.y2].map((v) => Math.round(v * 1e3) / 1e3),
  ]);

const CAT = ["cat", 0.9, 48, 16, 80, 48];
const DOG = ["dog", 0.6, 0, 0, 50, 28];
const WEAK_DOG = ["dog", 0.3, 48, 16, 80, 48];

Deno.test("detector: boxes are suppressed by class, sorted, mapped to the picture and clipped", async () => {
  await withDetector({}, async (detector) => {
    const result = await detector.detect(PICTURE);
    // The fourth box lies in the padding above the picture.
    assert.deepEqual(brief(result), [CAT, DOG, WEAK_DOG]);
    assert.deepEqual(result.image, { width: 128, height: 64 });
    assert.equal(result.model, "tiny");
    assert.equal(result.backend.name, "onnxruntime");
    assert.deepEqual(detector.labels, LABELS);
    const { decode, preprocess, inference, postprocess, total } = result.timings_ms;
    for (const ms of [decode, preprocess, inference, postprocess]) assert.ok(ms >= 0 && ms <= total);
    assert.ok(decode + preprocess + inference + postprocess <= total + 0.01);
  });
});

Deno.test("detector: options and the manifest's defaults decide, options first", async () => {
  const cases: [Partial<Manifest>, DetectOptions, unknown[][]][] = [
    [{ score: 0.5 }, {}, [CAT, DOG]],
    [{ score: 0.5 }, { score: 0.2 }, [CAT, DOG, WEAK_DOG]],
    [{ class_agnostic: true }, {}, [CAT, DOG]],
    [{ max: 1 }, {}, [CAT]],
    [{}, { max: 2 }, [CAT, DOG]],
    [{}, { classes: ["dog"] }, [DOG, WEAK_DOG]],
    [{}, { iou: 1, score: 0.79 }, [CAT, ["cat", 0.8, 50, 16, 82, 48]]],
    [{ iou: 1, score: 0.79 }, { iou: 0.5 }, [CAT]],
    [{ labels: ["a", "b"] }, { classes: ["a"] }, [["a", ...CAT.slice(1)]]],
  ];
  for (const [manifest, options, expected] of cases) {
    await withDetector(manifest, async (detector) => {
      assert.deepEqual(brief(await detector.detect(PICTURE, options)), expected);
    });
  }
});

Deno.test("detector: wrong options are refused in sentences", async () => {
  const cases: [DetectOptions, RegExp][] = [
    [{ score: -0.1 }, /"score" must be a number from 0 to 1, current value is -0.1/],
    [{ score: NaN }, /"score"/],
    [{ iou: 1.1 }, /"iou"/],
    [{ max: 0 }, /"max" must be an integer from 1 to 5000, current value is 0/],
    [{ max: 2.5 }, /"max"/],
    [{ max: 5001 }, /"max"/],
    [{ classes: ["cat", "horse"] }, /"horse".*cat, dog/],
    [{ classes: [] }, /"classes"/],
  ];
  await withDetector({}, async (detector) => {
    for (const [options, says] of cases) {
      await assert.rejects(() => detector.detect(PICTURE, options), (error: TrtdError) => {
        return error.code === "PARAMETER_INVALID" && says.test(error.message);
      });
    }
  });
});

Deno.test("detector: all eight orientations of one stored picture are detected upright", async () => {
  await withDetector({}, async (detector) => {
    for (let orientation = 1; orientation <= 8; orientation++) {
      const result = await detector.detect(pngOf(128, 64, orientation));
      const [width, height] = orientation > 4 ? [64, 128] : [128, 64];
      assert.deepEqual(result.image, { width, height });
      for (const { box } of result.detections) {
        assert.ok(0 <= box.x1 && box.x1 < box.x2 && box.x2 <= width);
        assert.ok(0 <= box.y1 && box.y1 < box.y2 && box.y2 <= height);
      }
    }
  });
});

Deno.test("detector: a batch gives each picture its own result, and a bad picture spoils no other", async () => {
  for (const batch of [null, 1, 2]) {
    await withDetector({}, async (detector) => {
      const results = await detector.detectBatch([
        { bytes: PICTURE },
        { bytes: PICTURE.subarray(0, 90) },
        { bytes: pngOf(64, 64), options: { classes: ["dog"], score: 0.5 } },
        { bytes: PICTURE, options: { max: 0 } },
        { bytes: pngOf(64, 128) },
      ]);
      const [first, cut, square, wrong, tall] = results;
      assert.deepEqual(brief(first as DetectionResult), [CAT, DOG, WEAK_DOG]);
      assert.equal((cut as TrtdError).code, "IMAGE_CORRUPT");
      assert.deepEqual(brief(square as DetectionResult), [["dog", 0.6, 0, 10, 25, 30]]);
      assert.equal((wrong as TrtdError).code, "PARAMETER_INVALID");
      assert.deepEqual((tall as DetectionResult).image, { width: 64, height: 128 });
    }, batch);
  }
});

Deno.test("detector: calls that overlap do not mix their pictures", async () => {
  await withDetector({}, async (detector) => {
    const sizes = Array.from({ length: 12 }, (_, i) => [64 + 16 * i, 64] as const);
    const results = await Promise.all(sizes.map(([width, height]) => detector.detect(pngOf(width, height))));
    results.forEach(({ image }, i) => assert.deepEqual([image.width, image.height], sizes[i]));
    for (const [i, [width, height]] of sizes.entries()) {
      assert.deepEqual(brief(results[i]!), brief(await detector.detect(pngOf(width, height))));
    }
  });
});

Deno.test("detector: annotate draws on the upright picture", async () => {
  await withDetector({}, async (detector) => {
    const bytes = pngOf(128, 64, 6);
    const { width, height } = readImageHeader(await detector.annotate(bytes, await detector.detect(bytes)));
    assert.deepEqual([width, height], [64, 128]);
  });
});

Deno.test("detector: the pixel limit is the setting's", async () => {
  await withDetector({}, async (detector) => {
    await assert.rejects(() => detector.detect(pngOf(1001, 1000)), { code: "IMAGE_TOO_MANY_PIXELS" });
  });
});

Deno.test("detector: opening fails with the code of what is wrong", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const good = tinyYolo(ROWS, { labels: LABELS });
    await Deno.writeFile(`${folder}/good.onnx`, good);
    await Deno.writeFile(`${folder}/text.onnx`, new TextEncoder().encode("hello"));
    await Deno.writeFile(`${folder}/labels.onnx`, tinyYolo(ROWS, { labels: LABELS }));
    const cases: [Model, ErrorCode][] = [
      [modelOf(`${folder}/none.onnx`), "FILE_NOT_FOUND"],
      [modelOf(folder), "FILE_UNREADABLE"],
      [modelOf(`${folder}/text.onnx`), "MODEL_NOT_PROTOBUF"],
      [modelOf(`${folder}/labels.onnx`, { labels: ["only one"] }), "MODEL_NOT_A_DETECTOR"],
      [modelOf(`${folder}/good.onnx`, { head: "nothing" }), "MANIFEST_INVALID"],
    ];
    for (const [model, code] of cases) await assert.rejects(() => openDetector(model), { code });
    const model = modelOf(`${folder}/good.onnx`);
    await assert.rejects(() => openDetector(model, { backend: "tensorrt" }), { code: "BACKEND_UNAVAILABLE" });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** A backend whose answer is a function of the input tensor. */
function fakeBackend(answer: (input: Tensor) => Record<string, Tensor>): Backend & { closed: number } {
  const fake = {
    info: { name: "onnxruntime", device: "fake", precision: "f32", engine: null, degraded: null } as const,
    inputs: [],
    outputs: [],
    closed: 0,
    warmUp: () => Promise.resolve(),
    run: (inputs: Readonly<Record<string, Tensor>>) => Promise.resolve().then(() => answer(inputs["images"]!)),
    close: () => (fake.closed++, Promise.resolve()),
  };
  return fake;
}

const FACTS = modelFacts(readModel(tinyYolo(ROWS, { labels: LABELS })));

Deno.test("detector: outputs of another shape than promised are an inference failure, and later calls still work", async () => {
  let good = false;
  const tensor = (dims: number[], length = dims.reduce((a, b) => a * b, 1)): Tensor => ({
    type: "float32",
    dims,
    data: new Float32Array(length),
  });
  const bad: Record<string, Tensor>[] = [
    {},
    { output0: tensor([1, 7, 84]) },
    { output0: tensor([2, 6, 84]) },
    { output0: tensor([1, 6, 84], 10) },
    { output0: tensor([6, 84]) },
  ];
  for (const outputs of bad) {
    good = false;
    const backend = fakeBackend(() => good ? { output0: tensor([1, 6, 84]) } : outputs);
    const detector = await Detector.open(modelOf("tiny.onnx"), FACTS, backend);
    await assert.rejects(() => detector.detect(PICTURE), { code: "INFERENCE_FAILED" });
    good = true;
    assert.deepEqual((await detector.detect(PICTURE)).detections, []);
    await detector.close();
    assert.equal(backend.closed, 1);
  }
});

Deno.test("detector: NaN, infinite and reversed boxes end as boxes on the picture or not at all", async () => {
  const rows = [[NaN, 32, 10, 10], [32, 32, Infinity, 10], [32, 32, -20, -10], [1e30, 1e30, 5, 5], [32, 32, 10, 10]];
  const data = new Float32Array(6 * 84);
  rows.forEach((box, a) => [...box, a === 4 ? NaN : 0.9, 0].forEach((v, c) => data[c * 84 + a] = v));
  const backend = fakeBackend(() => ({ output0: { type: "float32", dims: [1, 6, 84], data } }));
  const detector = await Detector.open(modelOf("tiny.onnx"), FACTS, backend);
  const { detections } = await detector.detect(PICTURE);
  assert.deepEqual(detections.map(({ box }) => box), [
    { x1: 0, y1: 22, x2: 128, y2: 42 },
    { x1: 44, y1: 22, x2: 84, y2: 42 },
  ]);
});

Deno.test("detector: a failed opening closes the backend", async () => {
  const backend = fakeBackend(() => ({}));
  backend.warmUp = () => Promise.reject(new TrtdError("INFERENCE_FAILED", "No memory"));
  await assert.rejects(() => Detector.open(modelOf("tiny.onnx"), FACTS, backend), { code: "INFERENCE_FAILED" });
  assert.equal(backend.closed, 1);
});

Deno.test("detector: the picture reaches the model as RGB planes in 0..1 between gray borders", async () => {
  let seen: Tensor | undefined;
  const backend = fakeBackend((input) => {
    seen = { ...input, data: input.data.slice() };
    return { output0: { type: "float32", dims: [1, 6, 84], data: new Float32Array(6 * 84) } };
  });
  const detector = await Detector.open(modelOf("tiny.onnx"), FACTS, backend);
  const rows = new Uint8Array(3 * 64 * 32);
  for (let i = 0; i < rows.length; i += 3) rows.set([255, 51, 0], i);
  await detector.detect(png({ width: 64, height: 32, colorType: 2, depth: 8, rows }));
  assert.deepEqual(seen!.dims, [1, 3, 64, 64]);
  const gray = Math.fround(114 / 255);
  for (const [channel, value] of [1, Math.fround(0.2), 0].entries()) {
    const plane = (seen!.data as Float32Array).subarray(channel * 4096, (channel + 1) * 4096);
    assert.deepEqual([plane[0], plane[16 * 64 - 1], plane[16 * 64], plane[48 * 64 - 1], plane[48 * 64]], [
      gray,
      gray,
      value,
      value,
      gray,
    ]);
  }
});
