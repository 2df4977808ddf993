/**
 * Makes the native libraries of a compiled file loadable.
 *
 * `deno compile` by itself would write each library to the shared temporary folder at every start, alone and never
 * deleted. Here they lie compressed in the file and are unpacked once, with their siblings, to
 *
 *     <cache folder>/native/<digest of all libraries>/<path in the bundle>
 *
 * All processes of the same executable share that folder. It may be read-only once everything lies in it.
 */

import { createRequire, Module } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  BUNDLE_FOLDER,
  type BundledLibrary,
  type BundleIndex,
  type LibraryOwner,
  type NativePackage,
} from "./bundle.ts";
import { cacheFolder, privateChild, privateFolder } from "./cache_folder.ts";
import { cacheFailure, unpackedLoadFailure } from "./failure.ts";
import { removeLeftovers } from "./leftovers.ts";
import { unpackLibrary } from "./unpack.ts";

/** Root of the compiled file: the folder that holds `src`. */
const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/**
 * Unpacks the libraries of `name` and opens its add-ons, so that the package's own `require` of them finds them open.
 * Does nothing outside a compiled file, where packages lie on disk.
 * @throws {TrtdError} `CACHE_FOLDER_UNUSABLE`, `NATIVE_LOAD_FAILED`
 */
export function openBundled(name: NativePackage): void {
  if (!Deno.build.standalone) return;
  for (const { path, addon } of unpackBundled(name)) if (addon !== null) openAddon(name, path, join(ROOT, addon));
}

/** A library on disk. */
export interface UnpackedLibrary extends Pick<BundledLibrary, "addon"> {
  /** Absolute. */
  readonly path: string;
}

/**
 * Unpacks the libraries of `owner` from the compiled file that runs. Where it holds none, no folder is touched.
 * @throws {TrtdError} `CACHE_FOLDER_UNUSABLE`, `NATIVE_LOAD_FAILED` when the packed bytes are damaged
 */
export function unpackBundled(owner: LibraryOwner): UnpackedLibrary[] {
  const { digest, libraries }: BundleIndex = JSON.parse(Deno.readTextFileSync(join(ROOT, BUNDLE_FOLDER, "index.json")));
  const own = libraries.filter((library) => library.owner === owner);
  if (own.length === 0) return [];
  const base = cacheFolder();
  try {
    const folder = privateChild(privateChild(privateFolder(base), "native"), digest);
    const unpacked = own.map((library) => ({
      path: unpackLibrary(folder, library, () => Deno.readFileSync(join(ROOT, BUNDLE_FOLDER, library.blob))),
      addon: library.addon,
    }));
    removeLeftovers(dirname(folder), digest, new Date());
    return unpacked;
  } catch (error) {
    throw cacheFailure(base, error);
  }
}

/** Opens the add-on at `path` and puts it where `require(asked)` looks first. */
function openAddon(name: NativePackage, path: string, asked: string): void {
  const require = createRequire(import.meta.url);
  if (require.cache[asked] !== undefined) return;
  try {
    require.cache[asked] = Object.assign(new Module(asked), { loaded: true, exports: require(path) });
  } catch (error) {
    throw unpackedLoadFailure(name, path, error);
  }
}
