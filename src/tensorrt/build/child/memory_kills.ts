/** How many processes the kernel killed for memory, so that a killed build can be told from a killed one. */

/** File of the control group that counts kills, and the word before the count. */
export interface KillCounter {
  readonly path: string;
  readonly key: "oom_kill";
}

/**
 * Where this process's kills are counted, best first.
 * @param text `/proc/self/cgroup`: `0::/path` for version 2, `N:memory:/path` for version 1
 */
export function killCounters(text: string): KillCounter[] {
  const counters: KillCounter[] = [];
  for (const line of text.split("\n")) {
    const match = /^\d+:([^:]*):(\/.*)$/.exec(line);
    if (match === null) continue;
    const [, controllers, group] = match;
    const folder = group === "/" ? "" : group;
    if (controllers === "") {
      for (const root of ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]) {
        counters.push({ path: `${root}${folder}/memory.events`, key: "oom_kill" });
      }
      if (folder !== "") counters.push({ path: "/sys/fs/cgroup/memory.events", key: "oom_kill" });
    } else if (controllers!.split(",").includes("memory")) {
      counters.push({ path: `/sys/fs/cgroup/memory${folder}/memory.oom_control`, key: "oom_kill" });
      if (folder !== "") counters.push({ path: "/sys/fs/cgroup/memory/memory.oom_control", key: "oom_kill" });
    }
  }
  return counters;
}

/** The count in the text of such a file, null when it has none. */
export function killsIn(text: string): number | null {
  const match = /^oom_kill (\d+)$/m.exec(text);
  return match === null ? null : Number(match[1]);
}

/** Kills so far by the first counter that can be read, null when none can. */
export function memoryKills(readText: (path: string) => string = Deno.readTextFileSync): number | null {
  for (const { path } of killCounters(textOr("", readText, "/proc/self/cgroup"))) {
    const kills = killsIn(textOr("", readText, path));
    if (kills !== null) return kills;
  }
  return null;
}

function textOr(otherwise: string, readText: (path: string) => string, path: string): string {
  try {
    return readText(path);
  } catch {
    return otherwise;
  }
}
