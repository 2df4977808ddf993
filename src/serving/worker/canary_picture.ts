/** The picture that a worker must answer before it counts as ready, and again when nobody asks it anything. */
import type { DetectOptions } from "../../detect/detection.ts";

/**
 * PNG, 174x174, 1-bit gray: a pattern like a QR code of 21 modules, 6 pixels each, so that a detector has something to
 * look at. Made with zlib and the PNG chunk layout.
 */
const PNG_BASE64 =
  "iVBORw0KGgoAAAANSUhEUgAAAK4AAACuAQAAAACHdwtDAAAAyUlEQVR42u3XUQ6DIAwG4CY9AEfi6hyJAzTpyl/cMiXZG/8eIIr6zYfGtujEV8" +
  "Pk8OE7yxg1du3jTHkcR+81No0ZlzTuEVo1GRyR0hkn/8GYyXwlzde53MdZyDrK51nfWzlH5u3R81tZivuMrlqhMh6PesMtjcjR1iaS5SOfABlc" +
  "Rlzxi309KgZj+V/EvZ1n8ZZs8VtLbeVs7mCEKc7jXPBQyC2yp0TO5R8wlj06yzWzWecbicpImqGK3Jvz+P1RCXYin38Zh3/xC1Ixslm3r4+zAA" +
  "AAAElFTkSuQmCC";

/** The strongest few whatever their score: also a model that finds nothing in it answers with numbers. */
export const CANARY_OPTIONS: DetectOptions = { score: 0.001, max: 5 };

/** A new copy of the picture's bytes. */
export function canaryPicture(): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(PNG_BASE64), (char) => char.charCodeAt(0));
}
