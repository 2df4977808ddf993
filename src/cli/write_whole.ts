/** Files that are there whole or not at all. */
import { TrtdError } from "../errors.ts";

/**
 * Write to a temporary name beside the target, then rename, so that no reader meets half a file.
 * @throws {TrtdError} `OUTPUT_UNWRITABLE`; nothing is left behind
 */
export async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const part = `${path}.${crypto.randomUUID()}.part`;
  try {
    await Deno.writeFile(part, bytes, { createNew: true });
    await Deno.rename(part, path);
  } catch (error) {
    await Deno.remove(part).catch(() => {});
    const reason = error instanceof Error ? error.message : String(error);
    throw new TrtdError("OUTPUT_UNWRITABLE", `Cannot write "${path}": ${reason}`, { cause: error });
  }
}
