/** What ONNX Runtime computes of photos, and what trtd finds in that: the measure of every engine. */
import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import type { Backend, Tensor } from "../../src/backends/backend.ts";
import { loadOnnxRuntime } from "../../src/backends/onnxruntime.ts";
import type { Detection } from "../../src/detect/detection.ts";
import { Detector } from "../../src/detect/detector.ts";
import type { Head } from "../../src/detect/heads/heads.ts";
import type { Model } from "../../src/models/model.ts";
import { readModelFile } from "../../src/models/model_file.ts";
import { modelFacts } from "../../src/onnx/facts.ts";
import { knownOutputs } from "../../src/onnx/known_outputs.ts";
import type { ModelFacts } from "../../src/onnx/model_facts.ts";
import { readModel } from "../../src/onnx/read.ts";

/** Lowest score that is looked at, so that a score beside the one that counts finds its partner. */
const SCORE_SEEN = 0.15;

export type Tensors = Readonly<Record<string, Tensor>>;

export interface Reference {
  readonly modelSha256: string;
  readonly model: Model;
  readonly facts: ModelFacts;
  readonly head: Head;
  readonly photos: readonly ReferencePhoto[];
}

export interface ReferencePhoto {
  /** File's name. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** By the input's name: shape, and a file of its raw values. */
  readonly inputs: Readonly<Record<string, { readonly dims: readonly number[]; readonly file: string }>>;
  /** By the output's name. */
  readonly outputs: Tensors;
  readonly detections: readonly Detection[];
}

/**
 * Runs the model, as it is, on photos; what goes into it is kept in `folder`.
 * @param photos paths
 * @throws {TrtdError} those of `Detector`
 */
export async function referenceFor(model: Model, photos: readonly string[], folder: string): Promise<Reference> {
  const bytes = await readModelFile(model.path);
  const graph = readModel(bytes);
  const declared = modelFacts(graph);
  const facts = { ...declared, outputs: knownOutputs(graph, declared.outputs) };
  const recorder = recorded(await loadOnnxRuntime(bytes, { facts, rewrite: false }));
  const detector = await Detector.open(model, facts, recorder.backend);
  try {
    const seen: ReferencePhoto[] = [];
    for (const [index, path] of photos.entries()) {
      const bytes = await Deno.readFile(path);
      const { detections } = await detector.detect(bytes, { score: SCORE_SEEN });
      const { inputs, outputs } = recorder.last();
      const files: [string, { dims: readonly number[]; file: string }][] = [];
      for (const [at, [name, { dims, data }]] of Object.entries(inputs).entries()) {
        const file = join(folder, `photo-${index}-input-${at}.bin`);
        await Deno.writeFile(file, new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength));
        files.push([name, { dims, file }]);
      }
      seen.push({ name: basename(path), bytes, inputs: Object.fromEntries(files), outputs, detections });
    }
    const modelSha256 = createHash("sha256").update(bytes).digest("hex");
    return { modelSha256, model, facts, head: detector.head, photos: seen };
  } finally {
    await detector.close();
  }
}

/** What trtd finds in a photo when the model's outputs are these. */
export async function detectionsFrom(
  { model, facts, head }: Reference,
  photo: ReferencePhoto,
  outputs: Tensors,
): Promise<readonly Detection[]> {
  const { name, type, batch, height, width } = head.input;
  const detector = await Detector.open(model, facts, {
    info: { name: "tensorrt", device: "", precision: "f32", engine: null, degraded: null },
    inputs: [{ name, type, dims: [batch ?? -1, 3, height, width] }],
    outputs: [],
    warmUp: () => Promise.resolve(),
    run: () => Promise.resolve(outputs),
    close: () => Promise.resolve(),
  });
  try {
    return (await detector.detect(photo.bytes, { score: SCORE_SEEN })).detections;
  } finally {
    await detector.close();
  }
}

/** The backend, and what went in and out when it ran last. */
function recorded(backend: Backend): { backend: Backend; last: () => { inputs: Tensors; outputs: Tensors } } {
  let last: { inputs: Tensors; outputs: Tensors } = { inputs: {}, outputs: {} };
  const copied = (tensors: Tensors): Tensors =>
    Object.fromEntries(Object.entries(tensors).map(([name, one]) => [name, { ...one, data: one.data.slice() }]));
  return {
    last: () => last,
    backend: {
      info: backend.info,
      inputs: backend.inputs,
      outputs: backend.outputs,
      warmUp: (dims) => backend.warmUp(dims),
      close: () => backend.close(),
      async run(inputs) {
        const outputs = await backend.run(inputs);
        last = { inputs: copied(inputs), outputs: copied(outputs) };
        return outputs;
      },
    },
  };
}
