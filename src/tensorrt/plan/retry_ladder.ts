/** What may be tried after a build for which memory was too little: smaller and smaller plans. Pure. */
import type { BuildPlan } from "./plan.ts";
import { OPTION_ROWS } from "./plan_options.ts";

/** What a retry may make smaller, in the order in which it does. */
export const RETRY_KINDS = ["workspace", "optimization-level", "batch"] as const;
export type RetryKind = typeof RETRY_KINDS[number];

/** One change against the plan before. */
export interface RetryStep {
  readonly kind: RetryKind;
  /** Bytes, a level or a batch; null for the builder's default. */
  readonly from: number | null;
  readonly to: number;
}

/** A plan to try. */
export interface Rung {
  readonly plan: BuildPlan;
  /** All changes against the plan that was asked for; none at the first. */
  readonly steps: readonly RetryStep[];
}

export interface LadderOptions {
  readonly allowed: readonly RetryKind[];
  /** Bytes of the GPU that builds: the builder's default workspace. Null without a GPU. */
  readonly memoryBytes: number | null;
}

/** How much smaller a workspace becomes at each step, and where that ends. */
const WORKSPACE_FACTOR = 4;
const WORKSPACE_STEPS = 2;
const WORKSPACE_LEAST = 64 * 1_048_576;
/** Workspace of a build for other GPUs that the first step begins with. */
const WORKSPACE_ASSUMED = 4 * 1024 * 1_048_576;
/** Source: IBuilderConfig::setBuilderOptimizationLevel in NvInfer.h: the default is 3; below 2 no kernels are generated. */
const LEVEL_DEFAULT = 3;
const LEVELS = [1, 0];

/**
 * The plan itself, then a smaller workspace, then a lower optimization level, then a smaller maximal batch, as far as
 * they are allowed and make a difference; each rung keeps the changes of those before.
 *
 * It depends on the plan and the GPU alone, so that an engine that a later rung made is found again at the next start.
 */
export function retryLadder(plan: BuildPlan, { allowed, memoryBytes }: LadderOptions): Rung[] {
  const rungs: Rung[] = [{ plan, steps: [] }];
  const add = (kind: RetryKind, from: number | null, to: number, change: Partial<BuildPlan>) => {
    const last = rungs.at(-1)!;
    rungs.push({ plan: { ...last.plan, ...change }, steps: [...last.steps, { kind, from, to }] });
  };
  if (allowed.includes("workspace")) {
    let size = plan.workspace_bytes ?? memoryBytes ?? WORKSPACE_ASSUMED;
    for (let step = 0; step < WORKSPACE_STEPS; step++) {
      size = Math.max(WORKSPACE_LEAST, mebibytes(size / WORKSPACE_FACTOR));
      const from = rungs.at(-1)!.plan.workspace_bytes;
      if (from !== null && size >= from) break;
      add("workspace", from, size, { workspace_bytes: size });
    }
  }
  if (allowed.includes("optimization-level") && hasLevels(plan)) {
    for (const level of LEVELS) {
      const from = rungs.at(-1)!.plan.optimization_level;
      if (level < (from ?? LEVEL_DEFAULT)) add("optimization-level", from, level, { optimization_level: level });
    }
  }
  if (allowed.includes("batch") && plan.profile.length > 0) {
    for (let batch = Math.floor(plan.batch / 2); batch >= 1; batch = Math.floor(batch / 2)) {
      add("batch", rungs.at(-1)!.plan.batch, batch, { batch, profile: profileOf(plan, batch) });
    }
  }
  return rungs;
}

/** `a workspace of 2048 MiB`, `optimization level 1`, `a batch of 4`. */
export function retryText({ kind, to }: RetryStep): string {
  if (kind === "workspace") return `a workspace of ${to / 1_048_576} MiB`;
  return kind === "batch" ? `a batch of ${to}` : `optimization level ${to}`;
}

const mebibytes = (bytes: number): number => Math.floor(bytes / 1_048_576) * 1_048_576;

const hasLevels = ({ tensorrt }: BuildPlan): boolean =>
  OPTION_ROWS.some(({ wish, families }) => wish === "optimizationLevel" && families.includes(tensorrt.family));

/** The profile with no batch above `batch`; axes that never were a batch stay. */
const profileOf = ({ profile, batch: asked }: BuildPlan, batch: number): BuildPlan["profile"] =>
  profile.map(({ input, ...shapes }) => {
    const [min, opt, max] = [shapes.min, shapes.opt, shapes.max].map((shape) =>
      shapes.max[0] === asked ? [Math.min(shape[0]!, batch), ...shape.slice(1)] : shape
    );
    return { input, min: min!, opt: opt!, max: max! };
  });
