/** ONNX Runtime's CPU library, loaded on first use. */

import { openBundled } from "./bundled.ts";
import { loadFailure } from "./failure.ts";

/** The module `onnxruntime-node`. */
export type OnnxRuntime = typeof import("onnxruntime-node");

/**
 * Read by the library when it starts (since 1.29): nothing is collected, no device id is written to the home folder and
 * nothing is sent. Only before the load; it holds for the life of the process.
 */
const TELEMETRY_OFF = "ORT_DISABLE_TELEMETRY";

let loading: Promise<OnnxRuntime> | undefined;

/**
 * `onnxruntime-node`, loaded once in a process, its telemetry off. Nothing native is opened before the first call.
 * @throws {TrtdError} `NATIVE_LOAD_FAILED`, or `CACHE_FOLDER_UNUSABLE` in a compiled file; a later call tries again
 */
export function loadOrt(): Promise<OnnxRuntime> {
  return loading ??= load().catch((error) => {
    loading = undefined;
    throw error;
  });
}

async function load(): Promise<OnnxRuntime> {
  Deno.env.set(TELEMETRY_OFF, "1");
  openBundled("onnxruntime-node");
  try {
    const module = await import("onnxruntime-node");
    return (module as unknown as { default?: OnnxRuntime }).default ?? module;
  } catch (error) {
    throw loadFailure("onnxruntime-node", error);
  }
}
