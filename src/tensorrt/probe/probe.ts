/** What a machine can do, asked in child processes: no library of NVIDIA is ever loaded by the process that asks. */
import { discoverTensorRt, type Discovery, type FoundTensorRt } from "../discovery/discovery.ts";
import {
  foldersLike,
  namesIn,
  pythonFolders,
  type SearchSystem,
  thisSearchSystem,
} from "../discovery/discovery_folders.ts";
import { type Finding, findingsOf } from "./probe_findings.ts";
import type {
  DriverFact,
  GpuFact,
  LibraryFact,
  PluginsFact,
  ProbeRequest,
  RuntimeFact,
  SelfCheckFact,
} from "./probe_messages.ts";
import { type ProbeCommand, runProbe } from "./probe_run.ts";

export interface ProbeOptions {
  /** How a child for the subject is started. */
  readonly command: (request: Pick<ProbeRequest, "subject">) => ProbeCommand;
  /** Milliseconds after which a child is killed. @default 20000 */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 20_000;

export interface CudaProbe {
  /** Path of libtrtd, null when it cannot be used: then nothing else is known. */
  readonly shim: string | null;
  readonly driver: DriverFact | null;
  readonly gpus: readonly GpuFact[];
  /** The CUDA runtime library, null when none is installed; trtd does not need it. */
  readonly runtime: RuntimeFact | null;
  /** What went wrong, first things first; a missing runtime library is not in it. */
  readonly findings: readonly Finding[];
  readonly ms: number;
}

/** Asks libtrtd, the CUDA driver and its devices. Never throws. */
export async function probeCuda(options: ProbeOptions, system: SearchSystem = thisSearchSystem()): Promise<CudaProbe> {
  const request = { subject: "cuda", runtime: runtimePaths(system) } as const;
  const outcome = await runProbe(request, options.command(request), { timeoutMs: options.timeoutMs ?? TIMEOUT_MS });
  const { facts, ms } = outcome;
  return {
    shim: facts.shim?.[0]?.path ?? null,
    driver: facts.driver?.[0] ?? null,
    gpus: facts.device ?? [],
    runtime: facts.runtime?.[0] ?? null,
    findings: findingsOf(outcome).filter(({ step, detail }) =>
      step !== "runtime" || !detail.includes("cannot be opened")
    ),
    ms,
  };
}

/** CUDA runtime libraries off the loader's path. */
function runtimePaths(system: SearchSystem): string[] {
  const folders = [
    ...foldersLike("/usr/local/cuda*/lib64"),
    ...pythonFolders(system).flatMap(({ folder }) => foldersLike(`${folder}/nvidia/*/lib`)),
  ];
  return folders.flatMap((folder) =>
    namesIn(folder).filter((name) => /^libcudart\.so\.\d+(\.0)?$/.test(name)).map((name) => `${folder}/${name}`)
  ).slice(0, 4);
}

/** A found library and what it said of itself. */
export interface TensorRtProbe {
  readonly found: FoundTensorRt;
  /** Null when it could not be loaded. */
  readonly library: LibraryFact | null;
  /** Path of the ONNX parser that was opened. */
  readonly parser: string | null;
  readonly plugins: PluginsFact | null;
  /** Null when it was not needed, or failed. */
  readonly self_check: SelfCheckFact | null;
  readonly findings: readonly Finding[];
  readonly ms: number;
}

export interface TensorRtProbeOptions extends ProbeOptions {
  /** Use a version newer than those that trtd knows. @default false */
  readonly force?: boolean;
  /** Ask the getters with known answers also of a verified version. @default false */
  readonly selfCheck?: boolean;
}

/** Asks one library what it is. A file that the loader would refuse is not tried. Never throws. */
export async function probeTensorRt(found: FoundTensorRt, options: TensorRtProbeOptions): Promise<TensorRtProbe> {
  if (found.problem !== null) {
    const { detail, remedy } = found.problem;
    const finding: Finding = { step: "library", code: "NATIVE_LOAD_FAILED", detail, remedy, native_code: 0 };
    return { found, library: null, parser: null, plugins: null, self_check: null, findings: [finding], ms: 0 };
  }
  const request = {
    subject: "tensorrt",
    core: found.path,
    parser: found.parser,
    plugins: found.plugins,
    force: options.force ?? false,
    selfCheck: options.selfCheck ?? false,
  } as const;
  const outcome = await runProbe(request, options.command(request), { timeoutMs: options.timeoutMs ?? TIMEOUT_MS });
  const { facts, ms } = outcome;
  return {
    found,
    library: facts.library?.[0] ?? null,
    parser: facts.parser?.[0]?.path ?? null,
    plugins: facts.plugins?.[0] ?? null,
    self_check: facts["self-check"]?.[0] ?? null,
    findings: findingsOf(outcome),
    ms,
  };
}

/** Children that run at a time. */
const AT_ONCE = 8;

/** Finds every TensorRT and asks each in a child of its own. */
export async function probeAllTensorRt(
  named: string | undefined,
  options: TensorRtProbeOptions,
  system: SearchSystem = thisSearchSystem(),
): Promise<{ discovery: Discovery; probes: readonly TensorRtProbe[] }> {
  const discovery = discoverTensorRt(named, system);
  const probes: TensorRtProbe[] = [];
  let next = 0;
  const work = async () => {
    for (let index = next++; index < discovery.libraries.length; index = next++) {
      probes[index] = await probeTensorRt(discovery.libraries[index]!, options);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, discovery.libraries.length) }, work));
  return { discovery, probes };
}

export interface AddonProbe {
  readonly name: "onnxruntime" | "sharp";
  readonly version: string | null;
  readonly findings: readonly Finding[];
  readonly ms: number;
}

/** Whether one of the libraries of the CPU path loads. */
export async function probeAddon(name: AddonProbe["name"], options: ProbeOptions): Promise<AddonProbe> {
  const request = { subject: name } as const;
  const outcome = await runProbe(request, options.command(request), { timeoutMs: options.timeoutMs ?? TIMEOUT_MS });
  return { name, version: outcome.facts.load?.[0]?.version ?? null, findings: findingsOf(outcome), ms: outcome.ms };
}
