/** JPEG files through the GPU's decoder and the CPU's: the same boxes, and the same errors for damaged ones. */
import { Device } from "../../../ffi/cuda.ts";
import { JpegDecoder } from "../../../ffi/jpeg.ts";
import type { TensorRtBackend } from "../../../src/backends/tensorrt/tensorrt_backend.ts";
import type { Detector } from "../../../src/detect/detector.ts";
import { TrtdError } from "../../../src/errors.ts";
import { SCORE_COUNTS } from "../../../src/verify/limits.ts";
import { compareBoxes } from "../../../src/verify/parity.ts";
import { loadSharp } from "../../../src/native/sharp.ts";
import { nvJpegPaths } from "../../../src/tensorrt/discovery/nvjpeg_paths.ts";
import { concat } from "../../detect/jpeg_writer.ts";
import { answer, argument, openOnTensorRt, photos, type Wanted } from "./open.ts";

const wanted = argument<Wanted>();
const sharp = await loadSharp();

/** The photos as cameras, phones and programs write them. */
async function files(): Promise<Map<string, Uint8Array>> {
  const made = new Map<string, Uint8Array>();
  const options = [
    ["q95", { quality: 95 }],
    ["q60", { quality: 60 }],
    ["4:4:4", { quality: 90, chromaSubsampling: "4:4:4" }],
    ["standard tables", { quality: 85, optimizeCoding: false }],
    ["progressive", { quality: 85, progressive: true }],
  ] as const;
  for (const [name, bytes] of await photos()) {
    made.set(name, bytes);
    for (const [what, option] of options) {
      made.set(`${name} ${what}`, new Uint8Array(await sharp(bytes).jpeg(option).toBuffer()));
    }
    made.set(`${name} gray`, new Uint8Array(await sharp(bytes).grayscale().jpeg({ quality: 90 }).toBuffer()));
    made.set(`${name} turned`, new Uint8Array(await sharp(bytes).withMetadata({ orientation: 6 }).jpeg().toBuffer()));
    made.set(`${name} with a tail`, concat([bytes, new TextEncoder().encode("SEFT and more")]));
    made.set(`${name} odd size`, new Uint8Array(await sharp(bytes).resize(997, 613).jpeg({ quality: 90 }).toBuffer()));
  }
  return made;
}

function damaged(whole: Uint8Array): Uint8Array[] {
  const cut = (share: number) => whole.subarray(0, Math.floor(whole.length * share));
  const holed = whole.slice();
  holed.fill(0, whole.length >> 1, (whole.length >> 1) + 2000);
  return [
    cut(0.3),
    cut(0.9),
    concat([cut(0.5), [0xff, 0xd9]]),
    concat([cut(0.95), [0xff, 0xd9]]),
    concat([cut(0.4), whole.subarray(Math.floor(whole.length * 0.6))]),
    holed,
  ];
}

const codeOf = async (detector: Detector, bytes: Uint8Array): Promise<string> => {
  const [result] = await detector.detectBatch([{ bytes }]);
  return result instanceof TrtdError ? result.code : "ok";
};

let backend: TensorRtBackend | undefined;
const onGpu = await openOnTensorRt(wanted, (loaded) => backend = loaded);
const decodedByGpu = () => backend!.decodedJpegs().pictures;
const repeating = await openOnTensorRt({ ...wanted, tuning: { jpeg: { interpolate: false } } });
const onCpu = await openOnTensorRt({ ...wanted, settings: { ...wanted.settings, gpu_decode: "off" } });
const options = { score: 0.1 };
const pairs = [], repeated = [];
const byGpu: string[] = [];
for (const [picture, bytes] of await files()) {
  const before = decodedByGpu();
  const found = await onGpu.detect(bytes, options), reference = await onCpu.detect(bytes, options);
  if (decodedByGpu() > before) byGpu.push(picture);
  pairs.push({ picture, found: found.detections, reference: reference.detections });
  const coarse = await repeating.detect(bytes, options);
  repeated.push({ picture, found: coarse.detections, reference: reference.detections });
}
// Where colours are repeated instead of interpolated, pixels differ by half a grey level on average and up to 24 at edges
// of colours. Small and faint boxes feel it: on the bundled pictures 98 of 100 agree this closely.
const limits = { iou: 0.98, score: 0.05, percent: 98 };
const { passed, compared, matched, failures, worst_iou } = compareBoxes(pairs, { cut: SCORE_COUNTS, limits });
const coarse = compareBoxes(repeated, { cut: SCORE_COUNTS, limits });
const whole = (await photos()).values().next().value!;
const sound = decodedByGpu();
const codes: [string, string][] = [];
for (const bytes of damaged(whole)) codes.push([await codeOf(onGpu, bytes), await codeOf(onCpu, bytes)]);
const damagedByGpu = decodedByGpu() - sound;
// One bad file among good ones spoils nothing.
const mixed = await onGpu.detectBatch([whole, damaged(whole)[2]!, whole, whole].map((bytes) => ({ bytes })));
using device = await Device.open(0);
const { decoder, reason } = await JpegDecoder.find(device, nvJpegPaths());
const result = {
  nvjpeg: decoder?.facts() ?? null,
  missing: reason,
  pictures: pairs.length,
  byGpu,
  damagedByGpu,
  passed,
  compared,
  matched,
  worst_iou,
  failures: failures.slice(0, 5).map(({ detail }) => detail),
  repeated: { compared: coarse.compared, matched: coarse.matched, worst_iou: coarse.worst_iou },
  codes,
  mixed: mixed.map((one) => one instanceof TrtdError ? one.code : one.detections.length),
};
decoder?.close();
await onGpu.close();
await repeating.close();
await onCpu.close();
answer(result);
