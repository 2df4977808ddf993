/** Detectors and pictures without a model: a picture is its name, a detector a list of boxes for each name. */
import type { Tensor } from "../../src/backends/backend.ts";
import type { Detection, DetectOptions } from "../../src/detect/detection.ts";
import type { TrtdError } from "../../src/errors.ts";
import type { PictureSet } from "../../src/verify/pictures.ts";
import type { GateMachine, ParityReport } from "../../src/verify/report.ts";
import { type GateDetector, ReferenceAnswers } from "../../src/verify/sides.ts";
import { verifyEngine } from "../../src/verify/verify.ts";

export const MACHINE: GateMachine = {
  gpu: "NVIDIA Fake 4090",
  compute_capability: "8.9",
  driver: "580.95.05",
  tensorrt: "TensorRT 10.13.2.6",
};

export interface FakeAnswers {
  /** By picture: what is left after suppression. */
  readonly boxes: Readonly<Record<string, readonly Detection[]>>;
  /** By picture: all before suppression. @default the same */
  readonly before?: Readonly<Record<string, readonly Detection[]>>;
  readonly outputs?: Readonly<Record<string, readonly Tensor[]>>;
  readonly fails?: TrtdError;
  readonly name?: "onnxruntime" | "tensorrt";
}

export class FakeDetector implements GateDetector {
  readonly info;
  asked = 0;
  closed = 0;
  readonly outputs?: (bytes: Uint8Array) => Promise<readonly Tensor[]>;

  constructor(readonly answers: FakeAnswers) {
    const { name = "tensorrt", outputs } = answers;
    this.info = {
      name,
      device: name === "tensorrt" ? "cuda:0" : "cpu",
      precision: "f32",
      engine: null,
      degraded: null,
    } as const;
    if (outputs !== undefined) this.outputs = (bytes) => Promise.resolve(outputs[nameIn(bytes)] ?? []);
  }

  detect(bytes: Uint8Array, { score = 0.25, iou = 0.45, max = 300 }: DetectOptions = {}) {
    this.asked++;
    const { boxes, before = boxes, fails } = this.answers;
    if (fails !== undefined) return Promise.reject(fails);
    const all = (iou >= 1 ? before : boxes)[nameIn(bytes)] ?? [];
    const detections = all.filter((one) => !(one.score < score)).sort((a, b) => b.score - a.score).slice(0, max);
    return Promise.resolve({ detections });
  }

  close(): Promise<void> {
    this.closed++;
    return Promise.resolve();
  }
}

const nameIn = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** Pictures of these names. */
export const pictureSet = (...names: string[]): PictureSet => ({
  id: "test",
  list: () =>
    Promise.resolve(names.map((name) => ({ name, load: () => Promise.resolve(new TextEncoder().encode(name)) }))),
});

/** Compares two fakes on the pictures that the reference has an answer for. */
export function compareFakes(
  engine: FakeAnswers,
  reference: FakeAnswers,
  { precision = "f32", pictures = Object.keys(reference.boxes) }: {
    precision?: "f32" | "fp16";
    pictures?: readonly string[];
  } = {},
): Promise<ParityReport> {
  return verifyEngine({
    engine: { detector: new FakeDetector(engine), precision, sha256: "ee".repeat(32) },
    reference: new ReferenceAnswers(new FakeDetector({ name: "onnxruntime", ...reference }), pictureSet(...pictures)),
    machine: MACHINE,
    now: () => Date.UTC(2026, 10, 22),
  });
}
