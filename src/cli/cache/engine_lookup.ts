/** What the cache has for a served model on this machine, found without changing a file of the cache. */
import { machineDifferences, upgradeReport } from "../../cache/guard.ts";
import { type Listed, listRoot } from "../../cache/inventory.ts";
import { type CacheKey, differenceText, keyName } from "../../cache/key.ts";
import { lookIn, mostTelling, type Sight } from "../../cache/look.ts";
import type { EngineCache } from "../../cache/store.ts";
import { TrtdError } from "../../errors.ts";
import { plainText } from "../../onnx/quoted.ts";
import type { EngineLookup } from "../../serving/engine/engine_messages.ts";
import type { findMachine } from "../../tensorrt/request/machine.ts";
import type { PlannedRequest } from "../../tensorrt/request/plan_request.ts";
import { planRequest } from "../build/build_request.ts";
import type { CommandContext } from "../command.ts";
import { openCache } from "../../cache/configured_cache.ts";
import { guardEngines, guardMachineOf } from "./cache_guard.ts";

/**
 * Looks for the engine that `trtd build-engine MODEL` without flags would ask for, and compares all engines of the model
 * with this machine. Never throws a {@link TrtdError}: that is an answer.
 * @param ask asks the machine in child processes; the answer may be that for another model
 */
export async function lookUpEngine(
  context: CommandContext,
  { name, path }: { readonly name: string; readonly path: string },
  ask: typeof findMachine,
): Promise<EngineLookup> {
  const remarks: string[] = [];
  const nothing = { name, path: null, missed_because: [], changes: [], rebuilt: [], remarks };
  let planned: PlannedRequest;
  let cache: EngineCache;
  try {
    planned = await planRequest({ ...context, args: [path] }, ask);
    cache = await openCache(context.config, {
      resolve: context.terminal.resolve,
      note: (text) => void remarks.push(text.replace(/^trtd: /, "")),
    });
  } catch (error) {
    if (!(error instanceof TrtdError)) throw error;
    return { ...nothing, cache: "none", detail: `No engine can be used: ${plainText(error.message)}` };
  }
  const { key, request } = planned;
  const sights = await look(cache, planned, key);
  const listed = await engines(cache, sights);
  const machine = guardMachineOf(planned.machine);
  const { changes, rebuilt } = upgradeReport(guardEngines(listed), machine);
  const again = rebuilt.map(({ place, differences, expected_s }) => ({
    path: place.replace(/\.lock$/, ""),
    differences: [...differences],
    expected_s,
  }));
  const found = { ...nothing, changes: [...changes], rebuilt: again };

  const hit = hitOf(sights) ?? await smallerBatch(context, { cache, planned, listed });
  if (hit !== null) {
    return {
      ...found,
      cache: "hit",
      path: hit.path,
      detail: "The engine fits the model, its options and this machine",
    };
  }
  const missed = mostTelling(sights);
  const isThere = listed.find((one) => one.kind === "engine" && one.role === "current" && isAsked(one.engine, sights));
  const other = missed.some(({ old }) => old === "absent") && listed.some(({ kind }) => kind === "engine");
  return {
    ...found,
    cache: "miss",
    path: isThere?.kind === "engine" ? isThere.engine : null,
    missed_because: [...missed],
    detail: [
      `No engine fits: ${missed.map((one) => plainText(differenceText(one))).join(", ")}`,
      ...other
        ? [`There are engines of other options; "${request.plan.precision}" of batch ${key.batch} was asked for`]
        : [],
      "trtd build-engine builds one",
    ].join(". "),
  };
}

const look = (cache: EngineCache, { request }: PlannedRequest, key: CacheKey): Promise<Sight[]> =>
  Promise.all(cache.roots.map((root) => lookIn(root, { model: request.model, key, hold: false }, cache.keeper)));

const hitOf = (sights: readonly Sight[]): { readonly path: string } | null =>
  sights.find(({ hit }) => hit !== null)?.hit ?? null;

const isAsked = (engine: string, sights: readonly Sight[]): boolean =>
  sights.some(({ place }) => place.engine === engine);

/** What the model's own folders hold. */
async function engines({ keeper }: EngineCache, sights: readonly Sight[]): Promise<Listed[]> {
  const all = await Promise.all(sights.map(async ({ root, place }) => {
    const listed = await listRoot(root, keeper.judge);
    return listed.filter((one) => one.kind === "engine" && one.model === place.site.model);
  }));
  return all.flat();
}

/** An engine of a smaller batch that was built in the stead of the asked one counts where the settings allow that. */
async function smallerBatch(
  { config }: Pick<CommandContext, "config">,
  { cache, planned, listed }: { cache: EngineCache; planned: PlannedRequest; listed: readonly Listed[] },
): Promise<{ readonly path: string } | null> {
  if (!config.retry.includes("batch")) return null;
  const asked = keyName(planned.key);
  const machine = guardMachineOf(planned.machine);
  for (const { entry } of guardEngines(listed)) {
    if (entry.facts["asked_key"] !== asked || machineDifferences(entry.key, machine).length > 0) continue;
    const hit = hitOf(await look(cache, planned, entry.key as unknown as CacheKey));
    if (hit !== null) return hit;
  }
  return null;
}
