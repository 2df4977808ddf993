/**
 * From any state that a process can leave a place in to one with a whole pair, or with none. Pure.
 *
 * A build goes through these states; E and M are engine and metadata, `n` is `.next`, `p` is `.previous`, a bracket is
 * the pair of an earlier build:
 *
 *     E M [Ep Mp]            before
 *     E M [Ep Mp] En         written, not checked yet     -> En is removed
 *     E M [Ep Mp] En Mn      checked: from here the new one is to win
 *     E M En Mn              the pair before the last is gone
 *     E Mp En Mn             the old metadata is aside
 *     Ep Mp En Mn            the old engine is aside
 *     E Ep Mp Mn             the new engine is in its place
 *     E M Ep Mp              after
 *
 * What belongs together is told by content (size and SHA-256), never by names, so that also states that no list
 * foresees are put in order: the newest metadata that describes an engine wins, the next best stays as `.previous`,
 * everything else is removed, or set aside where it could be a user's.
 */

/** Where a file of a pair can be. */
export type Slot = "current" | "previous" | "next";

/** What is there. */
export interface Found {
  /** Slots whose engine file exists. */
  readonly engines: ReadonlySet<Slot>;
  /** Slots whose metadata file exists, with the slots whose engine it describes; none for metadata that is damaged. */
  readonly metadata: ReadonlyMap<Slot, readonly Slot[]>;
}

export type RecoveryStep =
  | { readonly do: "move"; readonly file: "engine" | "metadata"; readonly from: Slot; readonly to: Slot }
  | { readonly do: "remove"; readonly file: "engine" | "metadata"; readonly slot: Slot }
  /** Files of the slot `current` that belong to no pair that stays. */
  | { readonly do: "set-aside"; readonly files: readonly ("engine" | "metadata")[] };

interface Pair {
  readonly metadata: Slot;
  readonly engine: Slot;
}

/** Best first. */
const BY_RANK: readonly Slot[] = ["next", "current", "previous"];

/** Steps in their order; after a crash between any two, the plan for what is then there ends in the same state. */
export function recoverySteps(found: Found): RecoveryStep[] {
  const [winner, runnerUp] = pairsIn(found);
  const previous = runnerUp !== undefined && canStay(winner!, runnerUp) ? runnerUp : undefined;
  const kept = [winner, previous].filter((pair) => pair !== undefined);
  const engineKept = (slot: Slot) => kept.some(({ engine }) => engine === slot);
  const metadataKept = (slot: Slot) => kept.some(({ metadata }) => metadata === slot);

  const steps: RecoveryStep[] = [];
  const loose = [
    ...found.engines.has("current") && !engineKept("current") ? ["engine" as const] : [],
    ...found.metadata.has("current") && !metadataKept("current") ? ["metadata" as const] : [],
  ];
  if (loose.length > 0) steps.push({ do: "set-aside", files: loose });
  for (const slot of ["previous", "next"] as const) {
    if (found.metadata.has(slot) && !metadataKept(slot)) steps.push({ do: "remove", file: "metadata", slot });
    if (found.engines.has(slot) && !engineKept(slot)) steps.push({ do: "remove", file: "engine", slot });
  }
  const bring = (file: "engine" | "metadata", from: Slot, to: Slot) => {
    if (from !== to) steps.push({ do: "move", file, from, to });
  };
  if (previous !== undefined) {
    bring("metadata", previous.metadata, "previous");
    bring("engine", previous.engine, "previous");
  }
  if (winner !== undefined) {
    bring("engine", winner.engine, "current");
    bring("metadata", winner.metadata, "current");
  }
  return steps;
}

/** Pairs that share no file, best first. */
function pairsIn({ engines, metadata }: Found): Pair[] {
  const taken = new Set<Slot>();
  return BY_RANK.flatMap((slot): Pair[] => {
    const described = metadata.get(slot) ?? [];
    const engine = [slot, ...BY_RANK].find((one) => described.includes(one) && engines.has(one) && !taken.has(one));
    if (engine === undefined) return [];
    taken.add(engine);
    return [{ metadata: slot, engine }];
  });
}

/** The runner-up can go to `.previous` only where nothing of the winner stands in its way. */
const canStay = (winner: Pair, { metadata, engine }: Pair): boolean =>
  (winner.metadata !== "previous" || metadata === "previous") &&
  (winner.engine !== "previous" || engine === "previous");
