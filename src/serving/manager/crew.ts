/** The workers of one model: started, started again, replaced; who asks them for what is not its matter. */
import { getLogger } from "@logtape/logtape";
import { TrtdError, trtdErrorFrom } from "../../errors.ts";
import type { Clock } from "../clock.ts";
import type { DetectionWorker, LoadedModel, WorkerEnd } from "../detection_worker.ts";
import { hasRoomForTwo } from "../policy/health.ts";
import { gpuLabel, type Place } from "../policy/places.ts";
import { failuresAfter, givesUp, gpuIsLost, pauseMs } from "../policy/restart.ts";
import type { ServingListener } from "./events.ts";
import { type CanaryAnswers, Incarnation, type WorkerLimits } from "./incarnation.ts";
import { type Instance, newInstance, reasonOf, stateOf } from "./instance.ts";
import type { InstanceState, PoolStatus } from "./instance_state.ts";
import type { Job } from "./job.ts";

const log = getLogger(["trtd", "serving"]);

/** How a worker is to be started. */
export interface WorkerStart {
  /** Where it runs: its predecessor ran there too. */
  readonly place: Place;
  /** Whether the GPU was lost again and again while workers started: the CPU is to answer, and to say so. */
  readonly withoutGpu: boolean;
}

export interface CrewOptions {
  readonly model: string;
  /** Starts one worker. */
  startWorker(how: WorkerStart): DetectionWorker;
  /** Workers that answer at the same time, in each place. */
  readonly instances: number;
  /** One at least. */
  readonly places: readonly Place[];
  /** Whether workers in that place are to be asked nothing for now. */
  rests(place: Place): boolean;
  readonly limits: WorkerLimits;
  /** Failures in a row after which a worker is not started any more. */
  readonly crashLimit: number;
  readonly clock: Clock;
  /** Bytes that the machine can still give; null when that is not known. */
  availableBytes(): number | null;
  /** Do it when no other worker is being replaced. */
  inTurn(work: () => Promise<void>): Promise<void>;
  readonly emit: ServingListener;
}

/** Told what changes for those who wait. */
export interface CrewListener {
  /** A worker is free, or may be asked again. */
  onFree(): void;
  /** A worker loaded the model and answered the canary. */
  onReady(loaded: LoadedModel): void;
  /** A worker ended with these jobs; `blamed`: it counts against the one that ran. */
  onEnded(jobs: readonly Job[], end: WorkerEnd, blamed: boolean): void;
  /** No worker runs, and none will soon. */
  onUnable(refusal: TrtdError): void;
}

export class Crew {
  /** Resolves when the first worker is ready, rejects when the first start failed to load in every place. */
  readonly started: Promise<void>;
  readonly #options: CrewOptions;
  readonly #listener: CrewListener;
  readonly #instances: readonly Instance[];
  /** Replaced ones that still answer what they have. */
  readonly #old = new Set<Incarnation>();
  readonly #start = Promise.withResolvers<void>();
  #canaryAnswers: CanaryAnswers = new Map();
  #wasReady = false;
  #lastFailure: TrtdError | null = null;
  #stopping = false;

  /** Nothing is started before {@link begin}. */
  constructor(options: CrewOptions, listener: CrewListener) {
    this.#options = options;
    this.#listener = listener;
    this.started = this.#start.promise;
    this.started.catch(() => {});
    const { instances, places } = options;
    this.#instances = Array.from(
      { length: instances * places.length },
      (_, at) => newInstance(places[at % places.length]!),
    );
  }

  /** Start the workers. */
  begin(): void {
    for (const instance of this.#instances) this.#startCurrent(instance);
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

  /** Workers that may be asked. */
  get present(): Incarnation[] {
    return this.#instances.flatMap(({ current, place }) =>
      current?.state === "ready" && !this.#options.rests(place) ? [current] : []
    );
  }

  /** Every worker that lives, also those that come and go. */
  get all(): Incarnation[] {
    return [...this.#instances.flatMap(({ current, next }) => [current, next]), ...this.#old]
      .filter((one) => one !== null);
  }

  /** What each instance does. */
  get states(): InstanceState[] {
    return this.#instances.map((instance) => stateOf(instance, this.#options.limits.startTimeoutMs));
  }

  /** Why no worker is ready; null when one is. */
  get reason(): string | null {
    if (this.ready > 0) return null;
    const failure = this.#failure;
    if (failure !== null) return this.status === "failed" ? `Given up: ${failure.message}` : failure.message;
    const hopeful = this.#instances.filter(({ failure }) => failure === null);
    const first = hopeful.find(({ current }) => current !== null) ?? hopeful[0]!;
    return reasonOf(first, this.#options.limits.startTimeoutMs);
  }

  /** Why a request need not wait; null when it may: a worker runs, or one that ran is being started again. */
  get refusal(): TrtdError | null {
    const failure = this.#failure;
    if (this.present.length > 0 || this.#wasReady && failure === null) return null;
    const why = failure === null ? this.reason : `No worker runs: ${failure.message}`;
    return new TrtdError("MODEL_NOT_READY", why ?? "The model is being loaded", { retryAfterS: 1 });
  }

  /**
   * Replace the workers by new ones, one after the other: the new one first where memory allows. A failure in one place
   * keeps no other place from its new workers.
   * @param places @default all
   * @throws {TrtdError} the first new worker's failure; the old one goes on
   */
  async reload(places: readonly Place[] = this.#options.places): Promise<void> {
    this.#canaryAnswers = new Map();
    const failures = new Map<Place, unknown>();
    for (const instance of this.#instances) {
      const { place } = instance;
      if (!places.includes(place) || failures.has(place)) continue;
      await this.#replace(instance, "it was asked for").catch((error) => failures.set(place, error));
    }
    for (const [{ gpu }, thrown] of failures) {
      if (gpu === null) throw thrown;
      const { code, message, remedy } = trtdErrorFrom(thrown);
      throw new TrtdError(code, `${gpuLabel(gpu)}: ${message}`, { remedy, cause: thrown });
    }
  }

  /** End all workers; what they have is refused with `error`. Calling it twice is harmless. */
  async close(error: TrtdError): Promise<void> {
    this.#stopping = true;
    this.#start.reject(error);
    for (const instance of this.#instances) instance.cancelRestart();
    await Promise.all(this.all.map(async (incarnation) => {
      for (const job of incarnation.running) job.reject(error);
      await incarnation.worker.close();
    }));
  }

  /** Why no worker will answer soon, as the last one failed; null when one may. */
  get #failure(): TrtdError | null {
    return this.#instances.some(({ failure }) => failure === null) ? null : this.#lastFailure;
  }

  #fail(instance: Instance, error: TrtdError): void {
    instance.failure = this.#lastFailure = error;
  }

  #startCurrent(instance: Instance): void {
    if (this.#stopping) return;
    const incarnation = this.#startOne(instance);
    if (incarnation === null) return;
    instance.current = incarnation;
    this.#whenLoaded(instance, incarnation);
  }

  #whenLoaded(instance: Instance, incarnation: Incarnation): void {
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
      worker = this.#options.startWorker({ place: instance.place, withoutGpu: gpuIsLost(instance.gpuFaults) });
    } catch (thrown) {
      const error = trtdErrorFrom(thrown);
      if (instance.current === null) this.#notStarted(instance, error);
      else log.error("No new worker of {model}: {detail}", { model, detail: error.message });
      return null;
    }
    instance.refusals = 0;
    emit({ type: "worker_started", model });
    const incarnation = new Incarnation({
      model,
      worker,
      limits,
      clock,
      canaryAnswers: this.#canaryAnswers,
      emit,
      onChange: () => this.#listener.onFree(),
      onWorn: (worn, reason) => {
        if (instance.current === worn) this.#replace(instance, reason).catch(() => worn.worn = false);
      },
    });
    void incarnation.ended.then((end) => this.#ended(instance, incarnation, end));
    return incarnation;
  }

  #isReady(instance: Instance, loaded: LoadedModel): void {
    if (this.#stopping) return;
    const { model } = this.#options;
    instance.givenUp = false;
    instance.kills = 0;
    instance.failure = null;
    instance.wasReady = this.#wasReady = true;
    this.#start.resolve();
    const { device, name } = loaded.backend;
    log.info("A worker of {model} is ready: {backend} on {device}", { model, backend: name, device });
    this.#listener.onReady(loaded);
  }

  /** A model that cannot be loaded ends its worker; a worker that died tells by its end. */
  #failedToLoad(incarnation: Incarnation, thrown: unknown): void {
    const error = trtdErrorFrom(thrown);
    if (error.code === "WORKER_DIED" || error.code === "SHUTTING_DOWN") return;
    incarnation.loadFailure = error;
    incarnation.kill(error.code === "GPU_FAULT" ? "gpu_fault" : "replaced");
  }

  #ended(instance: Instance, incarnation: Incarnation, end: WorkerEnd): void {
    const { model, emit } = this.#options;
    emit({ type: "worker_ended", model, cause: end.cause });
    const blamed = incarnation.blames(end);
    const jobs = [...incarnation.running];
    incarnation.running.clear();
    this.#old.delete(incarnation);
    if (!this.#stopping) this.#listener.onEnded(jobs, end, blamed);
    for (const job of jobs) job.letGo();
    if (this.#stopping) return;
    if (end.cause !== "replaced") {
      log.error("A worker of {model} ended with {how}: {cause}", { model, how: end.how, cause: end.cause });
    }
    if (instance.next === incarnation) instance.next = null;
    if (instance.current !== incarnation) return;
    instance.current = null;
    const { loadFailure } = incarnation;
    if (incarnation.readyForMs === null) {
      if (end.cause === "killed") instance.kills++;
      if (end.cause === "gpu_fault" || loadFailure?.code === "GPU_FAULT") instance.gpuFaults++;
    } else if (incarnation.answered > 0) instance.gpuFaults = 0;
    const failure = loadFailure ?? new TrtdError("WORKER_DIED", `The worker process ended with ${end.how}`);
    const failures = failuresAfter({
      failures: instance.failures,
      cause: end.cause,
      readyMs: incarnation.readyForMs,
      answered: incarnation.answered,
      blamed,
    });
    if (instance.next === null) return this.#failed(instance, failure, failures);
    instance.failures = failures;
    this.#promote(instance, instance.next);
  }

  /** `next` takes the place of `current`. */
  #promote(instance: Instance, next: Incarnation): void {
    instance.next = null;
    instance.current = next;
    if (next.loaded !== null && next.state === "ready") this.#isReady(instance, next.loaded);
    else this.#whenLoaded(instance, next);
  }

  #failed(instance: Instance, error: TrtdError, failures: number): void {
    const { model, crashLimit, emit } = this.#options;
    const { code, message: detail } = error;
    instance.failures = failures;
    if (code !== "WORKER_DIED" && code !== "GPU_FAULT") {
      this.#fail(instance, error);
      this.#notLoaded(instance, error);
    }
    if (givesUp(failures, crashLimit)) {
      instance.givenUp = true;
      this.#fail(instance, error);
      log.error("{model} is given up after {failures} failures in a row: {detail}", { model, failures, detail });
      emit({ type: "gave_up", model });
    } else {
      this.#startAgain(instance, error, failures);
    }
    this.#tellUnable(detail);
  }

  /**
   * The system has no descriptors, processes or memory for now: no failure of the worker, so it is tried until it works.
   */
  #notStarted(instance: Instance, error: TrtdError): void {
    instance.refusals++;
    if (instance.refusals > 1) this.#fail(instance, error);
    this.#notLoaded(instance, error);
    this.#startAgain(instance, error, instance.refusals + 1);
    this.#tellUnable(error.message);
  }

  /** A first start that failed is told once no other place is left whose first start may succeed. */
  #notLoaded(instance: Instance, error: TrtdError): void {
    instance.unstarted = true;
    const failed = new Set(this.#instances.filter(({ unstarted }) => unstarted).map(({ place }) => place));
    if (!this.#wasReady && failed.size === this.#options.places.length) this.#start.reject(error);
  }

  #startAgain(instance: Instance, { code, message: detail }: TrtdError, failures: number): void {
    const { model, clock } = this.#options;
    const waitMs = pauseMs(failures, instance.kills);
    if (failures > 0) {
      log.warning("A worker of {model} is started again in {pauseMs} ms: {code}: {detail}", {
        model,
        pauseMs: waitMs,
        code,
        detail,
      });
    }
    instance.cancelRestart = clock.after(waitMs, () => this.#startCurrent(instance));
  }

  #tellUnable(detail: string): void {
    if (this.#failure === null || this.present.length > 0) return;
    this.#listener.onUnable(new TrtdError("MODEL_NOT_READY", `No worker runs: ${detail}`, { retryAfterS: 1 }));
  }

  #replace(instance: Instance, reason: string): Promise<void> {
    return this.#options.inTurn(() => this.#replaceNow(instance, reason));
  }

  async #replaceNow(instance: Instance, reason: string): Promise<void> {
    const { model, availableBytes } = this.#options;
    const { current } = instance;
    if (this.#stopping || instance.next !== null) return;
    if (current === null || current.state !== "ready") {
      if (current !== null && !instance.givenUp) return;
      instance.cancelRestart();
      instance.failures = 0;
      instance.givenUp = false;
      this.#startCurrent(instance);
      return void await instance.current?.ready;
    }
    const newFirst = hasRoomForTwo(current.worker.rssBytes, availableBytes());
    const order = newFirst ? "the new one" : "the old one ends";
    log.info("A worker of {model} is replaced, {order} first: {reason}", { model, order, reason });
    if (!newFirst) {
      current.drain();
      await current.ended;
      return void await instance.current?.ready;
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
    this.#promote(instance, next);
    current.drain();
    await current.ended;
  }
}
