/**
 * Makes the native libraries of a compiled file loadable.
 *
 * `deno compile` by itself would write each library to the shared temporary folder at every start, alone and never
 * deleted. Here they lie compressed in the file and are unpacked once, with their siblings, to
 *
 *     <cache folder>/native/<digest of all libraries>/<path below node_modules>
 *
 * All processes of the same executable share that folder. It may be read-only once everything lies in it.
 */

import { createRequire, Module } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { BUNDLE_FOLDER, type BundleIndex, type NativePackage } from "./bundle.ts";
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
  const index = readIndex();
  const base = cacheFolder();
  const addons: [path: string, asked: string][] = [];
  try {
    const folder = privateChild(privateChild(privateFolder(base), "native"), index.digest);
    for (const library of index.libraries) {
      if (library.package !== name) continue;
      const path = unpackLibrary(folder, library, () => Deno.readFileSync(join(ROOT, BUNDLE_FOLDER, library.blob)));
      if (library.addon !== null) addons.push([path, join(ROOT, library.addon)]);
    }
    removeLeftovers(dirname(folder), index.digest, new Date());
  } catch (error) {
    throw cacheFailure(base, error);
  }
  for (const [path, asked] of addons) openAddon(name, path, asked);
}

function readIndex(): BundleIndex {
  return JSON.parse(Deno.readTextFileSync(join(ROOT, BUNDLE_FOLDER, "index.json")));
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
