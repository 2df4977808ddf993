/** Pictures to boxes on the GPU, over lanes that each run one batch. */
import type { JpegDecoder } from "../../../ffi/jpeg.ts";
import type { Question } from "../../../ffi/kernels.ts";
import type { HostFrame, Pipeline, PipelineTimes } from "../../../ffi/pipeline.ts";
import type { PipelineFacts } from "../../../ffi/pipeline_facts.ts";
import type { ExecutionContext } from "../../../ffi/runtime.ts";
import { ShimError } from "../../../ffi/shim_error.ts";
import type { FramePipeline, PipelineFrame, PipelineRun } from "../backend.ts";
import type { Lanes } from "../lanes.ts";

/** A pipeline of libtrtd, with its context and decoder. */
export interface PipelineLane extends Disposable {
  readonly context: ExecutionContext;
  readonly pipeline: Pipeline;
  /** Of JPEG files, null where the CPU decodes them. */
  readonly jpeg: JpegDecoder | null;
  /** Pictures of its last run: the graph of a dynamic batch is for as many. */
  batch: number;
}

export interface GpuPipelineParts {
  /** Most pictures of one run. */
  readonly imagesMax: number;
  /** Most boxes of one picture. */
  readonly boxesMax: number;
  /** Batches that runs are filled up to, ascending up to `imagesMax`; null where any number is as good. */
  readonly sizes: readonly number[] | null;
  /** Turns errors of libtrtd into failures. */
  readonly guarded: <R>(work: () => Promise<R>) => Promise<R>;
}

export class GpuPipeline implements FramePipeline {
  readonly batchMax: number;
  readonly lanes: number;
  readonly jpeg: boolean;
  readonly #lanes: Lanes<PipelineLane>;
  readonly #parts: GpuPipelineParts;
  /** Runs that are under way or wait for a lane. */
  #asked = 0;

  constructor(lanes: Lanes<PipelineLane>, parts: GpuPipelineParts) {
    this.batchMax = parts.imagesMax;
    this.lanes = lanes.size;
    this.jpeg = lanes.all.every(({ jpeg }) => jpeg !== null);
    this.#lanes = lanes;
    this.#parts = parts;
  }

  async run(frames: readonly PipelineFrame[]): Promise<PipelineRun> {
    const { filled, questions } = this.#filled(frames);
    const here = this.#asked++ === 0;
    try {
      return await this.onLane(async ({ pipeline }) => {
        const times = await pipeline.run(filled, questions, { here });
        return {
          boxes: frames.map((_, image) => pipeline.read(image)),
          timings: {
            decode: times.decode,
            preprocess: times.upload + times.letterbox,
            inference: times.inference,
            postprocess: times.postprocess + times.download,
          },
        };
      }, filled.length);
    } finally {
      this.#asked--;
    }
  }

  /** Pictures that the GPU decoded, and files that it did not take, of all lanes. Not while one is under way. */
  decoded(): { readonly pictures: number; readonly refused: number } {
    const facts = this.#lanes.all.flatMap(({ jpeg }) => jpeg === null ? [] : [jpeg.facts()]);
    return {
      pictures: facts.reduce((sum, { decoded }) => sum + decoded, 0),
      refused: facts.reduce((sum, { refused }) => sum + refused, 0),
    };
  }

  /** One run with each stage measured by itself. */
  async stageTimes(frames: readonly PipelineFrame[]): Promise<PipelineTimes> {
    const { filled, questions } = this.#filled(frames);
    return await this.onLane(({ pipeline }) => pipeline.run(filled, questions, { timed: true }), filled.length);
  }

  /**
   * The model in `runs` runs of the same frames after each other, by events inside the pipeline's graph; null where there is
   * none.
   */
  async inferenceTimes(frames: readonly PipelineFrame[], runs: number): Promise<readonly number[] | null> {
    const { filled, questions } = this.#filled(frames);
    return await this.onLane(async ({ pipeline }) => {
      // The first may have to record the graph.
      for (let i = 0; i < 2; i++) await pipeline.run(filled, questions, { timed: true });
      try {
        return Array.from(await pipeline.timeAgain(runs));
      } catch (error) {
        if (error instanceof ShimError && error.statusName === "UNSUPPORTED") return null;
        throw error;
      }
    }, filled.length);
  }

  /** @param batch pictures of the work, where it has some: a lane that had as many is best */
  async onLane<R>(work: (lane: PipelineLane) => Promise<R>, batch = 0): Promise<R> {
    return await this.#lanes.use((lane) => {
      lane.batch = batch;
      return this.#parts.guarded(() => work(lane));
    }, (lane) => lane.batch === batch);
  }

  /** Of the first lane. */
  facts(): PipelineFacts {
    return this.#lanes.all[0]!.pipeline.facts();
  }

  /** Resolves when no run is under way. */
  idle(): Promise<void> {
    return this.#lanes.idle();
  }

  /** As many frames as a run takes. */
  #filled(frames: readonly PipelineFrame[]): { filled: HostFrame[]; questions: Question[] } {
    const size = this.#parts.sizes?.find((one) => one >= frames.length) ?? frames.length;
    const more = Array.from({ length: size - frames.length }, () => FILLING);
    return {
      filled: [...frames, ...more.map(({ frame }) => frame)],
      questions: [...frames.map((frame) => this.#question(frame)), ...more.map(({ question }) => question)],
    };
  }

  #question({ placement, question }: PipelineFrame): Question {
    return { ...question, max: Math.min(question.max, this.#parts.boxesMax), placement };
  }
}

/** A picture of one pixel of which nothing is asked: it fills a batch. */
const FILLING: { readonly frame: HostFrame; readonly question: Question } = {
  frame: {
    kind: "rgb",
    data: Uint8Array.of(114, 114, 114),
    width: 1,
    height: 1,
    placement: { left: 0, top: 0, width: 1, height: 1 },
  },
  question: {
    score: 3e38,
    iou: 0.5,
    max: 1,
    placement: { left: 0, top: 0, scaleX: 1, scaleY: 1, source: { width: 1, height: 1 } },
  },
};

/** Grey pictures of the model's own size, for the runs that record graphs and make room. */
export function warmUpFrames(
  { width, height }: { readonly width: number; readonly height: number },
  count: number,
): [HostFrame[], Question[]] {
  const data = new Uint8Array(3 * width * height).fill(114);
  const placement = { left: 0, top: 0, width, height };
  const whole = { left: 0, top: 0, scaleX: 1, scaleY: 1, source: { width, height } };
  return [
    Array.from({ length: count }, () => ({ kind: "rgb" as const, data, width, height, placement })),
    Array.from({ length: count }, () => ({ score: 0.5, iou: 0.5, max: 1, placement: whole })),
  ];
}
