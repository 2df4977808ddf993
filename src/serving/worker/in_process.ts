/** A model in the manager's own process, for devices that are too small for two: a native crash ends the server. */
import { TrtdError, trtdErrorFrom } from "../../errors.ts";
import type { Model } from "../../models/model.ts";
import type { GpuSample, GpuSource } from "../../native/gpu/gpu_sample.ts";
import type { WorkerSettings } from "../channel/messages.ts";
import { SYSTEM_CLOCK } from "../clock.ts";
import type {
  DetectionWorker,
  LoadedModel,
  ServedPicture,
  WorkerAnswer,
  WorkerEnd,
  WorkerRequest,
} from "../detection_worker.ts";
import type { KillReason } from "../policy/blame.ts";
import { logAnswered, logFailed } from "../telemetry/picture_log.ts";
import { Batcher } from "./batcher.ts";
import { packedFrame } from "./packed_frame.ts";
import { batchOf, type DetectorPicture, type OpenDetector, type ServedDetector } from "./served_detector.ts";

export class InProcessWorker implements DetectionWorker {
  readonly ready: Promise<LoadedModel>;
  readonly ended: Promise<WorkerEnd>;
  readonly pid = null;
  readonly rssBytes = null;
  readonly #gpus: GpuSource | undefined;
  readonly #model: string;
  readonly #ended = Promise.withResolvers<WorkerEnd>();
  /** What fails those that wait when the model is put away. */
  readonly #waiting = new Set<(error: TrtdError) => void>();
  #detector: ServedDetector | undefined;
  #batcher: Batcher | undefined;
  #over = false;

  /** @param gpus what is told about GPUs. @default nothing */
  constructor(model: Model, settings: WorkerSettings, open: OpenDetector, gpus?: GpuSource) {
    this.#gpus = gpus;
    this.#model = model.name;
    this.ended = this.#ended.promise;
    this.ready = this.#load(model, settings, open);
    this.ready.catch(() => {});
  }

  get gpus(): readonly GpuSample[] {
    return this.#gpus?.latest() ?? [];
  }

  fits(): boolean {
    return true;
  }

  async detect(request: WorkerRequest): Promise<WorkerAnswer> {
    try {
      const answer = await this.#detect(request);
      logAnswered(request.requestId, answer.result, answer.batch);
      return answer;
    } catch (thrown) {
      const error = trtdErrorFrom(thrown);
      logFailed(request.requestId, this.#model, error);
      throw error;
    }
  }

  async #detect({ picture, options, annotate, deadline }: WorkerRequest): Promise<WorkerAnswer> {
    const [detector, batcher] = [this.#detector, this.#batcher];
    if (detector === undefined || batcher === undefined) {
      throw new TrtdError("MODEL_NOT_READY", "The worker is starting");
    }
    const asked = detectorPicture(picture);
    const deadlineMs = SYSTEM_CLOCK.now() + deadline - Date.now();
    const work = batcher.detect({ deadlineMs, request: () => ({ ...asked, options }) });
    const { result, batch } = await this.#unlessGone(work);
    const annotated = annotate ? await detector.annotate(asked, result) : null;
    return { result, batch, annotated: annotated === null ? null : new Uint8Array(annotated) };
  }

  ping(): Promise<void> {
    return Promise.resolve();
  }

  kill(reason: KillReason): void {
    if (this.#over) return;
    this.#over = true;
    for (const fail of this.#waiting) fail(new TrtdError("WORKER_DIED", "The model was put away"));
    this.#waiting.clear();
    void this.#detector?.close().catch(() => {});
    this.#ended.resolve({ cause: reason, how: "it was put away" });
  }

  async close(): Promise<void> {
    this.kill("replaced");
    await this.#detector?.close().catch(() => {});
  }

  #unlessGone<T>(work: Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#waiting.add(reject);
    work.then(resolve, reject).finally(() => this.#waiting.delete(reject));
    return promise;
  }

  async #load(model: Model, settings: WorkerSettings, open: OpenDetector): Promise<LoadedModel> {
    try {
      const detector = this.#detector = await open(model, settings);
      if (this.#over) {
        await detector.close();
        throw new TrtdError("WORKER_DIED", "The model was put away while it was loaded");
      }
      const limits = {
        batch: batchOf(detector, settings.batch_max),
        lanes: detector.lanes ?? 1,
        delayMs: settings.batch_delay_ms ?? 0,
      };
      this.#batcher = new Batcher(detector, limits, SYSTEM_CLOCK);
      void detector.fault?.then(() => this.kill("gpu_fault"));
      const { labels, info } = detector;
      return { name: model.name, labels: [...labels], backend: info, batch: limits.batch, lanes: limits.lanes };
    } catch (thrown) {
      throw trtdErrorFrom(thrown);
    }
  }
}

function detectorPicture(picture: ServedPicture): DetectorPicture {
  const { place } = picture;
  const bytes = ("bytes" in place ? place.bytes : place.ring.read(place.region)) as Uint8Array<ArrayBuffer>;
  return picture.kind === "file" ? { bytes } : { frame: packedFrame(bytes, picture) };
}
