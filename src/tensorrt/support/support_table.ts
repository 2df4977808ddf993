/**
 * Which TensorRT runs on which GPU: data with the source of each row.
 *
 * `docs/tensorrt-gpu-support.md` is written from these tables by `scripts/write_support_docs.ts`.
 */
import type { Product } from "../versions.ts";

/** `documented` by NVIDIA, `measured` by trtd, `reported` by users in public, `unchecked`: inferred or remembered. */
export type Evidence = "documented" | "measured" | "reported" | "unchecked";

/** `linux-aarch64` is the server platform (SBSA) and `jetpack` a Jetson, whose libraries differ. */
export type Platform = "linux-x86_64" | "linux-aarch64" | "jetpack" | "windows-x86_64";

export const PLATFORMS: Readonly<Record<Platform, string>> = {
  "linux-x86_64": "Linux x86_64",
  "linux-aarch64": "Linux aarch64 (SBSA)",
  "jetpack": "JetPack (Jetson)",
  "windows-x86_64": "Windows x86_64",
};

/** A range of releases on some platforms. */
export interface SupportRow {
  readonly product: Product;
  /** First release; `to` is the last, and 10.7 covers every 10.7.x. */
  readonly from: string;
  readonly to: string;
  readonly platforms: readonly Platform[];
  /** Compute capabilities. */
  readonly capabilities: readonly string[];
  /** CUDA versions that builds of these releases exist for. */
  readonly cuda: readonly string[];
  /** Whether NVIDIA lists the GPUs; false where they work all the same. */
  readonly listed: boolean;
  readonly evidence: Evidence;
  readonly source: string;
  /** A remark that every verdict from this row carries. */
  readonly note?: string;
}

const PC = ["linux-x86_64", "windows-x86_64"] as const;
const SERVERS = [...PC, "linux-aarch64"] as const;
const TURING_TO_HOPPER = ["7.5", "8.0", "8.6", "8.9", "9.0"] as const;
const TURING_TO_BLACKWELL = [...TURING_TO_HOPPER, "10.0", "12.0"] as const;
const CUDA_11 = ["11.0", "11.1", "11.2", "11.3", "11.4", "11.5", "11.6", "11.7"] as const;

const CUBINS = "cubins in libnvinfer_lean 10.15.1, 10.16.1, 11.0.0, 11.4.0 (sm 75 80 86 89 90 100 103 120)";

/** Rows of one release may overlap: the first that has the GPU counts. */
export const SUPPORT: readonly SupportRow[] = [
  // TensorRT 8
  {
    product: "tensorrt",
    from: "8.4",
    to: "8.4",
    platforms: PC,
    capabilities: ["5.0", "5.2", "6.0", "6.1", "7.0", "7.5", "8.0", "8.6"],
    cuda: ["10.2", ...CUDA_11],
    listed: true,
    evidence: "documented",
    source: "docs.nvidia.com TensorRT 8.4.3 support matrix",
  },
  {
    product: "tensorrt",
    from: "8.5",
    to: "8.5",
    platforms: PC,
    capabilities: ["5.0", "5.2", "6.0", "6.1", "7.0", "7.5", "8.0", "8.6"],
    cuda: ["10.2", ...CUDA_11, "11.8"],
    listed: true,
    evidence: "documented",
    source: "docs.nvidia.com TensorRT 8.5.3 support matrix",
  },
  {
    product: "tensorrt",
    from: "8.5",
    to: "8.5",
    platforms: PC,
    capabilities: ["3.5", "3.7"],
    cuda: ["10.2", ...CUDA_11, "11.8"],
    listed: true,
    evidence: "documented",
    source: "docs.nvidia.com TensorRT 8.5.2 release notes",
    note: "TensorRT 8.5 is the last release for Kepler GPUs, which are deprecated in it",
  },
  {
    product: "tensorrt",
    from: "8.5",
    to: "8.6",
    platforms: PC,
    capabilities: ["9.0"],
    cuda: ["11.8", "12.0", "12.1"],
    listed: true,
    evidence: "documented",
    source: "CHANGELOG of NVIDIA/TensorRT 8.5.1 (Hopper support)",
  },
  {
    product: "tensorrt",
    from: "8.5",
    to: "8.6",
    platforms: PC,
    capabilities: ["8.9"],
    cuda: ["11.8", "12.0", "12.1"],
    listed: true,
    evidence: "unchecked",
    source: "CUDA 11.8 is the first that knows 8.9; the support matrix of 8.5 could not be read that far",
  },
  {
    product: "tensorrt",
    from: "8.6",
    to: "8.6",
    platforms: PC,
    capabilities: ["5.0", "5.2", "6.0", "6.1", "7.0", "7.5", "8.0", "8.6"],
    cuda: [...CUDA_11, "11.8", "12.0", "12.1"],
    listed: true,
    evidence: "documented",
    source: "docs.nvidia.com TensorRT 8.6.1 support matrix",
  },
  {
    product: "tensorrt",
    from: "8.5",
    to: "8.6",
    platforms: ["linux-aarch64"],
    capabilities: ["7.0", ...TURING_TO_HOPPER],
    cuda: ["11.8", "12.0"],
    listed: true,
    evidence: "unchecked",
    source: "docs.nvidia.com TensorRT 8.5.3 and 8.6.1 support matrices name SBSA; its GPUs taken from x86_64",
  },

  // TensorRT 9: an early-access branch for language models
  {
    product: "tensorrt",
    from: "9.0",
    to: "9.3",
    platforms: ["linux-x86_64"],
    capabilities: ["7.0", ...TURING_TO_HOPPER],
    cuda: ["11.8", "12.2"],
    listed: true,
    evidence: "unchecked",
    source: "README of NVIDIA/TensorRT v9.3.0 (platforms, CUDA); its GPUs taken from 8.6 and 10.0, which agree",
  },
  {
    product: "tensorrt",
    from: "9.0",
    to: "9.3",
    platforms: ["linux-x86_64"],
    capabilities: ["6.0", "6.1"],
    cuda: ["11.8", "12.2"],
    listed: true,
    evidence: "unchecked",
    source:
      "TensorRT 8.5.2 release notes drop only Maxwell in 9.0; CMakeLists.txt of v9.3.0 builds plugins for 60 and 61",
  },

  // TensorRT 10
  {
    product: "tensorrt",
    from: "10.0",
    to: "10.4",
    platforms: PC,
    capabilities: ["7.0"],
    cuda: ["11.8", "12.0", "12.1", "12.2", "12.3", "12.4", "12.5", "12.6"],
    listed: true,
    evidence: "documented",
    source: "docs.nvidia.com TensorRT 10.0.1 release notes and 10.5.0 release notes (Volta removed in 10.5)",
    note: "Volta is deprecated in TensorRT 10.0 to 10.4 and gone from 10.5",
  },
  {
    product: "tensorrt",
    from: "10.0",
    to: "10.4",
    platforms: PC,
    capabilities: TURING_TO_HOPPER,
    cuda: ["11.8", "12.0", "12.1", "12.2", "12.3", "12.4", "12.5", "12.6"],
    listed: true,
    evidence: "documented",
    source: "docs.nvidia.com TensorRT 10.1.0 support matrix",
  },
  {
    product: "tensorrt",
    from: "10.5",
    to: "10.7",
    platforms: PC,
    capabilities: TURING_TO_HOPPER,
    cuda: ["11.8", "12.1", "12.2", "12.3", "12.4", "12.5", "12.6"],
    listed: true,
    evidence: "documented",
    source: "docs.nvidia.com TensorRT 10.5.0 release notes; README of NVIDIA/TensorRT v10.5.0",
  },
  {
    product: "tensorrt",
    from: "10.8",
    to: "10.9",
    platforms: PC,
    capabilities: TURING_TO_BLACKWELL,
    cuda: ["11.8", "12.8"],
    listed: true,
    evidence: "documented",
    source: "docs.nvidia.com TensorRT 10.8.0 release notes; README of NVIDIA/TensorRT v10.8.0",
  },
  {
    product: "tensorrt",
    from: "10.10",
    to: "10.13.0",
    platforms: PC,
    capabilities: TURING_TO_BLACKWELL,
    cuda: ["11.8", "12.9"],
    listed: true,
    evidence: "documented",
    source: "CHANGELOG and README of NVIDIA/TensorRT v10.13.0",
  },
  {
    product: "tensorrt",
    from: "10.0",
    to: "10.7",
    platforms: ["linux-aarch64"],
    capabilities: TURING_TO_HOPPER,
    cuda: ["12.0", "12.1", "12.2", "12.3", "12.4", "12.5", "12.6"],
    listed: true,
    evidence: "unchecked",
    source: "docs.nvidia.com TensorRT 10.1.0 and 10.6.0 support matrices name SBSA; its GPUs taken from x86_64",
  },
  {
    product: "tensorrt",
    from: "10.8",
    to: "10.13.0",
    platforms: ["linux-aarch64"],
    capabilities: TURING_TO_BLACKWELL,
    cuda: ["12.8", "12.9"],
    listed: true,
    evidence: "unchecked",
    source: "docs.nvidia.com TensorRT 10.8.0 release notes name SBSA; its GPUs taken from x86_64",
  },
  {
    product: "tensorrt",
    from: "10.8",
    to: "10.14",
    platforms: SERVERS,
    capabilities: ["10.3", "12.1"],
    cuda: ["12.8", "12.9", "13.0"],
    listed: false,
    evidence: "unchecked",
    source: "cubins of 10.0 and 12.0 run on a later minor of the same major (CUDA Blackwell Compatibility Guide)",
  },
  {
    product: "tensorrt",
    from: "10.13.2",
    to: "10.14",
    platforms: PC,
    capabilities: TURING_TO_BLACKWELL,
    cuda: ["12.9", "13.0"],
    listed: true,
    evidence: "documented",
    source: "CHANGELOG of NVIDIA/TensorRT 10.13.2 (CUDA 13.0 added, CUDA 11 dropped)",
  },
  {
    product: "tensorrt",
    from: "10.13.2",
    to: "10.14",
    platforms: ["linux-aarch64"],
    capabilities: TURING_TO_BLACKWELL,
    cuda: ["13.0"],
    listed: true,
    evidence: "unchecked",
    source: "builds for CUDA 12 end here (nixpkgs); GPUs taken from x86_64",
  },
  {
    product: "tensorrt",
    from: "10.15",
    to: "10.16",
    platforms: PC,
    capabilities: [...TURING_TO_BLACKWELL, "10.3"],
    cuda: ["12.9", "13.1", "13.2"],
    listed: true,
    evidence: "measured",
    source: CUBINS,
  },
  {
    product: "tensorrt",
    from: "10.15",
    to: "10.16",
    platforms: ["linux-aarch64"],
    capabilities: [...TURING_TO_BLACKWELL, "10.3"],
    cuda: ["13.1", "13.2"],
    listed: true,
    evidence: "unchecked",
    source: "docs.nvidia.com TensorRT 10.15.1 support matrix names SBSA and 8.9; other GPUs taken from x86_64",
  },
  {
    product: "tensorrt",
    from: "10.15",
    to: "10.16",
    platforms: SERVERS,
    capabilities: ["12.1"],
    cuda: ["12.9", "13.1", "13.2"],
    listed: false,
    evidence: "unchecked",
    source: "runs the cubins of 12.0 (CUDA Blackwell Compatibility Guide)",
  },

  // TensorRT 11
  {
    product: "tensorrt",
    from: "11.0",
    to: "11.4",
    platforms: PC,
    capabilities: [...TURING_TO_BLACKWELL, "10.3"],
    cuda: ["12.9", "13.2", "13.3"],
    listed: true,
    evidence: "measured",
    source: `${CUBINS}; README of NVIDIA/TensorRT v11.1 (CUDA)`,
  },
  {
    product: "tensorrt",
    from: "11.0",
    to: "11.4",
    platforms: ["linux-aarch64"],
    capabilities: [...TURING_TO_BLACKWELL, "10.3"],
    cuda: ["13.2", "13.3"],
    listed: true,
    evidence: "unchecked",
    source: "taken from x86_64",
  },
  {
    product: "tensorrt",
    from: "11.0",
    to: "11.4",
    platforms: SERVERS,
    capabilities: ["12.1"],
    cuda: ["12.9", "13.2", "13.3"],
    listed: false,
    evidence: "unchecked",
    source: "runs the cubins of 12.0 (CUDA Blackwell Compatibility Guide)",
  },

  // Jetson
  {
    product: "tensorrt",
    from: "8.0",
    to: "8.2",
    platforms: ["jetpack"],
    capabilities: ["5.3", "6.2", "7.2"],
    cuda: ["10.2"],
    listed: true,
    evidence: "reported",
    source: "gist Tiryoh/2b5dc1f86ab6bc3e6922e97a4c1ac2f2 (JetPack 4.6)",
  },
  {
    product: "tensorrt",
    from: "8.4",
    to: "8.6.1",
    platforms: ["jetpack"],
    capabilities: ["7.2", "8.7"],
    cuda: ["11.4"],
    listed: true,
    evidence: "documented",
    source: "README of NVIDIA/TensorRT v8.6.1 (JetPack 5); docs.nvidia.com TensorRT 8.6.1 support matrix (CUDA 11.4)",
  },
  {
    product: "tensorrt",
    from: "8.6.2",
    to: "8.6.2",
    platforms: ["jetpack"],
    capabilities: ["8.7"],
    cuda: ["12.2"],
    listed: true,
    evidence: "reported",
    source: "several public logs of JetPack 6.0 (L4T 36.3, TensorRT 8.6.2.3, CUDA 12.2)",
  },
  {
    product: "tensorrt",
    from: "10.0",
    to: "10.7",
    platforms: ["jetpack"],
    capabilities: ["8.7"],
    cuda: ["12.4", "12.5", "12.6"],
    listed: true,
    evidence: "documented",
    source: "docs.nvidia.com TensorRT 10.1.0, 10.6.0 and 10.14.1 support matrices (JetPack column, last 10.7.x)",
  },
  {
    product: "tensorrt",
    from: "10.10",
    to: "10.10",
    platforms: ["jetpack"],
    capabilities: ["10.1"],
    cuda: ["12.8"],
    listed: true,
    evidence: "documented",
    source: "DRIVE OS 7.0.3 documentation (TensorRT 10.10.10)",
    note: "This is Thor under DRIVE OS; under JetPack it reports 11.0",
  },
  {
    product: "tensorrt",
    from: "10.13",
    to: "10.13",
    platforms: ["jetpack"],
    capabilities: ["11.0"],
    cuda: ["13.0"],
    listed: true,
    evidence: "documented",
    source: "developer.nvidia.com JetPack 7.0 and 7.1 archive pages",
  },
  {
    product: "tensorrt",
    from: "10.16.2",
    to: "10.16",
    platforms: ["jetpack"],
    capabilities: ["8.7", "11.0"],
    cuda: ["13.2"],
    listed: true,
    evidence: "documented",
    source: "TensorRT-Edge-LLM support matrix (JetPack 7.2, TensorRT 10.16.2.10)",
  },
  {
    product: "tensorrt",
    from: "11.4.1",
    to: "11.4",
    platforms: ["jetpack"],
    capabilities: ["8.7", "11.0"],
    cuda: ["13.2", "13.3"],
    listed: true,
    evidence: "documented",
    source: "docs.nvidia.com TensorRT 11.4.1 release notes (JetPack 7.2.2 and later, SBSA package)",
  },

  // TensorRT-RTX
  {
    product: "tensorrt-rtx",
    from: "1.0",
    to: "1.7",
    platforms: PC,
    capabilities: ["7.5", "8.6", "8.9", "12.0"],
    cuda: ["12.9", "13.0", "13.1", "13.2", "13.3"],
    listed: true,
    evidence: "documented",
    source: "docs.nvidia.com TensorRT-RTX 1.0, 1.1, 1.4 and 1.5 support matrices",
  },
  {
    product: "tensorrt-rtx",
    from: "1.3",
    to: "1.7",
    platforms: PC,
    capabilities: ["8.0"],
    cuda: ["12.9", "13.0", "13.1", "13.2", "13.3"],
    listed: false,
    evidence: "documented",
    source: "kSM80 in the headers from 1.3 on and docs.nvidia.com TensorRT-RTX CPU engines page; not in the support " +
      "matrix",
  },
  {
    product: "tensorrt-rtx",
    from: "1.5",
    to: "1.7",
    platforms: PC,
    capabilities: ["12.1"],
    cuda: ["13.0", "13.1", "13.2", "13.3"],
    listed: true,
    evidence: "documented",
    source: "docs.nvidia.com TensorRT-RTX 1.5 support matrix (with a footnote)",
  },
  {
    product: "tensorrt-rtx",
    from: "1.4",
    to: "1.6",
    platforms: ["linux-x86_64"],
    capabilities: ["9.0"],
    cuda: ["12.9", "13.0", "13.1", "13.2"],
    listed: false,
    evidence: "measured",
    source: "1.4.0.76, 1.5.0.114 and 1.6.1.120 built, loaded and ran YOLOv8 on an H100, equal to ONNX Runtime",
  },
];

/** A pair that fails in a known way: what the library says and why. */
export interface RefusalRow {
  readonly product: Product;
  readonly from: string;
  readonly to: string;
  /** All platforms without it. */
  readonly platforms?: readonly Platform[];
  /** Compute capabilities, `min` to `max`, both included. */
  readonly min: string;
  readonly max: string;
  /** Why, as a clause after "because". */
  readonly because: string;
  readonly evidence: Evidence;
  readonly source: string;
}

/** The first that fits gives the reason; a pair without a row is merely not in {@link SUPPORT}. */
export const REFUSALS: readonly RefusalRow[] = [
  {
    product: "tensorrt-rtx",
    from: "1.0",
    to: "1.7",
    platforms: ["jetpack", "linux-aarch64"],
    min: "3.0",
    max: "99.9",
    because: "TensorRT-RTX exists for Linux and Windows on x86_64 only",
    evidence: "documented",
    source: "docs.nvidia.com TensorRT-RTX 1.4 and 1.5 support matrices",
  },
  {
    product: "tensorrt",
    from: "9.0",
    to: "9.3",
    platforms: ["jetpack", "linux-aarch64", "windows-x86_64"],
    min: "3.0",
    max: "99.9",
    because: "TensorRT 9 was released for Linux on x86_64 only",
    evidence: "documented",
    source: "README of NVIDIA/TensorRT v9.3.0",
  },
  {
    product: "tensorrt",
    from: "8.0",
    to: "9.3",
    min: "10.0",
    max: "99.9",
    because:
      'it reads only one digit of the major compute capability: the builder fails with "smVerHex2Dig ... Assertion ' +
      'major >= 0 && major < 10 failed"',
    evidence: "reported",
    source: "log of TensorRT 8.6.1 on an RTX 5060 (12.0), 2025-12-22; other releases below 10 inferred",
  },
  {
    product: "tensorrt",
    from: "10.0",
    to: "10.7",
    min: "10.0",
    max: "99.9",
    because:
      'it has no kernels for Blackwell and later: the builder fails with "Target GPU SM ... is not supported by ' +
      'this TensorRT release"',
    evidence: "reported",
    source: "NVIDIA/TensorRT issue 4317 (10.7 on an RTX 5090)",
  },
  {
    product: "tensorrt",
    from: "11.0",
    to: "11.4",
    min: "3.0",
    max: "7.2",
    because:
      "it starts at compute capability 7.5: the builder is not even made (assertion SmVersion{0x0705} <= smVersion)",
    evidence: "reported",
    source: "public report of TensorRT 11.2 on a V100, 2026-08-16",
  },
  {
    product: "tensorrt",
    from: "10.5",
    to: "10.16",
    min: "7.0",
    max: "7.2",
    because: "Volta was removed in TensorRT 10.5",
    evidence: "documented",
    source: "docs.nvidia.com TensorRT 10.5.0 release notes",
  },
  {
    product: "tensorrt",
    from: "10.0",
    to: "10.16",
    min: "3.0",
    max: "6.2",
    because:
      'TensorRT 10 dropped Pascal and older: the builder fails with "Target GPU SM ... is not supported by this ' +
      'TensorRT release"',
    evidence: "reported",
    source: "public logs of TensorRT 10 on compute capability 6.1",
  },
  {
    product: "tensorrt",
    from: "9.0",
    to: "9.3",
    min: "3.0",
    max: "5.3",
    because: "TensorRT 9.0 dropped Maxwell",
    evidence: "documented",
    source: "docs.nvidia.com TensorRT 8.5.2 release notes",
  },
  {
    product: "tensorrt",
    from: "11.0",
    to: "11.4.0",
    platforms: ["jetpack"],
    min: "7.5",
    max: "99.9",
    because: "TensorRT 11 supports JetPack from 11.4.1 on",
    evidence: "documented",
    source: "docs.nvidia.com TensorRT 11.3.0, 11.4.0 and 11.4.1 migration pages",
  },
  {
    product: "tensorrt",
    from: "8.6.2",
    to: "11.4",
    platforms: ["jetpack"],
    min: "7.2",
    max: "7.2",
    because: "JetPack 5, with TensorRT 8.4 and 8.5, is the last for Xavier",
    evidence: "documented",
    source: "README of NVIDIA/TensorRT v8.6.1",
  },
  {
    product: "tensorrt",
    from: "8.0",
    to: "11.4",
    platforms: ["linux-aarch64"],
    min: "8.7",
    max: "8.7",
    because:
      'the server (SBSA) build of TensorRT is not the Jetson one: it fails with "Target GPU SM 87 is not supported ' +
      'by this TensorRT release"',
    evidence: "reported",
    source: "public report of the SBSA container 25.06 on a Jetson Orin",
  },
  {
    product: "tensorrt-rtx",
    from: "1.7",
    to: "1.7",
    min: "9.0",
    max: "10.3",
    because: 'it builds engines there but refuses to load them: "The engine cannot run on this GPU"',
    evidence: "measured",
    source: "TensorRT-RTX 1.7.1.116 on an H100 (9.0); 10.x inferred",
  },
];

/** What a GPU can compute; TensorRT must also know the type, see {@link PRECISION_SINCE}. */
export interface CapabilityRow {
  readonly capability: string;
  readonly devices: string;
  readonly tf32: boolean;
  readonly fp16: boolean;
  readonly bf16: boolean;
  readonly int8: boolean;
  readonly fp8: boolean;
  readonly fp4: boolean;
  /** Deep Learning Accelerator of a Jetson. */
  readonly dla: boolean;
  /** First CUDA whose libraries can hold code for this GPU. */
  readonly cudaMin: string;
  /** Last CUDA major that still supports it, null when it is current. */
  readonly cudaMaxMajor: number | null;
  readonly evidence: Evidence;
  readonly source: string;
}

type Flags = "tf32" | "fp16" | "bf16" | "int8" | "fp8" | "fp4" | "dla";

function gpu(
  capability: string,
  devices: string,
  can: readonly Flags[],
  cuda: { readonly min: string; readonly maxMajor?: number },
  evidence: Evidence,
  source: string,
): CapabilityRow {
  const has = (flag: Flags) => can.includes(flag);
  return {
    capability,
    devices,
    tf32: has("tf32"),
    fp16: has("fp16"),
    bf16: has("bf16"),
    int8: has("int8"),
    fp8: has("fp8"),
    fp4: has("fp4"),
    dla: has("dla"),
    cudaMin: cuda.min,
    cudaMaxMajor: cuda.maxMajor ?? null,
    evidence,
    source,
  };
}

const MATRIX_84 = "TensorRT 8.4 hardware and precision matrix";
const MATRIX_RTX = "TensorRT-RTX support matrices and TensorRT 10 matrix headings";
const AMPERE = ["tf32", "fp16", "bf16", "int8"] as const;

/** By compute capability. CUDA bounds: CUDA Toolkit release notes 11.0, 11.1, 11.4, 11.8, 12.8, 12.9, 13.0. */
export const CAPABILITIES: readonly CapabilityRow[] = [
  gpu("3.5", "Kepler (K40, GTX 780)", [], { min: "5.0", maxMajor: 11 }, "unchecked", "no TensorRT matrix read"),
  gpu("3.7", "Kepler (K80)", [], { min: "6.5", maxMajor: 11 }, "unchecked", "no TensorRT matrix read"),
  gpu("5.0", "Maxwell (GTX 750)", [], { min: "6.0", maxMajor: 12 }, "unchecked", "no TensorRT matrix read"),
  gpu("5.2", "Maxwell (M40, GTX 900)", [], { min: "6.5", maxMajor: 12 }, "unchecked", "no TensorRT matrix read"),
  gpu("5.3", "Jetson Nano, TX1", ["fp16"], { min: "7.0", maxMajor: 12 }, "unchecked", "no TensorRT matrix read"),
  gpu("6.0", "Pascal (P100)", ["fp16"], { min: "8.0", maxMajor: 12 }, "unchecked", "no TensorRT matrix read"),
  gpu("6.1", "Pascal (P4, GTX 10)", ["int8"], { min: "8.0", maxMajor: 12 }, "documented", MATRIX_84),
  gpu("6.2", "Jetson TX2", ["fp16"], { min: "8.0", maxMajor: 12 }, "documented", MATRIX_84),
  gpu("7.0", "Volta (V100)", ["fp16", "int8"], { min: "9.0", maxMajor: 12 }, "documented", MATRIX_84),
  gpu("7.2", "Jetson Xavier", ["fp16", "int8", "dla"], { min: "9.2", maxMajor: 12 }, "documented", MATRIX_84),
  gpu("7.5", "Turing (T4, RTX 20, GTX 16)", ["fp16", "int8"], { min: "10.0" }, "documented", MATRIX_84),
  gpu("8.0", "Ampere (A100, A30)", AMPERE, { min: "11.0" }, "documented", MATRIX_84),
  gpu("8.6", "Ampere (A10, A40, RTX 30)", AMPERE, { min: "11.1" }, "documented", MATRIX_84),
  gpu("8.7", "Jetson Orin", [...AMPERE, "dla"], { min: "11.4" }, "documented", MATRIX_84),
  gpu("8.9", "Ada (L4, L40S, RTX 40)", [...AMPERE, "fp8"], { min: "11.8" }, "documented", MATRIX_RTX),
  gpu("9.0", "Hopper (H100, H200, GH200)", [...AMPERE, "fp8"], { min: "11.8" }, "documented", MATRIX_RTX),
  gpu("10.0", "Blackwell (B200)", [...AMPERE, "fp8", "fp4"], { min: "12.8" }, "documented", MATRIX_RTX),
  gpu("10.1", "Thor under DRIVE OS", [...AMPERE, "fp8", "fp4"], { min: "12.8" }, "documented", "DRIVE OS 7.0.3"),
  gpu("10.3", "Blackwell Ultra (B300)", [...AMPERE, "fp8", "fp4"], { min: "12.8" }, "unchecked", "taken from 10.0"),
  gpu("11.0", "Jetson Thor", [...AMPERE, "fp8", "fp4"], { min: "13.0" }, "documented", "DRIVE OS 7.0.3"),
  gpu("12.0", "Blackwell (RTX 50, RTX PRO)", [...AMPERE, "fp8", "fp4"], { min: "12.8" }, "documented", MATRIX_RTX),
  gpu("12.1", "GB10 (DGX Spark)", [...AMPERE, "fp8", "fp4"], { min: "12.8" }, "documented", MATRIX_RTX),
];

export type Precision = "f32" | "tf32" | "fp16" | "bf16" | "int8" | "fp8" | "fp4";

/**
 * First TensorRT that has the data type; TensorRT-RTX has all of them from 1.3 on.
 * Source: enum DataType in NvInferRuntimeBase.h of 8.4 to 11.1. The headers in the tag v9.2.0 are those of 8.6.1.
 */
export const PRECISION_SINCE: Readonly<Record<Precision, string>> = {
  f32: "8.0",
  tf32: "8.0",
  fp16: "8.0",
  int8: "8.0",
  fp8: "8.6",
  bf16: "9.1",
  fp4: "10.8",
};

/** What TensorRT-RTX computes, by compute capability; INT8 there is for weights only. */
export const RTX_PRECISIONS: Readonly<Record<string, readonly Precision[]>> = {
  "7.5": ["f32", "fp16"],
  "8.0": ["f32", "tf32", "fp16", "bf16", "int8"],
  "8.6": ["f32", "tf32", "fp16", "bf16", "int8"],
  "8.9": ["f32", "tf32", "fp16", "bf16", "int8", "fp8"],
  "9.0": ["f32", "tf32", "fp16", "bf16", "int8", "fp8"],
  "12.0": ["f32", "tf32", "fp16", "bf16", "int8", "fp8", "fp4"],
  "12.1": ["f32", "tf32", "fp16", "bf16", "int8", "fp8", "fp4"],
};

/** Releases of TensorRT that can use a DLA. */
export interface DlaRow {
  readonly from: string;
  readonly to: string;
  readonly capabilities: readonly string[];
  readonly source: string;
}

export const DLA_RELEASES: readonly DlaRow[] = [
  {
    from: "8.0",
    to: "10.7",
    capabilities: ["7.2", "8.7"],
    source: "docs.nvidia.com TensorRT 11.4.1 Jetson migration page (10.7 is the last of TensorRT 10)",
  },
  {
    from: "11.4.1",
    to: "11.4",
    capabilities: ["8.7"],
    source: "docs.nvidia.com TensorRT 11.4.1 release notes (Orin under JetPack 7.2.2 and later)",
  },
];

/** Releases of JetPack, oldest first. */
export interface JetPackRow {
  readonly jetpack: string;
  /** Release of Jetson Linux, `from` to `to` as in {@link SupportRow}. */
  readonly l4t: { readonly from: string; readonly to: string };
  readonly tensorrt: string;
  readonly cuda: string;
  readonly capabilities: readonly string[];
  readonly evidence: Evidence;
  readonly source: string;
}

export const JETPACKS: readonly JetPackRow[] = [
  {
    jetpack: "4.6",
    l4t: { from: "32.6", to: "32.6" },
    tensorrt: "8.0.1",
    cuda: "10.2",
    capabilities: ["5.3", "6.2", "7.2"],
    evidence: "reported",
    source: "gist Tiryoh/2b5dc1f86ab6bc3e6922e97a4c1ac2f2",
  },
  {
    jetpack: "4.6.1 to 4.6.x",
    l4t: { from: "32.7", to: "32.7" },
    tensorrt: "8.2.1",
    cuda: "10.2",
    capabilities: ["5.3", "6.2", "7.2"],
    evidence: "reported",
    source: "gist Tiryoh/2b5dc1f86ab6bc3e6922e97a4c1ac2f2; last for Nano and TX2",
  },
  {
    jetpack: "5.0 developer preview",
    l4t: { from: "34.1", to: "34.1" },
    tensorrt: "8.4.0",
    cuda: "11.4",
    capabilities: ["7.2", "8.7"],
    evidence: "documented",
    source: "README of NVIDIA/TensorRT 8.5.3",
  },
  {
    jetpack: "5.0.2",
    l4t: { from: "35.1", to: "35.1" },
    tensorrt: "8.4.1",
    cuda: "11.4",
    capabilities: ["7.2", "8.7"],
    evidence: "documented",
    source: "developer.nvidia.com JetPack SDK 5.0.2",
  },
  {
    jetpack: "5.1.x",
    l4t: { from: "35.2", to: "35" },
    tensorrt: "8.5.2",
    cuda: "11.4",
    capabilities: ["7.2", "8.7"],
    evidence: "documented",
    source: "README of NVIDIA/TensorRT v8.6.1; last for Xavier",
  },
  {
    jetpack: "6.0",
    l4t: { from: "36.2", to: "36.3" },
    tensorrt: "8.6.2",
    cuda: "12.2",
    capabilities: ["8.7"],
    evidence: "reported",
    source: "several public logs (L4T 36.2 is its developer preview)",
  },
  {
    jetpack: "6.1 and 6.2",
    l4t: { from: "36.4", to: "36" },
    tensorrt: "10.3",
    cuda: "12.6",
    capabilities: ["8.7"],
    evidence: "documented",
    source: "docs.pytorch.org Torch-TensorRT in JetPack; 10.7 can be installed too (TensorRT 10.14.1 support matrix)",
  },
  {
    jetpack: "7.0 and 7.1",
    l4t: { from: "38.1", to: "38" },
    tensorrt: "10.13",
    cuda: "13.0",
    capabilities: ["11.0"],
    evidence: "documented",
    source: "developer.nvidia.com JetPack 7.0 and 7.1 archive pages; TensorRT-Edge-LLM support matrix",
  },
  {
    jetpack: "7.2 and 7.2.1",
    l4t: { from: "39.2", to: "39.2.1" },
    tensorrt: "10.16.2",
    cuda: "13.2",
    capabilities: ["8.7", "11.0"],
    evidence: "documented",
    source: "TensorRT-Edge-LLM support matrix",
  },
  {
    jetpack: "7.2.2 and later",
    l4t: { from: "39.2.2", to: "39" },
    tensorrt: "11.4.1",
    cuda: "13.2",
    capabilities: ["8.7", "11.0"],
    evidence: "documented",
    source: "docs.nvidia.com TensorRT 11.4.1 release notes (installed from the SBSA package); number of L4T unchecked",
  },
];

/** Driver that a CUDA major needs at least (minor version compatibility). */
export interface CudaMajorRow {
  readonly major: number;
  readonly linux: string;
  readonly windows: string;
  readonly source: string;
}

export const CUDA_MAJORS: readonly CudaMajorRow[] = [
  { major: 10, linux: "440.33", windows: "441.22", source: "CUDA Toolkit release notes (10.2.89)" },
  { major: 11, linux: "450.80.02", windows: "452.39", source: "docs.nvidia.com CUDA Compatibility" },
  { major: 12, linux: "525", windows: "525", source: "docs.nvidia.com CUDA Compatibility" },
  { major: 13, linux: "580", windows: "580", source: "docs.nvidia.com CUDA Compatibility" },
];

/** Driver that a CUDA toolkit came with: below it, code that is compiled on the machine (PTX) may be refused. */
export interface CudaToolkitRow {
  readonly cuda: string;
  readonly linux: string;
  /** Null where no Windows driver came with it. */
  readonly windows: string | null;
}

/** Source: table "CUDA Toolkit and Corresponding Driver Versions" of the CUDA 13.2 release notes (GA rows). */
export const CUDA_TOOLKITS: readonly CudaToolkitRow[] = [
  { cuda: "11.4", linux: "470.42.01", windows: "471.11" },
  { cuda: "11.8", linux: "520.61.05", windows: "520.06" },
  { cuda: "12.0", linux: "525.60.13", windows: "527.41" },
  { cuda: "12.1", linux: "530.30.02", windows: "531.14" },
  { cuda: "12.2", linux: "535.54.03", windows: "536.25" },
  { cuda: "12.3", linux: "545.23.06", windows: "545.84" },
  { cuda: "12.4", linux: "550.54.14", windows: "551.61" },
  { cuda: "12.5", linux: "555.42.02", windows: "555.85" },
  { cuda: "12.6", linux: "560.28.03", windows: "560.76" },
  { cuda: "12.8", linux: "570.26", windows: "570.65" },
  { cuda: "12.9", linux: "575.51.03", windows: "576.02" },
  { cuda: "13.0", linux: "580.65.06", windows: null },
  { cuda: "13.1", linux: "590.44.01", windows: null },
  { cuda: "13.2", linux: "595.45.04", windows: null },
];

/** Compute capabilities that TensorRT-RTX builds for on any machine, GPU or not. */
export interface TargetRow {
  readonly from: string;
  readonly to: string;
  /** Values of `--targets`: compute capability times ten. */
  readonly targets: readonly number[];
  readonly source: string;
}

export const RTX_TARGETS: readonly TargetRow[] = [
  {
    from: "1.3",
    to: "1.4",
    targets: [75, 80, 86, 89, 120],
    source: "enum ComputeCapability in the headers of 1.3; 1.4.0.76 built for 80, 86, 89 and 120",
  },
  {
    from: "1.5",
    to: "1.7",
    targets: [75, 80, 86, 89, 120, 121],
    source: "enum ComputeCapability in the headers of 1.5 and 1.6; 1.7.1.116 refuses 90",
  },
];
