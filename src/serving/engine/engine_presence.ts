/** Whether there are engines of a model, without reading any. */
import { join } from "node:path";

/** Folders between a model's and an engine: precision, batch, device, `.others` and the key. */
const DEPTH_MAX = 5;
/** Digits of the model's digest, when another model has the name. */
const APART = /-[0-9a-f]{8}$/;
const NAME_KEPT = 55;
const ENGINE = /\.engine(\.previous|\.next)?$/;

/**
 * Whether a folder of engines may hold one that was built from the model of that name. A folder that cannot be read may.
 * @param roots absolute paths of folders `trt`; those that do not exist hold none
 * @param name the model's; for `x.tofp16` also engines of `x` count, because `x` is what those are made of
 */
export async function mayHaveEngines(roots: readonly string[], name: string): Promise<boolean> {
  const names = [name, name.replace(/\.tofp16$/, "")];
  for (const root of roots) {
    for (const { name: folder, isFile } of await entriesOf(root)) {
      if (folder === UNREADABLE.name) return true;
      const isModels = names.includes(folder) ||
        APART.test(folder) && names.some((one) => folder.replace(APART, "") === one.slice(0, NAME_KEPT));
      if (!isFile && isModels && await holdsEngine(join(root, folder), DEPTH_MAX)) return true;
    }
  }
  return false;
}

async function holdsEngine(folder: string, depth: number): Promise<boolean> {
  for (const entry of await entriesOf(folder)) {
    if (entry.name === UNREADABLE.name) return true;
    if (!entry.isDirectory) {
      if (ENGINE.test(entry.name)) return true;
    } else if (depth > 0 && entry.name !== ".quarantine" && await holdsEngine(join(folder, entry.name), depth - 1)) {
      return true;
    }
  }
  return false;
}

/** Stands for what a folder does not show. */
const UNREADABLE = { name: "", isFile: false, isDirectory: false, isSymlink: false };

async function entriesOf(folder: string): Promise<Deno.DirEntry[]> {
  try {
    return await Array.fromAsync(Deno.readDir(folder));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return [];
    return [UNREADABLE];
  }
}
