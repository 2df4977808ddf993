/** The serving manager: a bounded queue before workers that are started again when they end. Loads no native code. */
import { getLogger } from "@logtape/logtape";
import { TrtdError, trtdErrorFrom } from "../errors.ts";
import type { DetectOptions } from "../detect/detection.ts";
import type { DetectionWorker, LoadedModel, WorkerAnswer } from "./detection_worker.ts";
import { backOffMs, nextMean, retryAfterS } from "./policy.ts";

const log = getLogger(["trtd", "serving"]);

/** Pictures in one worker at a time: one is inferred while the next ones are read and decoded. */
export const PICTURES_PER_WORKER = 3;

export interface ServingOptions {
  /** Starts one worker. */
  startWorker(): DetectionWorker;
  /** Worker processes. @default 1 */
  readonly workers?: number;
  /** Most requests that wait for a worker. */
  readonly queueLimit: number;
  /** Time from a request's arrival to its answer. */
  readonly requestTimeoutMs: number;
  /** A worker that does not answer a picture within this time is killed. @default twice `requestTimeoutMs` */
  readonly hangTimeoutMs?: number;
}

export interface ServingRequest {
  readonly model: string;
  readonly bytes: Uint8Array;
  readonly options: DetectOptions;
  readonly annotate: boolean;
  /** Milliseconds of `performance.now()` when the request arrived. */
  readonly arrivedMs: number;
  /** Aborted when the client has gone. */
  readonly signal?: AbortSignal;
}

export interface ServingAnswer extends WorkerAnswer {
  /** Time spent waiting for a worker, milliseconds. */
  readonly queueMs: number;
}

/** What `/health/ready` tells. */
export interface ServingState {
  readonly status: "starting" | "ready" | "restarting" | "stopping";
  readonly workers: { readonly ready: number; readonly total: number };
  readonly queue: { readonly waiting: number; readonly running: number; readonly limit: number };
  /** Why no worker is ready, null otherwise. */
  readonly reason: string | null;
}

interface Job extends ServingRequest {
  readonly queuedMs: number;
  readonly deadlineMs: number;
  resolve(answer: ServingAnswer): void;
  reject(error: unknown): void;
  settled: boolean;
}

interface Slot {
  worker: DetectionWorker | undefined;
  ready: boolean;
  running: number;
  failures: number;
  restartTimer: ReturnType<typeof setTimeout> | undefined;
}

/** Answers pictures through its workers; the process that holds it stays up whatever they do. */
export class ServingManager {
  /** Resolves when the first worker is ready, rejects when the first start of every worker failed to load. */
  readonly started: Promise<void>;
  readonly #options: ServingOptions;
  readonly #queue: Job[] = [];
  readonly #slots: Slot[];
  readonly #start = Promise.withResolvers<void>();
  #models: readonly LoadedModel[] = [];
  #meanMs: number | null = null;
  #wasReady = false;
  #lastFailure: TrtdError | null = null;
  #stopping = false;

  constructor(options: ServingOptions) {
    this.#options = options;
    this.started = this.#start.promise;
    this.started.catch(() => {});
    this.#slots = Array.from({ length: options.workers ?? 1 }, () => ({
      worker: undefined,
      ready: false,
      running: 0,
      failures: 0,
      restartTimer: undefined,
    }));
    for (const slot of this.#slots) this.#startSlot(slot);
  }

  /** The models as the last worker that became ready has them; empty before that. */
  get models(): readonly LoadedModel[] {
    return this.#models;
  }

  get state(): ServingState {
    const ready = this.#slots.filter((slot) => slot.ready).length;
    const status = this.#stopping ? "stopping" : ready > 0 ? "ready" : this.#wasReady ? "restarting" : "starting";
    return {
      status,
      workers: { ready, total: this.#slots.length },
      queue: { waiting: this.#queue.length, running: this.#running, limit: this.#options.queueLimit },
      reason: ready > 0 ? null : this.#lastFailure?.message ?? null,
    };
  }

  /**
   * Refuse early what would be refused later, before a body is read.
   * @throws {TrtdError} `SHUTTING_DOWN`, `MODEL_NOT_READY`, `QUEUE_FULL`
   */
  admit(): void {
    if (this.#stopping) throw new TrtdError("SHUTTING_DOWN", "The server is stopping");
    const unable = !this.#slots.some((slot) => slot.ready) && (!this.#wasReady || this.#lastFailure !== null);
    if (unable) {
      const why = this.#lastFailure === null
        ? "The model is being loaded"
        : `No worker runs: ${this.#lastFailure.message}`;
      throw new TrtdError("MODEL_NOT_READY", why, { retryAfterS: 1 });
    }
    if (this.#queue.length >= this.#options.queueLimit && !this.#slots.some(hasRoom)) {
      throw new TrtdError("QUEUE_FULL", `${this.#queue.length} requests wait already`, {
        retryAfterS: retryAfterS({
          requests: this.#queue.length + this.#running,
          workers: this.#slots.length,
          meanMs: this.#meanMs,
        }),
      });
    }
  }

  /**
   * Detect on one picture.
   * @throws {TrtdError} those of {@link admit}, `DEADLINE_EXCEEDED`, `CLIENT_CLOSED`, `WORKER_DIED`, and the worker's own
   */
  detect(request: ServingRequest): Promise<ServingAnswer> {
    const deadlineMs = request.arrivedMs + this.#options.requestTimeoutMs;
    const now = performance.now();
    try {
      this.admit();
      if (now >= deadlineMs) {
        throw new TrtdError("DEADLINE_EXCEEDED", "The request's time was over before it was queued");
      }
    } catch (error) {
      return Promise.reject(error);
    }
    const { promise, resolve, reject } = Promise.withResolvers<ServingAnswer>();
    const settle = <T>(act: (value: T) => void) => (value: T) => {
      if (job.settled) return;
      job.settled = true;
      clearTimeout(timer);
      request.signal?.removeEventListener("abort", gone);
      act(value);
    };
    const job: Job = {
      ...request,
      queuedMs: now,
      deadlineMs,
      resolve: settle(resolve),
      reject: settle(reject),
      settled: false,
    };
    const drop = (error: TrtdError) => {
      const at = this.#queue.indexOf(job);
      if (at >= 0) this.#queue.splice(at, 1);
      job.reject(error);
    };
    const gone = () => drop(new TrtdError("CLIENT_CLOSED", "The client closed the connection"));
    const timer = setTimeout(() => {
      const where = this.#queue.includes(job) ? "in the queue" : "in the worker";
      drop(
        new TrtdError(
          "DEADLINE_EXCEEDED",
          `${this.#options.requestTimeoutMs} ms passed while the request was ${where}`,
        ),
      );
    }, deadlineMs - now);
    if (request.signal?.aborted) gone();
    else {
      request.signal?.addEventListener("abort", gone, { once: true });
      this.#queue.push(job);
      this.#dispatch();
    }
    return promise;
  }

  /** Refuse what waits, end the workers. Calling it twice is harmless. */
  async close(): Promise<void> {
    this.#stopping = true;
    const error = new TrtdError("SHUTTING_DOWN", "The server is stopping");
    this.#start.reject(error);
    for (const job of this.#queue.splice(0)) job.reject(error);
    await Promise.all(this.#slots.map((slot) => {
      clearTimeout(slot.restartTimer);
      return slot.worker?.close();
    }));
  }

  get #running(): number {
    return this.#slots.reduce((sum, slot) => sum + slot.running, 0);
  }

  #dispatch(): void {
    while (this.#queue.length > 0) {
      const slot = this.#slots.filter(hasRoom).sort((a, b) => a.running - b.running)[0];
      if (slot === undefined) return;
      const job = this.#queue.shift()!;
      if (performance.now() >= job.deadlineMs) {
        job.reject(new TrtdError("DEADLINE_EXCEEDED", "The request's time ended in the queue"));
      } else void this.#run(slot, slot.worker!, job);
    }
  }

  async #run(slot: Slot, worker: DetectionWorker, job: Job): Promise<void> {
    const startMs = performance.now();
    const hang = setTimeout(() => {
      log.error("A worker did not answer in {ms} ms and is killed", { ms: Math.round(performance.now() - startMs) });
      worker.kill();
    }, this.#options.hangTimeoutMs ?? 2 * this.#options.requestTimeoutMs);
    slot.running++;
    try {
      const { model, bytes, options, annotate } = job;
      const deadline = Math.ceil(Date.now() + job.deadlineMs - startMs);
      const answer = await worker.detect({ model, bytes, options, annotate, deadline });
      this.#meanMs = nextMean(this.#meanMs, answer.result.timings_ms.total);
      this.#models = this.#models.map((m) => m.name === model ? { ...m, backend: answer.result.backend } : m);
      slot.failures = 0;
      job.resolve({ ...answer, queueMs: startMs - job.queuedMs });
    } catch (thrown) {
      const error = trtdErrorFrom(thrown);
      if (error.code === "WORKER_DIED" && slot.worker === worker) slot.ready = false;
      job.reject(error);
    } finally {
      clearTimeout(hang);
      if (slot.worker === worker) slot.running--;
      this.#dispatch();
    }
  }

  #startSlot(slot: Slot): void {
    let worker: DetectionWorker;
    try {
      worker = this.#options.startWorker();
    } catch (thrown) {
      this.#failed(slot, trtdErrorFrom(thrown));
      return;
    }
    slot.worker = worker;
    slot.running = 0;
    let failure: TrtdError | undefined;
    worker.ready.then((models) => {
      if (slot.worker !== worker || this.#stopping) return;
      slot.ready = true;
      this.#models = models;
      this.#wasReady = true;
      this.#lastFailure = null;
      this.#start.resolve();
      log.info("A worker is ready with {models}", { models: models.map((model) => model.name).join(", ") });
      this.#dispatch();
    }, (thrown) => {
      failure = trtdErrorFrom(thrown);
      worker.kill();
    });
    void worker.ended.then((how) => {
      slot.ready = false;
      slot.running = 0;
      slot.worker = undefined;
      if (this.#stopping) return;
      if (failure === undefined) log.error("A worker ended: {how}", { how });
      this.#failed(slot, failure ?? new TrtdError("WORKER_DIED", `The worker process ended with ${how}`));
    });
  }

  #failed(slot: Slot, error: TrtdError): void {
    slot.failures++;
    if (slot.failures > 1 || error.code !== "WORKER_DIED") this.#lastFailure = error;
    if (!this.#wasReady && error.code !== "WORKER_DIED") this.#start.reject(error);
    const pauseMs = backOffMs(slot.failures);
    log.warning("A worker is started again in {pauseMs} ms: {code}: {detail}", {
      pauseMs,
      code: error.code,
      detail: error.message,
    });
    if (this.#lastFailure !== null && !this.#slots.some((other) => other.ready)) {
      const refusal = new TrtdError("MODEL_NOT_READY", `No worker runs: ${error.message}`, { retryAfterS: 1 });
      for (const job of this.#queue.splice(0)) job.reject(refusal);
    }
    slot.restartTimer = setTimeout(() => {
      if (!this.#stopping) this.#startSlot(slot);
    }, pauseMs);
  }
}

function hasRoom(slot: Slot): boolean {
  return slot.ready && slot.running < PICTURES_PER_WORKER;
}
