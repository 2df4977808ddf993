/** Packs the native libraries of a stage: the target's are compressed into one folder, all others are dropped. */
import { createHash } from "node:crypto";
import { basename, join, relative } from "node:path";
import { constants, zstdCompressSync } from "node:zlib";
import { BUNDLE_FOLDER, type BundledLibrary, type BundleIndex, type NativePackage } from "../src/native/bundle.ts";
import { exists, filesBelow, isNeeded } from "./compile_stage.ts";
import type { Arch } from "./compile_toolchain.ts";

/** How a target is named: npm's `cpu`, and ELF's `e_machine` (elf.h: EM_X86_64, EM_AARCH64). */
const TARGETS: Readonly<Record<Arch, { cpu: string; machine: number }>> = {
  x86_64: { cpu: "x64", machine: 62 },
  aarch64: { cpu: "arm64", machine: 183 },
};

/** Whose libraries lie where below `node_modules`. */
const OWNERS: readonly { owner: NativePackage; prefix: string }[] = [
  { owner: "sharp", prefix: "@img/sharp-" },
  { owner: "onnxruntime-node", prefix: "onnxruntime-node/" },
];

const LIBRARY = /\.(node|dylib|dll|so(\.\d+)*)$/;

/** 9 with a window of 128 MiB packs 65 MB to 23 MB in 2.5 s; 19 would win 2 MB more in 35 s. */
const LEVEL = 9;
const WINDOW_LOG = 27;

/** Where libtrtd lies below the unpacked folder. */
const SHIM_PATH = "libtrtd/libtrtd.so";

export interface BundleOptions {
  /** Path of libtrtd for the target, null for none. @default null */
  readonly shim?: string | null;
}

/**
 * Moves the native libraries in `stage`'s packages to its bundle folder, and copies libtrtd there. An add-on leaves an
 * empty file behind, at the place where its package's `require` looks for it.
 * @returns what was packed
 */
export async function bundleLibraries(
  stage: string,
  arch: Arch,
  { shim = null }: BundleOptions = {},
): Promise<BundleIndex> {
  const folder = join(stage, BUNDLE_FOLDER);
  await Deno.mkdir(folder);
  const libraries: BundledLibrary[] = [];
  const pack = async (place: Pick<BundledLibrary, "owner" | "path" | "addon">, bytes: Uint8Array<ArrayBuffer>) => {
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const blob = `${libraries.length}.zst`;
    await Deno.writeFile(join(folder, blob), compress(bytes));
    libraries.push({ ...place, size: bytes.length, sha256, blob });
  };
  for (const path of await dropForeign(stage, arch)) {
    const place = placeOf(stage, path);
    await pack(place, await Deno.readFile(path));
    await Deno.remove(path);
    if (place.addon !== null) await Deno.writeFile(path, new Uint8Array());
  }
  if (shim !== null) {
    if (!await isForMachine(shim, arch)) throw new Error(`"${shim}" is no library for ${arch}`);
    await pack({ owner: "libtrtd", path: SHIM_PATH, addon: null }, await Deno.readFile(shim));
  }
  for (const { owner } of OWNERS) {
    if (!libraries.some((library) => library.owner === owner && library.addon !== null)) {
      throw new Error(`No add-on of "${owner}" for ${arch} is among the packages`);
    }
  }
  const hash = createHash("sha256");
  for (const { path, sha256 } of libraries) hash.update(`${path}\0${sha256}\n`);
  const index: BundleIndex = { digest: hash.digest("hex"), libraries };
  await Deno.writeTextFile(join(folder, "index.json"), JSON.stringify(index, null, 2));
  return index;
}

/**
 * Removes from `stage`'s packages what the target does not need: packages and libraries for other machines, sources,
 * declarations.
 * @returns paths of the libraries that are left, sorted
 */
export async function dropForeign(stage: string, arch: Arch): Promise<string[]> {
  const libraries: string[] = [];
  const fits = new Map<string, boolean>();
  for await (const path of filesBelow(join(stage, "node_modules"))) {
    const owner = packageFolder(path);
    if (owner === null) continue;
    if (!fits.has(owner)) fits.set(owner, await isForTarget(owner, arch));
    const isLibrary = LIBRARY.test(basename(path));
    if (!fits.get(owner) || !isNeeded(path) || (isLibrary && !await isForMachine(path, arch))) await Deno.remove(path);
    else if (isLibrary) libraries.push(path);
  }
  return libraries.sort();
}

/** The folder `.../node_modules/name` or `.../node_modules/@scope/name` that holds `path`. */
function packageFolder(path: string): string | null {
  return /^.*\/node_modules\/(?:@[^/]+\/)?[^/@.][^/]*(?=\/)/.exec(path)?.[0] ?? null;
}

/** Whether a package's `os`, `cpu` and `libc` allow the target. */
async function isForTarget(folder: string, arch: Arch): Promise<boolean> {
  if (!await exists(join(folder, "package.json"))) return true;
  const { os, cpu, libc } = JSON.parse(await Deno.readTextFile(join(folder, "package.json")));
  const allows = (list: unknown, value: string) => !Array.isArray(list) || list.includes(value);
  return allows(os, "linux") && allows(cpu, TARGETS[arch].cpu) && allows(libc, "glibc");
}

/** Whether the file is a 64-bit little-endian ELF file for the target. */
async function isForMachine(path: string, arch: Arch): Promise<boolean> {
  using file = await Deno.open(path);
  const head = new Uint8Array(20);
  await file.read(head);
  const magic = [0x7f, 0x45, 0x4c, 0x46, 2, 1];
  return magic.every((value, i) => head[i] === value) && (head[18]! | head[19]! << 8) === TARGETS[arch].machine;
}

function placeOf(stage: string, path: string): Pick<BundledLibrary, "owner" | "path" | "addon"> {
  const below = path.slice(path.lastIndexOf("/node_modules/") + "/node_modules/".length);
  const owner = OWNERS.find(({ prefix }) => below.startsWith(prefix))?.owner;
  if (owner === undefined) throw new Error(`Nothing loads the library "${below}"`);
  return { owner, path: below, addon: path.endsWith(".node") ? relative(stage, path) : null };
}

function compress(bytes: Uint8Array): Uint8Array {
  return zstdCompressSync(bytes, {
    params: { [constants.ZSTD_c_compressionLevel]: LEVEL, [constants.ZSTD_c_windowLog]: WINDOW_LOG },
  });
}
