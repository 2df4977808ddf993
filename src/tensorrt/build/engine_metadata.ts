/** `<model>.engine.json`: what an engine was made of, for and by. */
import { join } from "node:path";
import type { BuildFlag, PlanGpu } from "../plan/plan.ts";
import type { EnginePrecision } from "../plan/plan_precision.ts";
import type { InputShapes } from "../plan/plan_shapes.ts";
import type { Product } from "../versions.ts";
import type { ReportedTensor } from "./messages.ts";

/** How long a build took, kept for the estimate of later ones. */
export interface BuildDuration {
  readonly duration_s: number;
  readonly precision: EnginePrecision;
  readonly batch: number;
  /** Product and version. */
  readonly tensorrt: string;
  /** Name of the GPU that built, null without one. */
  readonly gpu: string | null;
  readonly targets: readonly number[];
  readonly optimization_level: number | null;
}

export interface EngineMetadata {
  readonly format: 1;
  readonly trtd: string;
  /** ISO 8601, UTC. */
  readonly built_at: string;
  readonly model: {
    readonly name: string;
    readonly path: string;
    readonly bytes: number;
    readonly sha256: string;
    readonly md5: string;
  };
  readonly engine: { readonly file: string; readonly bytes: number; readonly sha256: string };
  readonly tensorrt: { readonly product: Product; readonly version: string; readonly cuda: string | null };
  readonly platform: string;
  /** The GPU that it was built on, null for a build without one. */
  readonly gpu: PlanGpu | null;
  readonly driver: string | null;
  readonly targets: readonly number[];
  /** Whether the targets are the GPU of the build. */
  readonly targets_current: boolean;
  readonly precision: EnginePrecision;
  readonly batch: number;
  readonly profile: readonly InputShapes[];
  readonly flags: readonly BuildFlag[];
  readonly workspace_bytes: number | null;
  readonly optimization_level: number | null;
  readonly hardware_compatibility: number | null;
  readonly tactic_sources: number | null;
  readonly dla_core: number | null;
  readonly inputs: readonly ReportedTensor[];
  readonly outputs: readonly ReportedTensor[];
  readonly duration_s: number;
  /** This build and earlier ones of the same place, newest first. */
  readonly durations: readonly BuildDuration[];
}

/** Durations that are kept in one place. */
export const DURATIONS_KEPT = 10;

/** Seconds that a build will take, after earlier ones of the model; null without any. The most alike, newest, counts. */
export function expectedSeconds(
  wanted: Omit<BuildDuration, "duration_s">,
  earlier: readonly BuildDuration[],
): number | null {
  const alike = (one: BuildDuration): number =>
    Number(one.tensorrt === wanted.tensorrt) * 8 + Number(one.gpu === wanted.gpu) * 4 +
    Number(one.precision === wanted.precision && one.optimization_level === wanted.optimization_level) * 2 +
    Number(one.batch === wanted.batch && one.targets.join() === wanted.targets.join());
  return earlier.reduce<BuildDuration | null>(
    (best, one) => best === null || alike(one) > alike(best) ? one : best,
    null,
  )?.duration_s ?? null;
}

/** Durations of all engines of a model that can be read, newest first in each place. */
export async function earlierDurations(modelsDir: string, model: string): Promise<BuildDuration[]> {
  const root = join(modelsDir, "trt", model);
  const found: BuildDuration[] = [];
  for (const precision of await foldersIn(root)) {
    for (const batch of await foldersIn(join(root, precision))) {
      found.push(...await durationsIn(join(root, precision, batch, `${model}.engine.json`)));
    }
  }
  return found;
}

/** Durations that one metadata file holds; none when it cannot be read. */
export async function durationsIn(path: string): Promise<BuildDuration[]> {
  try {
    const { durations } = JSON.parse(await Deno.readTextFile(path)) as Partial<EngineMetadata>;
    return Array.isArray(durations) ? durations.filter(isDuration) : [];
  } catch {
    return [];
  }
}

const isDuration = (one: Partial<BuildDuration> | null): one is BuildDuration =>
  typeof one?.duration_s === "number" && one.duration_s >= 0 && Array.isArray(one.targets) &&
  typeof one.tensorrt === "string";

async function foldersIn(path: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(path))).filter(({ isDirectory }) => isDirectory).map(({ name }) => name);
  } catch {
    return [];
  }
}
