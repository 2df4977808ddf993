/** What it costs that the model is in a process of its own: the same pictures through both kinds of worker, in turn. */
import type { Model } from "../models/model.ts";
import { pictureFile, type ServedPicture } from "../serving/detection_worker.ts";
import { ServingManager } from "../serving/manager/manager.ts";
import { sharedMemoryFolder } from "../serving/ring/ring.ts";
import { RingPool } from "../serving/ring/ring_pool.ts";
import { InProcessWorker } from "../serving/worker/in_process.ts";
import type { OpenDetector } from "../serving/worker/served_detector.ts";
import { WorkerProcess } from "../serving/worker/worker_process.ts";
import { median } from "./statistics.ts";

/** Size of the raw frame, as local producers send it. */
const FRAME = { width: 1152, height: 640 };
const RING_BYTES = 33_554_432;
/** Runs before the measurement: buffers, caches and the just-in-time compiler. */
const WARM_UP = 5;

/** Limits of the project: of a CPU detection, of an encoded picture up to 300 KB, of a raw 640x1152 frame. */
export const ISOLATION_LIMITS = { percent: 2, fileMs: 0.25, rawMs: 0.6 } as const;

export interface IsolationOptions {
  readonly model: Model;
  /** Loads the model in this process. */
  readonly open: OpenDetector;
  readonly jpeg: Uint8Array;
  readonly threads: number;
  /** Pictures of each kind and worker. */
  readonly requests: number;
}

/** Medians in milliseconds. */
export interface IsolationRow {
  readonly picture: "file" | "raw";
  readonly bytes: number;
  /** From the manager's call to its answer. */
  readonly in_process_ms: number;
  readonly isolated_ms: number;
  /** The same without what the detector itself took. */
  readonly in_process_overhead_ms: number;
  readonly isolated_overhead_ms: number;
  /** Difference of the overheads, and its part of a detection in this process. */
  readonly cost_ms: number;
  readonly cost_percent: number;
}

interface Sample {
  readonly wholeMs: number;
  readonly overheadMs: number;
}

/**
 * Measure both, alternating, so that what else the machine does meets both.
 * @throws {TrtdError} of the loading; `SHARED_MEMORY_UNAVAILABLE`
 */
export async function measureIsolation(options: IsolationOptions): Promise<IsolationRow[]> {
  const { model, open, jpeg, threads, requests } = options;
  const settings = { backend: "onnxruntime", max_pixels: 40_000_000, threads } as const;
  const rings = RingPool.create(1, { bytes: RING_BYTES, folder: sharedMemoryFolder() });
  const managerOf = (startWorker: () => WorkerProcess | InProcessWorker) =>
    new ServingManager({
      models: [model.name],
      startWorker,
      queueLimit: 8,
      requestTimeoutMs: 600_000,
      limits: { intervalMs: 600_000 },
    });
  const isolated = managerOf(() => new WorkerProcess({ model, settings, rings, args: ["--log-level", "error"] }));
  const inside = managerOf(() => new InProcessWorker(model, settings, open));
  try {
    await Promise.all([isolated.started, inside.started]);
    const pictures: [IsolationRow["picture"], ServedPicture, number][] = [
      ["file", pictureFile(jpeg), jpeg.length],
      ["raw", rawFrame(), 3 * FRAME.width * FRAME.height],
    ];
    const rows: IsolationRow[] = [];
    for (const [kind, picture, bytes] of pictures) {
      const samples: Record<"isolated" | "inside", Sample[]> = { isolated: [], inside: [] };
      for (let i = -WARM_UP; i < requests; i++) {
        const one = await ask(isolated, model.name, picture);
        const other = await ask(inside, model.name, picture);
        if (i < 0) continue;
        samples.isolated.push(one);
        samples.inside.push(other);
      }
      rows.push(rowFrom(kind, bytes, samples));
    }
    return rows;
  } finally {
    await Promise.all([isolated.close(), inside.close()]);
    rings.close();
  }
}

/** Which of the limits a row breaks; empty when it keeps them. */
export function brokenLimits({ picture, bytes, cost_ms, cost_percent }: IsolationRow): string[] {
  const limitMs = picture === "raw" ? ISOLATION_LIMITS.rawMs : bytes <= 300_000 ? ISOLATION_LIMITS.fileMs : Infinity;
  return [
    ...(cost_ms > limitMs ? [`${cost_ms} ms is more than ${limitMs} ms`] : []),
    ...(cost_percent > ISOLATION_LIMITS.percent
      ? [`${cost_percent} % is more than ${ISOLATION_LIMITS.percent} %`]
      : []),
  ];
}

async function ask(manager: ServingManager, model: string, picture: ServedPicture): Promise<Sample> {
  const arrivedMs = performance.now();
  const { result } = await manager.detect({ model, picture, options: {}, annotate: false, arrivedMs });
  const wholeMs = performance.now() - arrivedMs;
  return { wholeMs, overheadMs: wholeMs - result.timings_ms.total };
}

/** A frame of smooth colours: its content does not matter, its size does. */
function rawFrame(): ServedPicture {
  const { width, height } = FRAME;
  const bytes = new Uint8Array(3 * width * height);
  for (let at = 0; at < bytes.length; at++) bytes[at] = (at >> 4) & 0xff;
  return { kind: "rgb", width, height, stride: 3 * width, place: { bytes } };
}

function rowFrom(
  picture: IsolationRow["picture"],
  bytes: number,
  { isolated, inside }: Record<"isolated" | "inside", readonly Sample[]>,
): IsolationRow {
  const wholeMs = median(inside.map((one) => one.wholeMs));
  const overheads = [inside, isolated].map((samples) => median(samples.map((one) => one.overheadMs)));
  const costMs = overheads[1]! - overheads[0]!;
  return {
    picture,
    bytes,
    in_process_ms: rounded(wholeMs),
    isolated_ms: rounded(median(isolated.map((one) => one.wholeMs))),
    in_process_overhead_ms: rounded(overheads[0]!),
    isolated_overhead_ms: rounded(overheads[1]!),
    cost_ms: rounded(costMs),
    cost_percent: rounded(100 * costMs / wholeMs),
  };
}

const rounded = (value: number): number => Math.round(value * 1000) / 1000;
