/** Where the user's own files of trtd lie. */
import { isAbsolute, join, resolve } from "node:path";

/**
 * Path of the cache folder: `TRTD_CACHE_DIR` (where the setting `cache_dir` ends up, so that child processes inherit
 * it), else `trtd` in the user's cache folder (`XDG_CACHE_HOME` when absolute, else `~/.cache`).
 * @returns null when none of them is set
 */
export function userCacheFolder(): string | null {
  const explicit = Deno.env.get("TRTD_CACHE_DIR");
  if (explicit) return resolve(explicit);
  const xdg = Deno.env.get("XDG_CACHE_HOME");
  if (xdg && isAbsolute(xdg)) return join(xdg, "trtd");
  const home = Deno.env.get("HOME");
  if (home && isAbsolute(home)) return join(home, ".cache", "trtd");
  return null;
}
