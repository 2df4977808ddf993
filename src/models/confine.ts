/** What keeps a model's name within the folder of models. */
import { join, relative, sep } from "node:path";
import { TrtdError } from "../errors.ts";

/** What a model's name may be: it is a folder's name and a part of addresses. */
export const MODEL_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** Folders of the folder of models that belong to trtd: engines. */
const RESERVED = new Set(["trt"]);

/** Names that are looked at for the other names of a file. */
const NAMES_MAX = 100_000;

/** @throws {TrtdError} `MODEL_NAME_INVALID` */
export function refuseBadName(name: string): void {
  if (MODEL_NAME.test(name) && !RESERVED.has(name)) return;
  throw new TrtdError("MODEL_NAME_INVALID", `${JSON.stringify(name)} is no model's name`);
}

/**
 * Whether a path within the folder of models stands for something outside of it: by a symbolic link in any of its parts, or
 * by a file that has another name outside (a hard link). What does not exist leads nowhere.
 * @param root the folder of models
 * @returns what is wrong, for "The model NAME ...", null when nothing is
 * @throws what the file system throws, but for missing files
 */
export async function whyOutside(root: string, path: string): Promise<string | null> {
  const [realRoot, real] = [await realPath(root), await realPath(path)];
  if (realRoot === null || real === null) return null;
  if (!isInside(realRoot, real)) return "is a link out of the folder of models";
  const info = await Deno.stat(real);
  if (!info.isFile || (info.nlink ?? 1) <= 1) return null;
  const names = await namesOf(realRoot, info);
  return names === info.nlink ? null : "has a second name outside of the folder of models (a hard link)";
}

/** How many names a file has in a folder, those below it included. */
async function namesOf(root: string, { dev, ino }: Deno.FileInfo): Promise<number> {
  let seen = 0;
  let names = 0;
  const folders = [root];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for await (const entry of Deno.readDir(folder)) {
      if (++seen > NAMES_MAX) return names;
      const path = join(folder, entry.name);
      if (entry.isDirectory) folders.push(path);
      else if (entry.isFile) {
        const info = await Deno.lstat(path);
        if (info.dev === dev && info.ino === ino) names++;
      }
    }
  }
  return names;
}

/** @returns null when there is nothing */
async function realPath(path: string): Promise<string | null> {
  try {
    return await Deno.realPath(path);
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound || thrown instanceof Deno.errors.NotADirectory) return null;
    throw thrown;
  }
}

function isInside(root: string, path: string): boolean {
  const way = relative(root, path);
  return way !== "" && way !== ".." && !way.startsWith(`..${sep}`);
}
