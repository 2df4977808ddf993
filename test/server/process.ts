/** What Linux tells of a process (proc(5)), and signals to it. */

/** Whether a process is there and not a zombie. */
export function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch {
    return false;
  }
}

/** Child processes of a process, zombies left out; none when it is gone. */
export function childrenOf(pid: number): number[] {
  try {
    const text = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`);
    return text.split(" ").filter(Boolean).map(Number).filter(isAlive);
  } catch (error) {
    // ESRCH: it ended between the opening and the reading
    if (error instanceof Deno.errors.NotFound || /\(os error 3\)/.test(String(error))) return [];
    throw error;
  }
}

/** Resident memory of a process that is there, kB. */
export function residentKb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]);
}

/** A signal to a process that may be gone. @param signal @default SIGKILL */
export function killQuietly(pid: number, signal: Deno.Signal = "SIGKILL"): void {
  try {
    Deno.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound || error instanceof TypeError)) throw error;
  }
}

/** Paths below /dev/shm, the temporary folder and /tmp that belong to a process of trtd, alive or dead. */
export function tracesOf(pid: number, temporary = Deno.env.get("TMPDIR") ?? "/tmp"): string[] {
  const mine = new RegExp(`^trtd-[a-z]+-${pid}\\.`);
  return [...new Set(["/dev/shm", temporary, "/tmp"])].flatMap((folder) =>
    namesIn(folder).filter((name) => mine.test(name)).map((name) => `${folder}/${name}`)
  );
}

function namesIn(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
