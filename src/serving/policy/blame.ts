/** What a worker died of, and whose fault that is. */

/**
 * crash: it broke by itself; memory: it was killed at its own limit; hang: it was killed because it did not answer;
 * gpu_fault: a sticky CUDA error; wrong_answer: the canary's answer differed; start_timeout: not ready in time;
 * protocol: it said what is not understood; killed: SIGKILL or another stop from outside; exit: it ended with a status;
 * replaced: it was asked to end.
 */
export type EndCause =
  | "crash"
  | "memory"
  | "hang"
  | "gpu_fault"
  | "wrong_answer"
  | "start_timeout"
  | "protocol"
  | "killed"
  | "exit"
  | "replaced";

/** Why the manager itself ends a worker. */
export type KillReason = Exclude<EndCause, "crash" | "killed" | "exit">;

/** Signals that a process sends itself by what it does (signal(7), action Core). */
const CRASHES: readonly string[] = ["SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE"];

/** @param killedFor the manager's reason when it ended the worker, else null */
export function endCause(signal: string | null, killedFor: KillReason | null): EndCause {
  if (signal !== null && CRASHES.includes(signal)) return "crash";
  if (killedFor !== null) return killedFor;
  return signal === null ? "exit" : "killed";
}

/** Deaths that count against a request before it is refused. */
export const DEATHS_MAX = 2;

/** Whether the death counts against the request that ran: only when nothing else can have caused it. */
export function isBlamed(cause: EndCause, running: number): boolean {
  return running === 1 && (cause === "crash" || cause === "memory" || cause === "hang");
}

/** Whether the requests that ran must be tried again one by one: any of them may be the cause. */
export function isSuspect(cause: EndCause): boolean {
  return cause !== "killed" && cause !== "replaced" && cause !== "wrong_answer";
}
