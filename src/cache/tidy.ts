/** Puts a place in order under its lock: every half-way state, leftovers, damaged and untrusted files. */
import { basename, join } from "node:path";
import { othersName } from "./entry.ts";
import { infoOf, namesIn, removeIfThere, rename, syncFolder } from "./disk/files.ts";
import { keyName } from "./key.ts";
import { keepApart, otherPair, sweepOthers } from "./others.ts";
import { type MetadataState, mismatch, type PairPaths, readMetadata } from "./pair.ts";
import type { EnginePlace } from "./place.ts";
import { setAside } from "./trust/quarantine.ts";
import { type Found, type RecoveryStep, recoverySteps, type Slot } from "./recovery.ts";
import type { Keeper } from "./remark.ts";

const SLOTS: readonly Slot[] = ["current", "previous", "next"];
const SUFFIX: Readonly<Record<Slot, string>> = { current: "", previous: ".previous", next: ".next" };

/** The files of a slot. */
export const slotPair = ({ engine, metadata }: PairPaths, slot: Slot): PairPaths => ({
  engine: `${engine}${SUFFIX[slot]}`,
  metadata: `${metadata}${SUFFIX[slot]}`,
});

/**
 * Brings a place to a whole pair or none. Whoever calls holds the lock. What wins is on the disk when it returns.
 * @param wanted name of the key that is asked for: its engine in `.others` is looked at too, and stays however many are there
 */
export async function tidyPlace(place: EnginePlace, keeper: Keeper, wanted?: string): Promise<void> {
  await removeParts(place);
  await parkOtherFormats(place, keeper);
  await finishMoves(place, keeper);
  const { found, reason } = await examine(place, keeper);
  const steps = recoverySteps(found);
  for (const step of steps) await take(step, { place, reason, keeper });
  if (steps.length > 0) {
    await syncFolder(place.folder);
    if (steps.some((step) => step.do !== "set-aside")) {
      keeper.remark({ code: "recovered", text: "Put the files of an engine in order", path: place.folder });
    }
  }
  await partFromPrevious(place, keeper);
  if (wanted !== undefined) await checkOther(place, wanted, keeper);
  await sweepOthers(place, wanted);
}

/** What a build writes to before it is a pair. */
export const partName = ({ engine }: Pick<EnginePlace, "engine">): string => `${engine}.${crypto.randomUUID()}.part`;

async function removeParts(place: EnginePlace): Promise<void> {
  for (const name of await namesIn(place.folder)) {
    if (isPart(name, place)) await removeIfThere(join(place.folder, name));
  }
}

/** Whether a process that builds, or one that died, left something beside the engine. */
export async function hasLeftovers(place: EnginePlace): Promise<boolean> {
  const next = slotPair(place, "next");
  const names = [basename(next.engine), basename(next.metadata)];
  return (await namesIn(place.folder)).some((name) => names.includes(name) || isPart(name, place));
}

const isPart = (name: string, { engine }: EnginePlace): boolean =>
  name.startsWith(`${basename(engine)}.`) && name.endsWith(".part");

/** Pairs of other versions of trtd are kept for them. */
async function parkOtherFormats(place: EnginePlace, keeper: Keeper): Promise<void> {
  for (const slot of SLOTS) {
    const pair = slotPair(place, slot);
    const read = await readMetadata(pair.metadata, keeper.judge);
    if (read.state !== "other-format" || await infoOf(pair.engine) === null) continue;
    await keepApart(place, pair, read.name);
    tellParted(place, read.name, keeper);
  }
}

/** Completes moves to and from `.others` that ended between the engine and its metadata. */
async function finishMoves(place: EnginePlace, { judge }: Keeper): Promise<void> {
  for (const slot of ["previous", "next"] as const) {
    const pair = slotPair(place, slot);
    if (await infoOf(pair.metadata) === null || await infoOf(pair.engine) !== null) continue;
    const read = await readMetadata(pair.metadata, judge);
    if (read.state !== "whole") continue;
    const other = otherPair(place, othersName(read.entry));
    if (await infoOf(other.metadata) !== null) continue;
    if (await mismatch(read.entry.engine, other.engine, judge) !== null) continue;
    if (slot === "previous") await rename(pair.metadata, other.metadata);
    else await rename(other.engine, pair.engine);
  }
}

/** Which metadata describes which engine, and what is wrong with the current pair. */
async function examine(place: EnginePlace, { judge }: Keeper): Promise<{ found: Found; reason: string }> {
  const engines = new Set<Slot>();
  for (const slot of SLOTS) if (await infoOf(slotPair(place, slot).engine) !== null) engines.add(slot);
  const metadata = new Map<Slot, Slot[]>();
  const reasons: string[] = [];
  for (const slot of SLOTS) {
    const pair = slotPair(place, slot);
    const read = await readMetadata(pair.metadata, judge);
    if (read.state === "absent") continue;
    const described: Slot[] = [];
    metadata.set(slot, described);
    if (read.state !== "whole") {
      if (slot === "current") reasons.push(detailOf(read));
      continue;
    }
    // Most often the engine beside it is the one; only else the others are read.
    for (const at of [slot, ...SLOTS.filter((one) => one !== slot)]) {
      if (!engines.has(at)) continue;
      const why = await mismatch(read.entry.engine, slotPair(place, at).engine, judge);
      if (why === null) {
        described.push(at);
        break;
      }
      if (slot === "current" && at === "current") reasons.push(why);
    }
  }
  if (engines.has("current") && !metadata.has("current")) reasons.push("The engine has no metadata");
  if (metadata.has("current") && !engines.has("current")) reasons.push("The metadata has no engine");
  return { found: { engines, metadata }, reason: reasons.join("; ") || "The pair is not whole" };
}

const detailOf = (read: MetadataState): string => "detail" in read ? read.detail : `The metadata is ${read.state}`;

async function take(
  step: RecoveryStep,
  { place, reason, keeper }: { place: EnginePlace; reason: string; keeper: Keeper },
): Promise<void> {
  switch (step.do) {
    case "move":
      return await rename(slotPair(place, step.from)[step.file], slotPair(place, step.to)[step.file]);
    case "remove":
      return await removeIfThere(slotPair(place, step.slot)[step.file]);
    case "set-aside":
      return await setAside(place, { files: step.files.map((file) => place[file]), reason }, keeper);
  }
}

/** The pair before this one stays beside it when it has the same key, else it goes to `.others`. */
async function partFromPrevious(place: EnginePlace, keeper: Keeper): Promise<void> {
  const pair = slotPair(place, "previous");
  const [now, before] = [
    await readMetadata(place.metadata, keeper.judge),
    await readMetadata(pair.metadata, keeper.judge),
  ];
  if (now.state !== "whole" || before.state !== "whole") return;
  const name = keyName(before.entry.key);
  if (name === keyName(now.entry.key)) return;
  await keepApart(place, pair, name);
  tellParted(place, name, keeper);
}

/** Sets an engine of `.others` aside when it must not be used. */
async function checkOther(place: EnginePlace, name: string, keeper: Keeper): Promise<void> {
  const { engine, metadata } = otherPair(place, name);
  const read = await readMetadata(metadata, keeper.judge);
  if (read.state === "absent") return;
  const reason = read.state === "whole" ? await mismatch(read.entry.engine, engine, keeper.judge) : detailOf(read);
  if (reason !== null) await setAside(place, { files: [engine, metadata], reason }, keeper);
}

function tellParted(place: EnginePlace, name: string, { remark }: Keeper): void {
  remark({
    code: "kept-apart",
    text: "Kept the engine of another key",
    path: otherPair(place, name).folder,
  });
}
