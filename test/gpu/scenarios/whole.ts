/** Some whole runs, for a tool that makes each many times slower: frames of two sizes and a JPEG file, plain and as graphs. */
import { decodePicture } from "../../../src/detect/picture/decode.ts";
import { TrtdError } from "../../../src/errors.ts";
import { answer, argument, openOnTensorRt, photos, type Wanted } from "./open.ts";

const detector = await openOnTensorRt(argument<Wanted>());
const [jpeg] = (await photos()).values();
const frame = await decodePicture(jpeg!);
const side = 200;
const small = { data: frame.data.slice(0, 3 * side * side), width: side, height: side };
let boxes = 0;
for (const request of [{ frame }, { frame }, { frame: small }, { bytes: jpeg! }]) {
  const [result] = await detector.detectBatch([request]);
  if (result instanceof TrtdError) throw result;
  boxes += result!.detections.length;
}
await detector.close();
answer({ boxes });
