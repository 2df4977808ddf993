/** A model's queue before its workers: whatever happens to them, every request is answered once. */
import { getLogger } from "@logtape/logtape";
import { TrtdError, trtdErrorFrom } from "../../errors.ts";
import type { GpuSample } from "../../native/gpu/gpu_sample.ts";
import type { LoadedModel, WorkerEnd } from "../detection_worker.ts";
import { DEATHS_MAX, isSuspect } from "../policy/blame.ts";
import { nextMean, queueRoom, retryAfterS } from "../policy/load.ts";
import type { Place } from "../policy/places.ts";
import { Crew, type CrewOptions } from "./crew.ts";
import type { Incarnation } from "./incarnation.ts";
import { bestBackend, type InstanceState, type PoolStatus, shortfall } from "./instance_state.ts";
import type { Job } from "./job.ts";
import type { PoisonMemory } from "./poison_memory.ts";

const log = getLogger(["trtd", "serving"]);

export interface PoolOptions extends CrewOptions {
  /** Most requests that wait. */
  readonly queueLimit: number;
  /** Longest time that the last of them may have to wait, as far as one can tell. */
  readonly queueWaitMs: number;
  readonly poison: PoisonMemory;
}

export class ModelPool {
  readonly model: string;
  readonly #options: PoolOptions;
  readonly #crew: Crew;
  readonly #queue: Job[] = [];
  #loaded: LoadedModel | null = null;
  /** Time between two answers of one busy worker. */
  #meanMs: number | null = null;
  #stopping = false;

  constructor(options: PoolOptions) {
    this.model = options.model;
    this.#options = options;
    this.#crew = new Crew(options, {
      onFree: () => this.#dispatch(),
      onReady: (loaded) => {
        this.#loaded = loaded;
        this.#dispatch();
      },
      onEnded: (jobs, end, blamed) => this.#tryAgain(jobs, end, blamed),
      onUnable: (refusal) => this.#refuseAll(refusal),
    });
    this.#crew.begin();
  }

  /** Resolves when the first worker is ready, rejects when the first start failed to load. */
  get started(): Promise<void> {
    return this.#crew.started;
  }

  /**
   * The model as the last worker that became ready has it; null before that. On several GPUs the backend is the best one
   * that answers, and its `degraded` tells what is missing on which of them.
   */
  get loaded(): LoadedModel | null {
    if (this.#loaded === null || this.#options.places.length === 1) return this.#loaded;
    const { states } = this;
    const backend = bestBackend(states) ?? this.#loaded.backend;
    return { ...this.#loaded, backend: { ...backend, degraded: shortfall(states) } };
  }

  /** What each instance does. */
  get states(): readonly InstanceState[] {
    return this.#crew.states;
  }

  get status(): PoolStatus {
    return this.#crew.status;
  }

  /** Workers that answered rightly within the interval. */
  get ready(): number {
    return this.#crew.ready;
  }

  get total(): number {
    return this.#crew.total;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  get running(): number {
    return this.#crew.all.reduce((sum, { running }) => sum + running.size, 0);
  }

  /** Requests that may wait now. */
  get queueLimit(): number {
    const { queueLimit, queueWaitMs } = this.#options;
    return queueRoom({ limit: queueLimit, waitMs: queueWaitMs, meanMs: this.#meanMs, workers: this.total });
  }

  /** Resident bytes of the worker processes, as far as they said; null when none did. */
  get rssBytes(): number | null {
    const told = this.#crew.all.map(({ worker }) => worker.rssBytes).filter((bytes) => bytes !== null);
    return told.length === 0 ? null : told.reduce((sum, bytes) => sum + bytes, 0);
  }

  /** What the workers said last about GPUs; those of one machine say the same. */
  get gpus(): readonly GpuSample[] {
    return this.#crew.all.flatMap(({ worker }) => worker.gpus ?? []);
  }

  /** Why no worker is ready; null when one is. */
  get reason(): string | null {
    return this.#crew.reason;
  }

  /** @throws {TrtdError} `MODEL_NOT_READY`, `QUEUE_FULL` */
  admit(): void {
    const { refusal } = this.#crew;
    if (refusal !== null) throw refusal;
    if (this.#queue.length < this.queueLimit || this.#crew.present.some(({ hasRoom }) => hasRoom)) return;
    const load = { requests: this.#queue.length + this.running, workers: this.total, meanMs: this.#meanMs };
    throw new TrtdError("QUEUE_FULL", `${this.#queue.length} requests wait already`, {
      retryAfterS: retryAfterS(load),
    });
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

  /** See {@link Crew.reload}. */
  async reload(places?: readonly Place[]): Promise<void> {
    await this.#crew.reload(places);
  }

  /** Refuse what waits, end the workers. Calling it twice is harmless. */
  async close(): Promise<void> {
    this.#stopping = true;
    const error = new TrtdError("SHUTTING_DOWN", "The server is stopping");
    this.#refuseAll(error);
    await this.#crew.close(error);
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
    const byLoad = this.#crew.present.sort((a, b) => rank(a) - rank(b) || a.running.size - b.running.size);
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
      this.#meanMs = nextMean(this.#meanMs, incarnation.done(job, true));
      const { backend, timings_ms: timings } = answer.result;
      incarnation.backend = backend;
      if (this.#loaded !== null) this.#loaded = { ...this.#loaded, backend };
      if (job.blamed) {
        job.hold();
        void poison.clear(model, picture).finally(() => job.letGo());
      }
      emit({ type: "answered", model, backend: backend.name, batch: answer.batch, queueMs, timings });
      job.resolve({ ...answer, queueMs });
      job.letGo();
    } catch (thrown) {
      const error = trtdErrorFrom(thrown);
      // The end of the worker decides what becomes of its requests.
      if (error.code === "WORKER_DIED" && incarnation.running.has(job)) return;
      if (error.code === "GPU_FAULT") return incarnation.kill("gpu_fault");
      incarnation.done(job, false);
      job.reject(error);
      job.letGo();
    }
    incarnation.closeIfDrained();
    this.#dispatch();
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
    else this.#dispatch();
  }

  async #blame(job: Job, { cause, how }: WorkerEnd): Promise<void> {
    const { model, poison, emit } = this.#options;
    const { picture, requestId } = job.request;
    job.alone = job.blamed = true;
    job.where = "retry";
    job.hold();
    const { deaths, digest } = await poison.blame(model, picture).finally(() => job.letGo());
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

  #refuseAll(error: TrtdError): void {
    for (const job of this.#queue.splice(0)) job.reject(error);
  }
}

/** Whoever answers worse than wanted gets a picture when the others have no room for it. */
const rank = ({ backend }: Incarnation): number => backend === null || backend.degraded === null ? 0 : 1;

/** What a client is told whose picture workers die of. */
export function poisonous(digest: string): TrtdError {
  return new TrtdError("REQUEST_POISONOUS", `Two worker processes died of the picture with the SHA-256 ${digest}`);
}
