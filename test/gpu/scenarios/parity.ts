/** The default model on TensorRT against ONNX Runtime, on the bundled pictures: single ones and a batch. */
import type { Detection } from "../../../src/detect/detection.ts";
import { TrtdError } from "../../../src/errors.ts";
import { LIMITS, SCORE_COUNTS } from "../../../src/verify/limits.ts";
import { compareBoxes } from "../../../src/verify/parity.ts";
import { bundledPictures } from "../../../src/verify/pictures.ts";
import { answer, argument, openOnCpu, openOnTensorRt, type Wanted } from "./open.ts";

const wanted = argument<Wanted>();
const onGpu = await openOnTensorRt(wanted), onCpu = await openOnCpu();
const pictures = await Promise.all(
  (await bundledPictures().list()).map(async (picture) => ({ name: picture.name, bytes: await picture.load() })),
);
const options = { score: 0.05 };

const detectionsOf = (found: { detections: readonly Detection[] } | TrtdError): readonly Detection[] => {
  if (found instanceof TrtdError) throw found;
  return found.detections;
};
const singles: (readonly Detection[])[] = [], references: (readonly Detection[])[] = [];
for (const { bytes } of pictures) {
  singles.push((await onGpu.detect(bytes, options)).detections);
  references.push((await onCpu.detect(bytes, options)).detections);
}
const batches = (await onGpu.detectBatch(pictures.map(({ bytes }) => ({ bytes, options })))).map(detectionsOf);
const limits = LIMITS[onGpu.info.precision].detections;
const compared = (side: readonly (readonly Detection[])[]) => {
  const pairs = pictures.map(({ name }, i) => ({ picture: name, found: side[i]!, reference: references[i]! }));
  const { passed, compared, matched, failures } = compareBoxes(pairs, { cut: SCORE_COUNTS, limits });
  return { passed, compared, matched, failures: failures.slice(0, 5).map(({ detail }) => detail) };
};
const result = {
  info: onGpu.info,
  batchMax: onGpu.batchMax,
  lanes: onGpu.lanes,
  single: compared(singles),
  batch: compared(batches),
};
await onGpu.close();
await onCpu.close();
answer(result);
