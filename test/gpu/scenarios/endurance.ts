/** Many runs, several at once: every answer the same as the first, and memory of host and device flat. */
import { cudaDevice } from "../../../ffi/cuda.ts";
import { liveHandles } from "../../../ffi/handle.ts";
import { decodePicture } from "../../../src/detect/picture/decode.ts";
import type { DetectRequest } from "../../../src/detect/detector.ts";
import { TrtdError } from "../../../src/errors.ts";
import { loadSharp } from "../../../src/native/sharp.ts";
import { LIMITS, SCORE_COUNTS } from "../../../src/verify/limits.ts";
import { compareBoxes } from "../../../src/verify/parity.ts";
import { answer, argument, openOnTensorRt, photos, type Wanted } from "./open.ts";

interface Options extends Wanted {
  /** Inferences. */
  readonly runs: number;
  /** Callers at once. */
  readonly callers: number;
}

const { runs, callers, ...wanted } = argument<Options>();
const sharp = await loadSharp();
const opening = performance.now();
const detector = await openOnTensorRt(wanted);
const openSeconds = (performance.now() - opening) / 1000;

/** Small pictures of several sizes, one of four a JPEG file. */
const requests: DetectRequest[] = [];
for (const bytes of (await photos()).values()) {
  for (const width of [320, 400, 512, 640]) {
    const jpeg = new Uint8Array(await sharp(bytes).resize(width).jpeg({ quality: 85 }).toBuffer());
    requests.push(width === 400 ? { bytes: jpeg } : { frame: await decodePicture(jpeg) });
  }
}

const first = await detector.detectBatch(requests.slice(0, 1));
const expected = [...first];
for (const request of requests.slice(1)) expected.push(...await detector.detectBatch([request]));

const options = { cut: SCORE_COUNTS, limits: { ...LIMITS[detector.info.precision].detections, percent: 100 } };
let done = 0, wrong = 0, boxes = 0;

async function caller(until: number): Promise<void> {
  while (done < until) {
    const at = done++ % requests.length;
    const [found] = await detector.detectBatch([requests[at]!]);
    const reference = expected[at]!;
    if (found instanceof TrtdError) throw found;
    if (reference instanceof TrtdError) throw reference;
    boxes += found!.detections.length;
    const pair = { picture: String(at), found: found!.detections, reference: reference.detections };
    // The full comparison costs more than the run: every hundredth, and the number of boxes always.
    if (found!.detections.length !== reference.detections.length) wrong++;
    else if (done % 100 === 0 && !compareBoxes([pair], options).passed) wrong++;
  }
}

const runUntil = (until: number) => Promise.all(Array.from({ length: callers }, () => caller(until)));

async function memory(): Promise<{ device: number; host: number; handles: number }> {
  const pages = Number((await Deno.readTextFile("/proc/self/statm")).split(" ")[1]);
  const { memory_free } = await cudaDevice(0, { memory: true });
  return { device: memory_free!, host: pages * 4096, handles: liveHandles() };
}

// A fifth of the way everything has been used and grown to its size.
await runUntil(Math.floor(runs / 5));
const before = await memory(), began = performance.now(), from = done;
await runUntil(runs);
const seconds = (performance.now() - began) / 1000;
const after = await memory();
const result = {
  runs: done,
  wrong,
  boxes,
  lanes: detector.lanes,
  openSeconds: Math.round(10 * openSeconds) / 10,
  perSecond: Math.round((done - from) / seconds),
  deviceGrowth: before.device - after.device,
  hostGrowth: after.host - before.host,
  handleGrowth: after.handles - before.handles,
};
await detector.close();
answer(result);
