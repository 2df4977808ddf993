/** From the settings to a serving manager with its shared memory. */
import type { Config } from "../../config/config.ts";
import { TrtdError } from "../../errors.ts";
import type { Model } from "../../models/model.ts";
import { channelParents } from "../../serving/channel/channel_folder.ts";
import type { WorkerSettings } from "../../serving/channel/messages.ts";
import type { DetectionWorker } from "../../serving/detection_worker.ts";
import { SYSTEM_CLOCK } from "../../serving/clock.ts";
import { startBuild } from "../../serving/engine/build_process.ts";
import { EngineBuilds } from "../../serving/engine/engine_builds.ts";
import type { ServingListener } from "../../serving/manager/events.ts";
import type { WorkerStart } from "../../serving/manager/crew.ts";
import { type GpuKind, kindsOf, type Place } from "../../serving/policy/places.ts";
import { ServingManager } from "../../serving/manager/manager.ts";
import { removeStale, type Ring, sharedMemoryFolder } from "../../serving/ring/ring.ts";
import { RingPool, type RingUsage } from "../../serving/ring/ring_pool.ts";
import { ProducerSocket } from "../../serving/producer/producer_socket.ts";
import { InProcessWorker } from "../../serving/worker/in_process.ts";
import { WorkerProcess } from "../../serving/worker/worker_process.ts";
import type { Terminal } from "../command.ts";

/** Rings beyond one for each worker: for the successor of one that is being replaced. */
const SPARE_RINGS = 1;
const MEGABYTE = 1_048_576;

/** The served models, as they are when a worker is started. */
export class ServedModels {
  readonly names: readonly string[];
  readonly #models: Map<string, Model>;

  constructor(models: readonly Model[]) {
    this.names = models.map(({ name }) => name);
    this.#models = new Map(models.map((model) => [model.name, model]));
  }

  get(name: string): Model {
    return this.#models.get(name)!;
  }

  /** Read a model's manifest again. @param find finds a model by its path @throws {TrtdError} that of `find` */
  async refresh(name: string, find: (path: string) => Promise<Model>): Promise<void> {
    const found = await find(this.get(name).path);
    this.#models.set(name, { ...found, name });
  }
}

export interface ServingStart {
  readonly models: ServedModels;
  /** Arguments of every worker. */
  readonly args: readonly string[];
  readonly terminal: Terminal;
  /** Where each model has its `instances`. */
  readonly places: readonly Place[];
  /** Whether engines that the cache lacks may be built behind the service. */
  readonly mayBuild: boolean;
  readonly onEvent?: ServingListener;
  /** Told every error that answers a local producer. */
  readonly onError?: (error: TrtdError) => void;
}

export interface RunningServing {
  readonly manager: ServingManager;
  readonly builds: EngineBuilds;
  /** The shared memory now; null without any. */
  ringUsage(): RingUsage | null;
  /** Take no more requests of local producers; resolves when those that there are were answered. */
  drainProducers(): Promise<void>;
  /** End the workers, then remove the shared memory. */
  close(): Promise<void>;
}

/**
 * Start the workers of the models, and listen for local producers.
 * @throws {TrtdError} `CONFIG_INVALID` when a body may not fit into the shared memory, `SHARED_MEMORY_UNAVAILABLE`,
 * `ADDRESS_UNAVAILABLE` for the producers' socket
 */
export async function startServing(config: Config, start: ServingStart): Promise<RunningServing> {
  const folder = sharedMemoryFolder();
  removeStale([folder, ...channelParents()]);
  await using stack = new AsyncDisposableStack();
  const foreignRings = producerRings(config, folder, stack);
  const { startWorker, ringUsage } = config.in_process
    ? { startWorker: await inside(config, start), ringUsage: () => null }
    : outside(config, start, { folder, foreignRings, stack });
  const { manager, builds } = managerOf(config, start, startWorker);
  stack.defer(async () => void await Promise.all([builds.close(), manager.close()]));
  let producers: ProducerSocket | undefined;
  if (config.producer_socket !== undefined) {
    const path = start.terminal.resolve(config.producer_socket);
    const { names } = start.models;
    const rings = foreignRings;
    const { onError } = start;
    const socket = await ProducerSocket.listen({
      path,
      service: manager,
      settings: config,
      slotsMax: slotsOf(config),
      rings,
      models: names,
      onError,
    });
    stack.defer(() => socket.close());
    producers = socket;
  }
  const kept = stack.move();
  return {
    manager,
    builds,
    ringUsage: () => withProducers(ringUsage(), foreignRings, producers),
    drainProducers: async () => await producers?.drain(),
    close: () => kept.disposeAsync(),
  };
}

/** Slots of a producer: all of them together do not fill the queue by themselves. */
function slotsOf({ queue_limit, producer_rings }: Config): number {
  return Math.max(1, Math.min(64, Math.floor(queue_limit / producer_rings)));
}

/** The shared memory of workers and of local producers. */
function withProducers(
  workers: RingUsage | null,
  rings: readonly Ring[],
  producers: ProducerSocket | undefined,
): RingUsage | null {
  if (producers === undefined) return workers;
  const bytes = rings.reduce((sum, ring) => sum + ring.bytes, 0);
  return { bytes: bytes + (workers?.bytes ?? 0), usedBytes: producers.lentBytes + (workers?.usedBytes ?? 0) };
}

type StartWorker = (name: string, how: WorkerStart) => DetectionWorker;

/** Workers in this process. */
async function inside(config: Config, { models, terminal }: ServingStart): Promise<StartWorker> {
  const { openServed, openGpuSensors } = await import("../children/open_served.ts");
  const gpus = openGpuSensors();
  const open = openServed({ config, terminal });
  return (name, how) => new InProcessWorker(models.get(name), workerSettings(config, how), open, gpus);
}

interface Shared {
  readonly folder: string;
  readonly foreignRings: readonly Ring[];
  readonly stack: AsyncDisposableStack;
}

/** Workers in processes of their own, with a ring for each. */
function outside(
  config: Config,
  { models, places, args }: ServingStart,
  { folder, foreignRings, stack }: Shared,
): { startWorker: StartWorker; ringUsage(): RingUsage } {
  const bytes = config.ring_mb * MEGABYTE;
  if (bytes < config.max_body_bytes) {
    throw new TrtdError(
      "CONFIG_INVALID",
      `"ring_mb" is ${config.ring_mb}, less than a body of "max_body_bytes" (${config.max_body_bytes}) needs`,
      { remedy: `Raise ring_mb to ${Math.ceil(config.max_body_bytes / MEGABYTE)} or lower max_body_bytes` },
    );
  }
  const rings = RingPool.create(models.names.length * places.length * config.instances + SPARE_RINGS, {
    bytes,
    folder,
  });
  stack.defer(() => rings.close());
  return {
    startWorker: (name, how) =>
      new WorkerProcess({ model: models.get(name), settings: workerSettings(config, how), rings, foreignRings, args }),
    ringUsage: () => rings.usage,
  };
}

/** Rings of local producers: all that there will be, because none can be made later. */
function producerRings(config: Config, folder: string, stack: AsyncDisposableStack): readonly Ring[] {
  const { producer_socket, producer_rings: count, producer_ring_mb } = config;
  if (producer_socket === undefined) return [];
  const pool = RingPool.create(count, { bytes: producer_ring_mb * MEGABYTE, folder });
  stack.defer(() => pool.close());
  return Array.from({ length: count }, () => pool.take());
}

function managerOf(
  config: Config,
  { models, places, args, mayBuild, onEvent }: ServingStart,
  startWorker: StartWorker,
): { manager: ServingManager; builds: EngineBuilds } {
  const kinds = kindsOf(places);
  const kindNamed = (wanted: string | null): GpuKind => kinds.find(({ name }) => name === wanted)!;
  const builds: EngineBuilds = new EngineBuilds({
    models: models.names,
    kinds: kinds.map(({ name }) => name),
    startBuild: (name, onLine, kind) =>
      startBuild({ question: { model: models.get(name) }, config: configOn(config, kindNamed(kind)), onLine, args }),
    takeOver: (name, kind) => manager.reload(name, kindNamed(kind).places),
    clock: SYSTEM_CLOCK,
    ...(onEvent === undefined ? {} : { onEvent }),
  });
  const refuses = mayBuild && config.serve_while_building === "refuse";
  const manager: ServingManager = new ServingManager({
    models: models.names,
    startWorker,
    ...(refuses
      ? {
        refuse: (name) => whileBuilding(builds, name, kinds),
        rests: (name, place) =>
          kinds.some(({ name: kind, places }) => places.includes(place) && builds.isUnderWay(name, kind)),
      }
      : {}),
    instances: config.in_process ? 1 : config.instances,
    places,
    queueLimit: config.queue_limit,
    queueWaitMs: config.queue_wait_ms,
    requestTimeoutMs: config.request_timeout_ms,
    crashLimit: config.crash_loop_limit,
    poisonMemoryMs: 1000 * config.poison_memory_s,
    limits: {
      startTimeoutMs: config.worker_start_timeout_ms,
      intervalMs: config.canary_interval_ms,
      memoryBytes: config.worker_memory_mb * MEGABYTE,
      wear: { requests: config.recycle_after_requests, rssBytes: config.recycle_rss_mb * MEGABYTE },
    },
    ...(onEvent === undefined ? {} : { onEvent }),
  });
  return { manager, builds };
}

/** The settings of whoever works for one kind of GPU. */
export const configOn = (config: Config, { device }: Pick<GpuKind, "device">): Config =>
  device === null ? config : { ...config, device };

/** The refusal of a server that is to wait for its engines; kinds of GPU that have theirs answer. */
function whileBuilding(builds: EngineBuilds, name: string, kinds: readonly GpuKind[]): TrtdError | null {
  if (!kinds.every((kind) => builds.isUnderWay(name, kind.name))) return null;
  const { percent } = builds.status(name);
  const progress = percent === null ? "" : `, ${percent} %`;
  return new TrtdError("MODEL_NOT_READY", `The engine of "${name}" is being built${progress}`, {
    retryAfterS: builds.retryAfterS(name),
  });
}

function workerSettings(config: Config, { place, withoutGpu }: WorkerStart): WorkerSettings {
  const onCpu = withoutGpu && config.backend === "auto";
  return {
    backend: onCpu ? "onnxruntime" : config.backend,
    ...(onCpu ? { degraded: "The GPU failed again and again while the worker started" } : {}),
    ...(place.device === null ? {} : { device: place.device }),
    max_pixels: config.max_pixels,
    batch_delay_ms: config.batch_delay_ms,
    ...(config.batch_max === undefined ? {} : { batch_max: config.batch_max }),
    ...(config.threads === undefined ? {} : { threads: config.threads }),
  };
}
