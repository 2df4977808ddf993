/** What the processes of a server hold while it runs for long, and whether that grows. */
import { quantile } from "./load.ts";

/** One look at the processes of a server, while it answers. */
export interface Look {
  /** Part of the run that is over, 0 to 1. */
  readonly part: number;
  readonly managerKb: number;
  /** Of the worker that lives as long as the server. */
  readonly workerKb: number;
  /** Of all processes together. */
  readonly allKb: number;
}

/** One number at both ends of a run. */
export interface Growth {
  readonly what: string;
  /** Whether it may not grow; else it tells where to look. */
  readonly judged: boolean;
  readonly beforeKb: number;
  readonly afterKb: number;
  /** What came on top, as a part of what was there before. */
  readonly part: number;
}

/** Parts of the run: caches fill and heaps take their sizes first; then two windows are compared, one at each end. */
const WARM_UP = 0.2, WINDOW = 0.3;

/**
 * JavaScript's heap is a sawtooth (the manager's takes 80 to 120 MB, of which a collection leaves 18), and V8 doubles or
 * halves the part for young objects of a worker in one step of 14 MB. So the median over many teeth is judged, of the
 * processes that live as long as the run together. A worker that is killed every few seconds gives all of its memory
 * back, and what it takes until then depends on how busy the machine is.
 */
const ROWS: readonly { what: string; judged: boolean; read: (look: Look) => number }[] = [
  {
    what: "manager and the worker that was never killed",
    judged: true,
    read: (look) => look.managerKb + look.workerKb,
  },
  { what: "manager", judged: false, read: ({ managerKb }) => managerKb },
  { what: "worker that was never killed", judged: false, read: ({ workerKb }) => workerKb },
  { what: "all processes", judged: false, read: ({ allKb }) => allKb },
];

/** What was seen in the window after the warm-up and in the last one. @throws {Error} when it is nothing */
export function windowsOf<T extends { readonly part: number }>(seen: readonly T[]): [before: T[], after: T[]] {
  const before = seen.filter(({ part }) => part >= WARM_UP && part < WARM_UP + WINDOW);
  const after = seen.filter(({ part }) => part >= 1 - WINDOW);
  if (before.length === 0 || after.length === 0) throw new Error(`${seen.length} looks are too few`);
  return [before, after];
}

/** How the median of each number grew from the window after the warm-up to the last one. @throws {Error} without looks there */
export function growthOf(looks: readonly Look[]): Growth[] {
  const windows = windowsOf(looks);
  return ROWS.map(({ what, judged, read }) => {
    const [beforeKb, afterKb] = windows.map((window) => quantile(window.map(read), 0.5)) as [number, number];
    return { what, judged, beforeKb, afterKb, part: afterKb / beforeKb - 1 };
  });
}

/**
 * Memory of a process that no file backs, kB: all of it that can leak. Pages of the executable and of libraries are left
 * out: how many are resident, and shared, depends on what else the machine runs. Null when the process is gone.
 */
export function ownMemoryKb(pid: number): number | null {
  let status: string;
  try {
    status = Deno.readTextFileSync(`/proc/${pid}/status`);
  } catch {
    return null;
  }
  const sizes = [...status.matchAll(/^Rss(?:Anon|Shmem):\s+(\d+) kB/gm)].map(([, kb]) => Number(kb));
  return sizes.length === 2 ? sizes[0]! + sizes[1]! : null;
}
