/**
 * The GPU of a Jetson, whose driver tells through files what NVML tells elsewhere. Sources: the kernel's documentation of
 * thermal zones, hwmon and devfreq; paths and rail names as NVIDIA's Jetson Linux Developer Guide and tegrastats have them.
 */
import { join } from "node:path";
import type { GpuSample } from "./gpu_sample.ts";

/** Devices of the GPU where devfreq does not lead to it; their `load` is in thousandths. */
const LOADS = ["sys/devices/gpu.0/load", "sys/devices/platform/gpu.0/load"] as const;
/** Names of the GPU in device trees: Nano, TX1, TX2, Xavier, Orin and later. */
const GPU_NODE = /^(gm20b|gp10b|gv11b|ga10b|gpu)$/;
/** `GPU-therm`, `gpu-thermal`. */
const GPU_ZONE = /^gpu[-_]?therm(al)?$/i;
/** `VDD_GPU_SOC`, `VDD_CPU_GPU_CV`, `POM_5V_GPU`: on some boards the rail feeds more than the GPU. */
const GPU_RAIL = /GPU/;
const RAILS_MAX = 8;
/** `/proc/meminfo` has the wanted lines at its start. */
const TEXT_BYTES = 512;

/** Files are opened once: a process that has given up a permission can still read what it has open. */
export class JetsonSensors {
  readonly #load: SensorFile;
  readonly #temperature: SensorFile | null;
  readonly #rail: { readonly millivolts: SensorFile; readonly milliamperes: SensorFile } | null;
  readonly #memory: SensorFile | null;

  private constructor(root: string, load: SensorFile) {
    this.#load = load;
    this.#temperature = thermalZone(root);
    this.#rail = powerRail(root);
    this.#memory = SensorFile.open(join(root, "proc/meminfo"));
  }

  /** @param root folder of `sys` and `proc`. @default "/". @returns null on a machine that is no Jetson */
  static open(root = "/"): JetsonSensors | null {
    const load = gpuLoad(root);
    return load === null ? null : new JetsonSensors(root, load);
  }

  sample(): GpuSample {
    const load = this.#load.number();
    const millidegrees = this.#temperature?.number() ?? null;
    const millivolts = this.#rail?.millivolts.number() ?? null;
    const milliamperes = this.#rail?.milliamperes.number() ?? null;
    const memory = this.#memory?.text() ?? "";
    const [size, available] = [kilobytes(memory, "MemTotal"), kilobytes(memory, "MemAvailable")];
    return {
      gpu: "0",
      name: "Jetson",
      utilization: load === null ? null : load / 1000,
      memory_used_bytes: size === null || available === null ? null : 1024 * (size - available),
      memory_size_bytes: size === null ? null : 1024 * size,
      temperature_celsius: millidegrees === null ? null : millidegrees / 1000,
      power_watts: millivolts === null || milliamperes === null ? null : millivolts * milliamperes / 1e6,
    };
  }

  close(): void {
    for (
      const file of [this.#load, this.#temperature, this.#rail?.millivolts, this.#rail?.milliamperes, this.#memory]
    ) {
      file?.close();
    }
  }
}

/** A file of the kernel that is read again and again from its start. */
class SensorFile {
  readonly #file: Deno.FsFile;
  readonly #bytes = new Uint8Array(TEXT_BYTES);

  private constructor(file: Deno.FsFile) {
    this.#file = file;
  }

  /** @returns null when it cannot be opened */
  static open(path: string): SensorFile | null {
    try {
      return new SensorFile(Deno.openSync(path));
    } catch {
      return null;
    }
  }

  /** Its start; null when it cannot be read now, as with a GPU that sleeps. */
  text(): string | null {
    try {
      this.#file.seekSync(0, Deno.SeekMode.Start);
      const count = this.#file.readSync(this.#bytes) ?? 0;
      return new TextDecoder().decode(this.#bytes.subarray(0, count));
    } catch {
      return null;
    }
  }

  number(): number | null {
    const text = this.text()?.trim() ?? "";
    return /^-?\d+$/.test(text) ? Number(text) : null;
  }

  close(): void {
    this.#file.close();
  }
}

function gpuLoad(root: string): SensorFile | null {
  const devices = join(root, "sys/class/devfreq");
  for (const name of namesIn(devices)) {
    const node = textOf(join(devices, name, "device/of_node/name"))?.replace(/\0.*$/s, "").trim() ?? "";
    const load = GPU_NODE.test(node) ? SensorFile.open(join(devices, name, "device/load")) : null;
    if (load !== null) return load;
  }
  for (const path of LOADS) {
    const load = SensorFile.open(join(root, path));
    if (load !== null) return load;
  }
  return null;
}

function thermalZone(root: string): SensorFile | null {
  const zones = join(root, "sys/class/thermal");
  for (const name of namesIn(zones)) {
    if (GPU_ZONE.test(textOf(join(zones, name, "type"))?.trim() ?? "")) {
      return SensorFile.open(join(zones, name, "temp"));
    }
  }
  return null;
}

function powerRail(root: string): { millivolts: SensorFile; milliamperes: SensorFile } | null {
  const monitors = join(root, "sys/class/hwmon");
  for (const name of namesIn(monitors)) {
    for (let rail = 1; rail <= RAILS_MAX; rail++) {
      const at = join(monitors, name);
      if (!GPU_RAIL.test(textOf(join(at, `in${rail}_label`)) ?? "")) continue;
      const millivolts = SensorFile.open(join(at, `in${rail}_input`));
      const milliamperes = SensorFile.open(join(at, `curr${rail}_input`));
      if (millivolts !== null && milliamperes !== null) return { millivolts, milliamperes };
      millivolts?.close();
      milliamperes?.close();
    }
  }
  return null;
}

function kilobytes(meminfo: string, key: string): number | null {
  const found = new RegExp(`^${key}:\\s+(\\d+) kB`, "m").exec(meminfo);
  return found === null ? null : Number(found[1]);
}

function namesIn(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  } catch {
    return [];
  }
}

function textOf(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return null;
  }
}
