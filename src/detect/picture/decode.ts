/**
 * From the bytes of a JPEG, PNG or WebP file to an upright RGB picture, seen as OpenCV's `imread` would see it: colour
 * profiles and alpha are ignored (transparent pixels show the colour that is stored for them), 16 bits are cut to 8,
 * gray becomes three equal channels, the EXIF orientation is applied. CMYK is converted by libvips.
 */
import { TrtdError } from "../../errors.ts";
import { loadSharp, type Sharp } from "../../native/sharp.ts";
import { type ImageHeader, readImageHeader } from "./image_header.ts";
import type { Picture } from "../letterbox/letterbox.ts";
import { upright } from "./orient.ts";

/** Pixels of a picture when nothing else is set: a 40 MP photograph takes 120 MB. */
export const MAX_PIXELS = 40_000_000;

/**
 * Most scans of a progressive JPEG whose pixels are at the limit; smaller pictures may have more. Encoders write 6 to
 * 14, each scan costs a pass over all coefficients.
 */
const SCANS_AT_LIMIT = 16;

/**
 * Warnings of libjpeg about files that are whole and that every viewer shows (libjpeg-turbo, jerror.h): leftovers of
 * cameras between segments, a wrong scan header by Samsung, unusual JFIF and Adobe markers.
 */
const HARMLESS =
  /extraneous bytes before marker|Invalid SOS parameters|Unknown Adobe color transform|JFIF major revision/i;

export interface DecodeOptions {
  /** Most pixels, checked before anything is decoded. @default 40,000,000 */
  readonly maxPixels?: number;
}

let prepared: Sharp | undefined;

/** sharp without its cache, with one thread a picture, and with the three loaders that pictures may reach. */
async function decoder(): Promise<Sharp> {
  if (prepared !== undefined) return prepared;
  const sharp = await loadSharp();
  sharp.cache(false);
  sharp.concurrency(1);
  sharp.block({ operation: ["VipsForeignLoad"] });
  sharp.unblock({
    operation: ["VipsForeignLoadJpegBuffer", "VipsForeignLoadPngBuffer", "VipsForeignLoadWebpBuffer"],
  });
  return prepared = sharp;
}

/**
 * Decode a picture.
 * @throws {TrtdError} as {@link readImageHeader}; `IMAGE_TOO_MANY_PIXELS` before decoding; `IMAGE_CORRUPT` when any part is damaged or missing
 */
export async function decodePicture(bytes: Uint8Array, options: DecodeOptions = {}): Promise<Picture> {
  const header = readImageHeader(bytes);
  checkCost(header, options.maxPixels ?? MAX_PIXELS);
  const sharp = await decoder();
  const picture = await decodeStored(sharp, bytes, header, header.type === "jpeg" ? "warning" : "error");
  return upright(picture, header.orientation);
}

/** Load the native decoder, so that the first picture does not wait for it. */
export async function warmUpDecoder(): Promise<void> {
  await decoder();
}

function checkCost({ width, height, scans }: ImageHeader, maxPixels: number): void {
  const pixels = width * height;
  if (pixels > maxPixels) {
    throw new TrtdError(
      "IMAGE_TOO_MANY_PIXELS",
      `The picture has ${width} x ${height} = ${pixels} pixels; at most ${maxPixels} are allowed`,
    );
  }
  if (pixels * scans > maxPixels * SCANS_AT_LIMIT) {
    throw new TrtdError(
      "IMAGE_TOO_MANY_PIXELS",
      `The progressive JPEG has ${scans} scans of ${pixels} pixels; at most ${
        maxPixels * SCANS_AT_LIMIT
      } pixels in all scans are allowed`,
    );
  }
}

async function decodeStored(
  sharp: Sharp,
  bytes: Uint8Array,
  header: ImageHeader,
  failOn: "warning" | "error",
): Promise<Picture> {
  const { width, height } = header;
  try {
    const { data, info } = await sharp(bytes, {
      failOn,
      limitInputPixels: width * height,
      sequentialRead: true,
      ignoreIcc: true,
      pages: 1,
    }).removeAlpha().toColourspace("srgb").raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
    if (info.width !== width || info.height !== height || info.channels !== 3) {
      throw new Error(`the header says ${width} x ${height}, the decoder gave ${info.width} x ${info.height}`);
    }
    return { data, width, height };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (failOn === "warning" && HARMLESS.test(message)) return decodeStored(sharp, bytes, header, "error");
    throw new TrtdError("IMAGE_CORRUPT", `The ${header.type} picture cannot be decoded: ${reason(message)}`, {
      cause: error,
    });
  }
}

/** The decoder's first sentence without its own names. */
function reason(message: string): string {
  const line = message.split("\n").map((part) => part.trim()).find((part) => part !== "") ?? "no reason given";
  return line.replace(/^Input buffer has corrupt header: /, "").replace(/^Vips\w+: /, "").replace(/\.$/, "");
}
