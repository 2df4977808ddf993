/** Rounds of measurements over one or more subjects, which take turns so that a slow moment of the machine meets all. */
import { type Agreement, agreementOf } from "../agreement.ts";
import { median, type Spread, spreadOf } from "../statistics.ts";
import { batchOf, type Latency, latencyOf, latencyTurns, noTimes, RUNS_MIN, stagesOf, type Times } from "./latency.ts";
import { type LatencyLimiter, latencyLimiter, type ThroughputLimiter, throughputLimiter } from "./limiter.ts";
import type { Rival } from "./rival.ts";
import {
  type FoundBox,
  type Platform,
  type Sample,
  STAGE_NAMES,
  type StageName,
  type Subject,
  type Way,
} from "./subject.ts";
import { bestCell, type Cell, cellOf, type CellTimes, throughputTurns } from "./throughput.ts";

export interface MeasureOptions {
  readonly samples: readonly Sample[];
  /** At least 3. */
  readonly rounds: number;
  /** Milliseconds of one measurement in a round. */
  readonly windowMs: number;
  /** Pictures of a run for throughput; sizes beyond a subject's own are left out. */
  readonly batches: readonly number[];
  /** Runs at once for throughput, likewise. */
  readonly lanes: readonly number[];
  /** Another program, which takes turns with the subjects. @default none */
  readonly rival?: Rival | null;
  /** Waits before each measurement, for example until the machine is idle. */
  readonly settle: () => Promise<void>;
  /** Told what begins. */
  readonly note: (text: string) => void;
}

export interface SubjectReport {
  readonly backend: Subject["info"];
  readonly runtime: string;
  readonly platform: Platform | null;
  readonly bare_is: string;
  readonly remarks: readonly string[];
  /** Boxes on the first picture. */
  readonly found: number;
  readonly bare_ms: Latency | null;
  readonly pixels_ms: Latency;
  readonly jpeg_ms: Latency;
  readonly stages_ms: Readonly<Partial<Record<StageName, Latency>>>;
  /** Inference by the bare run, of the same round, both timed in the same way. */
  readonly inference_to_bare: Spread | null;
  /** Milliseconds that RGB to boxes, and JPEG to boxes, take on top of the bare run of the same round. */
  readonly pixels_beyond_bare_ms: Spread | null;
  readonly jpeg_beyond_bare_ms: Spread | null;
  readonly throughput: readonly Cell[];
  /** What holds a single picture back, and the cell with the highest rate of each way. */
  readonly limiter: {
    readonly latency: LatencyLimiter | null;
    readonly pixels: ThroughputLimiter | null;
    readonly jpeg: ThroughputLimiter | null;
  };
}

/** The first subject beside another program. */
export interface RivalReport {
  readonly about: Rival["about"];
  /** Boxes on the first picture that both found, at an IoU of at least 0.95. */
  readonly agreement: Agreement;
  readonly jpeg_ms: Latency;
  /** JPEG to boxes: the first subject's time by the rival's of the same round. */
  readonly ours_to_rival: Spread;
}

export interface Measured {
  readonly subjects: readonly SubjectReport[];
  readonly rival: RivalReport | null;
}

/** IoU at which both count as having found the same box. */
const SAME_BOX = 0.95;

/** Rounds in which throughput is measured: it takes long, and rates move less than single times. */
const THROUGHPUT_ROUNDS = 3;

/** Measure all subjects. @throws {TrtdError} what a subject throws at batch 1, and what the rival throws */
export async function measure(subjects: readonly Subject[], options: MeasureOptions): Promise<Measured> {
  const { rival = null } = options;
  const theirs: number[][] = [];
  const all = subjects.map((subject) => ({ subject, times: noTimes(), cells: new Map<string, CellTimes>() }));
  for (const { subject } of all) await warmUp(subject, options);
  for (let round = 0; round < options.rounds; round++) {
    options.note(`round ${round + 1} of ${options.rounds} ...`);
    const turns = all.flatMap(({ subject, times }) => latencyTurns(subject, times, options));
    if (rival !== null) turns.push(async () => void theirs.push([...await rival.round(options.windowMs)]));
    for (const turn of round % 2 === 0 ? turns : turns.reverse()) {
      await options.settle();
      await turn();
    }
  }
  for (let round = 0; round < Math.min(THROUGHPUT_ROUNDS, options.rounds); round++) {
    options.note(`throughput, round ${round + 1} ...`);
    const turns = all.flatMap(({ subject, cells }) => throughputTurns(subject, cells, options));
    for (const turn of round % 2 === 0 ? turns : turns.reverse()) {
      await options.settle();
      await turn();
    }
  }
  const reports: SubjectReport[] = [];
  for (const { subject, times, cells } of all) reports.push(await reportOf(subject, { times, cells }, options));
  const [first] = all;
  return {
    subjects: reports,
    rival: rival === null || first === undefined
      ? null
      : await rivalReport(rival, { theirs, ours: first.times.jpeg, subject: first.subject }, options),
  };
}

async function rivalReport(
  rival: Rival,
  { theirs, ours, subject }: { theirs: number[][]; ours: number[][]; subject: Subject },
  { samples }: MeasureOptions,
): Promise<RivalReport> {
  const labelled = (boxes: readonly FoundBox[]) => boxes.map(({ class_id, box }) => ({ label: String(class_id), box }));
  const found = await subject.find(samples[0]!.file);
  const jpeg = latencyOf(theirs);
  return {
    about: rival.about,
    agreement: agreementOf(labelled(found), labelled(await rival.boxes()), SAME_BOX),
    jpeg_ms: jpeg,
    ours_to_rival: spreadOf(ours.map((times, round) => median(times) / jpeg.rounds[round]!)),
  };
}

async function warmUp(subject: Subject, { samples }: MeasureOptions): Promise<void> {
  const batch = batchOf(samples, 1);
  for (let i = 0; i < RUNS_MIN; i++) {
    await subject.run("jpeg", batch);
    await subject.run("pixels", batch);
    await subject.runStages(batch);
  }
  await subject.bare?.(1, RUNS_MIN);
}

async function reportOf(
  subject: Subject,
  { times, cells }: { times: Times; cells: ReadonlyMap<string, CellTimes> },
  options: MeasureOptions,
): Promise<SubjectReport> {
  const { info, runtime, platform, bareIs, remarks, uses } = subject;
  const bare = times.bare.length === 0 ? null : latencyOf(times.bare);
  const stages = STAGE_NAMES.flatMap((name) =>
    times[name].length === 0 ? [] : [[name, latencyOf(times[name])] as const]
  );
  const pixels = latencyOf(times.pixels), jpeg = latencyOf(times.jpeg);
  const beyond = (all: Latency) => bare && spreadOf(all.rounds.map((ms, round) => ms - bare.rounds[round]!));
  const inference = latencyOf(times.loopedInference.length === 0 ? times.inference : times.loopedInference);
  const alone = times.bareInference.length === 0 ? bare : latencyOf(times.bareInference);
  const throughput = [...cells.values()].map(cellOf);
  const single = Object.fromEntries(stages.map(([name, { p50 }]) => [name, p50]));
  const limiterOf = async (way: Way) => {
    const best = bestCell(throughput, way);
    if (best === null) return null;
    const batched = best.cell.batch === 1 ? single : await stagesOf(subject, best.cell.batch, options);
    return throughputLimiter({ uses, way, single, batched, batch: best.cell.batch, perSecond: best.perSecond });
  };
  return {
    backend: info,
    runtime,
    platform,
    bare_is: bareIs,
    remarks,
    found: (await subject.find(options.samples[0]!.file)).length,
    bare_ms: bare,
    pixels_ms: pixels,
    jpeg_ms: jpeg,
    stages_ms: Object.fromEntries(stages),
    inference_to_bare: alone && spreadOf(inference.rounds.map((ms, round) => ms / alone.rounds[round]!)),
    pixels_beyond_bare_ms: beyond(pixels),
    jpeg_beyond_bare_ms: beyond(jpeg),
    throughput,
    limiter: {
      latency: latencyLimiter(single),
      pixels: await limiterOf("pixels"),
      jpeg: await limiterOf("jpeg"),
    },
  };
}
