/** The engine of a plan: out of the cache, or built, checked and stored there. */
import { type ErrorCode, TrtdError } from "../../errors.ts";
import { type Difference, type Json, keyFrom, type KeyInputs, keyName } from "../../cache/key.ts";
import type { EnginePlace, SideFileOwner } from "../../cache/place.ts";
import type { WaitOptions } from "../../cache/lock/lock.ts";
import type { ModelClaim } from "../../cache/model_name.ts";
import type { EngineCache, Hit, Lookup } from "../../cache/store.ts";
import { partName } from "../../cache/tidy.ts";
import type { FileDigests } from "../../onnx/facts.ts";
import type { MemoryForecast } from "../plan/memory_forecast.ts";
import type { BuildPlan, PlanMachine } from "../plan/plan.ts";
import { OPTION_ROWS } from "../plan/plan_options.ts";
import { type RetryKind, retryLadder, retryText, type Rung } from "../plan/retry_ladder.ts";
import { buildEngine, type BuildOptions } from "./build_engine.ts";
import { BuildFailure, isOutOfMemory } from "./build_failure.ts";
import type { EngineFacts, LoadRecord, RetryRecord } from "./engine_metadata.ts";

/** An engine that is wanted. */
export interface EngineRequest {
  readonly model: ModelClaim & FileDigests;
  readonly plan: BuildPlan;
  readonly keyInputs: KeyInputs;
  readonly machine: PlanMachine;
  /** Version of the CUDA runtime library, for the log. */
  readonly cudaRuntime: string | null;
  /** Release of JetPack's Linux, null elsewhere. */
  readonly jetpack: string | null;
  /** Bytes of the GPU that builds, null without one. */
  readonly gpuMemoryBytes: number | null;
  /** Path of libtrtd, null for where it usually is. */
  readonly shim: string | null;
}

export interface ObtainOptions extends BuildOptions {
  /** What may become smaller after a build for which memory was too little. @default nothing */
  readonly retry?: readonly RetryKind[];
  /** Build even when the cache has the engine. @default false */
  readonly rebuild?: boolean;
  readonly wait?: Omit<WaitOptions, "signal">;
  /** What memory the build will need, told before it begins; a refusal is thrown. */
  readonly forecast?: (plan: BuildPlan) => MemoryForecast;
  /** Told why an engine has to be built. */
  readonly onMiss?: (missedBecause: readonly Difference[]) => void;
  /**
   * Loads a new engine on the GPU before it replaces another. Not called for a build that needs no GPU.
   * @throws {TrtdError} when the engine cannot be used
   */
  readonly check?: (next: UncheckedEngine) => Promise<LoadRecord>;
}

/** An engine that was built, but is not in its place yet. */
export interface UncheckedEngine {
  readonly path: string;
  readonly sha256: string;
  readonly plan: BuildPlan;
  /** The log of its build. */
  readonly log: string;
}

export interface ObtainedEngine {
  readonly cache: "hit" | "built";
  readonly missedBecause: readonly Difference[];
  readonly place: EnginePlace;
  readonly facts: EngineFacts;
  readonly engine: Hit["entry"]["engine"];
  /** Verified. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Seconds that it took to have it. */
  readonly durationS: number;
}

/**
 * Finds or builds the engine. Of processes that want the same one, one builds and the others wait.
 *
 * When memory runs out, plans of the same batch are tried under the same key; one of a smaller batch is another engine,
 * and is found again by later starts that allow it, until `rebuild` asks for the whole batch again. A smaller batch is
 * also tried, if allowed, where the forecast refuses the build or the new engine finds no room on the GPU.
 * @throws {BuildFailure} of the last build
 * @throws {TrtdError} those of `buildEngine`, of `options.forecast` and `options.check`, and those of the cache:
 * `ENGINE_LOCKED`, `OUTPUT_UNWRITABLE`, `CACHE_FOLDER_UNUSABLE`, `INTERRUPTED`
 */
export async function obtainEngine(
  cache: Pick<EngineCache, "find" | "obtain" | "sideFile">,
  request: EngineRequest,
  options: ObtainOptions = {},
): Promise<ObtainedEngine> {
  const startedMs = performance.now();
  const groups = groupsOf(retryLadder(await withTimings(cache, request), {
    allowed: options.retry ?? [],
    memoryBytes: request.gpuMemoryBytes,
  }));
  const asked = keyName(keyFrom(request.keyInputs));
  const answer = (hit: Hit, cacheWord: "hit" | "built", missedBecause: readonly Difference[]): ObtainedEngine => ({
    cache: cacheWord,
    missedBecause,
    place: hit.place,
    facts: hit.entry.facts as unknown as EngineFacts,
    engine: hit.entry.engine,
    bytes: hit.bytes,
    durationS: Math.round(performance.now() - startedMs) / 1000,
  });
  if (options.rebuild !== true && groups.length > 1) {
    const found = await findSmaller(cache, request, { groups, asked });
    if (found !== null) return answer(found, "hit", []);
  }
  const earlier: RetryRecord[] = [];
  for (let at = 0;; at++) {
    const rungs = groups[at]!;
    try {
      const obtained = await obtainGroup(cache, request, { rungs, earlier, asked: at === 0 ? null : asked }, options);
      return answer(obtained, obtained.built ? "built" : "hit", obtained.missedBecause);
    } catch (failure) {
      const next = groups[at + 1]?.[0];
      if (!(failure instanceof TrtdError) || next === undefined || !memoryRanOut(failure)) throw failure;
      for (const step of rungs.slice(1)) earlier.push({ ...step.steps.at(-1)!, after: failure.code });
      const retry: RetryRecord = { ...next.steps.at(-1)!, after: failure.code };
      earlier.push(retry);
      options.onRetry?.(retry, failure);
    }
  }
}

/**
 * The engine of a request out of the cache, or one of a smaller batch that was built in its stead where `retry` allows
 * that. Nothing is built.
 * @returns for a miss, why the asked engine is none
 */
export async function findEngine(
  cache: Pick<EngineCache, "find">,
  request: EngineRequest,
  retry: readonly RetryKind[] = [],
): Promise<Lookup> {
  const asked = keyFrom(request.keyInputs);
  const found = await cache.find(request.model, asked);
  if (found.kind === "hit" || !retry.includes("batch")) return found;
  const groups = groupsOf(retryLadder(request.plan, { allowed: retry, memoryBytes: request.gpuMemoryBytes }));
  return await findSmaller(cache, request, { groups: groups.slice(1), asked: keyName(asked) }) ?? found;
}

/** Codes of builds that were not begun and of engines that were not loaded for lack of memory. */
const MEMORY_CODES: readonly ErrorCode[] = ["OUT_OF_GPU_MEMORY", "BUILD_OUT_OF_MEMORY", "LOAD_OUT_OF_MEMORY"];

const memoryRanOut = (failure: TrtdError): boolean =>
  failure instanceof BuildFailure ? isOutOfMemory(failure) : MEMORY_CODES.includes(failure.code);

type Rungs = readonly [Rung, ...Rung[]];

/** Rungs of the same batch, which are one engine to the cache. */
function groupsOf(ladder: readonly Rung[]): Rungs[] {
  const groups: [Rung, ...Rung[]][] = [];
  for (const rung of ladder) {
    const last = groups.at(-1);
    if (last !== undefined && last[0].plan.batch === rung.plan.batch) last.push(rung);
    else groups.push([rung]);
  }
  return groups;
}

const inputsOf = ({ keyInputs }: EngineRequest, { plan }: Rung): KeyInputs => ({
  ...keyInputs,
  batch: plan.batch,
  profile: plan.profile.map(({ input, min, opt, max }) => ({ name: input, min, opt, max })),
});

/** The engine itself, or one with a smaller batch that was built in its stead. */
async function findSmaller(
  cache: Pick<EngineCache, "find">,
  request: EngineRequest,
  { groups, asked }: { groups: readonly Rungs[]; asked: string },
): Promise<Hit | null> {
  for (const [rung] of groups) {
    const key = keyFrom(inputsOf(request, rung));
    const found = await cache.find(request.model, key);
    if (found.kind === "hit" && (keyName(key) === asked || found.entry.facts["asked_key"] === asked)) return found;
  }
  return null;
}

async function obtainGroup(
  cache: Pick<EngineCache, "obtain">,
  request: EngineRequest,
  { rungs, earlier, asked }: { rungs: Rungs; earlier: readonly RetryRecord[]; asked: string | null },
  options: ObtainOptions,
) {
  const { model, machine, cudaRuntime, jetpack, shim } = request;
  const { plan } = rungs[0];
  return await cache.obtain({
    model,
    key: keyFrom(inputsOf(request, rungs[0])),
    rebuild: options.rebuild === true,
    wait: { ...options.wait, ...options.signal === undefined ? {} : { signal: options.signal } },
    build: async (place, missedBecause) => {
      options.onMiss?.(missedBecause);
      const forecast = options.forecast?.(plan) ?? null;
      const name = place.site.model;
      const built = await buildEngine(
        { name, model, rungs, earlier, machine, cudaRuntime, jetpack, forecast, shim },
        { ...place, part: partName(place) },
        options,
      );
      const { check } = options;
      return {
        part: built.part,
        facts: { ...built.facts, asked_key: asked } as unknown as Record<string, Json>,
        ...check === undefined || plan.device === null ? {} : {
          check: async ({ path, sha256 }) => ({
            loaded: await check({ path, sha256, plan, log: place.log }) as unknown as Json,
          }),
        },
      };
    },
  });
}

/** The plan with the timing cache of this GPU and TensorRT, where the family has one and the user named none. */
async function withTimings(cache: Pick<EngineCache, "sideFile">, { plan, machine }: EngineRequest): Promise<BuildPlan> {
  const owner = sideFileOwner(plan, machine);
  const has = OPTION_ROWS.some(({ wish, families }) =>
    wish === "timingCache" && families.includes(plan.tensorrt.family)
  );
  if (owner === null || !has || plan.timing_cache !== null) return plan;
  try {
    return { ...plan, timing_cache: await cache.sideFile({ kind: "timing", owner }) };
  } catch (error) {
    if (!(error instanceof TrtdError)) throw error;
    return { ...plan, remarks: [...plan.remarks, `Timings of tactics are not kept: ${error.message}`] };
  }
}

/** Whom timing and runtime caches belong to; null for a build that needs no GPU. */
export function sideFileOwner({ device, tensorrt }: BuildPlan, { gpu, driver }: PlanMachine): SideFileOwner | null {
  if (device === null || gpu === null) return null;
  const { product, version } = tensorrt;
  return { product, version, gpu: { name: gpu.name, computeCapability: gpu.computeCapability }, driver };
}

/** What became smaller, for people: `a workspace of 2048 MiB, a batch of 4`; empty when nothing did. */
export const retriesText = (retries: readonly RetryRecord[]): string => retries.map(retryText).join(", ");
