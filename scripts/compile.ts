/**
 * Compiles trtd into one executable with everything inside: code, default model, native libraries.
 *
 *     deno task compile [--arch x86_64|aarch64] [--output FILE]
 */
import { dirname, join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { bundleLibraries, dropForeign } from "./compile_bundle.ts";
import { shimFor } from "./compile_shim.ts";
import { fillStage } from "./compile_stage.ts";
import { type Arch, findToolchain, type Toolchain } from "./compile_toolchain.ts";
import { v8FlagsFor } from "./compile_v8_flags.ts";

const ROOT = resolve(import.meta.dirname!, "..");
const HOST: Arch = Deno.build.arch;

const { values } = parseArgs({
  args: Deno.args,
  options: { arch: { type: "string", default: HOST }, output: { type: "string", short: "o" } },
});
const arch = archOf(values.arch);
const output = resolve(values.output ?? join(ROOT, "dist", arch === "x86_64" ? "trtd" : `trtd-${arch}`));

await Deno.mkdir(dirname(output), { recursive: true });
const stage = await Deno.makeTempDir({ dir: dirname(output), prefix: "stage-" });
try {
  const toolchain = await findToolchain(arch, ROOT);
  console.log(`compile: ${arch} with ${toolchain.deno} and denort from ${toolchain.origin}`);
  const shim = await shimFor(arch);
  console.log(`compile: ${shim.note}`);
  await fillStage(ROOT, stage);
  await dropForeign(stage, arch);
  // Deno installs the packages of another machine when it compiles for it: once to have them, once to use them
  if (arch !== HOST) await compile(toolchain, join(stage, "unused"));
  const index = await bundleLibraries(stage, arch, { shim: shim.path });
  const made = join(stage, "trtd");
  await compile(toolchain, made);
  if (arch === HOST) await check(made);
  await Deno.rename(made, output);
  console.log(`compile: ${relative(Deno.cwd(), output)}, ${megabytes((await Deno.stat(output)).size)}`);
  for (const library of index.libraries) console.log(`compile: holds ${library.path}, ${megabytes(library.size)}`);
} finally {
  await Deno.remove(stage, { recursive: true });
}

function archOf(text: string): Arch {
  if (text === "x86_64" || text === "aarch64") return text;
  throw new Error(`"--arch" must be "x86_64" or "aarch64", it is "${text}"`);
}

/**
 * Runs `deno compile` in the stage. No code cache: it would lie under a known name in the shared temporary folder, where
 * another user could have put a file of that name before. No type check: the declarations are not in the stage.
 */
async function compile(toolchain: Toolchain, file: string): Promise<void> {
  const included = ["models", "native"].filter((name) => existsInStage(name)).flatMap((name) => ["--include", name]);
  const v8Flags = v8FlagsFor(await versionsOf(toolchain));
  const { success, stderr } = await new Deno.Command(toolchain.deno, {
    args: [
      ...["compile", "--quiet", "--allow-all", "--no-prompt", "--no-check", "--no-code-cache"],
      ...(v8Flags.length === 0 ? [] : [`--v8-flags=${v8Flags.join(",")}`]),
      ...["--target", `${arch}-unknown-linux-gnu`, ...included, "--output", file, "src/main.ts"],
    ],
    cwd: stage,
    env: {
      ...(toolchain.denort === null ? {} : { DENORT_BIN: toolchain.denort }),
      DENO_TLS_CA_STORE: Deno.env.get("DENO_TLS_CA_STORE") ?? "system,mozilla",
    },
  }).output();
  if (!success) throw new Error(`"deno compile" failed:\n${new TextDecoder().decode(stderr)}`);
}

async function versionsOf({ deno }: Toolchain): Promise<string> {
  const { stdout } = await new Deno.Command(deno, { args: ["--version"], env: { NO_COLOR: "1" } }).output();
  return new TextDecoder().decode(stdout);
}

function existsInStage(name: string): boolean {
  try {
    return Deno.statSync(join(stage, name)).isDirectory;
  } catch {
    return false;
  }
}

/** A Deno and a denort that do not match make a file that does not start. */
async function check(file: string): Promise<void> {
  const { success, stdout, stderr } = await new Deno.Command(file, { args: ["--version"] }).output();
  const decoder = new TextDecoder();
  if (!success) {
    throw new Error(`The compiled file does not start; are Deno and denort of one version? ${decoder.decode(stderr)}`);
  }
  console.log(`compile: --version says ${decoder.decode(stdout).trim()}`);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
