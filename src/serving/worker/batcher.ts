/** Gathers the pictures that wait in a worker into the batches that its engine takes. */
import { TrtdError, trtdErrorFrom } from "../../errors.ts";
import type { DetectionResult } from "../../detect/detection.ts";
import type { Clock } from "../clock.ts";
import { type BatchLimits, nextBatch } from "../policy/batch.ts";
import type { DetectorRequest, ServedDetector } from "./served_detector.ts";

/** A picture that waits. */
export interface BatchItem {
  /** Milliseconds of `clock.now()` at which it is no longer worth it. */
  readonly deadlineMs: number;
  /** Called when its batch begins: the picture's bytes are needed from then on. */
  request(): DetectorRequest;
}

export interface BatchOutcome {
  readonly result: DetectionResult;
  /** Pictures of the run. */
  readonly batch: number;
}

interface Waiting {
  readonly item: BatchItem;
  readonly sinceMs: number;
  resolve(outcome: BatchOutcome): void;
  reject(error: TrtdError): void;
}

export class Batcher {
  readonly #detector: Pick<ServedDetector, "detectBatch">;
  readonly #limits: BatchLimits;
  readonly #clock: Clock;
  readonly #waiting: Waiting[] = [];
  #running = 0;
  #cancelTimer: (() => void) | undefined;

  constructor(detector: Pick<ServedDetector, "detectBatch">, limits: BatchLimits, clock: Clock) {
    this.#detector = detector;
    this.#limits = limits;
    this.#clock = clock;
  }

  /**
   * Detect on one picture, in a batch with others where there are any.
   * @throws {TrtdError} the detector's; `DEADLINE_EXCEEDED` when its time was over before its batch began
   */
  detect(item: BatchItem): Promise<BatchOutcome> {
    const { promise, resolve, reject } = Promise.withResolvers<BatchOutcome>();
    this.#waiting.push({ item, sinceMs: this.#clock.now(), resolve, reject });
    this.#next();
    return promise;
  }

  #next(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    for (;;) {
      this.#dropExpired();
      const oldest = this.#waiting[0];
      if (oldest === undefined) return;
      const now = this.#clock.now();
      const state = { waiting: this.#waiting.length, running: this.#running, oldestMs: now - oldest.sinceMs };
      const { take, waitMs } = nextBatch(state, this.#limits);
      if (take === 0) {
        if (waitMs !== null) this.#cancelTimer = this.#clock.after(waitMs, () => this.#next());
        return;
      }
      void this.#run(this.#waiting.splice(0, take));
    }
  }

  #dropExpired(): void {
    const now = this.#clock.now();
    for (let at = this.#waiting.length - 1; at >= 0; at--) {
      if (this.#waiting[at]!.item.deadlineMs > now) continue;
      const [late] = this.#waiting.splice(at, 1);
      late!.reject(new TrtdError("DEADLINE_EXCEEDED", "The request's time ended before its picture was decoded"));
    }
  }

  async #run(batch: readonly Waiting[]): Promise<void> {
    this.#running++;
    const read = batch.map(({ item }) => {
      try {
        return item.request();
      } catch (thrown) {
        return trtdErrorFrom(thrown);
      }
    });
    const requests = read.filter((one): one is DetectorRequest => !(one instanceof TrtdError));
    let outcomes: readonly (DetectionResult | TrtdError)[];
    try {
      outcomes = requests.length === 0 ? [] : await this.#detector.detectBatch(requests);
    } catch (thrown) {
      const error = trtdErrorFrom(thrown);
      outcomes = requests.map(() => error);
    }
    let at = 0;
    batch.forEach(({ resolve, reject }, index) => {
      const failed = read[index];
      const outcome = failed instanceof TrtdError ? failed : outcomes[at++]!;
      if (outcome instanceof TrtdError) reject(outcome);
      else resolve({ result: outcome, batch: requests.length });
    });
    this.#running--;
    this.#next();
  }
}
