/**
 * The model on TensorRT: the detector as `trtd detect` opens it, one engine for each size of batch.
 *
 * Behind the upload a run is one CUDA graph. Its stages are timed in a second graph of the same work with events between
 * them. The bare run is by the host's clock, from launch to the end of the wait; what inference is compared with is the
 * bare engine's graph with events around it.
 */
import type { PipelineFrame } from "../../backends/backend.ts";
import { usableCores } from "../../backends/onnxruntime.ts";
import type { DetectOptions } from "../../detect/detection.ts";
import type { Detector } from "../../detect/detector.ts";
import { outputThreshold } from "../../detect/heads/cut_nms.ts";
import { placementOf } from "../../detect/letterbox/letterbox.ts";
import { checkOptions } from "../../detect/options.ts";
import { TrtdError } from "../../errors.ts";
import type { Manifest } from "../../models/model.ts";
import { good, hostStages, requestOf } from "./requests.ts";
import type { Platform, Sample, Subject, Use, Way } from "./subject.ts";

/** What a loaded engine tells a measurement. */
export interface MeasuredBackend {
  /** Whether JPEG files are decoded on the GPU. */
  readonly decodesJpeg: boolean;
  /** One run with each stage measured by itself. @returns milliseconds */
  stageTimes(frames: readonly PipelineFrame[]): Promise<GpuStages>;
  /** The model inside the pipeline's graph, run after run. @returns milliseconds of each, null where that cannot be had */
  inferenceTimes(frames: readonly PipelineFrame[], runs: number): Promise<readonly number[] | null>;
  /** The engine alone, run after run. @returns milliseconds of each */
  bareTimes(batch: number, options: BareOptions): Promise<ArrayLike<number>>;
  /** Null without a pipeline. */
  pipelineFacts(): { readonly graphRefusal: string | null } | null;
}

export interface BareOptions {
  readonly runs: number;
  /** Whether the run is launched as a CUDA graph. */
  readonly graph: boolean;
  /** Each run is waited for. `clock`: it is timed by the host's clock; `latency`: by events inside the graph. */
  readonly mode: "clock" | "latency";
}

type GpuStages = Readonly<Record<"decode" | "upload" | "letterbox" | "inference" | "postprocess" | "download", number>>;

/** An engine with the detector that it serves. */
export interface OpenEngine {
  readonly detector: Detector;
  readonly backend: MeasuredBackend;
  readonly platform: Platform;
  /** Library with its version, for people. */
  readonly runtime: string;
}

export interface TensorRtSubjectOptions {
  /** Opens the engine for runs of `batch` pictures. @throws {TrtdError} */
  readonly open: (batch: number) => Promise<OpenEngine>;
  /** Sizes that are measured, beside 1. */
  readonly batches: readonly number[];
  readonly manifest: Manifest;
  readonly detect: DetectOptions;
}

/**
 * Opens all engines. One for which the GPU's memory is too little is left out, and those of larger batches.
 * @throws {TrtdError} what `open` throws
 */
export async function tensorRtSubject(options: TensorRtSubjectOptions): Promise<Subject> {
  const engines = new Map<number, OpenEngine>();
  const remarks: string[] = [];
  const close = async () => {
    for (const { detector } of engines.values()) await detector.close();
  };
  try {
    for (const batch of [...new Set([1, ...options.batches])].sort((a, b) => a - b)) {
      try {
        engines.set(batch, await options.open(batch));
      } catch (error) {
        if (batch === 1 || !(error instanceof TrtdError) || error.code !== "OUT_OF_GPU_MEMORY") throw error;
        remarks.push(`No engine of batch ${batch} and up: ${error.message}`);
        break;
      }
    }
    return await subjectOf(engines, { remarks, close }, options);
  } catch (error) {
    await close();
    throw error;
  }
}

async function subjectOf(
  engines: ReadonlyMap<number, OpenEngine>,
  { remarks, close }: { remarks: string[]; close: () => Promise<void> },
  { detect, manifest }: TensorRtSubjectOptions,
): Promise<Subject> {
  const single = engines.get(1)!;
  const { detector, backend, platform, runtime } = single;
  const { input } = detector.head;
  const engineFor = (batch: number): OpenEngine => {
    const engine = engines.get(batch);
    if (engine === undefined) throw new TrtdError("INTERNAL", `There is no engine for runs of ${batch} pictures`);
    return engine;
  };
  const facts = backend.pipelineFacts();
  const graph = facts !== null && await hasGraph(backend);
  if (facts === null) remarks.push("Without a pipeline on the GPU there is no bare run to compare with");
  else if (!graph) remarks.push("TensorRT's run cannot be captured in a CUDA graph: the bare run is enqueued plainly");
  const refusal = facts?.graphRefusal ?? null;
  if (refusal !== null) remarks.push(`The pipeline runs without a CUDA graph: ${refusal}`);
  const question = questionOf(detector, manifest, detect);
  const onDevice = backend.decodesJpeg;
  const framesOf = (samples: readonly Sample[]): PipelineFrame[] =>
    samples.map(({ file, picture }) => ({
      ...onDevice ? { kind: "jpeg", data: file } : { kind: "rgb", data: own(picture.data) },
      width: picture.width,
      height: picture.height,
      placement: placementOf(picture, input, detector.head.row.preprocess.fit),
      question,
    }));
  return {
    info: detector.info,
    runtime,
    platform,
    input: { width: input.width, height: input.height },
    batchMax: Math.max(...engines.keys()),
    lanesMax: detector.lanes,
    uses: facts === null ? hostUses() : usesOf(onDevice),
    bareIs: `the engine in a loop in libtrtd, ${graph ? "as a CUDA graph" : "enqueued"}, each run waited for`,
    remarks,
    run: async (way, samples) => {
      const { detector } = engineFor(samples.length);
      const requests = samples.map((sample) => requestOf(way, sample, detect));
      const started = performance.now();
      good(await detector.detectBatch(requests));
      return performance.now() - started;
    },
    runStages: async (samples) => {
      const { detector, backend } = engineFor(samples.length);
      const answersOf = async (way: Way) =>
        good(await detector.detectBatch(samples.map((sample) => requestOf(way, sample, detect))));
      const started = performance.now();
      const files = await answersOf("jpeg");
      const total = performance.now() - started;
      if (facts === null) return hostStages(files, total);
      const [pixels] = await answersOf("pixels");
      const timed = await backend.stageTimes(framesOf(samples));
      const { letterbox, inference, postprocess, download } = timed;
      const stages = {
        decode: onDevice ? timed.decode : Math.max(...files.map(({ timings_ms }) => timings_ms.decode)),
        upload: onDevice ? timed.upload : pixels!.timings_ms.preprocess,
        letterbox,
        inference,
        postprocess,
        download,
      };
      return { ...stages, rest: Math.max(0, total - Object.values(stages).reduce((sum, ms) => sum + ms, 0)) };
    },
    bare: facts === null
      ? null
      : async (batch, runs) =>
        Array.from(await engineFor(batch).backend.bareTimes(batch, { runs, graph, mode: "clock" })),
    ...facts === null ? {} : {
      bareInference: async (batch: number, runs: number) =>
        Array.from(await engineFor(batch).backend.bareTimes(batch, { runs, graph, mode: "latency" })),
      inference: (samples: readonly Sample[], runs: number) =>
        engineFor(samples.length).backend.inferenceTimes(framesOf(samples), runs),
    },
    find: async (file) => (await detector.detect(file, detect)).detections,
    [Symbol.asyncDispose]: close,
  };
}

/** Whether the bare run can be captured. */
async function hasGraph(backend: MeasuredBackend): Promise<boolean> {
  try {
    await backend.bareTimes(1, { runs: 1, graph: true, mode: "clock" });
    return true;
  } catch (error) {
    if (error instanceof TrtdError && error.code === "GPU_FAULT") throw error;
    return false;
  }
}

function questionOf({ head, labels }: Detector, manifest: Manifest, detect: DetectOptions): PipelineFrame["question"] {
  const { score, iou, max, wanted } = checkOptions(detect, { manifest, labels, cut: head.cut });
  const classAgnostic = manifest.class_agnostic ?? head.cut?.classAgnostic ?? false;
  return { score: outputThreshold(score, head.cut), iou, max, wanted, classAgnostic };
}

const one = (name: string): Use[] => [{ resource: { name, units: 1 }, units: 1 }];
const ownCore = (): Use[] => [{ resource: { name: "the CPU's cores", units: usableCores() }, units: 1, apart: true }];

/** Where letterbox and NMS are on the CPU. */
function hostUses(): Subject["uses"] {
  const script = one("the thread of JavaScript");
  return { decode: ownCore(), letterbox: script, inference: one("the GPU"), postprocess: script, rest: script };
}

function usesOf(onDevice: boolean): Subject["uses"] {
  const gpu = one("the GPU");
  return {
    decode: onDevice ? gpu : ownCore(),
    upload: one("the way to the GPU"),
    letterbox: gpu,
    inference: gpu,
    postprocess: gpu,
    download: one("the way from the GPU"),
    rest: one("the thread of JavaScript"),
  };
}

const own = (data: Uint8Array): Uint8Array<ArrayBuffer> =>
  data.buffer instanceof ArrayBuffer ? data as Uint8Array<ArrayBuffer> : Uint8Array.from(data);
