/** From the words after `detect` to a list of picture files, and where each annotated picture goes. */
import { basename, extname, join, relative, resolve } from "node:path";
import { glob, isDynamicPattern } from "tinyglobby";
import { TrtdError } from "../errors.ts";
import { fileFailure } from "../models/model_file.ts";

/** Extensions that are taken from folders; a file named outright is tried whatever its name. */
const EXTENSIONS = ["jpg", "jpeg", "png", "webp"];

/** Files above are not read: 40 MP of PNG with 16 bits a sample and alpha, the largest that is taken, has 320 MB raw. */
const PICTURE_BYTES_MAX = 320_000_000;

export interface Picture {
  /** As shown to the user: relative to where the command was called when it lies below. */
  readonly name: string;
  readonly path: string;
  /** Set when the word names nothing that can be read; the picture fails with it, the others go on. */
  readonly error?: TrtdError;
}

/**
 * Files, folders (searched to any depth) and glob patterns as one list: in the order given, sorted inside a folder
 * or pattern, each file once.
 */
export async function findPictures(words: readonly string[], cwd: string): Promise<Picture[]> {
  const found = new Map<string, Picture>();
  const add = (path: string, error?: TrtdError) => {
    if (found.has(path)) return;
    found.set(path, { name: shownName(path, cwd), path, ...(error === undefined ? {} : { error }) });
  };
  for (const word of words) {
    const path = resolve(cwd, word);
    const info = await Deno.stat(path).catch((error: Error) => error);
    if (!(info instanceof Error)) {
      if (!info.isDirectory) {
        add(path, readableError(word, info));
        continue;
      }
      const inside = await glob(`**/*.{${EXTENSIONS.join(",")}}`, {
        cwd: path,
        absolute: true,
        caseSensitiveMatch: false,
      });
      if (inside.length === 0) add(path, new TrtdError("FILE_NOT_FOUND", `The folder "${word}" holds no picture`));
      inside.sort().forEach((file) => add(resolve(file)));
    } else if (isDynamicPattern(word)) {
      const matches = await glob(word, { cwd, absolute: true });
      if (matches.length === 0) add(path, new TrtdError("FILE_NOT_FOUND", `No file matches the pattern "${word}"`));
      matches.sort().forEach((file) => add(resolve(file)));
    } else {
      add(path, fileFailure(word, info));
    }
  }
  return [...found.values()];
}

/**
 * The bytes of a picture's file.
 * @param word what the user called it
 * @throws {TrtdError} `FILE_NOT_FOUND`, `FILE_UNREADABLE`
 */
export async function readPicture(word: string, path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const problem = readableError(word, await Deno.stat(path));
    if (problem !== undefined) throw problem;
    return await Deno.readFile(path);
  } catch (thrown) {
    throw fileFailure(word, thrown);
  }
}

/** A pipe or device would never end, and nothing that large is a picture. */
function readableError(word: string, { isFile, size }: Deno.FileInfo): TrtdError | undefined {
  if (!isFile) return new TrtdError("FILE_UNREADABLE", `"${word}" is not a regular file`);
  if (size <= PICTURE_BYTES_MAX) return undefined;
  return new TrtdError("FILE_UNREADABLE", `"${word}" has ${size} bytes, the limit is ${PICTURE_BYTES_MAX}`);
}

const shownName = (path: string, cwd: string): string => {
  const short = relative(cwd, path);
  return short === "" || short.startsWith("..") ? path : short;
};

/**
 * Where the annotated pictures go: one file when `out` ends in .jpg or .jpeg and there is one picture, else a folder.
 * Pictures of the same name get a number, so that none overwrites another.
 * @throws {TrtdError} `USAGE` when a file is named for several pictures, or the file is of another type
 */
export function annotatedPaths(pictures: readonly Picture[], out: string, isFolder: boolean): string[] {
  const extension = extname(out).toLowerCase();
  if (!isFolder && (extension === ".jpg" || extension === ".jpeg")) {
    if (pictures.length === 1) return [out];
    throw new TrtdError("USAGE", `-o names the file "${out}" but there are ${pictures.length} pictures`, {
      remedy: "Name a folder",
    });
  }
  if (!isFolder && EXTENSIONS.includes(extension.slice(1))) {
    throw new TrtdError("USAGE", `-o names "${out}" but annotated pictures are JPEG`, {
      remedy: "Use a name that ends in .jpg, or a folder",
    });
  }
  const taken = new Set<string>();
  return pictures.map(({ path }) => {
    const stem = basename(path, extname(path));
    let name = `${stem}.jpg`;
    for (let n = 2; taken.has(name); n++) name = `${stem}-${n}.jpg`;
    taken.add(name);
    return join(out, name);
  });
}
