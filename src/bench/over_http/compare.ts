/** The whole comparison: everything under test runs side by side, turn by turn, in one run. */
import type { OnnxRuntime } from "../../native/onnxruntime.ts";
import { loadOrt } from "../../native/onnxruntime.ts";
import { type Agreement, agreementOf } from "../agreement.ts";
import { baselineServer } from "./baseline.ts";
import type { GoalName } from "./goals.ts";
import { waitUntilIdle } from "../idle.ts";
import { letterboxTimes, nmsTimes, settled } from "./kernels.ts";
import { type DetectionAnswer, measureLatency, measureThroughput, type Target } from "./load.ts";
import {
  compiledTrtd,
  freePort,
  type RunningServer,
  type ServerCommand,
  startServer,
  trtdServer,
  waitReady,
} from "./servers.ts";
import { median, ratioOf, type Summary, summaryOf } from "../statistics.ts";

export interface CompareOptions {
  /** Path of an ONNX file with one input `[N, 3, H, W]` f32. */
  readonly model: string;
  /** Height and width of the model's input. */
  readonly input: { readonly name: string; readonly height: number; readonly width: number };
  readonly jpeg: Uint8Array;
  readonly threads: number;
  readonly score: number;
  readonly iou: number;
  readonly rounds: number;
  /** Requests of one client in a round. */
  readonly requests: number;
  /** Clients of the throughput measurement. */
  readonly clients: number;
  /** Length of a round's throughput measurement. */
  readonly throughputMs: number;
  /** Whether the Python baseline takes part. */
  readonly baseline: boolean;
  /** Path of a compiled trtd whose start is measured too, null without one. */
  readonly compiled: string | null;
  /** Flags for `trtd serve` besides address, model and threads. */
  readonly serveFlags: readonly string[];
  /** Key that `trtd serve` is to ask for, null for none. */
  readonly apiKey: string | null;
  /** Ends the servers, and the comparison with an error of a server that is gone. */
  readonly signal: AbortSignal;
  /** Whether each measurement waits until the rest of the machine is idle. */
  readonly waitForIdle: boolean;
  /** Told what begins. */
  readonly note: (text: string) => void;
}

export interface Comparison {
  readonly measures: Partial<Record<GoalName, Summary>>;
  /** Whether both services found the same; null without the baseline. */
  readonly agreement: Agreement | null;
}

type Rounds = Partial<Record<GoalName, number[]>>;

/** Run everything. Both servers are up all the time; the order inside a round alternates. */
export async function compare(options: CompareOptions): Promise<Comparison> {
  const rounds: Rounds = {};
  const record = (name: GoalName, value: number) => (rounds[name] ??= []).push(value);
  const agreement = await measureServers(options, record);
  options.note("start, NMS and letterbox ...");
  for (let round = 0; round <= options.rounds; round++) {
    const warm = round > 0 ? record : () => {};
    await settle(options);
    await measureStarts(options, warm);
    warm("nms_ms", settled(nmsTimes, 50));
    warm("letterbox_ms", settled(letterboxTimes, 50));
  }
  return { measures: summaries(rounds), agreement };
}

async function settle({ signal, waitForIdle, note }: CompareOptions): Promise<void> {
  signal.throwIfAborted();
  if (waitForIdle && !await waitUntilIdle()) note("the machine stays busy; measuring all the same");
}

async function measureServers(
  options: CompareOptions,
  record: (name: GoalName, value: number) => void,
): Promise<Agreement | null> {
  const bareRun = await openBareRun(await loadOrt(), options);
  const ports = { trtd: freePort(), baseline: freePort(), instances: freePort() };
  await using trtd = await startServer(trtdCommand(options, ports.trtd), ports.trtd, options);
  await waitReady(trtd, "/health/ready");
  await using baseline = options.baseline
    ? await startServer(baselineCommand(options, ports.baseline), ports.baseline, options)
    : null;
  // One thread each: no run waits for a thread that decodes another's picture.
  const each = ["--instances", String(options.threads), "--threads", "1"];
  await using instances = options.threads > 1
    ? await startServer(trtdCommand(options, ports.instances, each), ports.instances, options)
    : null;
  if (instances !== null) await waitReady(instances, "/health/ready");
  const query = `?score=${options.score}&iou=${options.iou}`;
  const sides = [
    { side: "trtd", target: targetOf("trtd", trtd, `/v1/detect${query}`) },
    ...(baseline === null ? [] : [{ side: "baseline", target: targetOf("baseline", baseline, "/v1/detect") } as const]),
  ] as const;
  const answers: Partial<Record<"trtd" | "baseline", DetectionAnswer>> = {};
  for (const { side, target } of sides) {
    answers[side] = (await measureLatency(target, options.jpeg, 10)).answer;
  }
  await bareRun.times(10);
  const throughput = (target: Target) =>
    measureThroughput(target, options.jpeg, { clients: options.clients, forMs: options.throughputMs });

  for (let round = 0; round < options.rounds; round++) {
    options.note(`round ${round + 1} of ${options.rounds} ...`);
    const turns = [
      async () => record("bare_run_ms", median(await bareRun.times(options.requests))),
      ...sides.map(({ side, target }) => async () => {
        const { total, inference } = await measureLatency(target, options.jpeg, options.requests);
        record(`${side}_ms`, median(total));
        record(`${side}_overhead_ms`, median(total.map((ms, i) => ms - inference[i]!)));
      }),
      ...sides.map(({ side, target }) => async () => record(`${side}_per_s`, await throughput(target))),
      async () => record("bare_per_s", await bareRun.perSecond(options.throughputMs)),
      ...instances === null ? [] : [
        async () => record("instances_per_s", await throughput(targetOf("trtd", instances, `/v1/detect${query}`))),
      ],
    ];
    for (const turn of round % 2 === 0 ? turns : turns.reverse()) {
      await settle(options);
      await turn();
    }
  }
  await bareRun.close();
  const { trtd: ours, baseline: theirs } = answers;
  return theirs === undefined ? null : agreementOf(ours!.detections, theirs.detections);
}

function summaries(rounds: Rounds): Comparison["measures"] {
  const measures: Partial<Record<GoalName, Summary>> = {};
  const ratio = (name: GoalName, ours: GoalName, theirs: GoalName, better: "lower" | "higher") => {
    const [mine, other] = [rounds[ours], rounds[theirs]];
    if (mine !== undefined && other !== undefined) measures[name] = ratioOf(mine, other, better);
  };
  ratio("end_to_end_to_baseline", "trtd_ms", "baseline_ms", "lower");
  ratio("end_to_end_to_bare_run", "trtd_ms", "bare_run_ms", "lower");
  ratio("throughput_to_baseline", "trtd_per_s", "baseline_per_s", "higher");
  ratio("throughput_to_bare_run", "trtd_per_s", "bare_per_s", "higher");
  ratio("instances_to_bare_run", "instances_per_s", "bare_per_s", "higher");
  ratio("overhead_to_baseline", "trtd_overhead_ms", "baseline_overhead_ms", "lower");
  for (const [name, values] of Object.entries(rounds) as [GoalName, number[]][]) {
    measures[name] = summaryOf(values, name.endsWith("_per_s") ? "higher" : "lower");
  }
  return measures;
}

/** The model alone, as `onnxruntime-node` runs it when nothing but the number of threads is set. */
async function openBareRun(ort: OnnxRuntime, options: CompareOptions) {
  const session = await ort.InferenceSession.create(options.model, { intraOpNumThreads: options.threads });
  const { name, height, width } = options.input;
  const data = new Float32Array(3 * height * width).fill(0.5);
  const run = async () => {
    const start = performance.now();
    await session.run({ [name]: new ort.Tensor("float32", data, [1, 3, height, width]) });
    return performance.now() - start;
  };
  return {
    async times(count: number): Promise<number[]> {
      const times: number[] = [];
      for (let i = 0; i < count; i++) times.push(await run());
      return times;
    },
    async perSecond(forMs: number): Promise<number> {
      const begun = performance.now();
      let runs = 0;
      for (; performance.now() < begun + forMs; runs++) await run();
      return 1000 * runs / (performance.now() - begun);
    },
    close: () => session.release(),
  };
}

async function measureStarts(options: CompareOptions, record: (name: GoalName, value: number) => void): Promise<void> {
  const start = async (command: (port: number) => ServerCommand, live: GoalName, ready: GoalName | null) => {
    const port = freePort();
    const begin = performance.now();
    await using server = await startServer(command(port), port, options);
    record(live, server.startMs);
    if (ready === null) return;
    await waitReady(server, "/health/ready");
    record(ready, performance.now() - begin);
  };
  await start((port) => trtdCommand(options, port), "live_ms", "ready_ms");
  const { compiled } = options;
  if (compiled !== null) {
    const command = (port: number) => withKey(options, compiledTrtd(compiled, port, trtdFlags(options)));
    await start(command, "compiled_live_ms", "compiled_ready_ms");
  }
  if (options.baseline) await start((port) => baselineCommand(options, port), "baseline_live_ms", null);
}

/** @param sizes threads, and workers when there is more than one */
const trtdFlags = (options: CompareOptions, sizes = ["--threads", String(options.threads)]): string[] => [
  "--model",
  options.model,
  ...sizes,
  ...options.serveFlags,
];

const trtdCommand = (options: CompareOptions, port: number, sizes?: string[]) =>
  withKey(options, trtdServer(port, trtdFlags(options, sizes)));

const withKey = ({ apiKey }: CompareOptions, command: ServerCommand): ServerCommand =>
  apiKey === null ? command : { ...command, apiKey };

const baselineCommand = ({ model, threads, score, iou }: CompareOptions, port: number) =>
  baselineServer(port, model, { threads, score, iou });

const targetOf = (name: string, server: RunningServer, path: string): Target => ({
  name,
  address: server.address,
  path,
});
