/** Whether two implementations found the same objects: a comparison of speed means nothing otherwise. */
import type { Box } from "../detect/detection.ts";

/** A detection as all have it; `box` in pixels of the picture. */
export interface FoundObject {
  readonly label: string;
  readonly box: Box;
}

export interface Agreement {
  /** Objects that the first and the second found. */
  readonly found: readonly [number, number];
  /** Pairs of the same label with an IoU of at least `iou_min`. */
  readonly matched: number;
  readonly iou_min: number;
}

/**
 * Pair the detections greedily, best score first.
 * @param iouMin 0..1 @default 0.9
 */
export function agreementOf(first: readonly FoundObject[], second: readonly FoundObject[], iouMin = 0.9): Agreement {
  const free = new Set(second);
  let matched = 0;
  for (const detection of first) {
    const partner = [...free].find((other) => other.label === detection.label && iou(detection, other) >= iouMin);
    if (partner === undefined) continue;
    free.delete(partner);
    matched++;
  }
  return { found: [first.length, second.length], matched, iou_min: iouMin };
}

function iou({ box: a }: FoundObject, { box: b }: FoundObject): number {
  const width = Math.min(a.x2, b.x2) - Math.max(a.x1, b.x1);
  const height = Math.min(a.y2, b.y2) - Math.max(a.y1, b.y1);
  if (width <= 0 || height <= 0) return 0;
  const area = (box: Box) => (box.x2 - box.x1) * (box.y2 - box.y1);
  return width * height / (area(a) + area(b) - width * height);
}
