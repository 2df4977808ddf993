/** Who may have written what the cache is about to use. */
import { join, relative, sep } from "node:path";
import { infoOf } from "../disk/files.ts";

/** Users whose files are trusted. */
export interface Trust {
  /** This user, root and those of the setting `cache_trusted_owners`. */
  readonly owners: ReadonlySet<number>;
}

/** This user, root, and the given users. */
export function trustOf(owners: readonly number[] = [], uid: number | null = Deno.uid()): Trust {
  return { owners: new Set([0, ...owners, ...uid === null ? [] : [uid]]) };
}

/** @returns why somebody else could have written the file or folder, null when nobody could */
export function distrust(
  path: string,
  info: Pick<Deno.FileInfo, "isSymlink" | "uid" | "mode">,
  trust: Trust,
): string | null {
  if (info.isSymlink) return `"${path}" is a link`;
  if (info.uid !== null && !trust.owners.has(info.uid)) {
    return `"${path}" belongs to the user ${info.uid}, who is not among cache_trusted_owners`;
  }
  const mode = info.mode ?? 0;
  if ((mode & 0o022) === 0) return null;
  const who = (mode & 0o002) !== 0 ? "every user" : "its group";
  return `"${path}" can be written by ${who} (mode ${(mode & 0o7777).toString(8).padStart(4, "0")})`;
}

/**
 * Looks at each folder from `root` down to `folder`. The root itself may be a link, those below may not.
 * @returns why one of them is not to be trusted, null when all are, or do not exist
 */
export async function distrustFolders(root: string, folder: string, trust: Trust): Promise<string | null> {
  const names = relative(root, folder).split(sep).filter((name) => name !== "");
  try {
    for (let depth = 0; depth <= names.length; depth++) {
      const path = depth === 0 ? await Deno.realPath(root) : join(root, ...names.slice(0, depth));
      const info = await infoOf(path);
      if (info === null) return null;
      const reason = distrust(path, info, trust);
      if (reason !== null) return reason;
      if (!info.isDirectory) return `"${path}" is not a folder`;
    }
    return null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    return `"${folder}" cannot be looked at: ${(error as Error).message}`;
  }
}
