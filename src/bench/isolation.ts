/** What it costs that the model is in a process of its own: the same pictures through both kinds of worker, in turn. */
import type { Model } from "../models/model.ts";
import { pictureFile, type ServedPicture } from "../serving/detection_worker.ts";
import { ServingManager } from "../serving/manager/manager.ts";
import { Ring, sharedMemoryFolder } from "../serving/ring/ring.ts";
import { RingPool } from "../serving/ring/ring_pool.ts";
import { openEmpty } from "../serving/worker/empty_detector.ts";
import { InProcessWorker } from "../serving/worker/in_process.ts";
import type { OpenDetector } from "../serving/worker/served_detector.ts";
import { WorkerProcess } from "../serving/worker/worker_process.ts";
import { median, type Spread, spreadOf } from "./statistics.ts";

/**
 * Size of the raw frame. A local producer has written it into shared memory, for a server of either kind; only the way
 * without a detection is compared with a frame that is in the process already.
 */
const FRAME = { width: 1152, height: 640 };
const RING_BYTES = 33_554_432;
/** Pictures of each kind and worker before the measurement: buffers, caches and the just-in-time compiler. */
const WARM_UP = { empty: 300, model: 10 } as const;
/** So many more pictures in a round when none of them takes time. */
const EMPTY_FACTOR = 10;

/**
 * Limits of the project: part of a CPU detection; the way of an encoded picture up to 300 KB and of a raw 640x1152 frame
 * there and back, without a detection, which leaves caches and processors cold for everything after it.
 */
const ISOLATION_LIMITS = { percent: 2, fileMs: 0.25, rawMs: 0.6 } as const;

export interface IsolationOptions {
  readonly model: Model;
  /** Loads the model in this process. */
  readonly open: OpenDetector;
  readonly jpeg: Uint8Array;
  readonly threads: number;
  readonly rounds: number;
  /** Pictures of each kind and worker in a round; {@link EMPTY_FACTOR} times as many without a model. */
  readonly requests: number;
  /** Called before each round, to wait for an idle machine. @default nothing */
  settle?(): Promise<void>;
}

/** Medians of the rounds' medians, in milliseconds. */
export interface IsolationRow {
  /** `empty` answers at once: what is left is the way there and back. */
  readonly detector: "empty" | "model";
  readonly picture: "file" | "raw";
  readonly bytes: number;
  /** From the manager's call to its answer. */
  readonly in_process_ms: number;
  readonly isolated_ms: number;
  /** What a picture takes longer in a process of its own. */
  readonly cost: Spread;
  /** Its part of a detection in this process, in percent. */
  readonly cost_percent: number;
  /** The cost of the way alone: what neither detector itself took. */
  readonly way_ms: number;
}

interface Sample {
  readonly wholeMs: number;
  readonly wayMs: number;
}

/** One picture through both, in turn. */
interface Pair {
  readonly isolated: Sample;
  readonly inside: Sample;
}

/**
 * Measure both, picture by picture in turn and every second time the other way round, so that what else the machine does
 * meets both; a difference is taken inside each pair.
 * @throws {TrtdError} of the loading; `SHARED_MEMORY_UNAVAILABLE`
 */
export async function measureIsolation(options: IsolationOptions): Promise<IsolationRow[]> {
  const empty = await measureWith("empty", { ...options, open: openEmpty, requests: EMPTY_FACTOR * options.requests });
  return [...empty, ...await measureWith("model", options)];
}

async function measureWith(detector: IsolationRow["detector"], options: IsolationOptions): Promise<IsolationRow[]> {
  const { model, open, jpeg, threads, requests } = options;
  const settings = { backend: "onnxruntime", max_pixels: 40_000_000, threads } as const;
  const folder = sharedMemoryFolder();
  const rings = RingPool.create(1, { bytes: RING_BYTES, folder });
  const producer = Ring.create({ bytes: RING_BYTES, folder });
  const args = [...detector === "empty" ? ["--empty"] : [], "--log-level", "error"];
  const isolated = managerOf(
    model,
    () => new WorkerProcess({ model, settings, rings, foreignRings: [producer], args }),
  );
  const inside = managerOf(model, () => new InProcessWorker(model, settings, open));
  try {
    await Promise.all([isolated.started, inside.started]);
    const frame = frameBytes();
    const raw = { kind: "rgb", ...FRAME, stride: 3 * FRAME.width } as const;
    const shared = { ...raw, place: { ring: producer, region: producer.put(frame)! } };
    const pictures: [IsolationRow["picture"], ServedPicture, ServedPicture, number][] = [
      ["file", pictureFile(jpeg), pictureFile(jpeg), jpeg.length],
      ["raw", shared, detector === "empty" ? { ...raw, place: { bytes: frame } } : shared, frame.length],
    ];
    const measured = pictures.map(([picture, outer, inner, bytes]) => {
      const both = [
        (): Promise<Sample> => ask(isolated, model.name, outer),
        (): Promise<Sample> => ask(inside, model.name, inner),
      ] as const;
      return { what: { detector, picture, bytes }, both, rounds: [] as Pair[][] };
    });
    for (const { both } of measured) await pairs(both, WARM_UP[detector]);
    for (let round = 0; round < options.rounds; round++) {
      await options.settle?.();
      for (const { both, rounds } of round % 2 === 0 ? measured : measured.toReversed()) {
        rounds.push(await pairs(both, requests));
      }
    }
    return measured.map(({ what, rounds }) => rowFrom(what, rounds));
  } finally {
    await Promise.all([isolated.close(), inside.close()]);
    rings.close();
    producer.close();
  }
}

type Ask = () => Promise<Sample>;

async function pairs([isolated, inside]: readonly [Ask, Ask], count: number): Promise<Pair[]> {
  const found: Pair[] = [];
  for (let i = 0; i < count; i++) {
    if (i % 2 === 0) {
      const first = await isolated();
      found.push({ isolated: first, inside: await inside() });
    } else {
      const first = await inside();
      found.push({ inside: first, isolated: await isolated() });
    }
  }
  return found;
}

function managerOf(model: Model, startWorker: () => WorkerProcess | InProcessWorker): ServingManager {
  return new ServingManager({
    models: [model.name],
    startWorker,
    queueLimit: 8,
    requestTimeoutMs: 600_000,
    limits: { intervalMs: 600_000 },
  });
}

/** The limit of a row, null where the project has none. */
export function limitOf(
  row: Pick<IsolationRow, "detector" | "picture" | "bytes">,
): { of: "%" | "ms"; max: number } | null {
  const { percent, fileMs, rawMs } = ISOLATION_LIMITS;
  if (row.detector === "model") return { of: "%", max: percent };
  if (row.picture === "raw") return { of: "ms", max: rawMs };
  return row.bytes <= 300_000 ? { of: "ms", max: fileMs } : null;
}

/** Whether a row keeps its limit, null where there is none. */
export function keepsLimit(row: IsolationRow): boolean | null {
  const limit = limitOf(row);
  if (limit === null) return null;
  return (limit.of === "%" ? row.cost_percent : row.cost.median) <= limit.max;
}

async function ask(manager: ServingManager, model: string, picture: ServedPicture): Promise<Sample> {
  const arrivedMs = performance.now();
  const { result } = await manager.detect({ model, picture, options: {}, annotate: false, arrivedMs });
  const wholeMs = performance.now() - arrivedMs;
  return { wholeMs, wayMs: wholeMs - result.timings_ms.total };
}

/** A frame of smooth colours: its content does not matter, its size does. */
function frameBytes(): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: 3 * FRAME.width * FRAME.height }, (_, at) => (at >> 4) & 0xff);
}

function rowFrom(
  what: Pick<IsolationRow, "detector" | "picture" | "bytes">,
  rounds: readonly (readonly Pair[])[],
): IsolationRow {
  const medians = (of: (pair: Pair) => number) => rounds.map((pairs) => median(pairs.map(of)));
  const insideMs = median(medians(({ inside }) => inside.wholeMs));
  const cost = spreadOf(medians(({ isolated, inside }) => isolated.wholeMs - inside.wholeMs));
  return {
    ...what,
    in_process_ms: rounded(insideMs),
    isolated_ms: rounded(median(medians(({ isolated }) => isolated.wholeMs))),
    cost: { median: rounded(cost.median), lowest: rounded(cost.lowest), highest: rounded(cost.highest) },
    cost_percent: rounded(100 * cost.median / insideMs),
    way_ms: rounded(median(medians(({ isolated, inside }) => isolated.wayMs - inside.wayMs))),
  };
}

const rounded = (value: number): number => Math.round(value * 1000) / 1000;
