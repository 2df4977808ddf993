import { Evidence, Family, Product } from "../../ffi/enums.ts";

/** A flag that the family does not have. */
export const ABSENT = null;

/** What each fake must have been asked; the numbers are those of the public headers, not of the shim's tables. */
export interface Expected {
  name: string;
  family: Family;
  product: Product;
  version: number;
  raw: number;
  evidence: Evidence;
  /** Number of each flag; {@link ABSENT} flags must be refused. */
  flags: Record<string, number | null>;
  networkFlags: { plain: number; strong: number | null };
  /** Only from 8.6 on. */
  optimizationLevel: boolean;
  hardwareCompatibility: boolean;
  pools: number;
  progress: boolean;
  targets: boolean;
  createContext: string[];
  deviceMemory: number;
  platform: number;
  magic: string;
}

const OLD_FLAGS = {
  FP16: 0,
  INT8: 1,
  DEBUG: 2,
  GPU_FALLBACK: 3,
  REFIT: 5,
  DISABLE_TIMING_CACHE: 6,
  TF32: 7,
  SPARSE_WEIGHTS: 8,
  OBEY_PRECISION: 10,
  PREFER_PRECISION: 11,
  DIRECT_IO: 12,
  VERSION_COMPATIBLE: 15,
  EXCLUDE_LEAN_RUNTIME: 16,
  FP8: 17,
  ERROR_ON_TIMING_CACHE_MISS: 18,
  BF16: 19,
  DISABLE_COMPILATION_CACHE: 20,
  STRIP_PLAN: 21,
  REFIT_IDENTICAL: ABSENT,
  WEIGHT_STREAMING: ABSENT,
  STRICT_NANS: ABSENT,
  MONITOR_MEMORY: ABSENT,
  EDITABLE_TIMING_CACHE: ABSENT,
};
const BEFORE_9_1 = {
  ERROR_ON_TIMING_CACHE_MISS: ABSENT,
  BF16: ABSENT,
  DISABLE_COMPILATION_CACHE: ABSENT,
  STRIP_PLAN: ABSENT,
};
const FLAGS_10 = {
  FP16: 0,
  INT8: 1,
  DEBUG: 2,
  GPU_FALLBACK: 3,
  REFIT: 4,
  DISABLE_TIMING_CACHE: 5,
  TF32: 6,
  SPARSE_WEIGHTS: 7,
  OBEY_PRECISION: 9,
  PREFER_PRECISION: 10,
  DIRECT_IO: 11,
  VERSION_COMPATIBLE: 13,
  EXCLUDE_LEAN_RUNTIME: 14,
  FP8: 15,
  ERROR_ON_TIMING_CACHE_MISS: 16,
  BF16: 17,
  DISABLE_COMPILATION_CACHE: 18,
  STRIP_PLAN: 19,
  REFIT_IDENTICAL: 20,
  WEIGHT_STREAMING: 21,
  STRICT_NANS: 24,
  MONITOR_MEMORY: 25,
  EDITABLE_TIMING_CACHE: 27,
};
const STRONGLY_TYPED = {
  FP16: ABSENT,
  INT8: ABSENT,
  OBEY_PRECISION: ABSENT,
  PREFER_PRECISION: ABSENT,
  FP8: ABSENT,
  BF16: ABSENT,
};
const FLAGS_11 = {
  ...FLAGS_10,
  ...STRONGLY_TYPED,
  VERSION_COMPATIBLE: 12,
  EXCLUDE_LEAN_RUNTIME: 13,
  ERROR_ON_TIMING_CACHE_MISS: 15,
  DISABLE_COMPILATION_CACHE: 17,
  STRIP_PLAN: 18,
  REFIT_IDENTICAL: 19,
  WEIGHT_STREAMING: 20,
  STRICT_NANS: 23,
  MONITOR_MEMORY: 24,
  EDITABLE_TIMING_CACHE: 26,
};

const OLD_CONTEXT = ["CudaEngine.createExecutionContext()"];
const NEW_CONTEXT = ["CudaEngine.createExecutionContext(0)"];
const RTX_CONTEXT = [
  ...NEW_CONTEXT,
  "CudaEngine.createRuntimeConfig()",
  "RuntimeConfig.createRuntimeCache()",
  "RuntimeCache.deserialize(17)",
  "RuntimeConfig.setRuntimeCache(KERNELS of before)",
  "RuntimeConfig.setDynamicShapesKernelSpecializationStrategy(1)",
  "RuntimeConfig.setCudaGraphStrategy(1)",
  "CudaEngine.createExecutionContextWithRuntimeConfig(KERNELS of before)",
  "RuntimeCache.serialize(KERNELS of before conv)",
];

const TENSORRT = { product: Product.TENSORRT, evidence: Evidence.HEADERS, targets: false, magic: "ftrt" };
const OLD = {
  ...TENSORRT,
  optimizationLevel: true,
  hardwareCompatibility: true,
  pools: 5,
  createContext: OLD_CONTEXT,
  deviceMemory: 4096,
  platform: 1,
};
const NEW = {
  ...TENSORRT,
  optimizationLevel: true,
  hardwareCompatibility: true,
  pools: 6,
  progress: true,
  createContext: NEW_CONTEXT,
  deviceMemory: 8192,
};
const RTX = {
  ...NEW,
  product: Product.TENSORRT_RTX,
  evidence: Evidence.RUN,
  hardwareCompatibility: false,
  targets: true,
  networkFlags: { plain: 0, strong: 0 },
  createContext: RTX_CONTEXT,
  magic: "vtrt",
};

/** One entry a fake. */
export const FAMILIES: readonly Expected[] = [
  {
    ...OLD,
    name: "8.5",
    family: Family.V8_5,
    version: 80503,
    raw: 8503,
    flags: { ...OLD_FLAGS, ...BEFORE_9_1, VERSION_COMPATIBLE: ABSENT, EXCLUDE_LEAN_RUNTIME: ABSENT, FP8: ABSENT },
    networkFlags: { plain: 1, strong: ABSENT },
    optimizationLevel: false,
    hardwareCompatibility: false,
    pools: 4,
    progress: false,
  },
  {
    ...OLD,
    name: "8.6",
    family: Family.V8_6,
    version: 80601,
    raw: 8601,
    flags: { ...OLD_FLAGS, ...BEFORE_9_1 },
    networkFlags: { plain: 1, strong: ABSENT },
    progress: false,
  },
  {
    ...OLD,
    name: "9.1",
    family: Family.V8_6,
    version: 90100,
    raw: 9100,
    flags: { ...OLD_FLAGS, STRIP_PLAN: ABSENT },
    networkFlags: { plain: 1, strong: 5 },
    progress: true,
  },
  {
    ...OLD,
    name: "9.3",
    family: Family.V8_6,
    version: 90300,
    raw: 9300,
    flags: OLD_FLAGS,
    networkFlags: { plain: 1, strong: 5 },
    progress: true,
  },
  {
    ...NEW,
    name: "10.0",
    family: Family.V10,
    version: 100001,
    raw: 100001,
    flags: { ...FLAGS_10, STRICT_NANS: ABSENT, MONITOR_MEMORY: ABSENT, EDITABLE_TIMING_CACHE: ABSENT },
    networkFlags: { plain: 0, strong: 2 },
    deviceMemory: 4096,
    platform: 1,
  },
  {
    ...NEW,
    name: "10.16",
    family: Family.V10,
    version: 101601,
    raw: 101601,
    flags: FLAGS_10,
    networkFlags: { plain: 0, strong: 2 },
    platform: 1,
  },
  {
    ...NEW,
    name: "11.1",
    family: Family.V11,
    version: 110100,
    raw: 110100,
    flags: FLAGS_11,
    networkFlags: { plain: 0, strong: 0 },
    platform: -1,
  },
  {
    ...RTX,
    name: "rtx-1.4",
    family: Family.RTX_1_3,
    version: 10400,
    raw: 10400,
    flags: { ...FLAGS_10, ...STRONGLY_TYPED },
    platform: 1,
  },
  { ...RTX, name: "rtx-1.6", family: Family.RTX_1_5, version: 10601, raw: 10601, flags: FLAGS_11, platform: -1 },
];
