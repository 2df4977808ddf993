/** What this machine and process tell without a native library. */
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { cacheFolder, isOurs } from "../native/cache_folder.ts";
import { mountOf } from "../native/mounts.ts";
import { readLoaderCache } from "../tensorrt/discovery/discovery_ld_cache.ts";
import { l4tFromRelease } from "../tensorrt/request/machine_facts.ts";
import { type CgroupFolders, cgroupFolders, glibcFromLibrary, memoryFromMeminfo } from "./system_texts.ts";
import type { FolderFact, Limits, SystemFacts } from "./facts.ts";

export interface SystemOptions {
  /** Folder of models and engines, absolute. */
  readonly models: string;
  /** The setting `cache_dir`, absolute. */
  readonly cacheDir: string | undefined;
}

/** Facts of the machine; what cannot be read is null. Never throws. */
export async function systemFacts({ models, cacheDir }: SystemOptions): Promise<SystemFacts> {
  return {
    os: Deno.build.os,
    architecture: Deno.build.arch,
    deno: Deno.version.deno,
    standalone: Deno.build.standalone,
    glibc: glibcVersion(),
    memory: memoryFromMeminfo(textOf("/proc/meminfo") ?? ""),
    limits: limits(),
    disk: await freeDisk(models),
    cache: cacheFact(cacheDir),
    models: writableFact("models folder", models),
    permissions: permissions(),
    l4t: l4tFromRelease(textOf("/etc/nv_tegra_release") ?? ""),
    traces: TRACES.filter((path) => infoOf(path) !== null),
  };
}

/** Device files of NVIDIA's drivers: PC, WSL, Jetson. */
const TRACES = ["/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg", "/dev/nvhost-gpu", "/dev/nvgpu"] as const;

function glibcVersion(): string | null {
  const cache = attempt(() => Deno.readFileSync("/etc/ld.so.cache"));
  const known = cache === null ? [] : readLoaderCache(cache).filter(({ name }) => name === "libc.so.6");
  const usual = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib/aarch64-linux-gnu/libc.so.6", "/lib64/libc.so.6"];
  for (const path of [...known.map(({ path }) => path), ...usual]) {
    const bytes = attempt(() => Deno.readFileSync(path));
    const version = bytes === null ? null : glibcFromLibrary(bytes);
    if (version !== null) return version;
  }
  return null;
}

function limits(): Limits {
  const processors = navigator.hardwareConcurrency;
  const folders = cgroupFolders(textOf("/proc/self/cgroup") ?? "");
  if (folders === null) return { cgroup: null, memory: null, memory_used: null, cpus: null, processors };
  return { ...(folders.version === 2 ? limitsOfV2(folders) : limitsOfV1(folders)), processors };
}

type GroupLimits = Omit<Limits, "processors">;

function limitsOfV2({ memory: folders }: CgroupFolders): GroupLimits {
  const limit = least(folders.map((folder) => numberOf(textOf(`${folder}/memory.max`))));
  const cpus = least(folders.map((folder) => {
    const [quota, period] = (textOf(`${folder}/cpu.max`) ?? "").split(" ").map(Number);
    return quota && period ? quota / period : null;
  }));
  const used = folders.map((folder) => numberOf(textOf(`${folder}/memory.current`))).find((value) => value !== null);
  return { cgroup: 2, memory: limit, memory_used: used ?? null, cpus };
}

/** v1 says "no limit" with a number near 2^63. */
const V1_UNLIMITED = 2 ** 60;

function limitsOfV1({ memory, cpu }: CgroupFolders): GroupLimits {
  const limit = least(
    memory.map((folder) => {
      const value = numberOf(textOf(`${folder}/memory.limit_in_bytes`));
      return value !== null && value < V1_UNLIMITED ? value : null;
    }),
  );
  const used = memory.map((folder) => numberOf(textOf(`${folder}/memory.usage_in_bytes`))).find((one) => one !== null);
  const cpus = least(cpu.map((folder) => {
    const quota = numberOf(textOf(`${folder}/cpu.cfs_quota_us`));
    const period = numberOf(textOf(`${folder}/cpu.cfs_period_us`));
    return quota !== null && quota > 0 && period ? quota / period : null;
  }));
  return { cgroup: 1, memory: limit, memory_used: used ?? null, cpus };
}

const least = (values: readonly (number | null)[]): number | null =>
  values.reduce((a, b) => a === null ? b : b === null ? a : Math.min(a, b), null);

function numberOf(text: string | null): number | null {
  return text !== null && /^-?\d+\s*$/.test(text) ? Number(text) : null;
}

async function freeDisk(path: string): Promise<SystemFacts["disk"]> {
  try {
    const { bavail, bsize } = await statfs(existingParent(path));
    return { path, free: bavail * bsize };
  } catch {
    return null;
  }
}

function cacheFact(named: string | undefined): FolderFact {
  let path: string;
  try {
    path = named ?? cacheFolder();
  } catch (error) {
    return { path: null, exists: false, problem: error instanceof Error ? error.message : String(error) };
  }
  const fact = writableFact("cache folder", path);
  if (fact.problem !== null) return fact;
  const info = fact.exists ? infoOf(path) : null;
  if (info !== null && !isOurs(info)) {
    return { ...fact, problem: `The cache folder "${path}" is a link, or can be written by other users` };
  }
  const mounts = textOf("/proc/self/mountinfo");
  const real = attempt(() => Deno.realPathSync(existingParent(path)));
  const noexec = mounts !== null && real !== null && mountOf(mounts, real)?.options.has("noexec") === true;
  if (!noexec) return fact;
  return {
    ...fact,
    problem: `The cache folder "${path}" is on a file system mounted noexec: no library can be loaded there`,
  };
}

/** Whether a file can be made in the folder, or in the folder where it would be made: a small one is, and removed. */
function writableFact(name: string, path: string): FolderFact {
  const info = infoOf(path, true);
  if (info !== null && !info.isDirectory) {
    return { path, exists: true, problem: `The ${name} "${path}" is not a folder` };
  }
  try {
    Deno.removeSync(Deno.makeTempFileSync({ dir: existingParent(path), prefix: ".trtd-doctor-" }));
    return { path, exists: info !== null, problem: null };
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/:? ?"[^"]*"$/, "") : String(error);
    const verb = info === null ? "made" : "written";
    return { path, exists: info !== null, problem: `The ${name} "${path}" cannot be ${verb}: ${why}` };
  }
}

function existingParent(path: string): string {
  let at = path;
  while (infoOf(at, true) === null && dirname(at) !== at) at = dirname(at);
  return at;
}

function permissions(): Record<string, string> {
  const names = ["read", "write", "env", "run", "ffi", "net", "sys"] as const;
  return Object.fromEntries(names.map((name) => [name, Deno.permissions.querySync({ name }).state]));
}

function infoOf(path: string, follow = false): Deno.FileInfo | null {
  return attempt(() => follow ? Deno.statSync(path) : Deno.lstatSync(path));
}

const textOf = (path: string): string | null => attempt(() => Deno.readTextFileSync(path));

function attempt<T>(body: () => T): T | null {
  try {
    return body();
  } catch {
    return null;
  }
}
