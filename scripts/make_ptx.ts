/**
 * Compiles cpp/src/kernels/kernels.cu to PTX with clang alone (no CUDA toolkit) and writes it, as one C++ string, to
 * cpp/src/kernels/kernels_ptx.inc, which is checked in. One text serves compute capability 5.3 and later: the driver
 * compiles it for the GPU it finds.
 *
 *     deno run -A scripts/make_ptx.ts [--check]
 *
 * `--check` writes nothing and says whether the checked-in text is what this source gives. Exit status: 0 written or
 * equal, 1 different or the compiler refused the source, 2 usage, 3 there is no clang of the version that made the
 * text.
 */

import { join, resolve } from "node:path";

const KERNELS = resolve(import.meta.dirname!, "..", "cpp", "src", "kernels");
/** Text that {@link makePtx} makes. */
export const PTX_FILE = join(KERNELS, "kernels_ptx.inc");

/** The clang of Debian 12 and Ubuntu 22.04; others give other, equally good text. */
export const CLANG_VERSION = "14.0.6";
const COMPILERS = ["clang-14", "clang"];

/** sm_53 is the first with the instructions that are used; PTX 6.0 needs CUDA 9's driver. */
const FLAGS = [
  "-x",
  "cuda",
  "--cuda-device-only",
  "-nocudainc",
  "-nocudalib",
  "--cuda-path=/nonexistent",
  "--cuda-gpu-arch=sm_53",
  "-Xclang",
  "-target-feature",
  "-Xclang",
  "+ptx60",
  "-std=c++17",
  "-O3",
  "-ffp-contract=off",
  "-Wall",
  "-Wextra",
  "-Wconversion",
  "-Wshadow",
  "-Werror",
  "-Wno-pass-failed",
  "-S",
  "-o",
  "-",
];

/** PTX as C++, or why there is none. */
export type PtxResult =
  | { readonly status: "made"; readonly text: string }
  | { readonly status: "missing"; readonly reason: string };

async function output(command: string, args: readonly string[]) {
  try {
    const { code, stdout, stderr } = await new Deno.Command(command, { args: [...args] }).output();
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** Compiles the kernels. @throws {Error} with the compiler's messages */
export async function makePtx(): Promise<PtxResult> {
  const seen: string[] = [];
  for (const compiler of COMPILERS) {
    const version = /clang version (\d+\.\d+\.\d+)/.exec((await output(compiler, ["--version"]))?.stdout ?? "")?.[1];
    if (version !== CLANG_VERSION) {
      seen.push(`${compiler} is ${version ?? "missing"}`);
      continue;
    }
    const made = await output(compiler, [...FLAGS, join(KERNELS, "kernels.cu")]);
    if (made!.code !== 0) throw new Error(`"${compiler}" refused the kernels:\n${made!.stderr}`);
    const ptx = made!.stdout.trim();
    const head = `// Made by scripts/make_ptx.ts from kernels.cu with clang ${version}: do not edit.\n`;
    return { status: "made", text: `${head}R"ptx(${ptx}\n)ptx"\n` };
  }
  return { status: "missing", reason: `clang ${CLANG_VERSION} is needed (apt install clang-14): ${seen.join(", ")}` };
}

async function main(args: readonly string[]): Promise<number> {
  const unknown = args.find((argument) => argument !== "--check");
  if (unknown !== undefined) {
    console.error(`Unknown argument "${unknown}"; known is --check`);
    return 2;
  }
  const made = await makePtx();
  if (made.status === "missing") {
    console.error(made.reason);
    return 3;
  }
  if (!args.includes("--check")) {
    await Deno.writeTextFile(PTX_FILE, made.text);
    return 0;
  }
  if (await Deno.readTextFile(PTX_FILE).catch(() => "") === made.text) return 0;
  console.error("cpp/src/kernels/kernels_ptx.inc is not what kernels.cu gives: run scripts/make_ptx.ts");
  return 1;
}

if (import.meta.main) {
  try {
    Deno.exit(await main(Deno.args));
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    Deno.exit(1);
  }
}
