/**
 * A model whose EfficientNMS_TRT, with anchors, was cut off: on the GPU's way and on the CPU's.
 *
 *     TRTD_SHIM=... TRTD_FAKE_GPUS=... TRTD_TEST_SETS=... deno run -A cut_nms_scenario.ts
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { liveHandles } from "../../../ffi/handle.ts";
import type { Backend, Tensor } from "../../../src/backends/backend.ts";
import { Detector } from "../../../src/detect/detector.ts";
import { TrtdError } from "../../../src/errors.ts";
import { modelFacts } from "../../../src/onnx/facts.ts";
import { nmsSplitPass } from "../../../src/onnx/passes/nms/nms_split.ts";
import { readModel } from "../../../src/onnx/read.ts";
import { writeModel } from "../../../src/onnx/write.ts";
import { seededPicture } from "../../detect/seeded_picture.ts";
import { randomFrom } from "../../native/pipeline_rig.ts";
import { nmsModel } from "../../onnx/nms_models.ts";
import { openFake } from "./fake_engine.ts";

const SIDE = 64, BATCH = 3, ANCHORS = 90, CLASSES = 4;
const random = randomFrom(31);
const anchors = Float32Array.from(
  Array.from({ length: ANCHORS }, () => {
    const [x, y] = [random(50), random(50)];
    return [x, y, x + 4 + random(10), y + 4 + random(10)];
  }).flat(),
);
const boxes = Float32Array.from({ length: 4 * ANCHORS }, () => random(7) - 3);
const scores = Float32Array.from({ length: CLASSES * ANCHORS }, () => random(100) < 70 ? 0.01 : random(1000) / 1000);

const cut = nmsSplitPass.run(nmsModel({ boxes, scores, scoreDims: [ANCHORS, CLASSES], anchors }));
const facts = modelFacts(readModel(writeModel(cut.model)));
const model = { name: "cut", path: "/models/cut.onnx", manifest: { name: "cut", file: "cut.onnx" } };

/** What the engine answers, for the CPU's way. */
const reference: Backend = {
  info: { name: "onnxruntime", device: "cpu", precision: "f32", engine: null, degraded: null },
  inputs: [],
  outputs: [],
  warmUp: () => Promise.resolve(),
  run: () => Promise.resolve({ boxes: tensorOf([ANCHORS, 4], boxes), scores: tensorOf([ANCHORS, CLASSES], scores) }),
  close: () => Promise.resolve(),
};

const tensorOf = (dims: readonly number[], data: Float32Array): Tensor => ({
  type: "float32",
  dims: [1, ...dims],
  data,
});

const folder = await Deno.makeTempDir({ prefix: "trtd-cut-" });
try {
  for (const [name, { buffer }] of Object.entries({ boxes, scores })) {
    await Deno.writeFile(join(folder, `${name}.bin`), new Uint8Array(buffer));
  }
  Deno.env.set("TRTD_FAKE_OUTPUTS", folder);
  const backend = await openFake({
    input: [3, SIDE, SIDE],
    output: [],
    outputs: { boxes: [ANCHORS, 4], scores: [ANCHORS, CLASSES] },
    batch: [1, BATCH],
  });
  const onGpu = await Detector.open(model, facts, backend);
  const onCpu = await Detector.open(model, facts, reference);
  const frames = [[SIDE, SIDE], [120, 80], [33, 90]].map(([width, height], i) => seededPicture(i, width!, height!));
  let count = 0;
  for (const options of [{}, { iou: 0.9, max: 300 }, { score: 0.6 }]) {
    const answers = await onGpu.detectBatch(frames.map((frame) => ({ frame, options })));
    for (const [i, answer] of answers.entries()) {
      const [expected] = await onCpu.detectBatch([{ frame: frames[i]!, options }]);
      if (answer instanceof TrtdError || expected instanceof TrtdError) throw answer;
      assert.deepEqual(answer.detections, expected!.detections);
      count += answer.detections.length;
    }
  }
  const { degraded } = onGpu.info;
  await onGpu.close();
  await onCpu.close();
  console.log(JSON.stringify({ count, degraded, handles: liveHandles() }));
} finally {
  await Deno.remove(folder, { recursive: true });
}
