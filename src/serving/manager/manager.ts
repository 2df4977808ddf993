/** The serving manager: bounded queues before workers that are started again when they end. Loads no native code. */
import { TrtdError } from "../../errors.ts";
import type { BackendInfo } from "../../backends/backend.ts";
import type { GpuSample } from "../../native/gpu/gpu_sample.ts";
import { type Clock, SYSTEM_CLOCK } from "../clock.ts";
import type { DetectionWorker, LoadedModel } from "../detection_worker.ts";
import { ONLY_PLACE, type Place } from "../policy/places.ts";
import type { ServingEvent, ServingListener } from "./events.ts";
import type { WorkerLimits } from "./incarnation.ts";
import { Job, type ServingAnswer, type ServingRequest } from "./job.ts";
import type { WorkerStart } from "./crew.ts";
import type { InstanceState, PoolStatus } from "./instance_state.ts";
import { ModelPool, poisonous } from "./model_pool.ts";
import { PoisonMemory } from "./poison_memory.ts";

export type { ServingAnswer, ServingRequest } from "./job.ts";

export interface ServingOptions {
  /** Names of the models. */
  readonly models: readonly string[];
  /** Starts one worker of a model. */
  startWorker(model: string, how: WorkerStart): DetectionWorker;
  /** Worker processes of each model in each place. @default 1 */
  readonly instances?: number;
  /** @default one, where the worker's settings alone decide about the GPU */
  readonly places?: readonly Place[];
  /** Most requests that wait for a model's workers. */
  readonly queueLimit: number;
  /** Longest time that the last of them may have to wait, as far as one can tell. @default no limit */
  readonly queueWaitMs?: number;
  /** Time from a request's arrival to its answer, unless the request says less. */
  readonly requestTimeoutMs: number;
  /** @default 120 s to start, readiness within 10 s, no limits of memory or wear */
  readonly limits?: Partial<WorkerLimits>;
  /** Failures in a row after which a model is given up. @default 5 */
  readonly crashLimit?: number;
  /** How long a picture that workers died of is remembered. @default 600000 */
  readonly poisonMemoryMs?: number;
  /** Why a model is not answered although workers could, such as while its engine is built; null: it is. @default null */
  refuse?(model: string): TrtdError | null;
  /** Whether the workers of a model in a place are to be asked nothing for now. @default never */
  rests?(model: string, place: Place): boolean;
  readonly clock?: Clock;
  /** Bytes that the machine can still give, null when not known. @default the system's own number */
  availableBytes?(): number | null;
  /** Told what happens. */
  readonly onEvent?: ServingListener;
}

/** What `/health/ready` tells. */
export interface ServingState {
  readonly status: PoolStatus | "building" | "stopping";
  readonly workers: { readonly ready: number; readonly total: number };
  readonly queue: { readonly waiting: number; readonly running: number; readonly limit: number };
  /** Why a model is not answered, null when all are. */
  readonly reason: string | null;
  /** Seconds after which it is worth asking again; null when nobody knows. */
  readonly retryAfterS: number | null;
}

/** One model's part of {@link ServingState}. */
export interface ModelState extends Pick<ServingState, "workers" | "queue"> {
  readonly model: string;
  readonly ready: boolean;
  /** Null before the first worker is ready. */
  readonly backend: BackendInfo | null;
  /** Resident bytes of its worker processes; null before one said. */
  readonly rssBytes: number | null;
  readonly instances: readonly InstanceState[];
  /** What its workers said last about the machine's GPUs; the same GPU may be there several times. */
  readonly gpus: readonly GpuSample[];
}

const LIMITS: WorkerLimits = {
  startTimeoutMs: 120_000,
  intervalMs: 10_000,
  wear: { requests: 0, rssBytes: 0 },
  memoryBytes: 0,
};

/** From the best to the worst: the server is as ready as the worst of its models. */
const STATUSES: readonly PoolStatus[] = ["ready", "restarting", "starting", "failed"];

/** Answers pictures through its workers; the process that holds it stays up whatever they do. */
export class ServingManager {
  /** Resolves when a worker of every model is ready, rejects when the first start of one failed to load. */
  readonly started: Promise<void>;
  readonly #options: ServingOptions;
  readonly #clock: Clock;
  readonly #poison: PoisonMemory;
  readonly #pools: ReadonlyMap<string, ModelPool>;
  #stopping = false;
  /** Ends when no worker is being replaced. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: ServingOptions) {
    this.#options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#poison = new PoisonMemory(this.#clock, options.poisonMemoryMs ?? 600_000);
    this.#pools = new Map(options.models.map((model) => [model, this.#pool(model)]));
    this.started = Promise.all([...this.#pools.values()].map(({ started }) => started)).then(() => {});
    this.started.catch(() => {});
  }

  /** The models that are loaded, as the last worker that became ready has each. */
  get models(): readonly LoadedModel[] {
    return [...this.#pools.values()].map(({ loaded }) => loaded).filter((loaded) => loaded !== null);
  }

  get state(): ServingState {
    const pools = [...this.#pools.values()];
    const sum = (read: (pool: ModelPool) => number) => pools.reduce((total, pool) => total + read(pool), 0);
    const worst = pools.toSorted((a, b) => STATUSES.indexOf(b.status) - STATUSES.indexOf(a.status))[0]!;
    const refusal = this.#options.models.map((model) => this.#refusal(model)).find((error) => error !== null) ?? null;
    return {
      status: this.#stopping ? "stopping" : refusal !== null ? "building" : worst.status,
      workers: { ready: sum(({ ready }) => ready), total: sum(({ total }) => total) },
      queue: {
        waiting: sum(({ waiting }) => waiting),
        running: sum(({ running }) => running),
        limit: sum(({ queueLimit }) => queueLimit),
      },
      reason: refusal?.message ?? worst.reason,
      retryAfterS: refusal?.retryAfterS ?? null,
    };
  }

  /** Every model by itself, for `/metrics`. */
  get modelStates(): readonly ModelState[] {
    return [...this.#pools.values()].map((
      { model, loaded, ready, total, waiting, running, queueLimit, rssBytes, states, gpus },
    ) => ({
      model,
      ready: this.isReady(model),
      backend: loaded?.backend ?? null,
      workers: { ready, total },
      queue: { waiting, running, limit: queueLimit },
      rssBytes,
      instances: states,
      gpus,
    }));
  }

  /** Whether a model is answered now. */
  isReady(model: string): boolean {
    return !this.#stopping && this.#refusal(model) === null && this.#pools.get(model)?.status === "ready";
  }

  /**
   * Refuse early what would be refused later, before a body is read.
   * @throws {TrtdError} `SHUTTING_DOWN`, `MODEL_NOT_FOUND`, `MODEL_NOT_READY`, `QUEUE_FULL`
   */
  admit(model: string): void {
    if (this.#stopping) throw new TrtdError("SHUTTING_DOWN", "The server is stopping");
    const pool = this.#poolOf(model);
    const refusal = this.#refusal(model);
    if (refusal !== null) throw refusal;
    pool.admit();
  }

  /**
   * Detect on one picture.
   * @throws {TrtdError} those of {@link admit}, `DEADLINE_EXCEEDED`, `CLIENT_CLOSED`, `REQUEST_POISONOUS`, and the worker's own
   */
  async detect(request: ServingRequest): Promise<ServingAnswer> {
    const { model, picture } = request;
    let pool: ModelPool;
    let timeoutMs: number;
    try {
      timeoutMs = this.#timeLeft(request);
      if (this.#poison.mayKnow(model, picture)) {
        const digest = await this.#poison.digestIfPoisonous(model, picture);
        if (digest !== null) throw poisonous(digest);
        timeoutMs = this.#timeLeft(request);
      }
      pool = this.#poolOf(model);
    } catch (error) {
      request.onReleased?.();
      throw error;
    }
    const job = new Job(request, timeoutMs, this.#clock, (left, error) => {
      pool.leave(left);
      if (error.code === "DEADLINE_EXCEEDED") this.#emit({ type: "expired", model, where: left.where });
    });
    if (!job.settled) pool.submit(job);
    return await job.answer;
  }

  /** The request's time from its arrival. @throws {TrtdError} those of {@link admit}; `DEADLINE_EXCEEDED` when it is over */
  #timeLeft({ model, arrivedMs, timeoutMs = Infinity }: ServingRequest): number {
    this.admit(model);
    const limitMs = Math.min(timeoutMs, this.#options.requestTimeoutMs);
    if (this.#clock.now() < arrivedMs + limitMs) return limitMs;
    this.#emit({ type: "expired", model, where: "queue" });
    throw new TrtdError("DEADLINE_EXCEEDED", "The request's time was over before it was queued");
  }

  /**
   * Replace the workers of a model by new ones, without a request's noticing.
   * @param places @default all
   * @throws {TrtdError} `MODEL_NOT_FOUND`; the failure of the new worker, while the old one goes on
   */
  async reload(model: string, places?: readonly Place[]): Promise<void> {
    await this.#poolOf(model).reload(places);
  }

  /** Refuse what waits, end the workers. Calling it twice is harmless. */
  async close(): Promise<void> {
    this.#stopping = true;
    await Promise.all([...this.#pools.values()].map((pool) => pool.close()));
  }

  #pool(model: string): ModelPool {
    const { instances = 1, places = [ONLY_PLACE], queueLimit, queueWaitMs = Infinity, limits = {}, crashLimit = 5 } =
      this.#options;
    return new ModelPool({
      model,
      startWorker: (how) => this.#options.startWorker(model, how),
      instances,
      places,
      rests: (place) => this.#options.rests?.(model, place) ?? false,
      queueLimit,
      queueWaitMs,
      limits: { ...LIMITS, ...limits },
      crashLimit,
      clock: this.#clock,
      availableBytes: this.#options.availableBytes ?? systemAvailableBytes,
      inTurn: (work) => {
        const mine = this.#turn.then(work);
        this.#turn = mine.catch(() => {});
        return mine;
      },
      poison: this.#poison,
      emit: (event) => this.#emit(event),
    });
  }

  #poolOf(model: string): ModelPool {
    const pool = this.#pools.get(model);
    if (pool === undefined) throw new TrtdError("MODEL_NOT_FOUND", `The model "${model}" is not served here`);
    return pool;
  }

  #refusal(model: string): TrtdError | null {
    return this.#options.refuse?.(model) ?? null;
  }

  #emit(event: ServingEvent): void {
    this.#options.onEvent?.(event);
  }
}

function systemAvailableBytes(): number | null {
  try {
    return Deno.systemMemoryInfo().available;
  } catch {
    return null;
  }
}
