/** The image library, loaded on first use. */

import { openBundled } from "./bundled.ts";
import { loadFailure } from "./failure.ts";

/** `sharp`'s callable default export with its static functions. */
export type Sharp = typeof import("sharp").default;

let loading: Promise<Sharp> | undefined;

/**
 * `sharp`, loaded once in a process. Nothing native is opened before the first call.
 * @throws {TrtdError} `NATIVE_LOAD_FAILED`, or `CACHE_FOLDER_UNUSABLE` in a compiled file; a later call tries again
 */
export function loadSharp(): Promise<Sharp> {
  return loading ??= load().catch((error) => {
    loading = undefined;
    throw error;
  });
}

async function load(): Promise<Sharp> {
  openBundled("sharp");
  try {
    return (await import("sharp")).default;
  } catch (error) {
    throw loadFailure("sharp", error);
  }
}
