/** Pictures to boxes on a device: letterbox, decoding and suppression are kernels; boxes are mapped back here. */
import { type FramePipeline, PictureRefused, type PipelineBoxes, type PipelineFrame } from "../backends/backend.ts";
import { TrtdError, trtdErrorFrom } from "../errors.ts";
import type { Manifest } from "../models/model.ts";
import type { Detection } from "./detection.ts";
import { outputThreshold } from "./heads/cut_nms.ts";
import type { Head } from "./heads/heads.ts";
import { detectionOf, isClassAgnostic } from "./host_run.ts";
import { type Found, type Job, sizeOf } from "./job.ts";
import { boxOnPicture, type Placement, placementOf } from "./letterbox/letterbox.ts";

export interface DeviceRunParts {
  readonly head: Head;
  readonly pipeline: FramePipeline;
  readonly manifest: Manifest;
  /** Decodes the file of a job on the CPU. @throws {TrtdError} those of `decodePicture` */
  readonly decode: (job: Job) => Promise<Job>;
}

/** Answers as `HostRun` does, from the same boxes. */
export class DeviceRun {
  readonly #parts: DeviceRunParts;
  readonly #classAgnostic: boolean;

  constructor(parts: DeviceRunParts) {
    this.#parts = parts;
    this.#classAgnostic = isClassAgnostic(parts.manifest, parts.head);
  }

  /**
   * One run of at most `batchMax` pictures. A file that the device does not take is decoded on the CPU, within the same
   * request.
   * @returns the job, which may have been decoded, with what was found or what is wrong with it
   * @throws {TrtdError} those of the pipeline
   */
  async run(jobs: readonly Job[]): Promise<{ readonly job: Job; readonly found: Found | TrtdError }[]> {
    const now: (Job | TrtdError)[] = [...jobs];
    for (;;) {
      const at = now.flatMap((job, index) => job instanceof TrtdError ? [] : [index]);
      if (at.length === 0) return jobs.map((job, i) => ({ job, found: now[i] as TrtdError }));
      try {
        const found = await this.#run(at.map((index) => now[index] as Job));
        return jobs.map((job, i) => {
          const mine = now[i]!;
          return mine instanceof TrtdError ? { job, found: mine } : { job: mine, found: found[at.indexOf(i)]! };
        });
      } catch (thrown) {
        if (!(thrown instanceof PictureRefused)) throw thrown;
        const refused = thrown.frame === null ? at : [at[thrown.frame]!];
        const files = refused.filter((index) => "file" in (now[index] as Job).content);
        if (files.length === 0) throw new TrtdError("INFERENCE_FAILED", thrown.message, { cause: thrown });
        for (const index of files) now[index] = await this.#parts.decode(now[index] as Job).catch(trtdErrorFrom);
      }
    }
  }

  async #run(jobs: readonly Job[]): Promise<Found[]> {
    const { head, pipeline } = this.#parts;
    const placements = jobs.map((job) => {
      const { width, height } = sizeOf(job);
      return placementOf({ width, height }, head.input, head.row.preprocess.fit);
    });
    const { boxes, timings } = await pipeline.run(jobs.map((job, i) => this.#frame(job, placements[i]!)));
    return jobs.map((_, i) => {
      const started = performance.now();
      const detections = this.#onPicture(boxes[i]!, placements[i]!);
      const postprocess = timings.postprocess + performance.now() - started;
      return { detections, timings: { ...timings, postprocess } };
    });
  }

  #frame(job: Job, placement: Placement): PipelineFrame {
    const { content, options: { score, iou, max, wanted } } = job;
    const { width, height } = placement.source;
    return {
      ...("picture" in content
        ? { kind: "rgb", data: ownBytes(content.picture.data) }
        : { kind: "jpeg", data: content.file.bytes }),
      width,
      height,
      placement,
      question: {
        score: outputThreshold(score, this.#parts.head.cut),
        iou,
        max,
        classAgnostic: this.#classAgnostic,
        wanted,
      },
    };
  }

  #onPicture({ numbers, labels }: PipelineBoxes, placement: Placement): Detection[] {
    const detections: Detection[] = [];
    for (let i = 0; i < labels.length; i++) {
      const box = boxOnPicture(numbers, 5 * i, placement);
      if (box !== null) detections.push(detectionOf(this.#parts.head, labels[i]!, numbers[5 * i + 4]!, box));
    }
    return detections;
  }
}

/** The same bytes; a copy only where they are shared with another thread. */
const ownBytes = (data: Uint8Array): Uint8Array<ArrayBuffer> =>
  data.buffer instanceof ArrayBuffer ? data as Uint8Array<ArrayBuffer> : Uint8Array.from(data);
