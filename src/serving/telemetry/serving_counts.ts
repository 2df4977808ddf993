/** Counts what happens in serving. */
import type { Timings } from "../../detect/detection.ts";
import type { ServingEvent } from "../manager/events.ts";
import type { EndCause } from "../policy/blame.ts";
import { Counts, Distribution, type DistributionRow, type Labels } from "./counts.ts";

/** Bounds in seconds from 0.3 ms, a small model on a large GPU, to 10 s, a large one on a small CPU. */
export const DURATION_BOUNDS: readonly number[] = [
  0.0003,
  0.0005,
  0.001,
  0.002,
  0.003,
  0.005,
  0.01,
  0.02,
  0.03,
  0.05,
  0.1,
  0.2,
  0.3,
  0.5,
  1,
  2,
  5,
  10,
];

/** Bounds in pictures. */
export const BATCH_BOUNDS: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/** Stages of a picture's way, as answers have them in `timings_ms`. */
export const STAGES = [
  "queue",
  "decode",
  "preprocess",
  "inference",
  "postprocess",
  "total",
] as const satisfies readonly (keyof Timings | "queue")[];

/** A listener of the serving manager and what it has counted. */
export class ServingCounts {
  readonly stages = new Distribution(DURATION_BOUNDS);
  readonly answers = new Counts();
  readonly restarts = new Counts();
  readonly givenUp = new Counts();
  readonly canaries = new Counts();
  readonly retries = new Counts();
  readonly poisonous = new Counts();
  readonly expired = new Counts();
  readonly builds = new Counts();
  /** Seconds from a worker's start until it answered, of the last start of each model. */
  readonly startSeconds = new Map<string, number>();
  readonly #pictures = new Map<string, Map<number, number>>();

  /** Counters that grow seldom are shown from the start, so that their first increase is seen. */
  constructor(models: readonly string[]) {
    for (const model of models) {
      for (const counts of [this.givenUp, this.poisonous]) counts.add({ model }, 0);
      for (const where of ["queue", "worker", "retry"]) this.expired.add({ model, where }, 0);
      for (const reason of RESTART_REASONS) this.restarts.add({ model, reason }, 0);
    }
  }

  /** For the manager and for builds. */
  readonly listen = (event: ServingEvent): void => {
    const { model } = event;
    if (event.type === "answered") this.#answered(event);
    else if (event.type === "worker_ready") this.startSeconds.set(model, event.ms / 1000);
    else if (event.type === "worker_ended") this.restarts.add({ model, reason: event.cause });
    else if (event.type === "gave_up") this.givenUp.add({ model });
    else if (event.type === "canary") this.canaries.add({ model, result: event.result });
    else if (event.type === "retried") this.retries.add({ model, reason: event.cause });
    else if (event.type === "poisonous") this.poisonous.add({ model });
    else if (event.type === "build_ended") this.builds.add({ model, result: event.result });
    else if (event.type === "expired") this.expired.add({ model, where: event.where });
  };

  /** Sizes of runs. Pictures tell them: a run of eight is eight answers that say so. */
  get batches(): readonly DistributionRow[] {
    return [...this.#pictures].map(([model, bySize]) => {
      const buckets: number[] = new Array(BATCH_BOUNDS.length + 1).fill(0);
      let sum = 0;
      for (const [size, pictures] of bySize) {
        const runs = Math.floor(pictures / size);
        const at = BATCH_BOUNDS.findIndex((bound) => size <= bound);
        buckets[at < 0 ? BATCH_BOUNDS.length : at]! += runs;
        sum += runs * size;
      }
      return { labels: { model }, buckets, sum };
    });
  }

  #answered({ model, batch, queueMs, timings, backend }: Extract<ServingEvent, { type: "answered" }>): void {
    const labels = (stage: string): Labels => ({ model, backend, stage });
    this.answers.add({ model, backend });
    this.stages.observe(labels("queue"), queueMs / 1000);
    for (const stage of STAGES) if (stage !== "queue") this.stages.observe(labels(stage), timings[stage] / 1000);
    const bySize = this.#pictures.get(model) ?? new Map<number, number>();
    this.#pictures.set(model, bySize.set(batch, (bySize.get(batch) ?? 0) + 1));
  }
}

/** Every {@link EndCause}. */
const RESTART_REASONS = [
  "crash",
  "memory",
  "hang",
  "gpu_fault",
  "wrong_answer",
  "start_timeout",
  "protocol",
  "killed",
  "exit",
  "replaced",
] as const satisfies readonly EndCause[];
