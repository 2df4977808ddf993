/** The inside of a probe child: asks native libraries and tells each answer at once, since the next may crash. */
import { cudaDevice, cudaRuntimeVersion, openCuda } from "../../../ffi/cuda.ts";
import { Evidence, LibraryKind as NativeKind, Part, Product as NativeProduct, Severity } from "../../../ffi/enums.ts";
import { type LibraryFacts, TensorRtLibrary } from "../../../ffi/library.ts";
import { loadShim, type Shim, ShimLoadError } from "../../../ffi/load.ts";
import { logToDescriptor } from "../../../ffi/log.ts";
import { ShimError } from "../../../ffi/shim_error.ts";
import { TrtdError } from "../../errors.ts";
import type { LibraryKind } from "../discovery/discovery_names.ts";
import type {
  DriverFact,
  GpuFact,
  LibraryFact,
  ProbeFacts,
  ProbeFailure,
  ProbeLine,
  ProbeRequest,
  ProbeStep,
} from "./probe_messages.ts";

type Tell = (line: ProbeLine) => void;

/** Answers a request about CUDA or TensorRT. It ends with a `done` line unless a library ends the process. */
export async function answerNative(
  request: Extract<ProbeRequest, { subject: "cuda" | "tensorrt" }>,
  tell: Tell,
): Promise<void> {
  const shim = await step("shim", tell, async () => ({ path: (await openShim()).path }));
  if (shim !== null) {
    logToDescriptor(2, Severity.ERROR);
    if (request.subject === "cuda") await askCuda(request.runtime, tell);
    else await askTensorRt(request, tell);
  }
  tell({ done: true });
}

/** What `TRTD_SHIM` names, else what the compiled file holds, else what was built. */
export async function openShim(): Promise<Shim> {
  if (!Deno.build.standalone || Deno.env.get("TRTD_SHIM")) return loadShim();
  const { openBundledShim } = await import("../../native/shim.ts");
  return openBundledShim(loadShim);
}

/** @returns what the step found, null when it failed */
async function step<K extends ProbeStep>(
  name: K,
  tell: Tell,
  body: () => ProbeFacts[K] | Promise<ProbeFacts[K]>,
): Promise<ProbeFacts[K] | null> {
  tell({ begin: name });
  try {
    const value = await body();
    tell({ fact: name, value } as ProbeLine);
    return value;
  } catch (error) {
    tell({ failure: { step: name, ...failureFrom(error) } });
    return null;
  }
}

/** A compiled file gets here only when `TRTD_SHIM` names a library that cannot be used. */
const OWN_SHIM = "Unset TRTD_SHIM to use the libtrtd in this executable, or name one of the same version with it";

function failureFrom(error: unknown): Omit<ProbeFailure, "step"> {
  if (error instanceof TrtdError) {
    return { status: error.code, code: 0, message: error.message, remedy: error.remedy };
  }
  if (error instanceof ShimError) return { status: error.statusName, code: error.code, message: error.message };
  if (error instanceof ShimLoadError) {
    return { status: "SHIM", code: 0, message: error.message, ...Deno.build.standalone ? { remedy: OWN_SHIM } : {} };
  }
  if (error instanceof Error) return { status: error.name, code: 0, message: error.message };
  return { status: "Error", code: 0, message: String(error) };
}

async function askCuda(runtimes: readonly string[], tell: Tell): Promise<void> {
  const driver = await step("driver", tell, driverFact);
  for (let index = 0; index < (driver?.device_count ?? 0); index++) {
    await step("device", tell, () => gpuFact(index, { memory: true }));
  }
  await step("runtime", tell, () => runtimeFact(runtimes));
}

/** Starts the driver. @throws {ShimError} */
export async function driverFact(): Promise<DriverFact> {
  const facts = await openCuda();
  return {
    cuda_version: cudaVersion(facts.driver_version),
    release: facts.driver_release === "" ? null : facts.driver_release,
    device_count: facts.device_count,
    library: facts.path,
  };
}

/**
 * A device of the driver.
 * @param options.memory also its free memory, which starts its context for a moment
 * @throws {ShimError}
 */
export async function gpuFact(index: number, options: { readonly memory: boolean }): Promise<GpuFact> {
  const facts = await cudaDevice(index, options).catch((error) => {
    // A full or exclusively used GPU has no context for us; all else can be told without one.
    if (error instanceof ShimError) return cudaDevice(index);
    throw error;
  });
  return {
    index,
    name: facts.name,
    uuid: facts.uuid,
    compute_capability: `${facts.compute_major}.${facts.compute_minor}`,
    memory_total: facts.memory_total,
    memory_free: facts.memory_free,
    mig: facts.mig === 1,
    integrated: facts.integrated === 1,
    multiprocessors: facts.multiprocessors,
    pci_bus_id: facts.pci_bus_id,
  };
}

function runtimeFact(paths: readonly string[]): { version: string; path: string | null } {
  let failure: unknown;
  for (const path of [undefined, ...paths]) {
    try {
      return { version: cudaVersion(cudaRuntimeVersion(path)), path: path ?? null };
    } catch (error) {
      failure ??= error;
    }
  }
  throw failure;
}

const cudaVersion = (number: number): string => `${Math.floor(number / 1000)}.${Math.floor(number % 1000 / 10)}`;

async function askTensorRt(request: Extract<ProbeRequest, { subject: "tensorrt" }>, tell: Tell): Promise<void> {
  let library: TensorRtLibrary | null = null;
  const facts = await step("library", tell, async () => {
    library = await TensorRtLibrary.open(request.core, { force: request.force });
    return libraryFact(library.facts(), library.path() ?? request.core);
  });
  if (facts === null || library === null) return;
  const opened: TensorRtLibrary = library;
  const { parser, plugins } = request;
  if (parser !== null) {
    await step("parser", tell, async () => {
      await opened.openParser(parser);
      return { path: opened.path(Part.PARSER) ?? parser };
    });
  }
  if (plugins !== null) {
    await step("plugins", tell, async () => {
      await opened.openPlugins(plugins);
      return { path: opened.path(Part.PLUGINS) ?? plugins, efficient_nms: opened.hasPlugin("EfficientNMS_TRT") };
    });
  }
  if (facts.evidence === "none" || request.selfCheck) {
    await step("self-check", tell, async () => ({ checks: await opened.selfCheck() }));
  }
}

const KINDS: Readonly<Record<NativeKind, LibraryKind>> = {
  [NativeKind.FULL]: "full",
  [NativeKind.LEAN]: "lean",
  [NativeKind.DISPATCH]: "dispatch",
};
const EVIDENCE: Readonly<Record<Evidence, LibraryFact["evidence"]>> = {
  [Evidence.NONE]: "none",
  [Evidence.HEADERS]: "headers",
  [Evidence.RUN]: "run",
};

function libraryFact(facts: LibraryFacts, path: string): LibraryFact {
  const { major, minor, patch, build } = facts;
  return {
    product: facts.product === NativeProduct.TENSORRT_RTX ? "tensorrt-rtx" : "tensorrt",
    kind: KINDS[facts.kind as NativeKind],
    version: [major, minor, patch, ...(build === 0 ? [] : [build])].join("."),
    path,
    evidence: EVIDENCE[facts.evidence as Evidence],
    forced: facts.forced === 1,
  };
}
