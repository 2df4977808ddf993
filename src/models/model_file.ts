/** Read a model's file, with its size checked before a byte is read. */
import { TrtdError } from "../errors.ts";
import { MODEL_BYTES_MAX } from "../onnx/read.ts";

/**
 * The bytes of a model file.
 * @param maxBytes largest size that is read
 * @throws {TrtdError} `FILE_NOT_FOUND`, `FILE_UNREADABLE` (also for what is not a regular file), `MODEL_TOO_LARGE`
 */
export async function readModelFile(path: string, maxBytes = MODEL_BYTES_MAX): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const { isFile, isDirectory, size } = await Deno.stat(path);
    if (!isFile) {
      throw new TrtdError("FILE_UNREADABLE", `"${path}" is ${isDirectory ? "a folder" : "not a regular file"}`);
    }
    if (size > maxBytes) {
      throw new TrtdError("MODEL_TOO_LARGE", `"${path}" has ${size} bytes, the limit is ${maxBytes}`);
    }
    return await Deno.readFile(path);
  } catch (thrown) {
    throw fileFailure(path, thrown);
  }
}

/** The failure that stands for an error of the operating system on a file. */
export function fileFailure(path: string, thrown: unknown): TrtdError {
  if (thrown instanceof TrtdError) return thrown;
  if (thrown instanceof Deno.errors.NotFound) return new TrtdError("FILE_NOT_FOUND", `"${path}" does not exist`);
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  return new TrtdError("FILE_UNREADABLE", `Cannot read "${path}": ${reason}`, { cause: thrown });
}
