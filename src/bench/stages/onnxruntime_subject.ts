/** The model on ONNX Runtime's CPU: the detector as `trtd detect` opens it, and a bare session beside it. */
import { usableCores } from "../../backends/onnxruntime.ts";
import type { DetectOptions } from "../../detect/detection.ts";
import { openDetector } from "../../detect/open.ts";
import type { Head } from "../../detect/heads/heads.ts";
import type { Model } from "../../models/model.ts";
import { loadOrt, type OnnxRuntime } from "../../native/onnxruntime.ts";
import { good, hostStages, requestOf } from "./requests.ts";
import type { Resource, Sample, Subject, Use, Way } from "./subject.ts";

export interface OnnxRuntimeSubjectOptions {
  readonly threads: number;
  readonly maxPixels: number;
  readonly detect: DetectOptions;
  /** Most pictures of a run of a model with a free batch. */
  readonly batchMax: number;
}

/** @throws {TrtdError} what `openDetector` throws */
export async function onnxRuntimeSubject(model: Model, options: OnnxRuntimeSubjectOptions): Promise<Subject> {
  const { threads, maxPixels, detect } = options;
  const detector = await openDetector(model, { backend: "onnxruntime", threads, maxPixels });
  const ort = await loadOrt();
  const bare = await openBareSession(ort, { path: model.path, head: detector.head, threads });
  const run = async (way: Way, samples: readonly Sample[]) => {
    const started = performance.now();
    const answers = await detector.detectBatch(samples.map((sample) => requestOf(way, sample, detect)));
    const total = performance.now() - started;
    return { total, stages: hostStages(good(answers), total) };
  };
  return {
    info: detector.info,
    runtime: `ONNX Runtime ${ort.env.versions.node ?? "of unknown version"}, ${threads} threads`,
    platform: null,
    input: { width: detector.head.input.width, height: detector.head.input.height },
    batchMax: detector.head.input.batch ?? options.batchMax,
    // The model runs one batch after the other: a second lane decodes meanwhile.
    lanesMax: 2,
    uses: usesOf(threads),
    bareIs: "session.run of onnxruntime-node on the same model",
    remarks: "refusal" in bare ? [bare.refusal] : [],
    run: async (way, samples) => (await run(way, samples)).total,
    runStages: async (samples) => (await run("jpeg", samples)).stages,
    bare: "refusal" in bare ? null : bare.times,
    find: async (file) => (await detector.detect(file, detect)).detections,
    async [Symbol.asyncDispose]() {
      if (!("refusal" in bare)) await bare.close();
      await detector.close();
    },
  };
}

function usesOf(threads: number): Subject["uses"] {
  const cores: Resource = { name: "the CPU's cores", units: usableCores() };
  const script: Resource = { name: "the thread of JavaScript", units: 1 };
  const alone: Use[] = [{ resource: cores, units: 1 }, { resource: script, units: 1 }];
  return {
    decode: [{ resource: cores, units: 1, apart: true }],
    letterbox: alone,
    // onnxruntime-node keeps the thread that calls it.
    inference: [{ resource: cores, units: Math.min(threads, cores.units) }, { resource: script, units: 1 }],
    postprocess: alone,
    rest: alone,
  };
}

/** The model alone, as `onnxruntime-node` runs it when nothing but the number of threads is set. */
async function openBareSession(
  ort: OnnxRuntime,
  { path, head, threads }: { path: string; head: Head; threads: number },
) {
  const session = await ort.InferenceSession.create(path, { intraOpNumThreads: threads }).catch(() => null);
  if (session === null) return { refusal: "ONNX Runtime takes the model only as trtd rewrites it: no bare run" };
  const { name, type, height, width } = head.input;
  const feedsOf = (batch: number) => {
    const length = batch * 3 * height * width;
    const data = type === "float16" ? new Uint16Array(length).fill(0x3800) : new Float32Array(length).fill(0.5);
    const input = new ort.Tensor(type, data as Float32Array, [batch, 3, height, width]);
    // As in src/backends/onnxruntime.ts: the binding takes the bits, Deno reports no bytes of a Float16Array.
    if (type === "float16") Object.defineProperty(input, "data", { value: data });
    if (head.sizeInput === null) return { [name]: input };
    const sizes = BigInt64Array.from({ length: 2 * batch }, (_, i) => BigInt(i % 2 === 0 ? width : height));
    return { [name]: input, [head.sizeInput]: new ort.Tensor("int64", sizes, [batch, 2]) };
  };
  return {
    async times(batch: number, runs: number): Promise<number[]> {
      const feeds = feedsOf(batch);
      const times: number[] = [];
      for (let i = 0; i < runs; i++) {
        const start = performance.now();
        await session.run(feeds);
        times.push(performance.now() - start);
      }
      return times;
    },
    close: () => session.release(),
  };
}
