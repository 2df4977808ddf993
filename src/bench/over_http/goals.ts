/** What is measured, and what it should be. */
import type { Better } from "../statistics.ts";

export interface Goal {
  readonly summary: string;
  readonly unit: "ratio" | "ms" | "requests/s";
  readonly better: Better;
  /** Bound of the median; null when the figure only informs. */
  readonly bound: number | null;
}

/** Goals for two cores, a YOLOv8n-sized model and a 720p JPEG. Source of the bounds: issue 3, section 9; issue 7, section 7. */
export const GOALS = {
  end_to_end_to_baseline: {
    summary: "One client, p50 of a request: trtd / baseline",
    unit: "ratio",
    better: "lower",
    bound: 0.93,
  },
  end_to_end_to_bare_run: {
    summary: "One client, p50 of a request: trtd / bare session.run",
    unit: "ratio",
    better: "lower",
    bound: 1.15,
  },
  throughput_to_baseline: {
    summary: "Clients at once, requests a second: trtd / baseline",
    unit: "ratio",
    better: "higher",
    bound: 1.1,
  },
  throughput_to_bare_run: {
    summary: "Clients at once, requests a second: trtd / bare session.run in a loop",
    unit: "ratio",
    better: "higher",
    bound: 0.95,
  },
  instances_to_bare_run: {
    summary: "The same with a worker process of one thread for each core",
    unit: "ratio",
    better: "higher",
    bound: 0.95,
  },
  overhead_to_baseline: {
    summary: "One client, p50 of what is not inference: trtd / baseline",
    unit: "ratio",
    better: "lower",
    bound: 0.5,
  },
  live_ms: {
    summary: "Warm start to the first answer of /health/live",
    unit: "ms",
    better: "lower",
    bound: 300,
  },
  nms_ms: {
    summary: "Decoding and NMS of 84x8400 with 1,370 candidates",
    unit: "ms",
    better: "lower",
    bound: 2,
  },
  letterbox_ms: {
    summary: "Letterbox of 1280x720 to 640x1152",
    unit: "ms",
    better: "lower",
    bound: 4,
  },
  ready_ms: { summary: "trtd, start to /health/ready: model loaded and run", unit: "ms", better: "lower", bound: null },
  compiled_live_ms: { summary: "dist/trtd, start to /health/live", unit: "ms", better: "lower", bound: null },
  compiled_ready_ms: { summary: "dist/trtd, start to /health/ready", unit: "ms", better: "lower", bound: null },
  bare_run_ms: { summary: "Bare session.run, p50", unit: "ms", better: "lower", bound: null },
  trtd_ms: { summary: "trtd, one client, p50", unit: "ms", better: "lower", bound: null },
  trtd_overhead_ms: { summary: "trtd, not inference, p50", unit: "ms", better: "lower", bound: null },
  trtd_per_s: { summary: "trtd, clients at once", unit: "requests/s", better: "higher", bound: null },
  bare_per_s: { summary: "Bare session.run in a loop", unit: "requests/s", better: "higher", bound: null },
  instances_per_s: {
    summary: "trtd with a worker process for each core, clients at once",
    unit: "requests/s",
    better: "higher",
    bound: null,
  },
  baseline_ms: { summary: "Baseline, one client, p50", unit: "ms", better: "lower", bound: null },
  baseline_overhead_ms: { summary: "Baseline, not inference, p50", unit: "ms", better: "lower", bound: null },
  baseline_per_s: { summary: "Baseline, clients at once", unit: "requests/s", better: "higher", bound: null },
  baseline_live_ms: { summary: "Baseline, start to /health/live", unit: "ms", better: "lower", bound: null },
} as const satisfies Record<string, Goal>;

export type GoalName = keyof typeof GOALS;

/** Whether a median meets its goal, null when there is none. */
export function isMet(goal: Goal, value: number): boolean | null {
  if (goal.bound === null) return null;
  return goal.better === "lower" ? value <= goal.bound : value >= goal.bound;
}
