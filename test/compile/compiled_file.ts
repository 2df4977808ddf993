/** The compiled file under test: made by `scripts/compile.ts`, once for the same inputs. */
import { createHash } from "node:crypto";
import { join, relative, resolve } from "node:path";
import { filesBelow } from "../../scripts/compile_stage.ts";
import { type Arch, findToolchain } from "../../scripts/compile_toolchain.ts";

export const ROOT = resolve(import.meta.dirname!, "../..");

/** What goes into the file, or decides how it is made. */
const INPUTS = ["deno.json", "deno.lock", "LICENSE", "src", "ffi", "models/codes", "scripts", "cpp"];

/** Why nothing can be compiled here, empty when it can. */
export const CANNOT_COMPILE = await findToolchain(Deno.build.arch, ROOT)
  .then(() => "", (error: Error) => ` (skipped: ${error.message})`);

const made = new Map<Arch, Promise<string>>();

/** Path of the file for `arch`, compiled when no file of the same inputs is there. */
export function compiledFile(arch: Arch): Promise<string> {
  const known = made.get(arch) ?? compile(arch);
  made.set(arch, known);
  return known;
}

async function compile(arch: Arch): Promise<string> {
  const folder = join(ROOT, "dist", "test", arch);
  const file = join(folder, await inputsDigest(), "trtd");
  if (await isFile(file)) return file;
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", join(ROOT, "scripts", "compile.ts"), "--arch", arch, "--output", file],
    cwd: ROOT,
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`Compiling for ${arch} failed: ${decoder.decode(stdout)}${decoder.decode(stderr)}`);
  return file;
}

async function inputsDigest(): Promise<string> {
  const hash = createHash("sha256");
  for (const input of INPUTS) {
    const path = join(ROOT, input);
    for (const file of (await pathsOf(path)).sort()) {
      hash.update(`${relative(ROOT, file)}\0`).update(await Deno.readFile(file)).update("\0");
    }
  }
  return hash.digest("hex").slice(0, 16);
}

async function pathsOf(path: string): Promise<string[]> {
  if (await isFile(path)) return [path];
  if (!await Deno.stat(path).then((info) => info.isDirectory, () => false)) return [];
  return (await Array.fromAsync(filesBelow(path))).filter((file) => decides(relative(ROOT, file)));
}

/** Of the scripts, those that compile; of libtrtd, its sources. */
function decides(path: string): boolean {
  if (path.startsWith("cpp/")) return !path.startsWith("cpp/build/");
  return !path.startsWith("scripts/") || /^scripts\/(compile\w*|build_shim)\.ts$/.test(path);
}

async function isFile(path: string): Promise<boolean> {
  return await Deno.stat(path).then((info) => info.isFile, () => false);
}
