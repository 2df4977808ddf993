/** How much memory the host can give to a new process. */

interface Group {
  readonly folder: string;
  readonly limit: string;
  readonly used: string;
  /** Names of `memory.stat` whose pages the kernel drops when it needs room. */
  readonly dropped: readonly string[];
}

const VERSION_2 = { limit: "memory.max", used: "memory.current", dropped: ["active_file", "inactive_file"] };
const VERSION_1 = {
  limit: "memory.limit_in_bytes",
  used: "memory.usage_in_bytes",
  dropped: ["total_active_file", "total_inactive_file"],
};

/**
 * Bytes that a new process can have: `MemAvailable`, or what the limit of the control group leaves when that is less;
 * null where the kernel does not tell.
 */
export function hostAvailable(readText: (path: string) => string = Deno.readTextFileSync): number | null {
  const text = (path: string): string | null => {
    try {
      return readText(path);
    } catch {
      return null;
    }
  };
  const kibibytes = /^MemAvailable:\s+(\d+) kB$/m.exec(text("/proc/meminfo") ?? "")?.[1];
  const groups = groupsOf(text("/proc/self/cgroup") ?? "").map((group) => leftIn(group, text));
  const known = [kibibytes === undefined ? null : Number(kibibytes) * 1024, ...groups].filter((size) => size !== null);
  return known.length === 0 ? null : Math.min(...known);
}

function groupsOf(text: string): Group[] {
  return text.split("\n").flatMap((line) => {
    const match = /^\d+:([^:]*):(\/.*)$/.exec(line);
    if (match === null) return [];
    const [, controllers, path] = match as unknown as [string, string, string];
    const folders = (root: string) => [...new Set([path === "/" ? root : `${root}${path}`, root])];
    if (controllers === "") return folders("/sys/fs/cgroup").map((folder) => ({ folder, ...VERSION_2 }));
    if (!controllers.split(",").includes("memory")) return [];
    return folders("/sys/fs/cgroup/memory").map((folder) => ({ folder, ...VERSION_1 }));
  });
}

/** What a control group leaves, null without a limit. */
function leftIn({ folder, limit, used, dropped }: Group, text: (path: string) => string | null): number | null {
  const number = (name: string) => Number(text(`${folder}/${name}`)?.trim() || NaN);
  const [most, now] = [number(limit), number(used)];
  if (!Number.isFinite(most) || !Number.isFinite(now) || most > Number.MAX_SAFE_INTEGER) return null;
  const statistics = text(`${folder}/memory.stat`) ?? "";
  const cached = dropped.reduce(
    (sum, name) => sum + Number(new RegExp(`^${name} (\\d+)$`, "m").exec(statistics)?.[1] ?? 0),
    0,
  );
  return Math.max(0, most - now + cached);
}
