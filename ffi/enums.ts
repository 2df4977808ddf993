/** The numbers of `cpp/include/trtd.h`, which says what each means; `scripts/check_abi.ts` compares the two. */

/** What a function returns: `trtd_status`. */
export enum Status {
  OK = 0,
  INVALID_ARGUMENT = 1,
  INVALID_HANDLE = 2,
  BUFFER_TOO_SMALL = 3,
  UNSUPPORTED = 4,
  LIBRARY_NOT_LOADED = 5,
  SYMBOL_MISSING = 6,
  VERSION_UNKNOWN = 7,
  LIBRARY_MISMATCH = 8,
  ABI_MISMATCH = 9,
  NO_DRIVER = 10,
  CUDA_ERROR = 11,
  NULL_RESULT = 12,
  PARSE_FAILED = 13,
  BUILD_FAILED = 14,
  PLAN_REFUSED = 15,
  CANCELLED = 16,
  EXECUTION_FAILED = 17,
  IO_ERROR = 18,
  OUT_OF_MEMORY = 19,
  REFUSED = 20,
  INTERNAL = 21,
  PICTURE_REFUSED = 22,
}

/** Where an error comes from: `trtd_origin`. */
export enum Origin {
  SHIM = 0,
  SYSTEM = 1,
  CUDA = 2,
  TENSORRT = 3,
  PARSER = 4,
}

/** Severity of a log line; `NONE` as a limit lets nothing pass: `trtd_severity`. */
export enum Severity {
  NONE = -1,
  INTERNAL_ERROR = 0,
  ERROR = 1,
  WARNING = 2,
  INFO = 3,
  VERBOSE = 4,
}

/** Kind of a record in the ring: `trtd_event_kind`. */
export enum EventKind {
  LOG = 0,
  PHASE_START = 1,
  PHASE_STEP = 2,
  PHASE_FINISH = 3,
}

/** Product of a core library: `trtd_product`. */
export enum Product {
  TENSORRT = 0,
  TENSORRT_RTX = 1,
}

/** What a core library can do: `trtd_library_kind`. */
export enum LibraryKind {
  FULL = 0,
  LEAN = 1,
  DISPATCH = 2,
}

/** Row of the slot table: `trtd_family`. */
export enum Family {
  V8_5 = 0,
  V8_6 = 1,
  V10 = 2,
  V11 = 3,
  RTX_1_3 = 4,
  RTX_1_5 = 5,
}

/** Why a version is trusted: `trtd_evidence`. */
export enum Evidence {
  NONE = 0,
  HEADERS = 1,
  RUN = 2,
}

/** Bits of the flags for opening a library: `trtd_open_flag`. */
export enum OpenFlag {
  FORCE = 1,
}

/** Bits of the flags for making a builder or a runtime: `trtd_create_flag`. */
export enum CreateFlag {
  UNCHECKED = 1,
}

/** Library of a set: `trtd_part`. */
export enum Part {
  CORE = 0,
  PARSER = 1,
  PLUGINS = 2,
}

/** Element types: `trtd_type`. */
export enum ElementType {
  FLOAT32 = 0,
  FLOAT16 = 1,
  INT8 = 2,
  INT32 = 3,
  BOOL = 4,
  UINT8 = 5,
  FLOAT8 = 6,
  BFLOAT16 = 7,
  INT64 = 8,
  INT4 = 9,
  FLOAT4 = 10,
  E8M0 = 11,
}

/** Direction of a tensor: `trtd_mode`. */
export enum Mode {
  NONE = 0,
  INPUT = 1,
  OUTPUT = 2,
}

/** Corner of an optimization profile: `trtd_selector`. */
export enum Selector {
  MIN = 0,
  OPT = 1,
  MAX = 2,
}

/** Builder flags: `trtd_flag`. */
export enum Flag {
  FP16 = 0,
  INT8 = 1,
  DEBUG = 2,
  GPU_FALLBACK = 3,
  REFIT = 4,
  DISABLE_TIMING_CACHE = 5,
  TF32 = 6,
  SPARSE_WEIGHTS = 7,
  OBEY_PRECISION = 8,
  PREFER_PRECISION = 9,
  DIRECT_IO = 10,
  VERSION_COMPATIBLE = 11,
  EXCLUDE_LEAN_RUNTIME = 12,
  FP8 = 13,
  BF16 = 14,
  ERROR_ON_TIMING_CACHE_MISS = 15,
  DISABLE_COMPILATION_CACHE = 16,
  STRIP_PLAN = 17,
  REFIT_IDENTICAL = 18,
  WEIGHT_STREAMING = 19,
  STRICT_NANS = 20,
  MONITOR_MEMORY = 21,
  EDITABLE_TIMING_CACHE = 22,
}

/** Memory pools of the builder, limits in bytes: `trtd_pool`. */
export enum Pool {
  WORKSPACE = 0,
  DLA_MANAGED_SRAM = 1,
  DLA_LOCAL_DRAM = 2,
  DLA_GLOBAL_DRAM = 3,
  TACTIC_DRAM = 4,
  TACTIC_SHARED_MEMORY = 5,
}

/** Numeric settings of a builder config: `trtd_option`. */
export enum Option {
  OPTIMIZATION_LEVEL = 0,
  PROFILING_VERBOSITY = 1,
  HARDWARE_COMPATIBILITY = 2,
  TACTIC_SOURCES = 3,
  DLA_CORE = 4,
  DEFAULT_DEVICE = 5,
  MAX_AUX_STREAMS = 6,
  AVERAGE_TIMING_ITERATIONS = 7,
}

/** Numeric settings of a runtime: `trtd_runtime_option`. */
export enum RuntimeOption {
  MAX_THREADS = 0,
  HOST_CODE_ALLOWED = 1,
}

/** Bits of the flags for making an execution context: `trtd_context_flag`. */
export enum ContextFlag {
  RUNTIME_CACHE = 1,
  CUDA_GRAPH = 2,
  SPECIALIZE = 4,
}

/** How a detector's output tensors are laid out: `trtd_layout`. */
export enum Layout {
  CHANNELS_FIRST = 0,
  ANCHORS_FIRST = 1,
  OBJECTNESS = 2,
  OBJECTNESS_GRID = 3,
  END_TO_END = 4,
  BOXES_SCORES = 5,
  LOGITS_BOXES = 6,
  LABELS_BOXES_SCORES = 7,
  COUNT_BOXES_SCORES_LABELS = 8,
}

/** How boxes are written: `trtd_box_flag`. */
export enum BoxFlag {
  NORMALIZED = 1,
  CENTER_SIZE = 2,
  OF_CLASS = 4,
  ANCHORS = 8,
  OWN_ANCHORS = 16,
}

/** What a frame in host memory is: `trtd_frame_kind`. */
export enum FrameKind {
  RGB = 0,
  JPEG = 1,
}

/** Bits of the flags for making a pipeline or runner: `trtd_pipeline_flag`. */
export enum PipelineFlag {
  CUDA_GRAPH = 1,
  SHARED_COPIES = 2,
  STREAMED_COPIES = 4,
}

/** Bits of the flags of a run: `trtd_run_flag`. */
export enum RunFlag {
  TIMED = 1,
}

/** Bits of the flags for timing a context: `trtd_time_flag`. */
export enum TimeFlag {
  GRAPH = 1,
  CLOCK = 2,
  THROUGHPUT = 4,
}

/** Which part of nvJPEG decodes: `trtd_jpeg_backend`. */
export enum JpegBackend {
  AUTO = 0,
  HYBRID = 1,
  HARDWARE = 3,
}

/** Bits of the flags for opening a decoder of JPEG files: `trtd_jpeg_flag`. */
export enum JpegFlag {
  INTERPOLATE = 1,
}
