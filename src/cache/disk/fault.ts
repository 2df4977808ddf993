/**
 * A hook for tests: the file layer counts its changing operations, and the n-th fails, or the process is killed there.
 *
 * `TRTD_TEST_CACHE_FAULT=fail:7` lets the seventh operation fail, `full:7` fail for want of space, `kill:7` ends the
 * process by SIGKILL. A write that is hit writes half of its bytes first. Unset, as it always is outside tests, the hook
 * only counts.
 */

export type FaultKind = "fail" | "full" | "kill";

export interface Fault {
  readonly kind: FaultKind;
  /** Number of the operation, from 1. */
  readonly at: number;
}

export type FaultOperation =
  | "mkdir"
  | "create"
  | "write"
  | "fsync"
  | "chmod"
  | "rename"
  | "link"
  | "unlink"
  | "lock"
  | "utime";

const VARIABLE = "TRTD_TEST_CACHE_FAULT";

let fault: Fault | null | undefined;
let passed = 0;

/** Sets the fault of this process and starts the count anew; null for none. */
export function setFault(next: Fault | null): void {
  fault = next;
  passed = 0;
}

/** Operations since the start or {@link setFault}. */
export const operationsPassed = (): number => passed;

/** @returns what is to go wrong with the operation that begins now, null for nothing */
export function nextFault(): FaultKind | null {
  fault ??= fromEnvironment();
  passed++;
  return fault?.at === passed ? fault.kind : null;
}

/** Lets the operation fail or ends the process. */
export function raiseFault(kind: FaultKind, operation: FaultOperation, path: string): never {
  if (kind === "kill") Deno.kill(Deno.pid, "SIGKILL");
  const reason = kind === "full" ? "No space left on device (os error 28)" : "Input/output error (os error 5)";
  throw Object.assign(new Error(`${reason}: ${operation} "${path}"`), { code: kind === "full" ? "ENOSPC" : "EIO" });
}

/** A point where an operation may fail. */
export function faultPoint(operation: FaultOperation, path: string): void {
  const kind = nextFault();
  if (kind !== null) raiseFault(kind, operation, path);
}

function fromEnvironment(): Fault | null {
  const [, kind, at] = /^(fail|full|kill):(\d{1,6})$/.exec(Deno.env.get(VARIABLE) ?? "") ?? [];
  return kind === undefined ? null : { kind: kind as FaultKind, at: Number(at) };
}
