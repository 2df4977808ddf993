/** Names of files and folders that belong to one running process, so that what a dead one left can be told and removed. */
import { join } from "node:path";
import { getLogger } from "@logtape/logtape";

const log = getLogger(["trtd", "serving"]);

/** `trtd-KIND-PID.START.NAMESPACE-RANDOM` */
const OWNED = /^trtd-[a-z]+-(\d+)\.(\d+)\.(\d+)-[0-9a-f]+$/;

let own: string | undefined;

/** A new name of this process. @param kind lower-case letters */
export function ownedName(kind: string): string {
  own ??= `${Deno.pid}.${startTime(Deno.pid) ?? 0}.${pidNamespace()}`;
  const random = crypto.getRandomValues(new Uint32Array(2));
  return `trtd-${kind}-${own}-${[...random].map((word) => word.toString(16).padStart(8, "0")).join("")}`;
}

/**
 * Remove what processes that are gone left in a folder: a process is known by its number and its start time. What
 * belongs to another user or to another PID namespace (a container that shares /dev/shm) stays.
 * @returns names that were removed
 */
export function removeLeftovers(folder: string): string[] {
  const removed: string[] = [];
  for (const name of namesIn(folder)) {
    const [, pid, start, namespace] = OWNED.exec(name) ?? [];
    if (pid === undefined || namespace === "0" || namespace !== pidNamespace()) continue;
    if (startTime(Number(pid)) === start) continue;
    const path = join(folder, name);
    try {
      if (Deno.lstatSync(path).uid !== Deno.uid()) continue;
      Deno.removeSync(path, { recursive: true });
      removed.push(name);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) log.warning("{path} stays: {error}", { path, error });
    }
  }
  return removed;
}

function namesIn(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name);
  } catch {
    return [];
  }
}

/** Start of a process in clock ticks since boot (proc(5), stat, field 22); null when there is no such process. */
export function startTime(pid: number): string | null {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
  } catch {
    return null;
  }
}

let namespace: string | undefined;

/** Number of the PID namespace (pid_namespaces(7)), "0" where it cannot be read. */
function pidNamespace(): string {
  if (namespace !== undefined) return namespace;
  try {
    namespace = /\d+/.exec(Deno.readLinkSync("/proc/self/ns/pid"))?.[0] ?? "0";
  } catch {
    namespace = "0";
  }
  return namespace;
}
