/** Unpacks one native library to disk, completely or not at all. */

import { createHash, randomUUID } from "node:crypto";
import { dirname, join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { TrtdError } from "../errors.ts";
import { type BundledLibrary, unpackedStamp } from "./bundle.ts";
import { isOurs, privateChild } from "./cache_folder.ts";
import { partName } from "./leftovers.ts";

/**
 * Makes sure that `library` lies unpacked at its path below the private folder `folder`. It is written to a `.part`
 * file, synced and renamed; its modification time marks it as complete ({@link unpackedStamp}), and a copy with another
 * size, time, owner or mode is replaced.
 * @param packed the library's zstd-compressed bytes, asked for when it has to be written
 * @returns its path
 * @throws {TrtdError} `NATIVE_LOAD_FAILED` when the packed bytes are damaged; a failed write throws what Deno throws
 */
export function unpackLibrary(folder: string, library: BundledLibrary, packed: () => Uint8Array): string {
  const path = join(folder, library.path);
  if (isUnpacked(path, library)) return path;
  const bytes = decompress(library, packed());
  let parent = folder;
  for (const name of dirname(library.path).split("/")) parent = privateChild(parent, name);
  const part = join(folder, partName(randomUUID().slice(0, 8)));
  try {
    writeSynced(part, bytes);
    Deno.utimeSync(part, unpackedStamp(library), unpackedStamp(library));
    Deno.renameSync(part, path);
  } catch (error) {
    removeQuietly(part);
    throw error;
  }
  return path;
}

function isUnpacked(path: string, library: BundledLibrary): boolean {
  try {
    const info = Deno.lstatSync(path);
    return info.isFile && isOurs(info) && info.size === library.size &&
      info.mtime?.getTime() === unpackedStamp(library) * 1000;
  } catch {
    return false;
  }
}

function decompress(library: BundledLibrary, packed: Uint8Array): Uint8Array {
  const damaged = (cause?: unknown) =>
    new TrtdError("NATIVE_LOAD_FAILED", `The copy of "${library.path}" inside the executable is damaged`, {
      cause,
      remedy: "Copy or download the executable again",
    });
  let bytes: Uint8Array;
  try {
    bytes = zstdDecompressSync(packed, { maxOutputLength: library.size });
  } catch (error) {
    throw damaged(error);
  }
  if (createHash("sha256").update(bytes).digest("hex") !== library.sha256) throw damaged();
  return bytes;
}

function writeSynced(path: string, bytes: Uint8Array): void {
  using file = Deno.openSync(path, { write: true, createNew: true, mode: 0o600 });
  for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
  file.syncSync();
}

function removeQuietly(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // the write's own failure is the one to report
  }
}
