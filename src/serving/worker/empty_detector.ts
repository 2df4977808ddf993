/** A detector that finds nothing in no time, for measurements of everything around it. */
import type { BackendInfo } from "../../backends/backend.ts";
import type { Model } from "../../models/model.ts";
import type { ServedDetector } from "./served_detector.ts";

const INFO: BackendInfo = { name: "onnxruntime", device: "none", precision: "f32", engine: null, degraded: null };
const TIMINGS = { decode: 0, preprocess: 0, inference: 0, postprocess: 0, total: 0 };

/** It takes any model and looks at none. */
export function openEmpty({ name }: Model): Promise<ServedDetector> {
  const result = { image: { width: 1, height: 1 }, model: name, backend: INFO, detections: [], timings_ms: TIMINGS };
  return Promise.resolve({
    labels: [],
    info: INFO,
    detectBatch: (requests) => Promise.resolve(requests.map(() => result)),
    annotate: () => Promise.resolve(new Uint8Array()),
    close: () => Promise.resolve(),
  });
}
