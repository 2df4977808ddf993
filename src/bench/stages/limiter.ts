/**
 * What holds a subject back, by a rule.
 *
 * Latency: the stage with the largest share of a picture's way at batch 1.
 *
 * Throughput: while a stage works it occupies what {@link Subject.uses} says. Of each resource, the milliseconds that a
 * picture occupies it, times the units held, are added over the stages and divided by the units there are: no more
 * pictures a second can pass than 1000 by that. The resource with the lowest such ceiling limits when the measured rate
 * reaches {@link REACHED} of it. Below, nothing is used up: the waiting between the stages limits.
 */
import type { StageName, StageTimes, Subject, Way } from "./subject.ts";

/** Share of the ceiling from which a resource counts as used up. */
export const REACHED = 0.75;

export interface LatencyLimiter {
  readonly stage: StageName;
  /** Milliseconds of the stage. */
  readonly ms: number;
  /** Of all stages, 0..1. */
  readonly share: number;
}

/** The stage that takes longest. Null without any stage. */
export function latencyLimiter(stages: StageTimes): LatencyLimiter | null {
  const all = (Object.entries(stages) as [StageName, number][]).sort(([, a], [, b]) => b - a);
  const [longest] = all;
  if (longest === undefined) return null;
  const sum = all.reduce((ms, [, stage]) => ms + stage, 0);
  return { stage: longest[0], ms: longest[1], share: longest[1] / sum };
}

export interface Ceiling {
  readonly resource: string;
  /** Pictures a second. */
  readonly per_s: number;
}

export interface ThroughputLimiter {
  /** Lowest first. */
  readonly ceilings: readonly Ceiling[];
  /** Measured rate by the lowest ceiling. */
  readonly reached: number;
  /** The resource that is used up, null when none is: then waiting between the stages limits. */
  readonly resource: string | null;
}

export interface ThroughputFacts {
  readonly uses: Subject["uses"];
  readonly way: Way;
  /** Stages of one picture. */
  readonly single: StageTimes;
  /** Stages of one run of `batch` pictures. */
  readonly batched: StageTimes;
  readonly batch: number;
  /** Measured, pictures a second. */
  readonly perSecond: number;
}

/** @returns null when no stage occupies anything */
export function throughputLimiter(facts: ThroughputFacts): ThroughputLimiter | null {
  const { uses, way, single, batched, batch, perSecond } = facts;
  const occupied = new Map<string, number>();
  for (const [stage, list] of Object.entries(uses) as [StageName, NonNullable<Subject["uses"][StageName]>][]) {
    if (way === "pixels" && stage === "decode") continue;
    for (const { resource, units, apart } of list) {
      const ms = apart === true ? single[stage] : batched[stage] === undefined ? undefined : batched[stage] / batch;
      if (ms === undefined) continue;
      const held = (occupied.get(resource.name) ?? 0) + ms * units / resource.units;
      occupied.set(resource.name, held);
    }
  }
  const ceilings = [...occupied].filter(([, ms]) => ms > 0)
    .map(([resource, ms]): Ceiling => ({ resource, per_s: 1000 / ms }))
    .sort((a, b) => a.per_s - b.per_s);
  const [lowest] = ceilings;
  if (lowest === undefined) return null;
  const reached = perSecond / lowest.per_s;
  return { ceilings, reached, resource: reached >= REACHED ? lowest.resource : null };
}
