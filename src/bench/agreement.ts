/** Whether two services found the same objects: a comparison of speed means nothing otherwise. */
import type { DetectionAnswer } from "./load.ts";

type Detection = DetectionAnswer["detections"][number];

export interface Agreement {
  /** Objects that the first and the second service found. */
  readonly found: readonly [number, number];
  /** Pairs of the same label with an IoU of at least 0.9. */
  readonly matched: number;
}

/** Pair the detections greedily, best score first. */
export function agreementOf(first: DetectionAnswer, second: DetectionAnswer): Agreement {
  const free = new Set(second.detections);
  let matched = 0;
  for (const detection of first.detections) {
    const partner = [...free].find((other) => other.label === detection.label && iou(detection, other) >= 0.9);
    if (partner === undefined) continue;
    free.delete(partner);
    matched++;
  }
  return { found: [first.detections.length, second.detections.length], matched };
}

function iou({ box: a }: Detection, { box: b }: Detection): number {
  const width = Math.min(a.x2, b.x2) - Math.max(a.x1, b.x1);
  const height = Math.min(a.y2, b.y2) - Math.max(a.y1, b.y1);
  if (width <= 0 || height <= 0) return 0;
  const area = (box: Detection["box"]) => (box.x2 - box.x1) * (box.y2 - box.y1);
  return width * height / (area(a) + area(b) - width * height);
}
