/** Flags of V8 that the executable's processes start with. */

/** The newest V8 for which {@link v8FlagsFor} fixes the heap's part for young objects, by its major version. */
const FIXED_UNTIL = 14;

/**
 * V8 grows the two halves for young objects from 1 to 16 MB when it sees fit, in minute 1 or 10 of a server's life, and with
 * each step more bodies wait in glibc's heap for their collection: memory that rises late and in steps reads as a leak. One size
 * of 8 MB from the start is where V8 14 is fastest, too. V8 15 is slower with it by 7 % (docs/serving.md, "Memory of V8").
 */
const FIXED = ["--min-semi-space-size=8", "--max-semi-space-size=8"];

/**
 * @param versions what `deno --version` of the compiling Deno prints, for example with a line `v8 14.5.201.2-rusty`
 * @returns flags for `--v8-flags=` of `deno compile`, none for most versions
 * @throws {Error} when it names no V8
 */
export function v8FlagsFor(versions: string): readonly string[] {
  const major = /^v8 (\d+)\./m.exec(versions)?.[1];
  if (major === undefined) throw new Error(`"deno --version" names no V8: ${versions}`);
  return Number(major) <= FIXED_UNTIL ? FIXED : [];
}
