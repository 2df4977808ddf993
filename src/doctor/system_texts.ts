/** Reading the texts in which Linux tells its facts; pure. */

/** Bytes from `/proc/meminfo`, null when it is of another form. */
export function memoryFromMeminfo(text: string): { total: number; available: number } | null {
  const value = (name: string) => {
    const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text);
    return match === null ? null : Number(match[1]) * 1024;
  };
  const total = value("MemTotal");
  const available = value("MemAvailable") ?? value("MemFree");
  return total === null || available === null ? null : { total, available };
}

const GLIBC = "stable release version ";

/** Version of glibc such as `2.36`, from the bytes of `libc.so.6`; null for another library. */
export function glibcFromLibrary(bytes: Uint8Array): string | null {
  const text = new TextDecoder("latin1").decode(bytes);
  const at = text.indexOf(GLIBC);
  return at < 0 ? null : /^\d+\.\d+/.exec(text.slice(at + GLIBC.length, at + GLIBC.length + 16))?.[0] ?? null;
}

/** Folders of this process's control group and of those above it, innermost first. */
export interface CgroupFolders {
  readonly version: 1 | 2;
  readonly memory: readonly string[];
  readonly cpu: readonly string[];
}

/**
 * From `/proc/self/cgroup`. In a container the path may be the host's, so the root of the mount, which is the
 * container's own group there, is always the last one.
 */
export function cgroupFolders(text: string): CgroupFolders | null {
  const groups = text.split("\n").map((line) => /^\d+:([^:]*):(\/.*)$/.exec(line)).filter((match) => match !== null);
  const v1 = (controller: string) => groups.find((match) => match[1]!.split(",").includes(controller));
  const memory = v1("memory");
  if (memory !== undefined) {
    const cpu = v1("cpu");
    return {
      version: 1,
      memory: upFrom("/sys/fs/cgroup/memory", memory[2]!),
      cpu: cpu === undefined ? [] : upFrom(`/sys/fs/cgroup/${cpu[1]}`, cpu[2]!),
    };
  }
  const unified = groups.find((match) => match[1] === "");
  if (unified === undefined) return null;
  const folders = upFrom("/sys/fs/cgroup", unified[2]!);
  return { version: 2, memory: folders, cpu: folders };
}

function upFrom(mount: string, path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "" && part !== "..");
  const folders: string[] = [];
  for (let length = parts.length; length >= 0; length--) folders.push([mount, ...parts.slice(0, length)].join("/"));
  return folders;
}
