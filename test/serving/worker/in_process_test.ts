import assert from "node:assert/strict";
import type { DetectionResult } from "../../../src/detect/detection.ts";
import { TrtdError } from "../../../src/errors.ts";
import { pictureFile, type ServedPicture } from "../../../src/serving/detection_worker.ts";
import { Ring } from "../../../src/serving/ring/ring.ts";
import { InProcessWorker } from "../../../src/serving/worker/in_process.ts";
import { packedFrame } from "../../../src/serving/worker/packed_frame.ts";
import type { DetectorPicture, ServedDetector } from "../../../src/serving/worker/served_detector.ts";
import { FAKE_BACKEND, fakeAnswer } from "../fake_worker.ts";

const MODEL = { name: "codes", path: "codes.onnx", manifest: { name: "codes", file: "codes.onnx" } };
const SETTINGS = { backend: "auto", max_pixels: 1000 } as const;

/** Remembers what it was asked. */
function detectorOf(seen: DetectorPicture[]): ServedDetector & { closed: number } {
  return {
    closed: 0,
    labels: ["qr_code"],
    info: FAKE_BACKEND,
    batchMax: 4,
    detectBatch(requests): Promise<DetectionResult[]> {
      seen.push(...requests);
      return Promise.resolve(
        requests.map(({ options }) => fakeAnswer(requestOf(pictureFile(new Uint8Array(0)), options)).result),
      );
    },
    annotate: () => Promise.resolve(Uint8Array.of(0xff, 0xd8)),
    close() {
      this.closed++;
      return Promise.resolve();
    },
  };
}

const requestOf = (picture: ServedPicture, options = {}, annotate = false) => ({
  picture,
  options,
  annotate,
  deadline: Date.now() + 120_000,
});

Deno.test("in process: pictures reach the detector as files and as raw frames, from memory and from a ring", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "trtd-test-" });
  const ring = Ring.create({ bytes: 65_536, folder });
  const seen: DetectorPicture[] = [];
  const detector = detectorOf(seen);
  const worker = new InProcessWorker(MODEL, SETTINGS, () => Promise.resolve(detector));
  await assert.rejects(worker.detect(requestOf(pictureFile(new Uint8Array(1)))), { code: "MODEL_NOT_READY" });
  assert.equal((await worker.ready).batch, 4);
  const { annotated } = await worker.detect(requestOf(pictureFile(Uint8Array.of(9)), {}, true));
  assert.deepEqual(annotated, Uint8Array.of(0xff, 0xd8));
  const rows = Uint8Array.of(1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 10, 11, 12, 0, 0);
  const region = ring.put(rows)!;
  await worker.detect(requestOf({ kind: "rgb", width: 2, height: 2, stride: 8, place: { ring, region } }));
  assert.deepEqual(seen[0], { bytes: Uint8Array.of(9), options: {} });
  const frame = { data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), width: 2, height: 2 };
  assert.deepEqual(seen[1], { frame, options: {} });
  await worker.close();
  assert.deepEqual(await worker.ended, { cause: "replaced", how: "it was put away" });
  assert.ok(detector.closed >= 1);
  ring.close();
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("in process: a model that cannot be loaded says why", async () => {
  const failure = new TrtdError("MODEL_INVALID", "The model is wrong");
  const worker = new InProcessWorker(MODEL, SETTINGS, () => Promise.reject(failure));
  await assert.rejects(worker.ready, { code: "MODEL_INVALID" });
  await worker.close();
});

Deno.test("in process: a lost device ends it and fails what waits, also when no answer tells of it", async () => {
  const fault = Promise.withResolvers<TrtdError>();
  const detector = {
    ...detectorOf([]),
    fault: fault.promise,
    detectBatch: () => new Promise<DetectionResult[]>(() => {}),
  };
  const worker = new InProcessWorker(MODEL, SETTINGS, () => Promise.resolve(detector));
  await worker.ready;
  const waiting = worker.detect(requestOf(pictureFile(Uint8Array.of(9))));
  fault.resolve(new TrtdError("GPU_FAULT", "CUDA error 700"));
  await assert.rejects(waiting, { code: "WORKER_DIED" });
  assert.equal((await worker.ended).cause, "gpu_fault");
});

Deno.test("in process: rows without gaps are not copied, and rows that overlap or end early are refused", () => {
  const bytes = new Uint8Array(12);
  assert.equal(packedFrame(bytes, { width: 2, height: 2, stride: 6 }).data.buffer, bytes.buffer);
  for (const shape of [{ width: 2, height: 2, stride: 5 }, { width: 2, height: 3, stride: 6 }]) {
    assert.throws(() => packedFrame(bytes, shape), { code: "IMAGE_DIMENSIONS_INVALID" });
  }
});
