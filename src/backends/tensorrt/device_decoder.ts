/** JPEG files on the GPU. */
import { getLogger } from "@logtape/logtape";
import type { Device } from "../../../ffi/cuda.ts";
import { JpegDecoder, type JpegOpenOptions } from "../../../ffi/jpeg.ts";
import { ShimError } from "../../../ffi/shim_error.ts";
import { nvJpegPaths } from "../../tensorrt/discovery/nvjpeg_paths.ts";

const log = getLogger(["trtd", "tensorrt"]);

/** How JPEG files are decoded. */
export type JpegOptions = Pick<JpegOpenOptions, "interpolate">;

/** A decoder of JPEG files on the device; null, said in the log, where there is none: the CPU decodes then. */
export async function findDecoder(device: Device, options: JpegOptions = {}): Promise<JpegDecoder | null> {
  try {
    const { decoder, reason } = await JpegDecoder.find(device, nvJpegPaths(), options);
    if (decoder === null) log.debug("JPEG files are decoded on the CPU: {reason}", { reason });
    return decoder;
  } catch (error) {
    if (!(error instanceof ShimError)) throw error;
    log.warning("JPEG files are decoded on the CPU: {reason}", { reason: error.message });
    return null;
  }
}
