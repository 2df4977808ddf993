import assert from "node:assert/strict";
import type { Detection } from "../../../../src/detect/detection.ts";
import { openDetector } from "../../../../src/detect/open.ts";
import { findModel } from "../../../../src/models/registry.ts";
import { fp16Pass } from "../../../../src/onnx/passes/fp16/fp16.ts";
import { readModel } from "../../../../src/onnx/read.ts";
import { writeModel } from "../../../../src/onnx/write.ts";
import { matched } from "./box_match.ts";
import { bundledPhotos, photoVariant } from "./photo_variants.ts";

const GENERATED = 200;
const IOU_MIN = 0.95;
/** Share of the boxes of either model that the other one must have, at the model's own threshold. */
const SHARE_MIN = 0.995;
/** Largest difference of a matched box's score. */
const SCORE_TOLERANCE = 0.02;

Deno.test("fp16: the default model finds the same boxes on the bundled and on 200 generated pictures", async () => {
  const model = await findModel("codes", "models");
  const folder = await Deno.makeTempDir({ prefix: "trtd-fp16-" });
  const path = `${folder}/codes.onnx`;
  const given = readModel(await Deno.readFile(model.path));
  const { model: half, report } = fp16Pass.run(given);
  await Deno.writeFile(path, writeModel(half));
  const detectors = [await openDetector(model), await openDetector({ ...model, path })] as const;
  try {
    assert.ok(
      report.counts["nodes_converted"]! > 0.9 * given.graph.node.filter(({ op_type }) => op_type === "Conv").length,
    );
    const photos = await bundledPhotos();
    const totals = { f32: 0, fp16: 0, f32Matched: 0, fp16Matched: 0 };
    let score = 0;
    for (let at = 0; at < photos.length + GENERATED; at++) {
      const picture = photos[at] ?? await photoVariant(photos, at);
      const [f32, fp16] = await Promise.all(
        detectors.map(async (detector): Promise<readonly Detection[]> => (await detector.detect(picture)).detections),
      ) as [readonly Detection[], readonly Detection[]];
      const found = matched(f32, fp16, IOU_MIN);
      totals.f32 += f32.length;
      totals.fp16 += fp16.length;
      totals.f32Matched += found.length;
      totals.fp16Matched += matched(fp16, f32, IOU_MIN).length;
      for (const [one, other] of found) score = Math.max(score, Math.abs(other.score - one.score));
    }
    console.log(totals, `largest difference of a score ${score.toFixed(4)}`);
    assert.ok(totals.f32 > GENERATED, "too few boxes to tell");
    assert.ok(totals.f32Matched >= SHARE_MIN * totals.f32);
    assert.ok(totals.fp16Matched >= SHARE_MIN * totals.fp16);
    assert.ok(score < SCORE_TOLERANCE);
  } finally {
    for (const detector of detectors) await detector.close();
    await Deno.remove(folder, { recursive: true });
  }
});
