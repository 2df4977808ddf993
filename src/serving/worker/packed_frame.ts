/** Raw pictures as detectors take them. */
import { TrtdError } from "../../errors.ts";
import type { RawFrame } from "./served_detector.ts";

/** Size of a raw picture, and bytes from one row to the next. */
export interface FrameShape {
  readonly width: number;
  readonly height: number;
  readonly stride: number;
}

/** Bytes that a raw picture takes, without what follows its last row. */
export const frameBytes = ({ width, height, stride }: FrameShape): number => (height - 1) * stride + 3 * width;

/**
 * Rows without gaps between them; the same memory when there are none.
 * @throws {TrtdError} `IMAGE_DIMENSIONS_INVALID` when rows overlap or the bytes end before the last one does
 */
export function packedFrame(bytes: Uint8Array<ArrayBuffer>, shape: FrameShape): RawFrame {
  const { width, height, stride } = shape;
  const row = 3 * width;
  if (stride < row || bytes.length < frameBytes(shape)) {
    throw new TrtdError(
      "IMAGE_DIMENSIONS_INVALID",
      `${bytes.length} bytes with rows of ${stride} bytes hold no RGB picture of ${width}x${height}`,
    );
  }
  if (stride === row) return { data: bytes.subarray(0, row * height), width, height };
  const data = new Uint8Array(row * height);
  for (let y = 0; y < height; y++) data.set(bytes.subarray(y * stride, y * stride + row), y * row);
  return { data, width, height };
}
