/** Who holds a lock, for messages: the text in the file of the lock, and what `/proc` says of that process. */
import { openRegular, readHashed } from "../disk/files.ts";
import { VERSION } from "../../version.ts";

const OWNER_BYTES_MAX = 4096;

/** Who holds a lock. */
export interface LockOwner {
  readonly pid: number;
  readonly host: string;
  /** Process namespace, null when unknown; a pid means something in its own only. */
  readonly namespace: string | null;
  /** When the process began, in the kernel's ticks since boot, so that a reused pid is not taken for it. */
  readonly pid_start: string | null;
  /** When it took the lock, ISO 8601. */
  readonly since: string;
  readonly program: string;
}

/** `stopped`: by SIGSTOP or a debugger; `gone`: another one holds it; `elsewhere`: on another host or in another container. */
export type OwnerState = "alive" | "stopped" | "gone" | "elsewhere" | "unknown";

/** `Process 4711 of host (trtd 0.1.0 build-engine, since 2026-11-22T20:00:00Z)`. */
export const ownerText = ({ pid, host, program, since }: LockOwner): string =>
  `Process ${pid} of "${host}" (${program}, since ${since})`;

/** What this process writes into a lock. */
export async function thisProcess(): Promise<LockOwner> {
  return {
    pid: Deno.pid,
    host: Deno.hostname(),
    namespace: await namespaceOfThis(),
    pid_start: (await statOf(Deno.pid))?.start ?? null,
    since: new Date().toISOString(),
    program: `trtd ${VERSION} ${Deno.args[0] ?? ""}`.trim(),
  };
}

/** Who a lock's text names; null for nobody. */
export async function readOwner(path: string): Promise<LockOwner | null> {
  try {
    using opened = await openRegular(path);
    if (opened.info.size > OWNER_BYTES_MAX) return null;
    const owner = JSON.parse(new TextDecoder().decode((await readHashed(opened, path)).bytes)) as Partial<LockOwner>;
    if (!Number.isSafeInteger(owner.pid) || typeof owner.host !== "string") return null;
    if (typeof owner.since !== "string" || typeof owner.program !== "string") return null;
    const { pid, host, namespace = null, pid_start = null, since, program } = owner;
    return { pid: pid!, host, namespace, pid_start, since, program };
  } catch {
    return null;
  }
}

/** What the owner is doing, by `/proc`. */
export async function ownerState(owner: LockOwner): Promise<OwnerState> {
  if (owner.host !== Deno.hostname() || owner.namespace !== await namespaceOfThis()) return "elsewhere";
  const stat = await statOf(owner.pid);
  if (stat === null || "ZXx".includes(stat.state)) return "gone";
  if (owner.pid_start !== null && owner.pid_start !== stat.start) return "gone";
  return "Tt".includes(stat.state) ? "stopped" : "alive";
}

/** State and start of a process out of `/proc/<pid>/stat`, whose second field may hold spaces and parentheses. */
async function statOf(pid: number): Promise<{ state: string; start: string } | null> {
  try {
    const text = await Deno.readTextFile(`/proc/${pid}/stat`);
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0]!, start: fields[19]! };
  } catch {
    return null;
  }
}

async function namespaceOfThis(): Promise<string | null> {
  try {
    return await Deno.readLink("/proc/self/ns/pid");
  } catch {
    return null;
  }
}
