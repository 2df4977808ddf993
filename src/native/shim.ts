/** libtrtd, trtd's own library for TensorRT, inside a compiled file. */

import { TrtdError } from "../errors.ts";
import { unpackBundled } from "./bundled.ts";
import { unpackedLoadFailure } from "./failure.ts";

/**
 * Unpacks the libtrtd of the compiled file that runs and opens it. Only where `TRTD_SHIM` names no other.
 * @param open opens the library at an absolute path
 * @param unpack what unpacks it
 * @returns what `open` returns
 * @throws {TrtdError} `CACHE_FOLDER_UNUSABLE`, `NATIVE_LOAD_FAILED`
 */
export function openBundledShim<T>(open: (path: string) => T, unpack: typeof unpackBundled = unpackBundled): T {
  const [library] = unpack("libtrtd");
  if (library === undefined) {
    throw new TrtdError("NATIVE_LOAD_FAILED", "This executable was compiled without libtrtd", {
      remedy: "Use an executable with libtrtd in it, or name a libtrtd.so of the same version with TRTD_SHIM",
    });
  }
  try {
    return open(library.path);
  } catch (error) {
    throw unpackedLoadFailure("libtrtd", library.path, error);
  }
}
