/** A slot's picture as the manager may know it: from its message and its first bytes, never decoded. */
import { readImageHeader, SIDE_MAX } from "../../detect/picture/image_header.ts";
import { TrtdError } from "../../errors.ts";
import type { ServedPicture } from "../detection_worker.ts";
import type { Region, Ring } from "../ring/ring.ts";
import { frameBytes } from "../worker/packed_frame.ts";
import type { DetectLine } from "./producer_messages.ts";

/** Bytes in which the header of nearly every picture ends. */
const HEADER_BYTES = 65_536;

/** A slot that the producer has just lent. */
export interface SlotPlace {
  readonly ring: Ring;
  readonly offset: number;
  readonly slotBytes: number;
}

/**
 * The picture that a message describes. The producer may still write to its slot, so nothing is believed later: the
 * worker copies the region once and checks its own copy.
 * @throws {TrtdError} `PARAMETER_INVALID` when the slot does not hold it, `IMAGE_TOO_MANY_PIXELS`,
 * `IMAGE_DIMENSIONS_INVALID`, `SHARED_MEMORY_UNAVAILABLE` when the ring was cut short, those of `readImageHeader`
 */
export function checkedPicture(line: DetectLine, slot: SlotPlace, maxPixels: number): ServedPicture {
  const { ring } = slot;
  if (line.kind === "file") {
    const region = regionOf(slot, line.length);
    checkPixels(headerOf(ring, region), maxPixels);
    return { kind: "file", place: { ring, region } };
  }
  const { width, height, stride = 3 * width } = line;
  if (width > SIDE_MAX || height > SIDE_MAX) {
    throw new TrtdError("IMAGE_DIMENSIONS_INVALID", `The frame is said to have ${width} x ${height} pixels`);
  }
  checkPixels({ width, height }, maxPixels);
  if (stride < 3 * width) {
    throw new TrtdError("PARAMETER_INVALID", `"stride" is ${stride} and must be at least ${3 * width}`, SEE_RING);
  }
  const region = regionOf(slot, frameBytes({ width, height, stride }));
  return { kind: "rgb", width, height, stride, place: { ring, region } };
}

const SEE_RING = { remedy: "See docs/ring.md for what a slot may hold" };

function regionOf({ offset, slotBytes }: SlotPlace, length: number): Region {
  if (length <= slotBytes) return { offset, length };
  throw new TrtdError("PARAMETER_INVALID", `The picture has ${length} bytes and a slot ${slotBytes}`, SEE_RING);
}

function checkPixels({ width, height }: { readonly width: number; readonly height: number }, maxPixels: number): void {
  if (width * height <= maxPixels) return;
  throw new TrtdError(
    "IMAGE_TOO_MANY_PIXELS",
    `The picture has ${width}x${height} pixels and the limit is ${maxPixels}`,
  );
}

/** The header of a picture file, from its first bytes; from all of them where these do not do. */
function headerOf(ring: Ring, { offset, length }: Region): { width: number; height: number } {
  try {
    return readImageHeader(ring.read({ offset, length: Math.min(length, HEADER_BYTES) }));
  } catch (error) {
    if (length <= HEADER_BYTES || !(error instanceof TrtdError) || error.code !== "IMAGE_CORRUPT") throw error;
    return readImageHeader(ring.read({ offset, length }));
  }
}
