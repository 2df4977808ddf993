/** One instance of a model: the place of a worker and of its successors, with what their lives went like. */
import type { TrtdError } from "../../errors.ts";
import type { Place } from "../policy/places.ts";
import type { Incarnation } from "./incarnation.ts";
import type { InstanceState, PoolStatus } from "./instance_state.ts";

export interface Instance {
  readonly place: Place;
  current: Incarnation | null;
  /** Started to take the place of `current`. */
  next: Incarnation | null;
  failures: number;
  /** Ends from outside in a row, before it was ready. */
  kills: number;
  /** Starts in a row that a lost GPU ended. */
  gpuFaults: number;
  /** Starts in a row that the system refused. */
  refusals: number;
  givenUp: boolean;
  /** Why it will not answer soon, null when it may. */
  failure: TrtdError | null;
  /** Whether its first start failed to load. */
  unstarted: boolean;
  wasReady: boolean;
  cancelRestart: () => void;
}

/** An instance before its first start. */
export const newInstance = (place: Place): Instance => ({
  place,
  current: null,
  next: null,
  failures: 0,
  kills: 0,
  gpuFaults: 0,
  refusals: 0,
  givenUp: false,
  failure: null,
  unstarted: false,
  wasReady: false,
  cancelRestart: () => {},
});

/** What it does now. @param startTimeoutMs longest time from a worker's start until it has answered */
export function stateOf(instance: Instance, startTimeoutMs: number): InstanceState {
  const { place, current } = instance;
  const status = statusOf(instance);
  const reason = status === "ready" ? null : reasonOf(instance, startTimeoutMs);
  return { place, status, backend: current?.backend ?? null, pid: current?.worker.pid ?? null, reason };
}

function statusOf({ current, givenUp, wasReady }: Instance): PoolStatus {
  if (current?.fresh) return "ready";
  return givenUp ? "failed" : wasReady ? "restarting" : "starting";
}

/** Why it does not answer. @param startTimeoutMs as of {@link stateOf} */
export function reasonOf({ current, givenUp, failure }: Instance, startTimeoutMs: number): string {
  if (failure !== null) return givenUp ? `Given up: ${failure.message}` : failure.message;
  if (current === null) return "The worker is started again";
  if (current.state !== "starting") return "The worker has not answered within the interval";
  const [seconds, limit] = [current.ageMs, startTimeoutMs].map((ms) => Math.round(ms / 1000));
  return `The model is being loaded for ${seconds} s, at most ${limit} s`;
}
