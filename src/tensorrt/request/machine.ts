/** The machine that engines are built on and for: its GPU, and the TensorRT that is to be used. */
import { resolve } from "node:path";
import type { Config } from "../../config/config.ts";
import { oneDevice } from "../../config/device.ts";
import { TrtdError } from "../../errors.ts";
import { hostAvailable } from "../build/machine_memory.ts";
import { type Candidate, chooseTensorRt } from "../discovery/discovery_choice.ts";
import type { MachineMemory } from "../plan/memory_forecast.ts";
import type { PlanGpu, PlanMachine } from "../plan/plan.ts";
import { type CudaProbe, probeAllTensorRt, probeCuda, type TensorRtProbe } from "../probe/probe.ts";
import { probeCommand } from "../probe/probe_command.ts";
import { supportVerdict } from "../support/support.ts";
import type { Platform } from "../support/support_table.ts";
import { versionFromText } from "../versions.ts";
import { l4tFromRelease, platformOf, selectedGpu } from "./machine_facts.ts";

/** Whose settings decide. */
export interface Asking {
  readonly config: Pick<Config, "tensorrt" | "device">;
  /** Makes paths absolute. */
  readonly terminal: { resolve(path: string): string };
}

export interface MachineWishes {
  /** The setting `tensorrt`, absolute. */
  readonly tensorrt: string | undefined;
  /** Index or UUID of a GPU, undefined for the first. */
  readonly device: string | undefined;
  /** What `--targets` says. */
  readonly targets: string | undefined;
  readonly force: boolean;
}

export interface BuildMachine {
  readonly machine: PlanMachine;
  /** Absolute path of libtrtd. */
  readonly shim: string;
  /** Version of the CUDA runtime library, null without one. */
  readonly cudaRuntime: string | null;
  /** Why this TensorRT, in a sentence. */
  readonly reason: string;
  readonly memory: MachineMemory;
  /** Release of Jetson Linux such as `36.4.3`, null elsewhere. */
  readonly jetpack: string | null;
}

/** What the probes found. */
export interface Probed {
  readonly platform: Platform | null;
  readonly cuda: CudaProbe;
  readonly tensorrt: readonly TensorRtProbe[];
  /** Bytes that a new process can have, null when the kernel does not tell. */
  readonly hostAvailable: number | null;
  readonly l4t: string | null;
}

/** What the settings and a command ask of the machine. */
export const machineWishes = (
  { config, terminal }: Asking,
  { targets, force }: Pick<MachineWishes, "targets" | "force">,
): MachineWishes => ({
  tensorrt: config.tensorrt === undefined ? undefined : terminal.resolve(config.tensorrt),
  device: oneDevice(config.device),
  targets,
  force,
});

/**
 * Asks the machine in child processes, then chooses.
 * @param options.cuda asks the driver in another way; null for an answer that is none
 * @throws {TrtdError} see {@link chooseMachine}
 */
export async function findMachine(
  wishes: MachineWishes,
  { cuda: askCuda }: { readonly cuda?: () => Promise<CudaProbe | null> } = {},
): Promise<BuildMachine> {
  const options = { command: probeCommand };
  const [cuda, { probes }] = await Promise.all([
    (askCuda?.() ?? Promise.resolve(null)).then((answer) => answer ?? probeCuda(options)),
    probeAllTensorRt(wishes.tensorrt, { ...options, force: wishes.force }),
  ]);
  const l4t = l4tFromRelease(jetsonRelease());
  const platform = platformOf({ os: Deno.build.os, architecture: Deno.build.arch, l4t });
  return chooseMachine(wishes, { platform, cuda, tensorrt: probes, hostAvailable: hostAvailable(), l4t });
}

/**
 * The GPU and the best TensorRT for it. Where none fits, the best one that can be loaded is taken, so that planning says
 * what is wrong with it.
 * @throws {TrtdError} `NATIVE_LOAD_FAILED` without libtrtd, `CACHE_FOLDER_UNUSABLE` where it cannot be unpacked,
 * `GPU_UNAVAILABLE` when `--device` names no GPU, `TENSORRT_NOT_FOUND`
 */
export function chooseMachine(wishes: MachineWishes, probed: Probed): BuildMachine {
  const { platform, cuda, tensorrt } = probed;
  if (platform === null) {
    throw new TrtdError("TENSORRT_NOT_FOUND", "There is no TensorRT for this system", {
      remedy: "Build on Linux x86_64 or aarch64, or use --backend onnxruntime",
    });
  }
  if (cuda.shim === null) {
    const finding = cuda.findings[0];
    const code = finding?.step === "shim" ? finding.code : "NATIVE_LOAD_FAILED";
    throw new TrtdError(code, finding?.detail ?? "libtrtd cannot be used", {
      ...finding === undefined ? {} : { remedy: finding.remedy },
    });
  }
  const gpu = gpuOf(wishes.device, cuda);
  const own = wishes.targets === undefined || wishes.targets.trim() === "current";
  const question = { platform, cuda, gpu, own };
  const candidates = tensorrt.map((probe) => candidateFrom(probe, question));
  const named = wishes.tensorrt !== undefined;
  const fitting = chooseTensorRt(candidates, named);
  const choice = fitting.index !== null
    ? fitting
    : chooseTensorRt(tensorrt.map((probe) => candidateFrom(probe, null)), named);
  if (choice.index === null) throw noTensorRt(choice.reason, tensorrt, wishes.tensorrt);
  const { found, library, parser, plugins } = tensorrt[choice.index]!;
  return {
    machine: {
      tensorrt: {
        product: library!.product,
        version: library!.version,
        kind: library!.kind,
        core: library!.path,
        parser,
        plugins: plugins?.path ?? null,
        cuda: found.cuda,
      },
      gpu,
      gpuMissing: gpu === null ? cuda.findings[0]?.detail ?? null : null,
      platform,
      driver: cuda.driver?.release ?? null,
      driverCuda: cuda.driver?.cuda_version ?? null,
      cudaDriver: null,
    },
    shim: resolve(cuda.shim),
    cudaRuntime: cuda.runtime?.version ?? null,
    reason: choice.reason,
    memory: memoryOf(gpu, probed),
    jetpack: probed.l4t,
  };
}

function memoryOf(gpu: PlanGpu | null, { cuda, hostAvailable }: Probed): MachineMemory {
  const fact = gpu === null ? undefined : cuda.gpus.find(({ index }) => index === gpu.index);
  return {
    host_available: hostAvailable,
    gpu_free: fact?.memory_free ?? null,
    gpu_total: fact?.memory_total ?? null,
    integrated: fact?.integrated ?? false,
  };
}

function gpuOf(device: string | undefined, { gpus, findings }: CudaProbe): PlanGpu | null {
  const index = selectedGpu(device, gpus);
  const gpu = gpus.find((one) => one.index === index);
  if (gpu !== undefined) {
    return { index: gpu.index, name: gpu.name, uuid: gpu.uuid, computeCapability: gpu.compute_capability };
  }
  if (device === undefined) return null;
  const there = gpus.map((one) => `${one.index} (${one.name}, ${one.uuid})`).join(", ");
  const why = there === "" ? findings[0]?.detail ?? "there is none" : `there are ${there}`;
  throw new TrtdError("GPU_UNAVAILABLE", `--device ${device} names no GPU: ${why}`);
}

interface FitQuestion {
  readonly platform: Platform;
  readonly cuda: CudaProbe;
  readonly gpu: PlanGpu | null;
  /** Whether the engine is for the GPU of this machine. */
  readonly own: boolean;
}

/** @param question null to ask only whether it can be loaded and can build */
function candidateFrom(probe: TensorRtProbe, question: FitQuestion | null): Candidate {
  const { found, library, parser } = probe;
  return {
    path: found.path,
    product: library?.product ?? found.product,
    kind: library?.kind ?? found.kind,
    version: versionFromText(library?.version ?? found.version_by_name ?? ""),
    parser: parser !== null,
    origin: found.origin,
    via: found.via,
    refusal: loadRefusal(probe) ?? (question === null ? null : fitRefusal(probe, question)),
  };
}

function loadRefusal({ library, parser, findings }: TensorRtProbe): string | null {
  if (library === null) return findings[0]?.detail ?? "It was not asked";
  if (library.kind !== "full") return `It is the ${library.kind} runtime, which cannot build engines`;
  if (parser === null) return findings.find(({ step }) => step === "parser")?.detail ?? "It has no ONNX parser";
  return findings.find(({ step, code }) => step === "self-check" && code === "ABI_MISMATCH")?.detail ?? null;
}

function fitRefusal({ found, library }: TensorRtProbe, { platform, cuda, gpu, own }: FitQuestion): string | null {
  if (!own) return library!.product === "tensorrt-rtx" ? null : "It builds for the GPU that it runs on only";
  if (gpu === null) return library!.product === "tensorrt-rtx" ? null : "It needs a GPU to build";
  return supportVerdict({
    tensorrt: library!,
    gpu,
    platform,
    cuda: found.cuda,
    driver: cuda.driver?.release ?? null,
    driverCuda: cuda.driver?.cuda_version ?? null,
  }).reason;
}

function noTensorRt(reason: string, probes: readonly TensorRtProbe[], named: string | undefined): TrtdError {
  const tried = probes.filter(({ found }) => named === undefined || found.origin === "named")
    .map((probe) => `"${probe.found.path}": ${loadRefusal(probe)}`);
  const finding = probes.filter(({ library }) => library === null).flatMap(({ findings }) => findings)[0];
  return new TrtdError("TENSORRT_NOT_FOUND", [reason, ...tried].join("; "), {
    ...tried.length === 0 || finding === undefined ? {} : { remedy: finding.remedy },
  });
}

function jetsonRelease(): string {
  try {
    return Deno.readTextFileSync("/etc/nv_tegra_release");
  } catch {
    return "";
  }
}
