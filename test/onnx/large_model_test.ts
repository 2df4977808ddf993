import assert from "node:assert/strict";
import { modelFacts } from "../../src/onnx/facts.ts";
import { readModel } from "../../src/onnx/read.ts";
import { modelChunks } from "../../src/onnx/write.ts";
import { model, node, tensor, value } from "./build_model.ts";
import type { TensorProto } from "../../src/onnx/proto.ts";

const LAYERS = 60;
const LAYER_BYTES = 750_000;
const SHARE_MAX = 2.5;

/** A model of 45 MB with the node count of a detector; `field` holds the weights. */
function largeModel(field: "raw_data" | "float_data"): Uint8Array {
  const weights = Array.from({ length: LAYERS }, (_, layer): TensorProto => {
    const data = new Uint8Array(LAYER_BYTES).fill(layer);
    const one = tensor(`w${layer}`, "FLOAT", [LAYER_BYTES / 4], data);
    const { raw_data: _raw, ...bare } = one;
    return field === "raw_data" ? one : { ...bare, float_data: data };
  });
  const layers = weights.map(({ name }, layer) =>
    node("Add", { inputs: [layer === 0 ? "x" : `y${layer - 1}`, name!], outputs: [`y${layer}`] }, {
      name: `/model.${layer}/conv/Add`,
    })
  );
  const chunks = modelChunks(model({
    input: [value("x", [LAYER_BYTES / 4])],
    output: [value(`y${LAYERS - 1}`, [LAYER_BYTES / 4])],
    node: layers,
    initializer: weights,
  }));
  const bytes = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  chunks.reduce((at, chunk) => (bytes.set(chunk, at), at + chunk.length), 0);
  return bytes;
}

for (const field of ["raw_data", "float_data"] as const) {
  Deno.test(`large model: 45 MB of ${field} are read without a copy`, () => {
    const bytes = largeModel(field);
    assert.ok(bytes.length > 45e6);
    const used = () => {
      const { heapUsed, external } = Deno.memoryUsage();
      return heapUsed + external;
    };
    const before = used();
    const started = performance.now();
    const read = readModel(bytes);
    const readMs = performance.now() - started;
    const facts = modelFacts(read);
    const factsMs = performance.now() - started - readMs;
    const share = (bytes.length + Math.max(0, used() - before)) / bytes.length;
    console.log(
      `${field}: ${(bytes.length / 1e6).toFixed(1)} MB read and checked in ${readMs.toFixed(0)} ms, facts in ${
        factsMs.toFixed(0)
      } ms, ${share.toFixed(2)} times its size in memory`,
    );
    assert.equal(facts.weights.elements, LAYERS * LAYER_BYTES / 4);
    assert.ok(read.graph.initializer.every((one) => one[field]!.buffer === bytes.buffer));
    assert.ok(share < SHARE_MAX);
  });
}
