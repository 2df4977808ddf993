/** GPU utilisation, memory, temperature and power, for a process that may load native code. */
import type { GpuSample, GpuSource } from "./gpu_sample.ts";
import { JetsonSensors } from "./jetson.ts";
import { Nvml } from "./nvml.ts";

/** A sample is read again when it is older. */
const FRESH_MS = 2000;
/** A sample is not shown any more when it is older: the driver has stopped answering. */
const STALE_MS = 30_000;

export interface GpuSensorsOptions {
  /** Folder of `sys` and `proc`. @default "/" */
  readonly root?: string;
  /** Files or names of NVML. @default as the driver installs it */
  readonly nvml?: readonly string[];
}

/** Samples of every GPU, none where nothing can be read. */
export class GpuSensors implements GpuSource {
  readonly #jetson: JetsonSensors | null;
  readonly #nvml: Promise<Nvml | null>;
  #latest: readonly GpuSample[] = [];
  #readMs = -Infinity;
  #reading: Promise<void> | null = null;

  private constructor({ root, nvml }: GpuSensorsOptions) {
    this.#jetson = JetsonSensors.open(root);
    this.#nvml = Nvml.open(nvml).catch(() => null);
  }

  /** Open what there is, before this process gives up permissions, and read it for the first time in the background. */
  static open(options: GpuSensorsOptions = {}): GpuSensors {
    const sensors = new GpuSensors(options);
    void sensors.read();
    return sensors;
  }

  latest(): readonly GpuSample[] {
    const ageMs = performance.now() - this.#readMs;
    if (ageMs > FRESH_MS) void this.read();
    return ageMs > STALE_MS ? [] : this.#latest;
  }

  /** Read now, once at a time. Never rejects. */
  read(): Promise<void> {
    return this.#reading ??= this.#read().catch(() => {}).finally(() => this.#reading = null);
  }

  /** Put everything away, after the last read. */
  async close(): Promise<void> {
    await this.#reading;
    await (await this.#nvml)?.close();
    this.#jetson?.close();
  }

  async #read(): Promise<void> {
    const shown = await (await this.#nvml)?.sample() ?? [];
    const board = this.#jetson?.sample();
    this.#latest = board === undefined ? shown : [withoutGaps(shown[0], board), ...shown.slice(1)];
    this.#readMs = performance.now();
  }
}

/** NVML of a Jetson shows its GPU, but few of its numbers. */
function withoutGaps(shown: GpuSample | undefined, board: GpuSample): GpuSample {
  if (shown === undefined) return board;
  return {
    gpu: shown.gpu,
    name: shown.name === "" ? board.name : shown.name,
    utilization: shown.utilization ?? board.utilization,
    memory_used_bytes: shown.memory_used_bytes ?? board.memory_used_bytes,
    memory_size_bytes: shown.memory_size_bytes ?? board.memory_size_bytes,
    temperature_celsius: shown.temperature_celsius ?? board.temperature_celsius,
    power_watts: shown.power_watts ?? board.power_watts,
  };
}
