/** Waiting for the rest of the machine: a measurement beside other work measures the other work. */

export interface IdleOptions {
  /** Share of idle CPU time that counts as quiet, 0..1. @default 0.93 */
  readonly share?: number;
  /** Longest wait. @default 300000 */
  readonly timeoutMs?: number;
}

const WINDOW_MS = 250;
const WINDOWS_IN_A_ROW = 3;

/** Sum of jiffies of all cores since boot: idle (waiting for disks included), and all. */
export interface CpuTimes {
  readonly idle: number;
  readonly all: number;
}

/** Reads the first line of Linux' `/proc/stat` (proc(5)): user, nice, system, idle, iowait, irq, softirq, steal. */
export function cpuTimesFrom(stat: string): CpuTimes {
  const jiffies = stat.slice(0, stat.indexOf("\n")).trim().split(/\s+/).slice(1, 9).map(Number);
  return { idle: jiffies[3]! + jiffies[4]!, all: jiffies.reduce((sum, value) => sum + value, 0) };
}

/**
 * Wait until the machine has been idle for three quarters of a second. Elsewhere than on Linux it returns at once.
 * @returns whether it became idle in time
 */
export async function waitUntilIdle(options: IdleOptions = {}): Promise<boolean> {
  const { share = 0.93, timeoutMs = 300_000 } = options;
  if (Deno.build.os !== "linux") return true;
  const end = performance.now() + timeoutMs;
  let quiet = 0;
  let before = cpuTimesFrom(await Deno.readTextFile("/proc/stat"));
  while (quiet < WINDOWS_IN_A_ROW) {
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, WINDOW_MS));
    const now = cpuTimesFrom(await Deno.readTextFile("/proc/stat"));
    quiet = now.idle - before.idle >= share * (now.all - before.all) ? quiet + 1 : 0;
    before = now;
  }
  return true;
}
