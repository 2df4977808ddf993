/** What both benchmarks read from the command line. */
import { photo720p } from "../../bench/photo.ts";
import { TrtdError } from "../../errors.ts";
import { bundledPhoto } from "../../models/registry.ts";
import type { CommandContext } from "../command.ts";
import { readPicture } from "../pictures.ts";

type Range = readonly [number, number];

/** @throws {TrtdError} `USAGE` */
export function integerFlag(flags: CommandContext["flags"], name: string, [min, max]: Range): number {
  return integer(String(flags[name]), name, [min, max]);
}

/** Numbers separated by commas, each once, ascending. @throws {TrtdError} `USAGE` */
export function integerList(flags: CommandContext["flags"], name: string, [min, max]: Range): number[] {
  const words = String(flags[name]).split(",");
  return [...new Set(words.map((word) => integer(word.trim(), name, [min, max])))].sort((a, b) => a - b);
}

function integer(word: string, name: string, [min, max]: Range): number {
  const number = /^\d{1,9}$/.test(word) ? Number(word) : NaN;
  if (number >= min && number <= max) return number;
  throw new TrtdError("USAGE", `--${name} takes integers from ${min} to ${max}, current value is "${word}"`);
}

/** The JPEG file of `--image`, else a bundled photo at 1280x720. @throws {TrtdError} `FILE_NOT_FOUND`, `FILE_UNREADABLE` */
export async function jpegOf({ flags, terminal }: CommandContext): Promise<Uint8Array<ArrayBuffer>> {
  const { image } = flags;
  if (typeof image === "string") return await readPicture(image, terminal.resolve(image));
  const photo = bundledPhoto();
  return Uint8Array.from(await photo720p(await readPicture(photo, photo)));
}
