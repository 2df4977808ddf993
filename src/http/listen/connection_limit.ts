/**
 * How many connections the process has descriptors for. One too many would be the end: where `accept` fails for want of a
 * descriptor, `node:http` never accepts again (Deno 2.9.6) or ends the process (2.6.10).
 */
import { getLogger } from "@logtape/logtape";

const log = getLogger(["trtd", "http"]);

/** Kept for what is opened later: workers, their channels, builds, files. */
const RESERVED = 48;
/** Of `listen`; the larger is node's own. */
const BACKLOG_MIN = 16, BACKLOG_MAX = 511;
/** Connections that a server takes however few descriptors there are. */
const CONNECTIONS_MIN = 8;

export interface Descriptors {
  readonly limit: number;
  readonly open: number;
}

export interface ConnectionLimit {
  /** Most connections that are kept open. */
  readonly max: number;
  /** Connections that may wait to be accepted: all of them may be accepted at once, before any is closed again. */
  readonly backlog: number;
}

/** @param each descriptors that one connection takes */
export function connectionLimit(wanted: number, each: number, descriptors: Descriptors | null): ConnectionLimit {
  if (descriptors === null) return { max: wanted, backlog: BACKLOG_MAX };
  const free = descriptors.limit - descriptors.open;
  const backlog = Math.max(BACKLOG_MIN, Math.min(BACKLOG_MAX, Math.floor(free / 8)));
  const possible = Math.floor((free - RESERVED - backlog) / each);
  return { max: Math.min(wanted, Math.max(CONNECTIONS_MIN, possible)), backlog };
}

/** The limit that holds for this process, told when it is lower than wanted. */
export function connectionLimitHere(wanted: number, each: number): ConnectionLimit {
  const descriptors = descriptorsHere();
  const { max, backlog } = connectionLimit(wanted, each, descriptors);
  if (max < wanted) {
    log.warning(
      "At most {max} connections instead of {wanted}: this process may open {limit} files (ulimit -n, LimitNOFILE)",
      { max, wanted, limit: descriptors!.limit },
    );
  }
  return { max, backlog };
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
