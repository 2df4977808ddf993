/** One worker from its start to its end: asked, watched, and ended when it does not behave. */
import { getLogger } from "@logtape/logtape";
import { TrtdError, trtdErrorFrom } from "../../errors.ts";
import type { BackendInfo } from "../../backends/backend.ts";
import type { Detection } from "../../detect/detection.ts";
import type { Clock } from "../clock.ts";
import { type DetectionWorker, type LoadedModel, pictureFile, type WorkerEnd } from "../detection_worker.ts";
import { isBlamed, type KillReason } from "../policy/blame.ts";
import { canaryDifference } from "../policy/canary.ts";
import { hangLimitMs, isCanaryDue, isFresh, type WearLimits, wearOf } from "../policy/health.ts";
import { picturesPerWorker } from "../policy/load.ts";
import { CANARY_OPTIONS, canaryPicture } from "../worker/canary_picture.ts";
import type { ServingListener } from "./events.ts";
import type { Job } from "./job.ts";

const log = getLogger(["trtd", "serving"]);

/** How often a worker is looked at. */
const CHECK_MS = 1000;
/** How often a start that takes long is told. */
const PROGRESS_MS = 10_000;

/** Limits of every worker of a model. */
export interface WorkerLimits {
  /** Longest time from its start until it has answered the canary. */
  readonly startTimeoutMs: number;
  /** Longest time without a right answer while it counts as ready. */
  readonly intervalMs: number;
  readonly wear: WearLimits;
  /** Resident bytes over which it is killed; 0: none. */
  readonly memoryBytes: number;
}

/** The right answers of the canary, by who gave them. */
export type CanaryAnswers = Map<string, readonly Detection[]>;

export interface IncarnationOptions {
  readonly model: string;
  readonly worker: DetectionWorker;
  readonly limits: WorkerLimits;
  readonly clock: Clock;
  readonly canaryAnswers: CanaryAnswers;
  readonly emit: ServingListener;
  /** It has become free, or may be asked again. */
  onChange(): void;
  /** It is to be replaced by a fresh one. */
  onWorn(incarnation: Incarnation, reason: string): void;
}

export class Incarnation {
  readonly worker: DetectionWorker;
  /** Resolves when the model is loaded and the canary was answered. */
  readonly ready: Promise<LoadedModel>;
  readonly ended: Promise<WorkerEnd>;
  /** Requests that it has. */
  readonly running = new Set<Job>();
  loaded: LoadedModel | null = null;
  /** Who runs the model, as it last said; null before it is loaded. */
  backend: BackendInfo | null = null;
  state: "starting" | "ready" | "draining" | "ended" = "starting";
  /** Requests that it answered. */
  answered = 0;
  /** Whether it was told to be worn. */
  worn = false;
  /** Why it could not load its model. */
  loadFailure: TrtdError | null = null;
  readonly #options: IncarnationOptions;
  readonly #startedMs: number;
  #readyMs: number | null = null;
  #canaryMs: number | null = null;
  #canaryRuns = false;
  #goodMs = 0;
  /** Last sign of life of a busy worker, or the moment at which it became busy. */
  #signMs = 0;
  #pingMs: number | null = null;
  #toldMs: number;
  #checkedMs: number;
  #killed = false;
  #cancelCheck: () => void = () => {};

  constructor(options: IncarnationOptions) {
    this.#options = options;
    this.worker = options.worker;
    this.#startedMs = this.#toldMs = this.#checkedMs = options.clock.now();
    this.ready = this.#start();
    this.ready.catch(() => {});
    this.ended = this.worker.ended.then((end) => {
      this.state = "ended";
      this.#cancelCheck();
      return end;
    });
    this.#watch();
  }

  /** Whether it takes another picture now. */
  get hasRoom(): boolean {
    return this.state === "ready" && !this.#killed && this.loaded !== null && !this.#hasLoner &&
      this.running.size < picturesPerWorker(this.loaded);
  }

  /** Whether nothing runs in it. */
  get idle(): boolean {
    return this.running.size === 0 && !this.#canaryRuns;
  }

  /** Whether a request or the canary was answered rightly within the interval. */
  get fresh(): boolean {
    return this.state === "ready" && !this.#killed && isFresh(this.#freshness);
  }

  /** Time since it became ready, null when it never was. */
  get readyForMs(): number | null {
    return this.#readyMs === null ? null : this.#options.clock.now() - this.#readyMs;
  }

  /** Time since it was started. */
  get ageMs(): number {
    return this.#options.clock.now() - this.#startedMs;
  }

  /** Whether that end counts against the one request that it had. */
  blames({ cause }: WorkerEnd): boolean {
    return isBlamed(cause, this.running.size + (this.#canaryRuns ? 1 : 0)) && this.running.size === 1;
  }

  /** A job is given to it. */
  begin(job: Job): void {
    if (this.idle) this.#signMs = this.#options.clock.now();
    this.running.add(job);
    job.hold();
    job.where = "worker";
  }

  /**
   * A job was answered.
   * @param right whether with detections
   * @returns milliseconds since its answer before, or since it became busy: what one more answer takes
   */
  done(job: Job, right: boolean): number {
    const now = this.#options.clock.now();
    const tookMs = now - this.#signMs;
    this.running.delete(job);
    this.#signMs = now;
    if (right) {
      this.#goodMs = now;
      this.answered++;
      this.#wear();
    }
    return tookMs;
  }

  kill(reason: KillReason): void {
    this.#killed = true;
    this.worker.kill(reason);
  }

  /** No more requests for it; it is closed when it has answered those that it has. */
  drain(): void {
    if (this.state === "ready") this.state = "draining";
    this.closeIfDrained();
  }

  closeIfDrained(): void {
    if (this.state === "draining" && this.idle) void this.worker.close();
  }

  get #hasLoner(): boolean {
    return this.running.size === 1 && [...this.running][0]!.alone;
  }

  get #freshness() {
    const sinceGoodMs = this.#options.clock.now() - this.#goodMs;
    return { sinceGoodMs, intervalMs: this.#options.limits.intervalMs, canaryMs: this.#canaryMs };
  }

  async #start(): Promise<LoadedModel> {
    const { model, clock, emit } = this.#options;
    const loaded = await this.worker.ready;
    this.loaded = loaded;
    this.backend = loaded.backend;
    await this.#canary();
    if (this.state !== "starting") throw new TrtdError("WORKER_DIED", "The worker ended while it was started");
    this.state = "ready";
    this.#readyMs = clock.now();
    emit({ type: "worker_ready", model, ms: this.ageMs });
    return loaded;
  }

  /** Ask for the fixed picture. @throws {TrtdError} when the worker cannot answer it, or not rightly */
  async #canary(): Promise<void> {
    const { model, clock, emit, canaryAnswers } = this.#options;
    const began = clock.now();
    if (this.idle) this.#signMs = began;
    this.#canaryRuns = true;
    try {
      const { result } = await this.worker.detect({
        picture: pictureFile(canaryPicture()),
        options: CANARY_OPTIONS,
        annotate: false,
        deadline: Number.MAX_SAFE_INTEGER,
      });
      const { name, device, precision, engine } = result.backend;
      const who = JSON.stringify([name, device, precision, engine]);
      const expected = canaryAnswers.get(who);
      const difference = expected === undefined ? null : canaryDifference(expected, result.detections);
      emit({ type: "canary", model, result: difference === null ? "right" : "wrong" });
      if (difference !== null) {
        this.kill("wrong_answer");
        throw new TrtdError("INFERENCE_FAILED", `The canary is answered wrongly: ${difference}`);
      }
      if (expected === undefined) canaryAnswers.set(who, result.detections);
      this.#goodMs = this.#signMs = clock.now();
      this.#canaryMs ??= this.#goodMs - began;
    } finally {
      this.#canaryRuns = false;
    }
  }

  async #canaryAgain(): Promise<void> {
    const { model, emit, onChange } = this.#options;
    try {
      await this.#canary();
    } catch (thrown) {
      const error = trtdErrorFrom(thrown);
      if (error.code === "WORKER_DIED" || error.code === "SHUTTING_DOWN") return;
      log.error("{model}: {detail}", { model, detail: error.message });
      if (error.code === "GPU_FAULT") this.kill("gpu_fault");
      if (!this.#killed) emit({ type: "canary", model, result: "failed" });
    }
    this.closeIfDrained();
    onChange();
  }

  #watch(): void {
    this.#cancelCheck = this.#options.clock.after(CHECK_MS, () => {
      if (this.state === "ended") return;
      if (!this.#killed) this.#check();
      this.#watch();
    });
  }

  #check(): void {
    const { clock, limits } = this.#options;
    const now = clock.now();
    this.#forgivePause(now);
    const { rssBytes } = this.worker;
    if (limits.memoryBytes > 0 && rssBytes !== null && rssBytes > limits.memoryBytes) {
      return this.#end("memory", `takes ${Math.round(rssBytes / 1_048_576)} MB`);
    }
    if (this.state === "starting") return this.#checkStart(now);
    const limitMs = hangLimitMs(this.#canaryMs);
    const silentMs = this.idle && this.#pingMs === null
      ? 0
      : now - Math.max(this.#signMs, this.idle ? this.#pingMs! : 0);
    if (silentMs > limitMs) return this.#end("hang", `has not answered for ${Math.round(silentMs)} ms`);
    if (this.#pingMs === null) this.#ping(now);
    if (this.state !== "ready") return;
    this.#wear();
    const answers = this.#pingMs === now;
    const due = !this.#canaryRuns && !this.#hasLoner && isCanaryDue(this.#freshness, this.idle);
    if (due && (answers || !this.idle)) void this.#canaryAgain();
  }

  /** What this process slept through (a suspended machine) counts against no worker. */
  #forgivePause(now: number): void {
    const pauseMs = now - this.#checkedMs - CHECK_MS;
    this.#checkedMs = now;
    if (pauseMs < CHECK_MS) return;
    this.#signMs += pauseMs;
    if (this.#pingMs !== null) this.#pingMs += pauseMs;
  }

  #checkStart(now: number): void {
    const { model, limits } = this.#options;
    if (this.ageMs > limits.startTimeoutMs) {
      return this.#end("start_timeout", `was not ready in ${Math.round(limits.startTimeoutMs)} ms`);
    }
    if (now - this.#toldMs < PROGRESS_MS) return;
    this.#toldMs = now;
    const [seconds, limit] = [this.ageMs, limits.startTimeoutMs].map((ms) => Math.round(ms / 1000));
    log.info("{model} is being loaded for {seconds} s, at most {limit} s", { model, seconds, limit });
  }

  #ping(now: number): void {
    this.#pingMs = now;
    this.worker.ping().then(() => this.#pingMs = null, () => {});
  }

  #wear(): void {
    const { answered, worker: { rssBytes } } = this;
    const reason = this.worn ? null : wearOf({ answered, rssBytes }, this.#options.limits.wear);
    if (reason === null || this.state !== "ready") return;
    this.worn = true;
    this.#options.onWorn(this, reason);
  }

  #end(reason: KillReason, what: string): void {
    const { model } = this.#options;
    log.error("A worker of {model} {what} and is killed", { model, what, pid: this.worker.pid });
    this.kill(reason);
  }
}
