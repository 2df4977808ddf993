import assert from "node:assert/strict";
import { openDetector } from "../../src/detect/open.ts";
import { modelFacts } from "../../src/onnx/facts.ts";
import { knownOutputs } from "../../src/onnx/known_outputs.ts";
import type { ModelProto } from "../../src/onnx/proto.ts";
import { readModel } from "../../src/onnx/read.ts";
import { writeModel } from "../../src/onnx/write.ts";
import { constantDetector, value } from "./build_model.ts";

/** A detector whose output is declared with other sizes than it has. */
function declaring(dims: readonly (number | string)[] | null): ModelProto {
  const made = constantDetector({ output: new Float32Array(6 * 84), dims: [6, 84], metadata: { names: "['a', 'b']" } });
  const output = value("output0", dims ?? []);
  if (dims === null) delete output.type!.tensor_type!.shape;
  made.graph!.output = [output];
  return made;
}

function known(given: ModelProto) {
  const read = readModel(writeModel(given));
  const { outputs } = modelFacts(read);
  return { outputs, found: knownOutputs(read, outputs) };
}

Deno.test("known outputs: sizes that follow from the graph take the place of names, the batch keeps its name", () => {
  const made = known(declaring(["batch", "Addoutput0_dim_1", -1]));
  assert.deepEqual(made.found.map(({ dims }) => dims), [["batch", 6, 84]]);
  assert.deepEqual(made.outputs.map(({ dims }) => dims), [["batch", "Addoutput0_dim_1", -1]], "the facts stay");
});

Deno.test("known outputs: an output without a shape gets one, and one that says all is left alone", () => {
  const [bare] = known(declaring(null)).found;
  assert.deepEqual([bare!.has_shape, bare!.dims], [true, [-1, 6, 84]]);
  const whole = known(declaring(["batch", 6, 84]));
  assert.equal(whole.found, whole.outputs);
});

Deno.test("known outputs: a declaration of another rank than the graph's is not mixed with it", () => {
  const { found, outputs } = known(declaring(["batch", "somewhere"]));
  assert.deepEqual(found, outputs);
});

Deno.test("known outputs: a detector whose exporter made up names of axes is opened all the same", async () => {
  const folder = await Deno.makeTempDir({ prefix: "trtd-known-" });
  try {
    const path = `${folder}/m.onnx`;
    await Deno.writeFile(path, writeModel(declaring(["batch", "Addoutput0_dim_1", "Addoutput0_dim_2"])));
    const detector = await openDetector({ name: "m", path, manifest: { name: "m", file: "m.onnx" } }, { threads: 1 });
    assert.equal(detector.head.name, "yolov8");
    await detector.close();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
