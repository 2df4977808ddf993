/** `<model>.engine.json`: what an engine was made of, for and by. */
import { join } from "node:path";
import type { ErrorCode } from "../../errors.ts";
import type { PassReport } from "../../onnx/passes/pass.ts";
import type { MemoryForecast } from "../plan/memory_forecast.ts";
import type { BuildFlag, PlanGpu } from "../plan/plan.ts";
import type { EnginePrecision } from "../plan/plan_precision.ts";
import type { InputShapes } from "../plan/plan_shapes.ts";
import type { RetryStep } from "../plan/retry_ladder.ts";
import type { Product } from "../versions.ts";
import type { ReportedTensor } from "./child/messages.ts";

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

/** A build that failed for memory, and what was made smaller after it. */
export interface RetryRecord extends RetryStep {
  /** Code of the failure before. */
  readonly after: ErrorCode;
}

/** What the check of a new engine on the GPU found; null where it was not loaded. */
export interface LoadRecord {
  /** Milliseconds of each step. */
  readonly timings_ms: Readonly<Record<string, number>>;
  readonly [name: string]: unknown;
}

/** All of `<model>.engine.json` that is not of the cache's own (`src/cache/entry.ts`): what made the engine, and of what. */
export interface EngineFacts {
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
  /** What each pass did to the model before TensorRT saw it. */
  readonly passes: readonly PassReport[];
  /** The model that TensorRT saw; null when it was the given one. */
  readonly rewritten: { readonly bytes: number; readonly sha256: string; readonly kept_as: string | null } | null;
  readonly tensorrt: { readonly product: Product; readonly version: string; readonly cuda: string | null };
  readonly platform: string;
  /** The GPU that it was built on, null for a build without one. */
  readonly gpu: PlanGpu | null;
  readonly driver: string | null;
  /** For the comparison after an upgrade. */
  readonly machine: { readonly driver: string | null; readonly jetpack: string | null; readonly gpu: string | null };
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
  readonly layers: number;
  /** The library as it reports itself. */
  readonly library: string;
  readonly timings_ms: Readonly<Record<string, number>>;
  /** Things that happened on the way, in sentences. */
  readonly remarks: readonly string[];
  /** What was made smaller because memory ran out; the options above are those of the build that went well. */
  readonly retries: readonly RetryRecord[];
  /** Name of the key that was asked for when this engine has a smaller batch, else null. */
  readonly asked_key: string | null;
  readonly forecast: MemoryForecast | null;
  /** Null: only its head and its digest were checked, it was not loaded. */
  readonly loaded: LoadRecord | null;
  readonly duration_s: number;
  /** This build and earlier ones of the same place, newest first. */
  readonly durations: readonly BuildDuration[];
  /** Results of the correctness gate, newest first, read with `verificationsOf`; absent until it ran. */
  readonly verified?: unknown;
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

/** Folders between a model's own and the metadata: precision, batch, device, `.others` and a key. */
const DEPTH = 5;

/** Durations of all engines of a model that can be read, newest first in each place. @param root the folder `trt` */
export async function earlierDurations(root: string, model: string): Promise<BuildDuration[]> {
  const found: BuildDuration[] = [];
  const visit = async (folder: string, depth: number): Promise<void> => {
    found.push(...await durationsIn(join(folder, `${model}.engine.json`)));
    if (depth < DEPTH) { for (const name of await foldersIn(folder)) await visit(join(folder, name), depth + 1); }
  };
  await visit(join(root, model), 0);
  return found;
}

/** Durations that one metadata file holds; none when it cannot be read. */
export async function durationsIn(path: string): Promise<BuildDuration[]> {
  try {
    const { durations } = JSON.parse(await Deno.readTextFile(path)) as Partial<EngineFacts>;
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
    const entries = await Array.fromAsync(Deno.readDir(path));
    return entries.filter(({ isDirectory, name }) => isDirectory && name !== ".quarantine").map(({ name }) => name);
  } catch {
    return [];
  }
}
