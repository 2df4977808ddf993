/**
 * How many connections the process has descriptors for. One too many would be the end: where `accept` fails for want of a
 * descriptor, `node:http` never accepts again (Deno 2.9.6) or ends the process (2.6.10).
 */
import { getLogger } from "@logtape/logtape";

const log = getLogger(["trtd", "http"]);

/** Kept for what is opened later: workers, their channels, builds, files. */
const RESERVED = 48;
/** Connections that a server takes however few descriptors there are. */
const CONNECTIONS_MIN = 8;

export interface Descriptors {
  readonly limit: number;
  readonly open: number;
}

/** @param each descriptors that one connection takes */
export function connectionLimit(wanted: number, each: number, descriptors: Descriptors | null): number {
  if (descriptors === null) return wanted;
  const possible = Math.floor((descriptors.limit - descriptors.open - RESERVED) / each);
  return Math.min(wanted, Math.max(CONNECTIONS_MIN, possible));
}

/** The limit that holds for this process, told when it is lower than wanted. */
export function connectionLimitHere(wanted: number, each: number): number {
  const descriptors = descriptorsHere();
  const max = connectionLimit(wanted, each, descriptors);
  if (max < wanted) {
    log.warning(
      "At most {max} connections instead of {wanted}: this process may open {limit} files (ulimit -n, LimitNOFILE)",
      { max, wanted, limit: descriptors!.limit },
    );
  }
  return max;
}

/** Null where the system does not tell (proc(5)). */
function descriptorsHere(): Descriptors | null {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(Deno.readTextFileSync("/proc/self/limits")) ?? [];
    return soft === undefined ? null : { limit: Number(soft), open: [...Deno.readDirSync("/proc/self/fd")].length };
  } catch {
    return null;
  }
}
