/** libtrtd for an executable: the build for releases, else the one for this machine, else none. */
import { buildRelease, buildShim } from "./build_shim.ts";
import type { Arch } from "./compile_toolchain.ts";

export interface TargetShim {
  /** Path of the library, null when it cannot be built here. */
  readonly path: string | null;
  /** Which one it is, or why there is none; for the log. */
  readonly note: string;
}

/** How libtrtd is built. */
export interface ShimBuilds {
  readonly release: typeof buildRelease;
  readonly development: typeof buildShim;
}

/**
 * libtrtd for `arch`. Without ziglang the build for this machine stands in on its own architecture: it may need the glibc
 * of this machine.
 * @throws {Error} when it does not compile
 */
export async function shimFor(
  arch: Arch,
  builds: ShimBuilds = { release: buildRelease, development: buildShim },
): Promise<TargetShim> {
  const release = await builds.release(arch);
  if (typeof release === "string") return { path: release, note: "libtrtd runs on glibc 2.28 and later" };
  if (arch !== Deno.build.arch) return { path: null, note: noneBecause(release.reason) };
  const development = await builds.development();
  if (development.status === "missing") return { path: null, note: noneBecause(development.reason) };
  const note =
    `libtrtd is built for this machine and may need its glibc, since there is no release build: ${release.reason}`;
  return { path: development.library, note };
}

function noneBecause(reason: string): string {
  return `without libtrtd: "trtd doctor" and "trtd build-engine" will say that it is missing. ${reason}`;
}
