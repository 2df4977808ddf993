import assert from "node:assert/strict";
import {
  type Backend,
  type FramePipeline,
  PictureRefused,
  type PipelineFrame,
  type PipelineRun,
} from "../../src/backends/backend.ts";
import { Detector, type DetectRequest } from "../../src/detect/detector.ts";
import { TrtdError } from "../../src/errors.ts";
import { modelFacts } from "../../src/onnx/facts.ts";
import { readModel } from "../../src/onnx/read.ts";
import { loadSharp } from "../../src/native/sharp.ts";
import { tinyYolo } from "../onnx/build_model.ts";
import { png } from "./png_writer.ts";
import { seededPicture } from "./seeded_picture.ts";

/** A pipeline that answers one box for each picture, and writes down what it was given. */
class FakePipeline implements FramePipeline {
  readonly batchMax = 3;
  readonly lanes = 2;
  readonly jpeg = true;
  readonly runs: (readonly PipelineFrame[])[] = [];
  #under = 0;
  most = 0;

  constructor(private readonly refuse: (frames: readonly PipelineFrame[]) => Error | null = () => null) {}

  async run(frames: readonly PipelineFrame[]): Promise<PipelineRun> {
    this.most = Math.max(this.most, ++this.#under);
    this.runs.push(frames);
    await new Promise((resolve) => setTimeout(resolve, 2));
    this.#under--;
    const refusal = this.refuse(frames);
    if (refusal !== null) throw refusal;
    return {
      boxes: frames.map(() => ({ numbers: Float32Array.of(8, 24, 40, 40, 0.75), labels: Int32Array.of(1) })),
      timings: { decode: 1, preprocess: 2, inference: 3, postprocess: 0 },
    };
  }
}

async function detectorOf(pipeline: FramePipeline): Promise<Detector> {
  const model = { name: "tiny", path: "tiny.onnx", manifest: { name: "tiny", file: "tiny.onnx" } };
  const facts = modelFacts(readModel(tinyYolo([], { labels: ["cat", "dog"], batch: null })));
  const backend: Backend = {
    info: { name: "tensorrt", device: "cuda:0", precision: "fp16", engine: "/e.engine", degraded: null },
    inputs: [{ name: "images", type: "float16", dims: [-1, 3, 64, 64] }],
    outputs: [],
    openPipeline: () => Promise.resolve(pipeline),
    warmUp: () => Promise.reject(new Error("The pipeline warms up by itself")),
    run: () => Promise.reject(new Error("The pipeline runs")),
    close: () => Promise.resolve(),
  };
  return await Detector.open(model, facts, backend);
}

const frame = (width: number, height: number): DetectRequest => ({ frame: seededPicture(1, width, height) });

async function jpegOf(width: number, height: number): Promise<Uint8Array> {
  const sharp = await loadSharp();
  const raw = { width, height, channels: 3 as const };
  return new Uint8Array(await sharp(seededPicture(3, width, height).data, { raw }).jpeg().toBuffer());
}

Deno.test("device run: boxes of the input are mapped to each picture, with the run's times", async () => {
  const detector = await detectorOf(new FakePipeline());
  const [wide, tall] = await detector.detectBatch([frame(128, 64), frame(32, 64)]);
  assert(!(wide instanceof TrtdError) && !(tall instanceof TrtdError));
  assert.deepEqual(wide!.detections, [
    { label: "dog", class_id: 1, score: 0.75, box: { x1: 16, y1: 16, x2: 80, y2: 48 } },
  ]);
  assert.deepEqual(tall!.detections[0]!.box, { x1: 0, y1: 24, x2: 24, y2: 40 });
  const { decode, preprocess, inference, postprocess, total } = wide!.timings_ms;
  assert(decode >= 1 && total >= decode);
  assert.deepEqual([preprocess, inference], [2, 3]);
  assert(postprocess >= 0);
  assert.equal(wide!.backend.name, "tensorrt");
});

Deno.test("device run: many pictures are several runs of the largest batch, side by side", async () => {
  const pipeline = new FakePipeline();
  const detector = await detectorOf(pipeline);
  assert.deepEqual([detector.batchMax, detector.lanes], [3, 2]);
  const answers = await detector.detectBatch(Array.from({ length: 7 }, (_, i) => frame(20 + i, 30)));
  assert.deepEqual(pipeline.runs.map((frames) => frames.length), [3, 3, 1]);
  assert(pipeline.most > 1);
  assert.deepEqual(answers.map((one) => !(one instanceof TrtdError) && one.image.width), [20, 21, 22, 23, 24, 25, 26]);
});

Deno.test("device run: the question has the options, the placement and the bytes as they are", async () => {
  const pipeline = new FakePipeline();
  const detector = await detectorOf(pipeline);
  const request = frame(128, 64);
  await detector.detectBatch([{ ...request, options: { score: 0.5, iou: 0.3, max: 7, classes: ["dog"] } }]);
  const [given] = pipeline.runs[0]!;
  assert.deepEqual(given!.question, {
    score: 0.5,
    iou: 0.3,
    max: 7,
    classAgnostic: false,
    wanted: Uint8Array.of(0, 1),
  });
  const { left, top, width, height, scaleX } = given!.placement;
  assert.deepEqual([left, top, width, height, scaleX], [0, 16, 64, 32, 0.5]);
  assert.equal(given!.data, "frame" in request ? request.frame.data : null);
});

Deno.test("device run: a JPEG goes as it is; refused, it is decoded on the CPU within the request", async () => {
  const file = await jpegOf(48, 40);
  const taken = new FakePipeline();
  await (await detectorOf(taken)).detect(file);
  assert.deepEqual([taken.runs[0]![0]!.kind, taken.runs[0]![0]!.data.length], ["jpeg", file.length]);

  const refusing = new FakePipeline((frames) => {
    const at = frames.findIndex(({ kind }) => kind === "jpeg");
    return at < 0 ? null : new PictureRefused("Not this one", at);
  });
  const detector = await detectorOf(refusing);
  const answers = await detector.detectBatch([frame(30, 30), { bytes: file }, { bytes: file }]);
  assert(answers.every((answer) => !(answer instanceof TrtdError)));
  assert.deepEqual(refusing.runs.map((frames) => frames.map(({ kind }) => kind).join()), [
    "rgb,jpeg,jpeg",
    "rgb,rgb,jpeg",
    "rgb,rgb,rgb",
  ]);
});

Deno.test("device run: a pipeline that refuses pixels has failed, and does so once", async () => {
  const pipeline = new FakePipeline(() => new PictureRefused("Never", null));
  const [answer] = await (await detectorOf(pipeline)).detectBatch([frame(30, 30)]);
  assert.equal((answer as TrtdError).code, "INFERENCE_FAILED");
  assert.equal(pipeline.runs.length, 1);
});

Deno.test("device run: a failure of one run is that of its pictures alone", async () => {
  const pipeline = new FakePipeline((frames) =>
    frames.some(({ width }) => width === 23) ? new TrtdError("OUT_OF_GPU_MEMORY", "No room") : null
  );
  const detector = await detectorOf(pipeline);
  const answers = await detector.detectBatch(Array.from({ length: 6 }, (_, i) => frame(20 + i, 30)));
  const codes = answers.map((answer) => answer instanceof TrtdError ? answer.code : "fine");
  assert.deepEqual(codes, ["fine", "fine", "fine", ...Array(3).fill("OUT_OF_GPU_MEMORY")]);
});

Deno.test("device run: raw frames are checked before anything reads them", async () => {
  const detector = await detectorOf(new FakePipeline());
  const data = new Uint8Array(12);
  const codes = [];
  for (const [width, height] of [[2, 2], [2, 3], [0, 4], [1.5, 2], [-2, -2], [65_536, 1]] as const) {
    const [answer] = await detector.detectBatch([{ frame: { data, width, height } }]);
    codes.push(answer instanceof TrtdError ? answer.code : "fine");
  }
  assert.deepEqual(codes, ["fine", ...Array(5).fill("IMAGE_DIMENSIONS_INVALID")]);
  const broken = png({ width: 4, height: 4, colorType: 2, depth: 8, rows: seededPicture(1, 4, 4).data }).slice(0, 50);
  const [mixed, other] = await detector.detectBatch([{ bytes: broken }, frame(9, 9)]);
  assert(mixed instanceof TrtdError && !(other instanceof TrtdError));
});
