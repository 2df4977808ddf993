/** The pictures that an engine is compared on: the bundled photos with generated ones, or a folder of the user's. */
import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import type { Picture } from "../detect/letterbox/letterbox.ts";
import { TrtdError } from "../errors.ts";
import { fileFailure } from "../models/model_file.ts";
import { bundledPhoto } from "../models/registry.ts";
import { loadSharp } from "../native/sharp.ts";
import { type GeneratedPicture, generatedPictures } from "./generated.ts";

/** One picture as both sides get it. */
export interface GatePicture {
  readonly name: string;
  /**
   * Makes a PNG file, upright: both sides see the same pixels, whoever decodes a JPEG elsewhere.
   * @throws {TrtdError} `IMAGE_CORRUPT`, `FILE_NOT_FOUND`, `FILE_UNREADABLE`
   */
  load(): Promise<Uint8Array>;
}

export interface PictureSet {
  /** Name of the bundled set, or a digest of what is in the folder: a result tells which it was made on. */
  readonly id: string;
  /** @throws {TrtdError} `FILE_NOT_FOUND`, `FILE_UNREADABLE` */
  list(): Promise<readonly GatePicture[]>;
}

/** Rises when the bundled set changes. */
const BUNDLED_SET = "bundled-1";

/** Pictures of a folder that are compared: the first by name. */
export const FOLDER_PICTURES_MAX = 100;

const PICTURE_NAME = /\.(jpe?g|png|webp)$/i;

/** Three photos and five generated pictures, 6 million pixels in all. */
export function bundledPictures(): PictureSet {
  const make = async (): Promise<readonly GatePicture[]> => {
    const paths = await pathsIn(dirname(bundledPhoto()));
    const photos: GeneratedPicture[] = [];
    for (const path of paths) photos.push({ name: basename(path), picture: await decodedFile(path) });
    return [...photos, ...generatedPictures(photos.map(({ picture }) => picture))]
      .map(({ name, picture }) => ({ name, load: () => pngOf(picture) }));
  };
  let made: Promise<readonly GatePicture[]> | null = null;
  return { id: BUNDLED_SET, list: () => made ??= make() };
}

/**
 * The JPEG, PNG and WebP files of a folder by name, not those of folders in it.
 * @throws {TrtdError} `FILE_NOT_FOUND` when there is none, `FILE_UNREADABLE`
 */
export async function folderPictures(folder: string): Promise<PictureSet> {
  const paths = await pathsIn(folder);
  const hash = createHash("sha256");
  for (const path of paths) {
    hash.update(JSON.stringify([basename(path), createHash("sha256").update(await readPicture(path)).digest("hex")]));
  }
  const pictures = paths.map((path) => ({
    name: basename(path),
    load: async () => await pngOf(await decodedFile(path)),
  }));
  return { id: `folder-${hash.digest("hex").slice(0, 16)}`, list: () => Promise.resolve(pictures) };
}

async function pathsIn(folder: string): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(folder));
    const names = entries.filter(({ name, isDirectory }) => !isDirectory && PICTURE_NAME.test(name));
    const paths = names.map(({ name }) => join(folder, name)).sort();
    if (paths.length > 0) return paths.slice(0, FOLDER_PICTURES_MAX);
  } catch (thrown) {
    throw fileFailure(folder, thrown);
  }
  throw new TrtdError("FILE_NOT_FOUND", `There is no JPEG, PNG or WebP file in "${folder}"`, {
    remedy: "Name a folder of pictures in which the model finds something",
  });
}

const readPicture = (path: string): Promise<Uint8Array> =>
  Deno.readFile(path).catch((thrown) => Promise.reject(fileFailure(path, thrown)));

/** Most pixels of a picture, as detectors take them unless told otherwise. */
const PIXELS_MAX = 40_000_000;

/** @throws {TrtdError} `IMAGE_CORRUPT`, `FILE_NOT_FOUND`, `FILE_UNREADABLE` */
async function decodedFile(path: string): Promise<Picture> {
  const bytes = await readPicture(path);
  const sharp = await loadSharp();
  try {
    const { data, info: { width, height } } = await sharp(bytes, { limitInputPixels: PIXELS_MAX }).autoOrient()
      .removeAlpha().toColourspace("srgb").raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
    return { data: new Uint8Array(data), width, height };
  } catch (error) {
    throw new TrtdError("IMAGE_CORRUPT", `Cannot decode "${path}": ${(error as Error).message}`, { cause: error });
  }
}

/** A PNG that is written and read fast: stored, not packed. */
async function pngOf({ data, width, height }: Picture): Promise<Uint8Array> {
  const sharp = await loadSharp();
  const png = sharp(data, { raw: { width, height, channels: 3 } }).png({ compressionLevel: 0 });
  return new Uint8Array(await png.toBuffer());
}
