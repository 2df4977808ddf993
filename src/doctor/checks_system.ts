/** Checks of the machine and of trtd itself. */
import { REVOKED } from "../serving/permissions.ts";
import type { Finding } from "../tensorrt/probe/probe_findings.ts";
import { compareVersions, versionFromText } from "../tensorrt/versions.ts";
import { type CheckRow, lack, ok, sizeText, type Verdict } from "./check.ts";
import type { DoctorFacts, FolderFact } from "./facts.ts";

/** First glibc that libtrtd, ONNX Runtime and sharp run on. Source: symbol versions of the shipped libraries. */
const GLIBC_MIN = "2.28";
/** Rules of thumb for a detector of YOLOv8s' size, no limits of TensorRT. */
const BUILD_DISK_BYTES = 2e9;
const BUILD_MEMORY_BYTES = 2e9;

const SYSTEMS: Readonly<Record<string, string>> = { linux: "Linux", windows: "Windows", darwin: "macOS" };

/** What helps where packages and sources are not at hand. */
const COMPILED_AGAIN = "Use a whole executable of trtd for this architecture, with a cache folder that it may write to";

/** Permissions that `deno run` must give, and for what. */
const PERMISSIONS: Readonly<Record<string, string>> = {
  read: "to read pictures and models",
  write: "to write engines and unpack libraries",
  env: "to read settings",
  run: "to start worker, probe and build processes",
  ffi: "to load native libraries",
  net: "to serve",
  sys: "to ask for free disk space",
};

/** What keeps a crash of native code to one process. */
const ISOLATION = "Crash isolation, not a sandbox: when serving, " +
  Object.entries(REVOKED).map(([role, classes]) => `the ${role} gives up ${classes.join(" and ")}`).join(", ") +
  "; with --in-process nothing is given up";
export const SYSTEM_CHECKS: readonly CheckRow[] = [
  {
    id: "platform",
    remedy: "Run trtd on Linux, on x86_64 or aarch64",
    judge({ system }) {
      const text = `${SYSTEMS[system.os] ?? `System "${system.os}"`} on ${system.architecture}, ${
        system.standalone ? "compiled" : "run"
      } with Deno ${system.deno}`;
      return system.os === "linux" ? ok(text) : { status: "warn", detail: `${text}: trtd is tested on Linux only` };
    },
  },
  {
    id: "glibc",
    remedy: `Update the operating system to one with glibc ${GLIBC_MIN} or later`,
    judge({ system }) {
      const version = versionFromText(system.glibc ?? "");
      if (version === null) return { status: "warn", detail: "The version of glibc cannot be found out" };
      const enough = compareVersions(version, versionFromText(GLIBC_MIN)!) >= 0;
      const text = `glibc ${system.glibc}`;
      return enough ? ok(text) : { status: "fail", detail: `${text} is older than ${GLIBC_MIN}` };
    },
  },
  {
    id: "permissions",
    remedy: "Start trtd with deno run --allow-all, or use the compiled file",
    judge({ system }) {
      const missing = Object.entries(PERMISSIONS).filter(([name]) => system.permissions[name] !== "granted");
      if (missing.length === 0) return ok("All permissions of Deno that trtd uses are given");
      return { status: "warn", detail: `Missing ${missing.map(([name, why]) => `${name} (${why})`).join(", ")}` };
    },
  },
  {
    id: "isolation",
    remedy: "For a sandbox, let the service manager or the container restrict trtd",
    judge: () => ok(ISOLATION),
  },
  {
    id: "onnxruntime",
    remedy: "Install trtd's packages again (deno install); the loader's message names what is missing",
    judge: ({ onnxruntime, system }) => addonVerdict("ONNX Runtime", onnxruntime, system),
  },
  {
    id: "sharp",
    remedy: "Install trtd's packages again (deno install); the loader's message names what is missing",
    judge: ({ sharp, system }) => addonVerdict("The picture library sharp", sharp, system),
  },
  {
    id: "shim",
    remedy: 'Build trtd\'s native library with "deno run -A scripts/build_shim.ts"',
    judge(facts) {
      const { shim, findings } = facts.cuda;
      if (shim !== null) return ok(`libtrtd is "${shim}"`);
      const [first] = findings;
      const remedy = facts.system.standalone && !isCacheFolder(first)
        ? `${COMPILED_AGAIN}, or name a libtrtd.so with TRTD_SHIM`
        : first?.remedy;
      return lack(facts, first?.detail ?? "libtrtd did not answer", remedy);
    },
  },
  {
    id: "disk",
    remedy: `Free disk space: a build writes an engine and its log, keep ${sizeText(BUILD_DISK_BYTES)} free`,
    judge({ system: { disk } }) {
      if (disk === null) return { status: "warn", detail: "Free disk space cannot be found out" };
      const text = `${sizeText(disk.free)} free for engines at "${disk.path}"`;
      return disk.free >= BUILD_DISK_BYTES ? ok(text) : { status: "warn", detail: text };
    },
  },
  {
    id: "memory",
    remedy: `Free memory or raise the limit: a build should find ${sizeText(BUILD_MEMORY_BYTES)}`,
    judge({ system: { memory, limits } }) {
      if (memory === null) return { status: "warn", detail: "Free memory cannot be found out" };
      const room = limits.memory === null ? Infinity : limits.memory - (limits.memory_used ?? 0);
      const available = Math.max(0, Math.min(memory.available, room));
      const text = `${sizeText(available)} of ${sizeText(Math.min(memory.total, limits.memory ?? Infinity))} available`;
      return available >= BUILD_MEMORY_BYTES ? ok(text) : { status: "warn", detail: text };
    },
  },
  {
    id: "limits",
    remedy: "Give the container or service more processors or memory",
    judge({ system: { limits } }) {
      if (limits.cgroup === null) return ok(`${limits.processors} processors, no control group`);
      const memory = limits.memory === null ? "no limit of memory" : `at most ${sizeText(limits.memory)} of memory`;
      const cpus = limits.cpus === null ? "" : `, time of ${limits.cpus.toFixed(1)}`;
      const text = `${limits.processors} processors${cpus}, ${memory} (cgroup v${limits.cgroup})`;
      return limits.cpus !== null && limits.cpus < 1 ? { status: "warn", detail: text } : ok(text);
    },
  },
  {
    id: "cache-folder",
    remedy: "Point TRTD_CACHE_DIR at a folder of this user that is writable, not full and not mounted noexec",
    // Only the compiled file must unpack libraries there before it can detect anything.
    judge: ({ system }) => folderVerdict("cache folder", system.cache, system.standalone ? "fail" : "warn"),
  },
  {
    id: "models-folder",
    remedy: "Name a folder with --models DIR that this user may write: engines are kept there",
    judge: ({ system }) => folderVerdict("models folder", system.models, "warn"),
  },
];

/** Where a library cannot be unpacked, its error says what helps. */
const isCacheFolder = (finding: Finding | undefined): boolean => finding?.code === "CACHE_FOLDER_UNUSABLE";

function addonVerdict(
  name: string,
  { version, findings }: DoctorFacts["sharp"],
  { standalone }: DoctorFacts["system"],
): Verdict {
  if (version !== null) return ok(`${name} ${version} loads`);
  const [first] = findings;
  const remedy = first?.step === null || isCacheFolder(first) ? first?.remedy : standalone ? COMPILED_AGAIN : undefined;
  return {
    status: "fail",
    detail: `${name} does not load: ${first?.detail ?? "no answer"}`,
    ...(remedy === undefined ? {} : { remedy }),
  };
}

function folderVerdict(name: string, { path, exists, problem }: FolderFact, bad: "warn" | "fail"): Verdict {
  if (problem !== null) return { status: bad, detail: problem };
  return ok(`The ${name} "${path}" ${exists ? "can be written" : "can be made"}`);
}
