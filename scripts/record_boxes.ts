/**
 * Record what the default model finds in the bundled photos, for test/end_to_end. Look at the annotated pictures
 * before you commit the record:
 *
 *     deno run -A scripts/record_boxes.ts && deno task detect models/codes/photos -o annotated
 */
import { openDetector } from "../src/detect/open.ts";
import { findModelByName } from "../src/models/registry.ts";
import { photoPaths, RECORD, type Record, recordName } from "../test/end_to_end/photos.ts";

const detector = await openDetector(await findModelByName("codes", "models"));
const record: Record = {};
const tenth = (value: number) => Math.round(value * 10) / 10;
for (const path of photoPaths()) {
  const { detections } = await detector.detect(await Deno.readFile(path));
  record[recordName(path)] = detections.map(({ label, score, box: { x1, y1, x2, y2 } }) => ({
    label,
    score: Math.round(score * 1000) / 1000,
    box: { x1: tenth(x1), y1: tenth(y1), x2: tenth(x2), y2: tenth(y2) },
  }));
  console.log(`${recordName(path)}: ${detections.length} detections`);
}
await detector.close();
await Deno.writeTextFile(RECORD, `${JSON.stringify(record, null, 1)}\n`);
