/** A model's queue and its workers: whatever happens to them, every request is answered once. */
import { getLogger } from "@logtape/logtape";
import { TrtdError, trtdErrorFrom } from "../../errors.ts";
import type { GpuSample } from "../../native/gpu/gpu_sample.ts";
import type { Clock } from "../clock.ts";
import type { DetectionWorker, LoadedModel, WorkerEnd } from "../detection_worker.ts";
import { DEATHS_MAX, isSuspect } from "../policy/blame.ts";
import { hasRoomForTwo } from "../policy/health.ts";
import { nextMean, retryAfterS } from "../policy/load.ts";
import { backOffMs, failuresAfter, givesUp } from "../policy/restart.ts";
import type { ServingListener } from "./events.ts";
import { type CanaryAnswers, Incarnation, type WorkerLimits } from "./incarnation.ts";
import type { Job } from "./job.ts";
import type { PoisonMemory } from "./poison_memory.ts";

const log = getLogger(["trtd", "serving"]);

export interface PoolOptions {
  readonly model: string;
  /** Starts one worker. */
  startWorker(): DetectionWorker;
  /** Workers that answer at the same time. */
  readonly instances: number;
  /** Most requests that wait. */
  readonly queueLimit: number;
  readonly limits: WorkerLimits;
  /** Failures in a row after which a worker is not started any more. */
  readonly crashLimit: number;
  readonly clock: Clock;
  /** Bytes that the machine can still give; null when that is not known. */
  availableBytes(): number | null;
  /** Do it when no other worker is being replaced. */
  inTurn(work: () => Promise<void>): Promise<void>;
  readonly poison: PoisonMemory;
  readonly emit: ServingListener;
}

/** The place of one worker. */
interface Instance {
  current: Incarnation | null;
  /** Started to take the place of `current`. */
  next: Incarnation | null;
  failures: number;
  givenUp: boolean;
  cancelRestart: () => void;
}

export type PoolStatus = "starting" | "ready" | "restarting" | "failed";

export class ModelPool {
  readonly model: string;
  /** Resolves when the first worker is ready, rejects when the first start failed to load. */
  readonly started: Promise<void>;
  readonly #options: PoolOptions;
  readonly #instances: Instance[];
  readonly #queue: Job[] = [];
  readonly #old = new Set<Incarnation>();
  readonly #start = Promise.withResolvers<void>();
  #canaryAnswers: CanaryAnswers = new Map();
  #loaded: LoadedModel | null = null;
  #meanMs: number | null = null;
  #wasReady = false;
  #lastFailure: TrtdError | null = null;
  #stopping = false;

  constructor(options: PoolOptions) {
    this.model = options.model;
    this.#options = options;
    this.started = this.#start.promise;
    this.started.catch(() => {});
    this.#instances = Array.from({ length: options.instances }, () => ({
      current: null,
      next: null,
      failures: 0,
      givenUp: false,
      cancelRestart: () => {},
    }));
    for (const instance of this.#instances) this.#startCurrent(instance);
  }

  /** The model as the last worker that became ready has it; null before that. */
  get loaded(): LoadedModel | null {
    return this.#loaded;
  }

  get status(): PoolStatus {
    if (this.ready > 0) return "ready";
    if (this.#instances.every(({ givenUp }) => givenUp)) return "failed";
    return this.#wasReady ? "restarting" : "starting";
  }

  /** Workers that answered rightly within the interval. */
  get ready(): number {
    return this.#instances.filter(({ current }) => current?.fresh).length;
  }

  get total(): number {
    return this.#instances.length;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  get running(): number {
    return this.#workers().reduce((sum, { running }) => sum + running.size, 0);
  }

  /** Resident bytes of the worker processes, as far as they said. */
  get rssBytes(): number {
    return this.#workers(true).reduce((sum, { worker }) => sum + (worker.rssBytes ?? 0), 0);
  }

  /** What the workers said last about GPUs; those of one machine say the same. */
  get gpus(): readonly GpuSample[] {
    return this.#workers(true).flatMap(({ worker }) => worker.gpus ?? []);
  }

  /** Why no worker is ready; null when one is. */
  get reason(): string | null {
    if (this.ready > 0) return null;
    if (this.status === "failed") return `Given up: ${this.#lastFailure?.message}`;
    if (this.#lastFailure !== null) return this.#lastFailure.message;
    const [current] = this.#instances.map(({ current }) => current).filter((one) => one !== null);
    if (current === undefined) return "The worker is started again";
    if (current.state !== "starting") return "The worker has not answered within the interval";
    const [seconds, limit] = [current.ageMs, this.#options.limits.startTimeoutMs].map((ms) => Math.round(ms / 1000));
    return `The model is being loaded for ${seconds} s, at most ${limit} s`;
  }

  /** @throws {TrtdError} `MODEL_NOT_READY`, `QUEUE_FULL` */
  admit(): void {
    const unable = !this.#instances.some(({ current }) => current?.state === "ready") &&
      (!this.#wasReady || this.#lastFailure !== null);
    if (unable) {
      const why = this.#lastFailure === null ? this.reason : `No worker runs: ${this.#lastFailure.message}`;
      throw new TrtdError("MODEL_NOT_READY", why ?? "The model is being loaded", { retryAfterS: 1 });
    }
    if (this.#queue.length >= this.#options.queueLimit && !this.#workers().some(({ hasRoom }) => hasRoom)) {
      throw new TrtdError("QUEUE_FULL", `${this.#queue.length} requests wait already`, {
        retryAfterS: retryAfterS({
          requests: this.#queue.length + this.running,
          workers: this.#instances.length,
          meanMs: this.#meanMs,
        }),
      });
    }
  }

  /** A request that was admitted. */
  submit(job: Job): void {
    this.#queue.push(job);
    this.#dispatch();
  }

  /** A request was settled by something else: it waits no more. */
  leave(job: Job): void {
    const at = this.#queue.indexOf(job);
    if (at >= 0) this.#queue.splice(at, 1);
  }

  /**
   * Replace every worker by a new one, one after the other: the new one first where memory allows.
   * @throws {TrtdError} the new worker's failure; the old one goes on
   */
  async reload(): Promise<void> {
    this.#canaryAnswers = new Map();
    for (const instance of this.#instances) await this.#replace(instance, "it was asked for");
  }

  /** Refuse what waits, end the workers. Calling it twice is harmless. */
  async close(): Promise<void> {
    this.#stopping = true;
    const error = new TrtdError("SHUTTING_DOWN", "The server is stopping");
    this.#start.reject(error);
    for (const job of this.#queue.splice(0)) job.reject(error);
    for (const instance of this.#instances) instance.cancelRestart();
    await Promise.all(
      this.#workers(true).map(async (incarnation) => {
        for (const job of incarnation.running) job.reject(error);
        await incarnation.worker.close();
      }),
    );
  }

  #workers(withNext = false): Incarnation[] {
    const present = this.#instances.flatMap(({ current, next }) => withNext ? [current, next] : [current]);
    return [...present, ...this.#old].filter((one) => one !== null);
  }

  #dispatch(): void {
    while (this.#queue.length > 0 && !this.#stopping) {
      const found = this.#match();
      if (found === null) return;
      const [job, incarnation] = found;
      this.#queue.splice(this.#queue.indexOf(job), 1);
      if (!job.settled) void this.#run(incarnation, job);
    }
  }

  /** The next job and who runs it. A job that must run alone waits for an idle worker, which gets nothing else then. */
  #match(): [Job, Incarnation] | null {
    const present = this.#instances.map(({ current }) => current).filter((one) =>
      one?.state === "ready"
    ) as Incarnation[];
    const byLoad = present.sort((a, b) => a.running.size - b.running.size);
    let free = byLoad.filter(({ hasRoom }) => hasRoom);
    let job = this.#queue[0]!;
    if (job.alone) {
      const idle = free.find((one) => one.idle);
      if (idle !== undefined) return [job, idle];
      free = free.filter((one) => one !== byLoad[0]);
      const other = this.#queue.find((one) => !one.alone);
      if (other === undefined) return null;
      job = other;
    }
    const target = free.find(({ worker }) => worker.fits(job.request.picture));
    return target === undefined ? null : [job, target];
  }

  async #run(incarnation: Incarnation, job: Job): Promise<void> {
    const { model, clock, poison, emit } = this.#options;
    const { picture, options, annotate, requestId } = job.request;
    const startMs = clock.now();
    incarnation.begin(job);
    log.debug("{model}: to worker {pid} after {ms} ms {request_id}", {
      model,
      pid: incarnation.worker.pid,
      ms: Math.round(startMs - job.queuedMs),
      request_id: requestId ?? "",
    });
    try {
      const answer = await incarnation.worker.detect({
        picture,
        options,
        annotate,
        deadline: Math.ceil(Date.now() + job.deadlineMs - startMs),
        ...(requestId === undefined ? {} : { requestId }),
      });
      const queueMs = startMs - job.queuedMs;
      incarnation.done(job, true);
      this.#meanMs = nextMean(this.#meanMs, answer.result.timings_ms.total / answer.batch);
      this.#tookOver(answer.result.backend);
      if (job.blamed) void poison.clear(model, picture);
      const { backend, timings_ms: timings } = answer.result;
      emit({ type: "answered", model, backend: backend.name, batch: answer.batch, queueMs, timings });
      job.resolve({ ...answer, queueMs });
    } catch (thrown) {
      const error = trtdErrorFrom(thrown);
      // The end of the worker decides what becomes of its requests.
      if (error.code === "WORKER_DIED" && incarnation.running.has(job)) return;
      if (error.code === "GPU_FAULT") return incarnation.kill("gpu_fault");
      incarnation.done(job, false);
      job.reject(error);
    }
    incarnation.closeIfDrained();
    this.#dispatch();
  }

  #tookOver(backend: LoadedModel["backend"]): void {
    if (this.#loaded !== null) this.#loaded = { ...this.#loaded, backend };
  }

  #startCurrent(instance: Instance): void {
    if (this.#stopping) return;
    const incarnation = this.#startOne(instance);
    if (incarnation === null) return;
    instance.current = incarnation;
    incarnation.ready.then(
      (loaded) => this.#isReady(instance, loaded),
      (thrown) => this.#failedToLoad(incarnation, thrown),
    );
  }

  /** Start a worker and see to its end. @returns null when not even that worked */
  #startOne(instance: Instance): Incarnation | null {
    const { model, limits, clock, emit } = this.#options;
    let worker: DetectionWorker;
    try {
      worker = this.#options.startWorker();
    } catch (thrown) {
      if (instance.current === null) this.#failed(instance, trtdErrorFrom(thrown));
      else log.error("No new worker of {model}: {detail}", { model, detail: trtdErrorFrom(thrown).message });
      return null;
    }
    emit({ type: "worker_started", model });
    const incarnation = new Incarnation({
      model,
      worker,
      limits,
      clock,
      canaryAnswers: this.#canaryAnswers,
      emit,
      onChange: () => this.#dispatch(),
      onWorn: (worn, reason) => {
        if (instance.current === worn) this.#replace(instance, reason).catch(() => worn.worn = false);
      },
    });
    void incarnation.ended.then((end) => this.#ended(instance, incarnation, end));
    return incarnation;
  }

  #isReady(instance: Instance, loaded: LoadedModel): void {
    if (this.#stopping) return;
    instance.givenUp = false;
    this.#loaded = loaded;
    this.#wasReady = true;
    this.#lastFailure = null;
    this.#start.resolve();
    const { device, name } = loaded.backend;
    log.info("A worker of {model} is ready: {backend} on {device}", { model: this.model, backend: name, device });
    this.#dispatch();
  }

  /** A model that cannot be loaded ends its worker; a worker that died tells by its end. */
  #failedToLoad(incarnation: Incarnation, thrown: unknown): void {
    const error = trtdErrorFrom(thrown);
    if (error.code === "WORKER_DIED" || error.code === "SHUTTING_DOWN") return;
    incarnation.loadFailure = error;
    incarnation.kill("replaced");
  }

  #ended(instance: Instance, incarnation: Incarnation, end: WorkerEnd): void {
    const { model, emit } = this.#options;
    emit({ type: "worker_ended", model, cause: end.cause });
    const blamed = incarnation.blames(end);
    const jobs = [...incarnation.running];
    incarnation.running.clear();
    this.#old.delete(incarnation);
    if (this.#stopping) return;
    if (end.cause !== "replaced") {
      log.error("A worker of {model} ended with {how}: {cause}", { model, how: end.how, cause: end.cause });
    }
    this.#tryAgain(jobs, end, blamed);
    if (instance.next === incarnation) instance.next = null;
    if (instance.current !== incarnation) return;
    instance.current = null;
    const { loadFailure } = incarnation;
    const failure = loadFailure ?? new TrtdError("WORKER_DIED", `The worker process ended with ${end.how}`);
    const failures = failuresAfter({
      failures: instance.failures,
      cause: end.cause,
      readyMs: incarnation.readyForMs,
      answered: incarnation.answered,
      blamed,
    });
    if (instance.next !== null) {
      instance.failures = failures;
      this.#promote(instance);
    } else this.#failed(instance, failure, failures);
  }

  /** `next` takes the place of `current`. */
  #promote(instance: Instance): void {
    const next = instance.next!;
    instance.next = null;
    instance.current = next;
    if (next.loaded !== null && next.state === "ready") this.#isReady(instance, next.loaded);
    else {
      next.ready.then(
        (loaded) => this.#isReady(instance, loaded),
        (thrown) => this.#failedToLoad(next, thrown),
      );
    }
  }

  #failed(instance: Instance, error: TrtdError, failures = instance.failures + 1): void {
    const { model, clock, crashLimit, emit } = this.#options;
    instance.failures = failures;
    if (failures > 1 || error.code !== "WORKER_DIED") this.#lastFailure = error;
    if (!this.#wasReady && error.code !== "WORKER_DIED") this.#start.reject(error);
    if (givesUp(failures, crashLimit)) {
      instance.givenUp = true;
      this.#lastFailure = error;
      log.error("{model} is given up after {failures} failures in a row: {detail}", {
        model,
        failures,
        detail: error.message,
      });
      emit({ type: "gave_up", model });
    } else {
      const pauseMs = backOffMs(failures);
      if (failures > 0) {
        log.warning("A worker of {model} is started again in {pauseMs} ms: {code}: {detail}", {
          model,
          pauseMs,
          code: error.code,
          detail: error.message,
        });
      }
      instance.cancelRestart = clock.after(pauseMs, () => this.#startCurrent(instance));
    }
    if (this.#lastFailure === null || this.#instances.some(({ current }) => current?.state === "ready")) return;
    const refusal = new TrtdError("MODEL_NOT_READY", `No worker runs: ${error.message}`, { retryAfterS: 1 });
    for (const job of this.#queue.splice(0)) job.reject(refusal);
  }

  /** What a dead worker had goes back to the head of the queue, in its order. */
  #tryAgain(jobs: readonly Job[], end: WorkerEnd, blamed: boolean): void {
    const { model, emit } = this.#options;
    const again = blamed ? [] : jobs.filter((job) => !job.settled);
    for (const job of again) {
      job.alone ||= isSuspect(end.cause);
      job.where = "retry";
      emit({ type: "retried", model, cause: end.cause });
      log.info("{model}: tried again {request_id}, its worker ended with {how}", {
        model,
        how: end.how,
        request_id: job.request.requestId ?? "",
      });
    }
    this.#queue.unshift(...again);
    if (blamed) void this.#blame(jobs[0]!, end);
  }

  async #blame(job: Job, { cause, how }: WorkerEnd): Promise<void> {
    const { model, poison, emit } = this.#options;
    const { picture, requestId } = job.request;
    job.alone = job.blamed = true;
    job.where = "retry";
    const { deaths, digest } = await poison.blame(model, picture);
    if (deaths < DEATHS_MAX) {
      if (job.settled || this.#stopping) return;
      emit({ type: "retried", model, cause });
      this.#queue.unshift(job);
      return this.#dispatch();
    }
    log.error("Workers of {model} died of one picture {deaths} times ({how}): sha256 {digest} {request_id}", {
      model,
      deaths,
      how,
      digest,
      request_id: requestId ?? "",
    });
    emit({ type: "poisonous", model });
    job.reject(poisonous(digest));
  }

  #replace(instance: Instance, reason: string): Promise<void> {
    return this.#options.inTurn(() => this.#replaceNow(instance, reason));
  }

  async #replaceNow(instance: Instance, reason: string): Promise<void> {
    const { model } = this.#options;
    const { current } = instance;
    if (this.#stopping || instance.next !== null) return;
    if (current === null || current.state !== "ready") {
      if (current !== null && !instance.givenUp) return;
      instance.cancelRestart();
      instance.failures = 0;
      instance.givenUp = false;
      this.#startCurrent(instance);
      await instance.current?.ready;
      return;
    }
    const newFirst = hasRoomForTwo(current.worker.rssBytes, this.#options.availableBytes());
    log.info("A worker of {model} is replaced, {order} first: {reason}", {
      model,
      order: newFirst ? "the new one" : "the old one ends",
      reason,
    });
    if (!newFirst) {
      current.drain();
      await current.ended;
      await instance.current?.ready;
      return;
    }
    const next = this.#startOne(instance);
    if (next === null) throw new TrtdError("MODEL_NOT_READY", "No new worker could be started; the old one goes on");
    instance.next = next;
    try {
      await next.ready;
    } catch (thrown) {
      this.#failedToLoad(next, thrown);
      if (instance.next === next) instance.next = null;
      throw thrown;
    }
    if (instance.next !== next) return;
    this.#old.add(current);
    this.#promote(instance);
    current.drain();
    await current.ended;
  }
}

/** What a client is told whose picture workers die of. */
export function poisonous(digest: string): TrtdError {
  return new TrtdError("REQUEST_POISONOUS", `Two worker processes died of the picture with the SHA-256 ${digest}`);
}
