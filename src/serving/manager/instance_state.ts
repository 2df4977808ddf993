/** What one instance of a model does, and what several of them make of the model. Pure. */
import type { BackendInfo } from "../../backends/backend.ts";
import { gpuLabel, type Place } from "../policy/places.ts";

/** `restarting` also when it did not answer within the interval. */
export type PoolStatus = "starting" | "ready" | "restarting" | "failed";

export interface InstanceState {
  readonly place: Place;
  readonly status: PoolStatus;
  /** Who runs the model there; null before it was loaded and while no worker holds it. */
  readonly backend: BackendInfo | null;
  /** Number of its process, null without one of its own. */
  readonly pid: number | null;
  /** Why it does not answer, null when it does. */
  readonly reason: string | null;
}

const readyOnes = (states: readonly InstanceState[]) => states.filter(({ status }) => status === "ready");

/** Who answers best; null when nobody does. */
export function bestBackend(states: readonly InstanceState[]): BackendInfo | null {
  const backends = readyOnes(states).map(({ backend }) => backend).filter((one) => one !== null);
  return backends.find(({ degraded }) => degraded === null) ?? backends[0] ?? null;
}

/**
 * What is missing of a model on several GPUs: those on which no instance answers, and those where one answers worse than
 * wanted, with the reasons. A reason that they all have is told without them.
 * @returns null when nothing is missing
 */
export function shortfall(states: readonly InstanceState[]): string | null {
  const byPlace = Map.groupBy(states, ({ place }) => place);
  const reasons = new Map<string, string[]>();
  for (const [{ gpu }, these] of byPlace) {
    const reason = shortfallOf(these);
    if (reason !== null) reasons.set(reason, [...reasons.get(reason) ?? [], gpu === null ? "" : gpuLabel(gpu)]);
  }
  if (reasons.size === 0) return null;
  const [[reason, labels]] = [...reasons] as [[string, string[]]];
  if (labels.length === byPlace.size) return reason;
  return [...reasons].map(([reason, labels]) => `${labels.join(", ")}: ${reason}`).join("; ");
}

function shortfallOf(states: readonly InstanceState[]): string | null {
  const ready = readyOnes(states);
  if (ready.length === 0) return states.find(({ reason }) => reason !== null)?.reason ?? "No worker answers";
  return ready.map(({ backend }) => backend?.degraded ?? null).find((reason) => reason !== null) ?? null;
}
