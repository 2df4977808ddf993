/**
 * Builds libtrtd into cpp/build when its sources changed.
 *
 *     deno run -A scripts/build_shim.ts [--fakes] [--sanitize | --aarch64] [--force] [--quiet]
 *     deno run -A scripts/build_shim.ts --release [x86_64] [aarch64]
 *
 * `--fakes` adds the fake libraries of test/native, `--sanitize` builds both with AddressSanitizer and UBSan into
 * cpp/build/sanitize, `--aarch64` with Debian's cross compiler into cpp/build/aarch64, `--release` builds with ziglang from PyPI for every glibc from 2.28 on.
 * Exit status: 0 built or up to date, 3 a tool is missing, 1 the build failed.
 */

import { createHash } from "node:crypto";
import { join, relative, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname!, "..");
const BUILD = join(ROOT, "cpp", "build");
const CROSS_COMPILER = "aarch64-linux-gnu-g++";

/** Options of {@link buildShim}. */
export interface ShimBuildOptions {
  /** Build the fake libraries of test/native too. @default false */
  fakes?: boolean;
  /** AddressSanitizer and UndefinedBehaviorSanitizer. @default false */
  sanitize?: boolean;
  /** Build with Debian's cross compiler for 64-bit Arm into cpp/build/aarch64. @default false */
  aarch64?: boolean;
  /** Build although nothing changed. @default false */
  force?: boolean;
}

/** Why libtrtd cannot be built here; nothing is broken. */
export interface MissingTools {
  readonly status: "missing";
  readonly reason: string;
}

/** The library and, when asked for, the folder of the fakes. */
export type ShimBuild =
  | { readonly status: "built" | "current"; readonly library: string; readonly fakes: string | null }
  | MissingTools;

async function sourcesUnder(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory && path !== BUILD) found.push(...await sourcesUnder(path));
    if (entry.isFile && /\.(cpp|h|inc|map)$|^CMakeLists\.txt$/.test(entry.name)) found.push(path);
  }
  return found.sort();
}

async function digestOf(folders: readonly string[], salt: string): Promise<string> {
  const hash = createHash("sha256").update(salt);
  for (const folder of folders) {
    for (const path of await sourcesUnder(folder)) {
      const bytes = await Deno.readFile(path);
      hash.update(`\0${relative(ROOT, path)}\0${bytes.length}\0`).update(bytes);
    }
  }
  return hash.digest("hex");
}

async function runs(command: string): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(command, { args: ["--version"], stdout: "null", stderr: "null" })
      .output();
    return success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function firstThatRuns(commands: readonly string[]): Promise<string | undefined> {
  for (const command of commands) {
    if (await runs(command)) return command;
  }
  return undefined;
}

async function must(command: string, args: readonly string[], cwd?: string): Promise<void> {
  const { success, stdout, stderr } = await new Deno.Command("nice", {
    args: ["-n", "10", command, ...args],
    stdout: "piped",
    stderr: "piped",
    ...(cwd === undefined ? {} : { cwd }),
  }).output();
  if (success) return;
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  throw new Error(`"${command} ${args.join(" ")}" failed:\n${text.slice(-8000)}`);
}

async function underLock<T>(folder: string, body: () => Promise<T>): Promise<T> {
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(join(BUILD, ".gitignore"), "*\n");
  using lock = await Deno.open(join(folder, ".lock"), { create: true, write: true });
  await lock.lock(true);
  try {
    return await body();
  } finally {
    await lock.unlock();
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function missing(what: string): MissingTools {
  return {
    status: "missing",
    reason: `libtrtd cannot be built: ${what} is missing (on Debian and Ubuntu: apt install g++ cmake ninja-build). ` +
      "The CPU path works without it",
  };
}

/**
 * Builds libtrtd if its sources changed since the last build.
 * @throws {Error} with the end of the compiler's output
 */
export async function buildShim(options: ShimBuildOptions = {}): Promise<ShimBuild> {
  const { fakes = false, sanitize = false, aarch64 = false, force = false } = options;
  const folder = sanitize ? join(BUILD, "sanitize") : aarch64 ? join(BUILD, "aarch64") : BUILD;
  const library = join(folder, "libtrtd.so");
  const fakesFolder = fakes ? join(folder, "fakes") : null;
  const sources = [join(ROOT, "cpp"), ...(fakes ? [join(ROOT, "test", "native")] : [])];
  return await underLock(folder, async () => {
    const stamp = join(folder, fakes ? ".digest-with-fakes" : ".digest");
    const digest = await digestOf(sources, `sanitize=${sanitize}`);
    if (!force && await readText(stamp) === digest && await exists(library)) {
      return { status: "current", library, fakes: fakesFolder };
    }
    if (!await runs("cmake")) return missing("cmake");
    const named = aarch64 ? CROSS_COMPILER : Deno.env.get("CXX");
    if (await firstThatRuns(named === undefined ? ["c++", "g++", "clang++"] : [named]) === undefined) {
      if (aarch64) {
        return { status: "missing", reason: `"${CROSS_COMPILER}" is missing (apt install g++-aarch64-linux-gnu)` };
      }
      return missing(named === undefined ? "a C++ compiler" : `the compiler "${named}" that CXX names`);
    }
    const generator = await runs("ninja") ? ["-G", "Ninja"] : ["-G", "Unix Makefiles"];
    const flags = [`-DTRTD_FAKES=${fakes ? "ON" : "OFF"}`, `-DTRTD_SANITIZE=${sanitize ? "ON" : "OFF"}`];
    const cross = [
      "-DCMAKE_SYSTEM_NAME=Linux",
      "-DCMAKE_SYSTEM_PROCESSOR=aarch64",
      `-DCMAKE_CXX_COMPILER=${CROSS_COMPILER}`,
    ];
    await must("cmake", ["-S", join(ROOT, "cpp"), "-B", folder, ...generator, ...flags, ...(aarch64 ? cross : [])]);
    await must("cmake", ["--build", folder, "--parallel", String(navigator.hardwareConcurrency)]);
    await Deno.writeTextFile(stamp, digest);
    return { status: "built", library, fakes: fakesFolder };
  });
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** What a release is built for. */
export const RELEASE_ARCHITECTURES = ["x86_64", "aarch64"] as const;
/** One of {@link RELEASE_ARCHITECTURES}. */
export type ReleaseArchitecture = (typeof RELEASE_ARCHITECTURES)[number];

/** ziglang's version on PyPI. */
const ZIG = "0.14.1";

/** Where tools from PyPI are kept, outside the repository. */
export function toolsFolder(): string {
  return join(Deno.env.get("XDG_CACHE_HOME") ?? join(Deno.env.get("HOME") ?? ".", ".cache"), "trtd-tools");
}

async function zig(): Promise<string | MissingTools> {
  const python = await firstThatRuns(["python3", "python"]);
  if (python === undefined) return missing("Python, which brings ziglang,");
  const folder = join(toolsFolder(), `ziglang-${ZIG}`);
  const program = join(folder, "ziglang", "zig");
  if (!await exists(program)) {
    try {
      await must(python, ["-m", "pip", "install", "-q", "--no-deps", "--target", folder, `ziglang==${ZIG}`]);
    } catch (error) {
      return missing(`ziglang ${ZIG}, which pip could not fetch (${error instanceof Error ? error.message : error}),`);
    }
  }
  return program;
}

/**
 * Builds libtrtd for a release: glibc 2.28 or later, C++ runtime inside.
 * @returns the library's path under cpp/build/release
 */
export async function buildRelease(architecture: ReleaseArchitecture): Promise<string | MissingTools> {
  const program = await zig();
  if (typeof program !== "string") return program;
  const folder = join(BUILD, "release", architecture);
  const library = join(folder, "libtrtd.so");
  return await underLock(folder, async () => {
    const digest = await digestOf([join(ROOT, "cpp")], `${ZIG} ${architecture}`);
    const stamp = join(folder, ".digest");
    if (await readText(stamp) === digest && await exists(library)) return library;
    const sources = (await sourcesUnder(join(ROOT, "cpp", "src"))).filter((path) => path.endsWith(".cpp"));
    const flags = ["-std=c++17", "-O2", "-DNDEBUG", "-fPIC", "-fvisibility=hidden", "-fvisibility-inlines-hidden"];
    const include = ["-I", join(ROOT, "cpp", "include"), "-I", join(ROOT, "cpp", "src")];
    const link = [
      "-shared",
      "-s",
      `-Wl,--version-script=${join(ROOT, "cpp", "trtd.map")}`,
      "-ldl",
      "-lpthread",
      "-o",
      library,
    ];
    const target = ["-target", `${architecture}-linux-gnu.2.28`];
    await must(program, ["c++", ...target, ...flags, ...include, ...sources, ...link]);
    await Deno.writeTextFile(stamp, digest);
    return library;
  });
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--release")) {
    const asked = RELEASE_ARCHITECTURES.filter((name) => args.includes(name));
    for (const architecture of asked.length > 0 ? asked : RELEASE_ARCHITECTURES) {
      const result = await buildRelease(architecture);
      if (typeof result !== "string") {
        console.error(result.reason);
        return 3;
      }
      console.error(`Built ${relative(ROOT, result)}`);
    }
    return 0;
  }
  const known = ["--fakes", "--sanitize", "--aarch64", "--force", "--quiet"];
  const unknown = args.find((argument) => !known.includes(argument));
  if (unknown !== undefined) {
    console.error(`Unknown argument "${unknown}"; known are ${known.join(", ")} and --release`);
    return 2;
  }
  const result = await buildShim({
    fakes: args.includes("--fakes"),
    sanitize: args.includes("--sanitize"),
    aarch64: args.includes("--aarch64"),
    force: args.includes("--force"),
  });
  if (result.status === "missing") {
    console.error(result.reason);
    return 3;
  }
  if (args.includes("--quiet") && result.status !== "built") return 0;
  console.error(`${result.status === "built" ? "Built" : "Up to date:"} ${relative(ROOT, result.library)}`);
  return 0;
}

if (import.meta.main) {
  try {
    Deno.exit(await main(Deno.args));
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    Deno.exit(1);
  }
}
