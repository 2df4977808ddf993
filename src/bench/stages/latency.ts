/** How long single runs take: one after the other, for a window. */
import { median, percentile } from "../statistics.ts";
import type { MeasureOptions } from "./measure.ts";
import { type Sample, STAGE_NAMES, type StageName, type StageTimes, type Subject, type Way } from "./subject.ts";

export const RUNS_MIN = 3;
const RUNS_MAX = 20_000;

/** Milliseconds. */
export interface Latency {
  readonly p50: number;
  readonly p99: number;
  /** Median of each round. */
  readonly rounds: readonly number[];
  readonly runs: number;
}

/** Milliseconds of each run of each round. */
export type Times = Record<"bare" | "bareInference" | "loopedInference" | Way | StageName, number[][]>;

export const noTimes = (): Times => {
  const names = ["bare", "bareInference", "loopedInference", "jpeg", "pixels", ...STAGE_NAMES] as const;
  return Object.fromEntries(names.map((name) => [name, []])) as unknown as Times;
};

/** Pictures of a run, from the samples in turn. */
export const batchOf = (samples: readonly Sample[], size: number): Sample[] =>
  Array.from({ length: size }, (_, i) => samples[i % samples.length]!);

/** One round's measurements, each to be called in its turn. */
export function latencyTurns(subject: Subject, times: Times, options: MeasureOptions): (() => Promise<void>)[] {
  const { samples, windowMs } = options;
  const repeated = async (run: (batch: readonly Sample[]) => Promise<void>) => {
    const end = performance.now() + windowMs;
    for (let i = 0; i < RUNS_MIN || performance.now() < end; i++) await run([samples[i % samples.length]!]);
  };
  // The bare run may have taken a context's buffers, so that a graph has to be captured again.
  const settled = () => subject.run("pixels", batchOf(samples, 1));
  const way = (name: Way) => async () => {
    const found: number[] = [];
    await settled();
    await repeated(async (batch) => void found.push(await subject.run(name, batch)));
    times[name].push(found);
  };
  const stages = async () => {
    const found = noStages();
    await settled();
    await repeated(async (batch) => {
      for (const [stage, ms] of Object.entries(await subject.runStages(batch))) found[stage as StageName].push(ms);
    });
    for (const stage of STAGE_NAMES) if (found[stage].length > 0) times[stage].push(found[stage]);
  };
  const { bare } = subject;
  const alone = bare === null ? [] : [async () => {
    const guess = times.bare.at(-1)?.[0] ?? median(await bare(1, RUNS_MIN));
    const runs = Math.min(RUNS_MAX, Math.max(RUNS_MIN, Math.round(windowMs / guess)));
    times.bare.push([...await bare(1, runs)]);
    const { bareInference } = subject;
    if (bareInference !== undefined) times.bareInference.push([...await bareInference(1, runs)]);
    const looped = await subject.inference?.(batchOf(samples, 1), runs) ?? null;
    if (looped !== null) times.loopedInference.push([...looped]);
  }];
  return [...alone, stages, way("pixels"), way("jpeg")];
}

const noStages = () =>
  Object.fromEntries(STAGE_NAMES.map((name) => [name, []])) as unknown as Record<StageName, number[]>;

export function latencyOf(rounds: readonly (readonly number[])[]): Latency {
  const all = rounds.flat();
  return { p50: median(all), p99: percentile(all, 0.99), rounds: rounds.map(median), runs: all.length };
}

/** Medians of the stages of a batch. */
export async function stagesOf(
  subject: Subject,
  batch: number,
  { samples, windowMs }: MeasureOptions,
): Promise<StageTimes> {
  const pictures = batchOf(samples, batch);
  const found = noStages();
  const end = performance.now() + windowMs;
  for (let i = 0; i < RUNS_MIN || performance.now() < end; i++) {
    for (const [stage, ms] of Object.entries(await subject.runStages(pictures))) found[stage as StageName].push(ms);
  }
  return Object.fromEntries(
    STAGE_NAMES.flatMap((name) => found[name].length === 0 ? [] : [[name, median(found[name])]]),
  );
}
