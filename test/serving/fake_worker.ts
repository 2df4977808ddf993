/** A worker in this process whose answers and end the test decides. */
import { TrtdError } from "../../src/errors.ts";
import type { BackendInfo } from "../../src/backends/backend.ts";
import type { GpuSample } from "../../src/native/gpu/gpu_sample.ts";
import type {
  DetectionWorker,
  LoadedModel,
  WorkerAnswer,
  WorkerEnd,
  WorkerRequest,
} from "../../src/serving/detection_worker.ts";
import { endCause, type KillReason } from "../../src/serving/policy/blame.ts";
import { CANARY_OPTIONS } from "../../src/serving/worker/canary_picture.ts";

/** Name of the model that every fake worker has. */
export const FAKE_MODEL = "codes";

export const FAKE_BACKEND: BackendInfo = {
  name: "onnxruntime",
  device: "cpu",
  precision: "f32",
  engine: null,
  degraded: null,
};

/** An answer with one detection. */
export function fakeAnswer(request: WorkerRequest, backend: BackendInfo = FAKE_BACKEND): WorkerAnswer {
  const score = request.options.score ?? 0.25;
  return {
    result: {
      image: { width: 16, height: 16 },
      model: FAKE_MODEL,
      backend,
      detections: [{
        label: "qr_code",
        class_id: 0,
        score: Math.max(score, 0.9),
        box: { x1: 1.4, y1: 2.6, x2: 9, y2: 9 },
      }],
      timings_ms: { decode: 1, preprocess: 1, inference: 5, postprocess: 1, total: 8 },
    },
    annotated: request.annotate ? new Uint8Array([0xff, 0xd8, 0xff, 0xd9]) : null,
    batch: 1,
  };
}

/** The picture's bytes, as the manager has them. */
export function bytesOf({ picture: { place } }: WorkerRequest): Uint8Array {
  return Uint8Array.from("bytes" in place ? place.bytes : place.ring.read(place.region));
}

export interface Held {
  readonly request: WorkerRequest;
  answer(): void;
  fail(error: TrtdError): void;
}

export interface FakeWorkerOptions {
  /** Answer requests at once. @default true */
  readonly automatic?: boolean;
  /** What the loading fails with. */
  readonly failure?: TrtdError;
  /** Wait for `becomeReady`. */
  readonly loading?: boolean;
  readonly backend?: BackendInfo;
  /** What it tells about GPUs. */
  readonly gpus?: readonly GpuSample[];
  /** Answers the canary. @default as any other request */
  readonly canary?: (request: WorkerRequest) => Promise<WorkerAnswer>;
}

export class FakeWorker implements DetectionWorker {
  readonly ready: Promise<LoadedModel>;
  readonly ended: Promise<WorkerEnd>;
  readonly pid = null;
  readonly gpus: readonly GpuSample[];
  rssBytes: number | null = null;
  /** Whether it answers pings. */
  responsive = true;
  /** Requests without an answer, oldest first. */
  readonly held: Held[] = [];
  /** Everything that was asked but the canary. */
  readonly seen: WorkerRequest[] = [];
  canaries = 0;
  closed = false;
  automatic: boolean;
  readonly #options: FakeWorkerOptions;
  readonly #ready = Promise.withResolvers<LoadedModel>();
  readonly #ended = Promise.withResolvers<WorkerEnd>();

  constructor(options: FakeWorkerOptions = {}) {
    this.#options = options;
    this.gpus = options.gpus ?? [];
    this.automatic = options.automatic ?? true;
    this.ready = this.#ready.promise;
    this.ended = this.#ended.promise;
    this.ready.catch(() => {});
    if (options.failure !== undefined) this.#ready.reject(options.failure);
    else if (options.loading !== true) this.becomeReady();
  }

  becomeReady(): void {
    const { backend = FAKE_BACKEND } = this.#options;
    this.#ready.resolve({ name: FAKE_MODEL, labels: ["qr_code", "aztec"], backend, batch: 1, lanes: 1 });
  }

  fits(): boolean {
    return true;
  }

  detect(request: WorkerRequest): Promise<WorkerAnswer> {
    const { backend, canary } = this.#options;
    if (request.options === CANARY_OPTIONS) {
      this.canaries++;
      return canary?.(request) ?? Promise.resolve(fakeAnswer(request, backend));
    }
    this.seen.push(request);
    if (this.automatic) return Promise.resolve(fakeAnswer(request, backend));
    const { promise, resolve, reject } = Promise.withResolvers<WorkerAnswer>();
    const held: Held = {
      request,
      answer: () => {
        this.held.splice(this.held.indexOf(held), 1);
        resolve(fakeAnswer(request, backend));
      },
      fail: (error) => {
        this.held.splice(this.held.indexOf(held), 1);
        reject(error);
      },
    };
    this.held.push(held);
    return promise;
  }

  ping(): Promise<void> {
    return this.responsive ? Promise.resolve() : new Promise(() => {});
  }

  /** It dies of a signal: another's, or one of its own making. */
  die(signal: string): void {
    this.#end({ cause: endCause(signal, null), how: signal });
  }

  kill(reason: KillReason): void {
    this.#end({ cause: reason, how: "SIGKILL" });
  }

  close(): Promise<void> {
    this.closed = true;
    this.kill("replaced");
    return Promise.resolve();
  }

  #end(end: WorkerEnd): void {
    const died = new TrtdError("WORKER_DIED", `The worker process ended with ${end.how}`);
    this.#ready.reject(died);
    for (const held of [...this.held]) held.fail(died);
    this.#ended.resolve(end);
  }
}
