/**
 * NVIDIA's management library, which comes with the driver. Function names and the layout of the two structs are those of
 * the NVML API reference (docs.nvidia.com/deploy/nvml-api); nothing of its header is used.
 */
import type { GpuSample } from "./gpu_sample.ts";

/** Names for the loader; WSL keeps the driver's libraries apart. */
const NAMES = ["libnvidia-ml.so.1", "/usr/lib/wsl/lib/libnvidia-ml.so.1"] as const;

/** NVML_TEMPERATURE_GPU */
const TEMPERATURE_GPU = 0;
/** NVML_DEVICE_NAME_V2_BUFFER_SIZE */
const NAME_BYTES = 96;
/** More GPUs than any machine has. */
const GPUS_MAX = 64;

const SYMBOLS = {
  nvmlInit_v2: { parameters: [], result: "i32", nonblocking: true },
  nvmlShutdown: { parameters: [], result: "i32", nonblocking: true },
  nvmlDeviceGetCount_v2: { parameters: ["buffer"], result: "i32", nonblocking: true },
  nvmlDeviceGetHandleByIndex_v2: { parameters: ["u32", "buffer"], result: "i32", nonblocking: true },
  nvmlDeviceGetName: { parameters: ["pointer", "buffer", "u32"], result: "i32", nonblocking: true },
  // { unsigned gpu, memory; } in percent
  nvmlDeviceGetUtilizationRates: { parameters: ["pointer", "buffer"], result: "i32", nonblocking: true },
  // { unsigned long long total, free, used; } in bytes
  nvmlDeviceGetMemoryInfo: { parameters: ["pointer", "buffer"], result: "i32", nonblocking: true },
  nvmlDeviceGetTemperature: { parameters: ["pointer", "i32", "buffer"], result: "i32", nonblocking: true },
  // milliwatts
  nvmlDeviceGetPowerUsage: { parameters: ["pointer", "buffer"], result: "i32", nonblocking: true },
} as const satisfies Deno.ForeignLibraryInterface;

type Library = Deno.DynamicLibrary<typeof SYMBOLS>;
type Symbols = Library["symbols"];

interface Device {
  readonly index: number;
  readonly handle: Deno.PointerValue;
  readonly name: string;
}

/** The GPUs that NVML shows. */
export class Nvml {
  readonly #library: Library;
  readonly #symbols: Symbols;
  readonly #devices: readonly Device[];

  private constructor(library: Library, devices: readonly Device[]) {
    this.#library = library;
    this.#symbols = library.symbols;
    this.#devices = devices;
  }

  /** @param names files or names for the loader, the first that loads is taken. @returns null where there is none, or no GPU */
  static async open(names: readonly string[] = NAMES): Promise<Nvml | null> {
    const library = loaded(names);
    if (library === null || await library.symbols.nvmlInit_v2() !== 0) return null;
    const devices = await devicesOf(library.symbols);
    return devices.length === 0 ? null : new Nvml(library, devices);
  }

  /** Ask every GPU. Calls run on other threads: a driver that does not answer keeps this promise waiting, nothing else. */
  async sample(): Promise<readonly GpuSample[]> {
    const samples: GpuSample[] = [];
    for (const device of this.#devices) samples.push(await this.#sampleOf(device));
    return samples;
  }

  /** Put it away when no sample is under way. */
  async close(): Promise<void> {
    await this.#symbols.nvmlShutdown();
    this.#library.close();
  }

  async #sampleOf({ index, handle, name }: Device): Promise<GpuSample> {
    const symbols = this.#symbols;
    const rates = new Uint32Array(2);
    const memory = new BigUint64Array(3);
    const degrees = new Uint32Array(1);
    const milliwatts = new Uint32Array(1);
    const hasRates = await symbols.nvmlDeviceGetUtilizationRates(handle, bytesOf(rates)) === 0;
    const hasMemory = await symbols.nvmlDeviceGetMemoryInfo(handle, bytesOf(memory)) === 0;
    const hasDegrees = await symbols.nvmlDeviceGetTemperature(handle, TEMPERATURE_GPU, bytesOf(degrees)) === 0;
    const hasPower = await symbols.nvmlDeviceGetPowerUsage(handle, bytesOf(milliwatts)) === 0;
    return {
      gpu: String(index),
      name,
      utilization: hasRates ? rates[0]! / 100 : null,
      memory_used_bytes: hasMemory ? Number(memory[2]!) : null,
      memory_size_bytes: hasMemory ? Number(memory[0]!) : null,
      temperature_celsius: hasDegrees ? degrees[0]! : null,
      power_watts: hasPower ? milliwatts[0]! / 1000 : null,
    };
  }
}

function loaded(names: readonly string[]): Library | null {
  for (const name of names) {
    try {
      return Deno.dlopen(name, SYMBOLS);
    } catch {
      continue;
    }
  }
  return null;
}

async function devicesOf(symbols: Symbols): Promise<Device[]> {
  const count = new Uint32Array(1);
  if (await symbols.nvmlDeviceGetCount_v2(bytesOf(count)) !== 0) return [];
  const devices: Device[] = [];
  for (let index = 0; index < Math.min(count[0]!, GPUS_MAX); index++) {
    const address = new BigUint64Array(1);
    if (await symbols.nvmlDeviceGetHandleByIndex_v2(index, bytesOf(address)) !== 0) continue;
    const handle = Deno.UnsafePointer.create(address[0]!);
    const name = new Uint8Array(NAME_BYTES);
    const named = await symbols.nvmlDeviceGetName(handle, name, NAME_BYTES) === 0;
    devices.push({ index, handle, name: named ? textOf(name) : "" });
  }
  return devices;
}

const bytesOf = ({ buffer }: Uint32Array<ArrayBuffer> | BigUint64Array<ArrayBuffer>): Uint8Array<ArrayBuffer> =>
  new Uint8Array(buffer);

function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}
