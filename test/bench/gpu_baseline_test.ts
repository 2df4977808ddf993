import assert from "node:assert/strict";
import { join } from "node:path";
import { yolov8 } from "../../scripts/bench/make_yolov8.ts";
import { agreementOf } from "../../src/bench/agreement.ts";
import { photo720p } from "../../src/bench/photo.ts";
import { startRival } from "../../src/bench/stages/rival.ts";
import type { FoundBox } from "../../src/bench/stages/subject.ts";
import { openDetector } from "../../src/detect/open.ts";
import { bundledPhoto } from "../../src/models/registry.ts";
import { writeModel } from "../../src/onnx/write.ts";
import { exporterModels } from "../exporters/environment.ts";

const SCRIPT = join(import.meta.dirname!, "../../scripts/bench/gpu_baseline.py");
const environment = await exporterModels();
const skipped = typeof environment === "string" ? ` (skipped: ${environment})` : "";

Deno.test({
  name: `gpu baseline: around the same model it finds exactly the boxes that trtd finds${skipped}`,
  ignore: skipped !== "",
  fn: async () => {
    const folder = await Deno.makeTempDir();
    const [model, photo] = [join(folder, "yolov8n.onnx"), join(folder, "photo.jpg")];
    await Deno.writeFile(model, writeModel(yolov8({ size: "n", height: 384, width: 640 })));
    await Deno.writeFile(photo, await photo720p(await Deno.readFile(bundledPhoto())));
    const { python } = environment as { python: string };
    const detector = await openDetector(
      { name: "yolov8n", path: model, manifest: { name: "yolov8n", file: "yolov8n.onnx" } },
      { backend: "onnxruntime" },
    );
    try {
      await using rival = await startRival([python, SCRIPT, model, "--cpu", "--jpeg", photo]);
      const { detections } = await detector.detect(await Deno.readFile(photo));
      const labelled = (boxes: readonly FoundBox[]) =>
        boxes.map(({ class_id, box }) => ({ label: String(class_id), box }));
      const { found, matched } = agreementOf(labelled(detections), labelled(await rival.boxes()), 0.99);
      assert.ok(found[0] > 10, `${found[0]} boxes`);
      assert.deepEqual([found[1], matched], [found[0], found[0]]);
      assert.ok((await rival.round(50)).length >= 3);
    } finally {
      await detector.close();
      await Deno.remove(folder, { recursive: true });
    }
  },
});
