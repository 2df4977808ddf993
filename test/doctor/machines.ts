/** Machines for the checks, made of facts. */
import type { DoctorFacts, SystemFacts } from "../../src/doctor/facts.ts";
import { type Gathered, judge } from "../../src/doctor/judge.ts";
import type { FoundTensorRt } from "../../src/tensorrt/discovery/discovery.ts";
import type { CudaProbe, TensorRtProbe } from "../../src/tensorrt/probe/probe.ts";
import type { Finding } from "../../src/tensorrt/probe/probe_findings.ts";
import type { GpuFact } from "../../src/tensorrt/probe/probe_messages.ts";

const GIB = 2 ** 30;

export const SYSTEM: SystemFacts = {
  os: "linux",
  architecture: "x86_64",
  deno: "2.9.6",
  standalone: false,
  glibc: "2.36",
  memory: { total: 16 * GIB, available: 8 * GIB },
  limits: { cgroup: 2, memory: null, memory_used: null, cpus: null, processors: 8 },
  disk: { path: "/srv/models", free: 100 * GIB },
  cache: { path: "/home/u/.cache/trtd", exists: true, problem: null },
  models: { path: "/srv/models", exists: true, problem: null },
  permissions: Object.fromEntries(
    ["read", "write", "env", "run", "ffi", "net", "sys"].map((name) => [name, "granted"]),
  ),
  l4t: null,
  traces: [],
};

export function finding(rest: Partial<Finding> = {}): Finding {
  return { step: "driver", code: "GPU_UNAVAILABLE", detail: "It fails", remedy: "Mend it", native_code: 0, ...rest };
}

export function gpu(capability: string, rest: Partial<GpuFact> = {}): GpuFact {
  return {
    index: 0,
    name: "NVIDIA Test",
    uuid: "GPU-0f0e0d0c-0000-0000-0000-000000000000",
    compute_capability: capability,
    memory_total: 24 * GIB,
    memory_free: 20 * GIB,
    mig: false,
    integrated: false,
    multiprocessors: 24,
    pci_bus_id: "0000:65:00.0",
    ...rest,
  };
}

export function cuda(gpus: readonly GpuFact[], rest: Partial<CudaProbe> = {}): CudaProbe {
  return {
    shim: "/opt/trtd/libtrtd.so",
    driver: { cuda_version: "13.0", release: "580.65.06", device_count: gpus.length, library: "libcuda.so.1" },
    gpus,
    runtime: null,
    findings: [],
    ms: 100,
    ...rest,
  };
}

/** No driver at all. */
export const NO_CUDA: CudaProbe = cuda([], {
  driver: null,
  findings: [finding({ detail: "The CUDA driver library cannot be opened: libcuda.so.1: no such file" })],
});

export function tensorrt(
  version: string,
  rest: { found?: Partial<FoundTensorRt>; probe?: Partial<TensorRtProbe>; evidence?: "none" | "headers" | "run" } = {},
): TensorRtProbe {
  const major = Number.parseInt(version);
  const rtx = major < 8;
  const path = rtx ? `/opt/rtx/libtensorrt_rtx.so.${major}` : `/usr/lib/libnvinfer.so.${major}`;
  const parser = rtx ? `/opt/rtx/libtensorrt_onnxparser_rtx.so.${major}` : `/usr/lib/libnvonnxparser.so.${major}`;
  const plugins = rtx ? null : `/usr/lib/libnvinfer_plugin.so.${major}`;
  const product = rtx ? "tensorrt-rtx" : "tensorrt";
  return {
    found: {
      path,
      real_path: path,
      product,
      kind: "full",
      major,
      version_by_name: null,
      cuda: null,
      package: null,
      parser,
      plugins,
      origin: "usual",
      via: "usual folder",
      also_via: [],
      problem: null,
      ...rest.found,
    },
    library: { product, kind: "full", version, path, evidence: rest.evidence ?? "headers", forced: false },
    parser,
    plugins: plugins === null ? null : { path: plugins, efficient_nms: true },
    self_check: null,
    findings: [],
    ms: 100,
    ...rest.probe,
  };
}

/** A file that the loader would refuse. */
export const BROKEN: TensorRtProbe = tensorrt("10.3.0", {
  found: { path: "/opt/x/libnvinfer.so.10", parser: null, plugins: null },
  probe: {
    library: null,
    parser: null,
    plugins: null,
    findings: [
      finding({
        step: "library",
        code: "NATIVE_LOAD_FAILED",
        detail: '"/opt/x/libnvinfer.so.10" is not a shared library',
      }),
    ],
  },
});

/** A healthy PC with a GPU of 8.9 and TensorRT 10.16, changed by `rest`. */
export function machine(rest: Partial<Omit<Gathered, "system">> & { system?: Partial<SystemFacts> } = {}): DoctorFacts {
  return judge({
    settings: { backend: "auto", device: undefined, tensorrt: undefined },
    cuda: cuda([gpu("8.9")]),
    searched: [{ origin: "usual", via: "usual folder", folder: "/usr/lib", found: 1 }],
    probes: [tensorrt("10.16.1.11")],
    onnxruntime: { name: "onnxruntime", version: "1.30.0", findings: [], ms: 100 },
    sharp: { name: "sharp", version: "0.35.5", findings: [], ms: 100 },
    ...rest,
    system: { ...SYSTEM, ...rest.system },
  });
}
