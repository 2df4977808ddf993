import assert from "node:assert/strict";
import { yolov8 } from "../../scripts/bench/make_yolov8.ts";
import { detectHead } from "../../src/detect/heads/heads.ts";
import { loadOnnxRuntime } from "../../src/backends/onnxruntime.ts";
import { modelFacts } from "../../src/onnx/facts.ts";
import { readModel } from "../../src/onnx/read.ts";
import { writeModel } from "../../src/onnx/write.ts";

Deno.test("yolov8: both sizes have the parameters of Ultralytics' models and the head that trtd knows", () => {
  // 3,157,200 and 11,166,560 parameters of the unfused models; batch norms are folded, anchors and strides are constants.
  for (const [size, millions] of [["n", 3.2], ["s", 11.2]] as const) {
    const model = readModel(writeModel(yolov8({ size, height: 64, width: 96 })));
    const facts = modelFacts(model);
    const { name, classes, input } = detectHead(facts, { name: "x", file: "x.onnx" });
    assert.deepEqual([name, classes, input.height, input.width, input.batch], ["yolov8", 80, 64, 96, null]);
    const weights = model.graph!.initializer.reduce((sum, { dims }) => sum + dims.reduce((a, b) => a * b, 1), 0);
    assert.ok(Math.abs(weights / 1e6 - millions) < 0.05, `${weights} values`);
  }
});

Deno.test("yolov8: it runs on batches, gives one finite score a class and cell, and the same bytes each time", async () => {
  const bytes = writeModel(yolov8({ size: "n", height: 64, width: 96 }));
  assert.deepEqual(bytes, writeModel(yolov8({ size: "n", height: 64, width: 96 })));
  const backend = await loadOnnxRuntime(bytes, { threads: 1 });
  try {
    const data = Float32Array.from({ length: 2 * 3 * 64 * 96 }, (_, i) => (i * 7919 % 256) / 255);
    const { output0 } = await backend.run({ images: { type: "float32", dims: [2, 3, 64, 96], data } });
    assert.deepEqual(output0!.dims, [2, 84, 126]);
    const values = output0!.data as Float32Array;
    assert.ok(values.every(Number.isFinite));
    const scores = values.subarray(4 * 126, 84 * 126);
    assert.ok(scores.every((score) => score > 0 && score < 1));
    assert.ok(Math.max(...scores) > 2 * Math.min(...scores), "scores differ");
  } finally {
    await backend.close();
  }
});

Deno.test("yolov8: a size that is no multiple of 32 is refused", () => {
  assert.throws(() => yolov8({ size: "n", height: 100, width: 96 }), RangeError);
});
