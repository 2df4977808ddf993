/** A subject whose stages take as long as a table says: by a clock of its own where that is enough. */
import type { Sample, StageTimes, Subject } from "../../../src/bench/stages/subject.ts";

export interface FakeTimes {
  readonly stages: StageTimes;
  readonly bare: number | null;
  /** Milliseconds that a run takes by the clock. */
  readonly runMs: number;
  /** What a run throws. */
  readonly fails?: (batch: number, lanes: number) => Error | null;
}

export interface FakeSubject extends Subject {
  /** What was asked, in order. */
  readonly asked: string[];
  readonly lanesAtOnce: () => number;
}

export function fakeSubject(times: FakeTimes, name = "fake"): FakeSubject {
  const asked: string[] = [];
  let lanes = 0, most = 0;
  const pause = () => new Promise<void>((resolve) => setTimeout(resolve, times.runMs));
  return {
    asked,
    lanesAtOnce: () => most,
    info: { name: "tensorrt", device: "cuda:0", precision: "fp16", engine: "/e.engine", degraded: null },
    runtime: "TensorRT 1.2.3",
    platform: { gpu: "Some | GPU", compute_capability: "9.0", driver: "580.1" },
    input: { width: 640, height: 640 },
    batchMax: 4,
    lanesMax: 2,
    uses: { inference: [{ resource: { name: "the GPU", units: 1 }, units: 1 }] },
    bareIs: "a loop",
    remarks: [],
    run: async (way, samples) => {
      asked.push(`${name} ${way} ${samples.length}`);
      most = Math.max(most, ++lanes);
      try {
        const failure = times.fails?.(samples.length, lanes) ?? null;
        if (failure !== null) throw failure;
        await pause();
      } finally {
        lanes--;
      }
      return Object.values(times.stages).reduce((sum, ms) => sum + ms, 0) -
        (way === "jpeg" ? 0 : times.stages.decode ?? 0);
    },
    runStages: async () => {
      asked.push(`${name} stages`);
      await pause();
      return times.stages;
    },
    bare: times.bare === null ? null : (batch, runs) => {
      asked.push(`${name} bare ${batch}`);
      return Promise.resolve(Array.from({ length: runs }, () => times.bare!));
    },
    find: () => Promise.resolve([]),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

export const SAMPLE: Sample = {
  file: new Uint8Array(1),
  picture: { data: new Uint8Array(3), width: 1, height: 1 },
};
