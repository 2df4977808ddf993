/** The folder in which trtd keeps what it may lose: unpacked libraries, later engines' side files. */

import { join } from "node:path";
import { userCacheFolder } from "../config/user_folder.ts";
import { TrtdError } from "../errors.ts";
import { cacheFailure } from "./failure.ts";

/**
 * Path of the cache folder, see {@link userCacheFolder}.
 * @throws {TrtdError} `CACHE_FOLDER_UNUSABLE` when none of them is set
 */
export function cacheFolder(): string {
  const path = userCacheFolder();
  if (path !== null) return path;
  throw new TrtdError("CACHE_FOLDER_UNUSABLE", 'None of "TRTD_CACHE_DIR", "XDG_CACHE_HOME" and "HOME" names a folder');
}

/**
 * Makes sure that `path` is a folder that only this user can change, and returns its real path. Missing folders are
 * made with mode 0700.
 * @throws {TrtdError} `CACHE_FOLDER_UNUSABLE`
 */
export function privateFolder(path: string): string {
  try {
    Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw cacheFailure(path, error);
  }
  try {
    const real = Deno.realPathSync(path);
    refuseForeign(path, Deno.lstatSync(real));
    return real;
  } catch (error) {
    throw cacheFailure(path, error);
  }
}

/**
 * Makes sure that `name`, one level below the private folder `parent`, is a private folder and no link.
 * @throws {TrtdError} `CACHE_FOLDER_UNUSABLE` when it is there and foreign; a failure to make it throws what Deno throws
 */
export function privateChild(parent: string, name: string): string {
  const path = join(parent, name);
  try {
    Deno.mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  refuseForeign(path, Deno.lstatSync(path));
  return path;
}

/** Whether only this user can change what `info` describes. */
export function isOurs(info: Deno.FileInfo): boolean {
  return !info.isSymlink && info.uid === Deno.uid() && ((info.mode ?? 0) & 0o022) === 0;
}

function refuseForeign(path: string, info: Deno.FileInfo): void {
  const refuse = (why: string, remedy: string) => {
    throw new TrtdError("CACHE_FOLDER_UNUSABLE", `The cache folder "${path}" ${why}`, { remedy });
  };
  if (!info.isDirectory) refuse("is not a folder", "Remove it, or point TRTD_CACHE_DIR at a folder");
  if (info.uid !== Deno.uid()) {
    refuse(`belongs to another user (uid ${info.uid})`, "Point TRTD_CACHE_DIR at a folder of the user that runs trtd");
  }
  if (!isOurs(info)) {
    refuse("can be written by other users", `Run: chmod go-w "${path}"`);
  }
}
