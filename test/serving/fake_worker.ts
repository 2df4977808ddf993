/** A worker in this process whose answers and end the test decides. */
import { TrtdError } from "../../src/errors.ts";
import type { BackendInfo } from "../../src/backends/backend.ts";
import type { DetectionWorker, LoadedModel, WorkerAnswer, WorkerRequest } from "../../src/serving/detection_worker.ts";

export const FAKE_BACKEND: BackendInfo = {
  name: "onnxruntime",
  device: "cpu",
  precision: "f32",
  engine: null,
  degraded: null,
};

/** An answer with one detection. */
export function fakeAnswer(request: WorkerRequest): WorkerAnswer {
  const score = request.options.score ?? 0.25;
  return {
    result: {
      image: { width: 16, height: 16 },
      model: request.model,
      backend: FAKE_BACKEND,
      detections: [{
        label: "qr_code",
        class_id: 0,
        score: Math.max(score, 0.9),
        box: { x1: 1.4, y1: 2.6, x2: 9, y2: 9 },
      }],
      timings_ms: { decode: 1, preprocess: 1, inference: 5, postprocess: 1, total: 8 },
    },
    annotated: request.annotate ? new Uint8Array([0xff, 0xd8, 0xff, 0xd9]) : null,
  };
}

export interface Held {
  readonly request: WorkerRequest;
  answer(): void;
  fail(error: TrtdError): void;
}

export class FakeWorker implements DetectionWorker {
  readonly ready: Promise<readonly LoadedModel[]>;
  readonly ended: Promise<string>;
  /** Requests without an answer, oldest first. */
  readonly held: Held[] = [];
  /** Everything that was asked. */
  readonly seen: WorkerRequest[] = [];
  /** Answer at once. */
  automatic: boolean;
  readonly #ready = Promise.withResolvers<readonly LoadedModel[]>();
  readonly #ended = Promise.withResolvers<string>();

  constructor(options: { automatic?: boolean; failure?: TrtdError; loading?: boolean } = {}) {
    this.automatic = options.automatic ?? true;
    this.ready = this.#ready.promise;
    this.ended = this.#ended.promise;
    this.ready.catch(() => {});
    if (options.failure !== undefined) this.#ready.reject(options.failure);
    else if (options.loading !== true) this.becomeReady();
  }

  becomeReady(): void {
    this.#ready.resolve([{ name: "codes", labels: ["qr_code", "aztec"], backend: FAKE_BACKEND }]);
  }

  detect(request: WorkerRequest): Promise<WorkerAnswer> {
    this.seen.push(request);
    if (this.automatic) return Promise.resolve(fakeAnswer(request));
    const { promise, resolve, reject } = Promise.withResolvers<WorkerAnswer>();
    const held: Held = {
      request,
      answer: () => {
        this.held.splice(this.held.indexOf(held), 1);
        resolve(fakeAnswer(request));
      },
      fail: (error) => {
        this.held.splice(this.held.indexOf(held), 1);
        reject(error);
      },
    };
    this.held.push(held);
    return promise;
  }

  kill(): void {
    const died = new TrtdError("WORKER_DIED", "The worker process ended with SIGKILL");
    this.#ready.reject(died);
    for (const held of [...this.held]) held.fail(died);
    this.#ended.resolve("SIGKILL");
  }

  close(): Promise<void> {
    this.kill();
    return Promise.resolve();
  }
}
