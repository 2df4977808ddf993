/** A request on its way through the manager. */
import { TrtdError } from "../../errors.ts";
import type { DetectOptions } from "../../detect/detection.ts";
import type { Clock } from "../clock.ts";
import type { ServedPicture, WorkerAnswer } from "../detection_worker.ts";

export interface ServingRequest {
  readonly model: string;
  readonly picture: ServedPicture;
  readonly options: DetectOptions;
  readonly annotate: boolean;
  /** Milliseconds of `performance.now()` when the request arrived. */
  readonly arrivedMs: number;
  /** Time from its arrival to its answer. @default the manager's `requestTimeoutMs` */
  readonly timeoutMs?: number;
  /** Aborted when the client has gone. */
  readonly signal?: AbortSignal;
  /** Called once, when the request is settled and nobody reads its picture any more: that may be after the answer. */
  readonly onReleased?: () => void;
  /** For log lines. */
  readonly requestId?: string;
}

export interface ServingAnswer extends WorkerAnswer {
  /** Time spent waiting for a worker, milliseconds. */
  readonly queueMs: number;
}

/** Where a request was when its time ended. */
export type Whereabouts = "queue" | "worker" | "retry";

/** Answered once: by a worker, by its deadline, by its client's going away, or by the manager's end. */
export class Job {
  readonly request: ServingRequest;
  readonly queuedMs: number;
  readonly deadlineMs: number;
  readonly answer: Promise<ServingAnswer>;
  /** Whether nothing else may run beside it: a worker died with it among others. */
  alone = false;
  /** Whether a worker's death counted against it. */
  blamed = false;
  where: Whereabouts = "queue";
  readonly #result = Promise.withResolvers<ServingAnswer>();
  readonly #release: () => void;
  #settled = false;
  /** Whoever may still read the picture. */
  #holders = 0;

  /** @param onLeft called when it is settled before a worker answered */
  constructor(request: ServingRequest, timeoutMs: number, clock: Clock, onLeft: (job: Job, error: TrtdError) => void) {
    this.request = request;
    this.queuedMs = clock.now();
    this.deadlineMs = request.arrivedMs + timeoutMs;
    this.answer = this.#result.promise;
    const leave = (error: TrtdError) => {
      this.reject(error);
      onLeft(this, error);
    };
    const cancelTimer = clock.after(Math.max(0, this.deadlineMs - this.queuedMs), () => {
      const place = { queue: "in the queue", worker: "in the worker", retry: "tried again" }[this.where];
      leave(new TrtdError("DEADLINE_EXCEEDED", `${Math.round(timeoutMs)} ms passed while the request was ${place}`));
    });
    const gone = () => leave(new TrtdError("CLIENT_CLOSED", "The client closed the connection"));
    this.#release = () => {
      cancelTimer();
      request.signal?.removeEventListener("abort", gone);
    };
    if (request.signal?.aborted) gone();
    else request.signal?.addEventListener("abort", gone, { once: true });
  }

  get settled(): boolean {
    return this.#settled;
  }

  /** Somebody reads the picture from now on. */
  hold(): void {
    this.#holders++;
  }

  /** Whoever called {@link hold} reads it no more. */
  letGo(): void {
    if (--this.#holders === 0 && this.#settled) this.request.onReleased?.();
  }

  resolve(answer: ServingAnswer): void {
    if (this.#settle()) this.#result.resolve(answer);
  }

  reject(error: unknown): void {
    if (this.#settle()) this.#result.reject(error);
  }

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#release();
    if (this.#holders === 0) this.request.onReleased?.();
    return true;
  }
}
