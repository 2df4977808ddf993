/** What a GPU says about itself. */

/** One GPU at one moment; null where the driver or the board does not tell. */
export interface GpuSample {
  /** Index as NVML counts; `0` for the GPU of a Jetson. */
  readonly gpu: string;
  /** Such as `NVIDIA H100 80GB HBM3`. */
  readonly name: string;
  /** Share of the last sampling period in which something ran, 0..1. */
  readonly utilization: number | null;
  /** On a Jetson the memory that CPU and GPU share. */
  readonly memory_used_bytes: number | null;
  readonly memory_size_bytes: number | null;
  readonly temperature_celsius: number | null;
  readonly power_watts: number | null;
}

/** Where samples come from. */
export interface GpuSource {
  /** What was read last; begins to read again when that is old, and never waits. */
  latest(): readonly GpuSample[];
}
