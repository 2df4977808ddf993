/*
 * trtd.h: the C interface of libtrtd, and its manual.
 *
 * libtrtd drives TensorRT 8.5 to 11.x and TensorRT-RTX 1.3 to 1.7 through one small library that needs no SDK to build
 * and links nothing of NVIDIA. It opens the CUDA driver, the TensorRT core, the ONNX parser and the plugin library at
 * run time, asks the core for its version, and calls its objects through the row of the slot table that holds for it.
 *
 * HANDSHAKE. Call trtd_abi_version() first and compare it with the TRTD_ABI_VERSION that you were written against.
 * Another number means another layout of this file: stop.
 *
 * STATUS AND ERRORS. A function that can fail returns a trtd_status (0 is TRTD_OK) and takes a trtd_error last. The
 * record belongs to the caller; NULL is allowed when the text is of no interest. It is written on failure only, whole,
 * with `status` equal to the returned value. There is no "last error" kept anywhere, so calls may come from any thread.
 * When TensorRT logged errors during the failed call, the message is the first of that burst: later ones are follow-ups
 * (without a driver, for example, each error is trailed by an unrelated "Cuda Runtime" line). Lines of calls that run at
 * the same time on the same library cannot be told apart.
 * A null, a pointer below one page, and an error logged while an object was made are all failures of the call.
 *
 * HANDLES. Objects are 64-bit ids, checked for existence and kind at each use; 0 is never an object. An id is never used
 * twice in a process. trtd_close() ends one; closing an id again, or 0, is harmless. A child keeps what it was made from
 * alive, so objects may be closed in any order: the native object goes when its last user is gone. Libraries are never
 * unloaded.
 *
 * BUFFERS. Every pointer argument, and every address in a record, points to memory of the caller and is read or written
 * only during the call. A text argument ends with a NUL byte and is UTF-8. A function that gives text takes `text`,
 * `capacity` and `length`: it writes at most `capacity` bytes, always ends them with NUL when `capacity` > 0, and sets
 * `length` to the full length in bytes without the NUL. When the text did not fit, the status is TRTD_BUFFER_TOO_SMALL
 * and the beginning is there.
 *
 * THREADS. Every function may be called from any thread at any time. Two calls on the same object at once are put one
 * after the other, except trtd_config_cancel(), trtd_pipeline_facts(), trtd_runner_facts() and the log functions, which
 * never wait for a running call. Nothing that other objects need is held while a call waits for the GPU. Each call
 * that touches the GPU makes its device's primary context current on the calling thread first.
 *
 * UNITS. Sizes and offsets are bytes, times are microseconds since 1970-01-01 UTC, dimensions are elements, -1 is a
 * dynamic dimension.
 *
 * VERSIONS. `version` numbers are major * 10000 + minor * 100 + patch for every product (8.6.1 is 80601, 10.16.1 is
 * 101601, RTX 1.7.1 is 10701); what a library itself reports (8601 for 8.6.1) is `raw_version`.
 */
#ifndef TRTD_H
#define TRTD_H

#include <stdint.h>

#if defined(__GNUC__)
#define TRTD_API __attribute__((visibility("default")))
#else
#define TRTD_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Changes when a function, an argument, a number or a structure below changes its meaning. */
#define TRTD_ABI_VERSION 2

/* ---------------------------------------------------------------- numbers */

/* What a function returns. */
typedef enum trtd_status {
  TRTD_OK = 0,
  /* An argument is out of its range or NULL where that is not allowed. */
  TRTD_INVALID_ARGUMENT = 1,
  /* The id is not an object, was closed, or is of another kind. */
  TRTD_INVALID_HANDLE = 2,
  /* A text or record did not fit; as much as fits was written. */
  TRTD_BUFFER_TOO_SMALL = 3,
  /* This family or version of TensorRT has no such function, flag or option. */
  TRTD_UNSUPPORTED = 4,
  /* The dynamic loader refused the file. */
  TRTD_LIBRARY_NOT_LOADED = 5,
  /* The file was loaded but is not the library that was asked for. */
  TRTD_SYMBOL_MISSING = 6,
  /* A version that the slot table does not know. */
  TRTD_VERSION_UNKNOWN = 7,
  /* Core, parser and plugin library are of different versions. */
  TRTD_LIBRARY_MISMATCH = 8,
  /* A getter with a known answer gave another one: the slots do not fit this library. */
  TRTD_ABI_MISMATCH = 9,
  /* There is no CUDA driver library on this machine. */
  TRTD_NO_DRIVER = 10,
  /* The CUDA driver returned an error; `code` is the CUresult. */
  TRTD_CUDA_ERROR = 11,
  /* TensorRT returned null or a near-null pointer, or logged an error while it made an object. */
  TRTD_NULL_RESULT = 12,
  /* The ONNX parser refused the model; see trtd_network_error(). */
  TRTD_PARSE_FAILED = 13,
  /* The builder returned no plan. */
  TRTD_BUILD_FAILED = 14,
  /* The runtime refused the plan. */
  TRTD_PLAN_REFUSED = 15,
  /* The build was ended by trtd_config_cancel(). */
  TRTD_CANCELLED = 16,
  /* TensorRT refused to enqueue, or a shape or address of the context is missing. */
  TRTD_EXECUTION_FAILED = 17,
  /* A file operation failed; `code` is errno. */
  TRTD_IO_ERROR = 18,
  /* Host or device memory ran out. */
  TRTD_OUT_OF_MEMORY = 19,
  /* TensorRT answered false or logged an error where it should have accepted a setting. */
  TRTD_REFUSED = 20,
  /* An exception reached the boundary: a defect of libtrtd or of the library behind it. */
  TRTD_INTERNAL = 21,
  /* nvJPEG does not take a picture: decode it on the CPU. `code` is its index in the call. */
  TRTD_PICTURE_REFUSED = 22
} trtd_status;

/* Where an error comes from; says how to read `code`. */
typedef enum trtd_origin {
  TRTD_ORIGIN_SHIM = 0,     /* `code` is 0 */
  TRTD_ORIGIN_SYSTEM = 1,   /* `code` is errno, 0 for the dynamic loader */
  TRTD_ORIGIN_CUDA = 2,     /* `code` is the CUresult */
  TRTD_ORIGIN_TENSORRT = 3, /* `code` is the "Error Code N" of the logged line, 0 when it has none */
  TRTD_ORIGIN_PARSER = 4    /* `code` is the parser's error code */
} trtd_origin;

/* Severity of a log line, TensorRT's own numbers. */
typedef enum trtd_severity {
  TRTD_SEVERITY_NONE = -1, /* as a limit: nothing passes */
  TRTD_SEVERITY_INTERNAL_ERROR = 0,
  TRTD_SEVERITY_ERROR = 1,
  TRTD_SEVERITY_WARNING = 2,
  TRTD_SEVERITY_INFO = 3,
  TRTD_SEVERITY_VERBOSE = 4
} trtd_severity;

/* Kind of a record in the ring. */
typedef enum trtd_event_kind {
  TRTD_EVENT_LOG = 0,          /* text: the line; detail: its source */
  TRTD_EVENT_PHASE_START = 1,  /* text: the phase; detail: its parent or empty; total: number of steps */
  TRTD_EVENT_PHASE_STEP = 2,   /* text: the phase; step: the step that is complete, from 0 */
  TRTD_EVENT_PHASE_FINISH = 3  /* text: the phase */
} trtd_event_kind;

/* Product of a core library. */
typedef enum trtd_product { TRTD_PRODUCT_TENSORRT = 0, TRTD_PRODUCT_TENSORRT_RTX = 1 } trtd_product;

/* What a core library can do. */
typedef enum trtd_library_kind {
  TRTD_LIBRARY_FULL = 0,     /* builder and runtime */
  TRTD_LIBRARY_LEAN = 1,     /* runtime for version-compatible plans */
  TRTD_LIBRARY_DISPATCH = 2  /* runtime for plans that carry a lean runtime */
} trtd_library_kind;

/* Row of the slot table. */
typedef enum trtd_family {
  TRTD_FAMILY_8_5 = 0,
  TRTD_FAMILY_8_6 = 1, /* 8.6 and 9.x */
  TRTD_FAMILY_10 = 2,
  TRTD_FAMILY_11 = 3,
  TRTD_FAMILY_RTX_1_3 = 4, /* RTX 1.3 and 1.4 */
  TRTD_FAMILY_RTX_1_5 = 5  /* RTX 1.5 to 1.7 */
} trtd_family;

/* Why a version is trusted. */
typedef enum trtd_evidence {
  TRTD_EVIDENCE_NONE = 0,    /* neither; run trtd_library_self_check() in a child process first */
  TRTD_EVIDENCE_HEADERS = 1, /* the slots were compared with the public headers of this release */
  TRTD_EVIDENCE_RUN = 2      /* the slots were used on this library */
} trtd_evidence;

/* Bits of `flags` of trtd_library_open(). */
typedef enum trtd_open_flag {
  TRTD_OPEN_FORCE = 1 /* take the nearest row for a version newer than the table */
} trtd_open_flag;

/* Bits of `flags` of trtd_builder_create() and trtd_runtime_create(). */
typedef enum trtd_create_flag {
  TRTD_CREATE_UNCHECKED = 1 /* do not ask the CUDA driver first; the result is still checked */
} trtd_create_flag;

/* Library of a set, for trtd_library_path(). */
typedef enum trtd_part { TRTD_PART_CORE = 0, TRTD_PART_PARSER = 1, TRTD_PART_PLUGINS = 2 } trtd_part;

/* Element types, TensorRT's own numbers. */
typedef enum trtd_type {
  TRTD_TYPE_FLOAT32 = 0,
  TRTD_TYPE_FLOAT16 = 1,
  TRTD_TYPE_INT8 = 2,
  TRTD_TYPE_INT32 = 3,
  TRTD_TYPE_BOOL = 4,
  TRTD_TYPE_UINT8 = 5,
  TRTD_TYPE_FLOAT8 = 6,
  TRTD_TYPE_BFLOAT16 = 7,
  TRTD_TYPE_INT64 = 8,
  TRTD_TYPE_INT4 = 9,
  TRTD_TYPE_FLOAT4 = 10,
  TRTD_TYPE_E8M0 = 11
} trtd_type;

/* Direction of a tensor. */
typedef enum trtd_mode { TRTD_MODE_NONE = 0, TRTD_MODE_INPUT = 1, TRTD_MODE_OUTPUT = 2 } trtd_mode;

/* Corner of an optimization profile. */
typedef enum trtd_selector { TRTD_SELECTOR_MIN = 0, TRTD_SELECTOR_OPT = 1, TRTD_SELECTOR_MAX = 2 } trtd_selector;

/* Builder flags, numbered by trtd: TensorRT renumbers its own at each major. */
typedef enum trtd_flag {
  TRTD_FLAG_FP16 = 0,
  TRTD_FLAG_INT8 = 1,
  TRTD_FLAG_DEBUG = 2,
  TRTD_FLAG_GPU_FALLBACK = 3,
  TRTD_FLAG_REFIT = 4,
  TRTD_FLAG_DISABLE_TIMING_CACHE = 5,
  TRTD_FLAG_TF32 = 6, /* on in a fresh config */
  TRTD_FLAG_SPARSE_WEIGHTS = 7,
  TRTD_FLAG_OBEY_PRECISION = 8,
  TRTD_FLAG_PREFER_PRECISION = 9,
  TRTD_FLAG_DIRECT_IO = 10,
  TRTD_FLAG_VERSION_COMPATIBLE = 11,
  TRTD_FLAG_EXCLUDE_LEAN_RUNTIME = 12,
  TRTD_FLAG_FP8 = 13,
  TRTD_FLAG_BF16 = 14,
  TRTD_FLAG_ERROR_ON_TIMING_CACHE_MISS = 15,
  TRTD_FLAG_DISABLE_COMPILATION_CACHE = 16,
  TRTD_FLAG_STRIP_PLAN = 17,
  TRTD_FLAG_REFIT_IDENTICAL = 18,
  TRTD_FLAG_WEIGHT_STREAMING = 19,
  TRTD_FLAG_STRICT_NANS = 20,
  TRTD_FLAG_MONITOR_MEMORY = 21,
  TRTD_FLAG_EDITABLE_TIMING_CACHE = 22
} trtd_flag;

/* Memory pools of the builder, TensorRT's own numbers. */
typedef enum trtd_pool {
  TRTD_POOL_WORKSPACE = 0,
  TRTD_POOL_DLA_MANAGED_SRAM = 1,
  TRTD_POOL_DLA_LOCAL_DRAM = 2,
  TRTD_POOL_DLA_GLOBAL_DRAM = 3,
  TRTD_POOL_TACTIC_DRAM = 4,
  TRTD_POOL_TACTIC_SHARED_MEMORY = 5
} trtd_pool;

/* Numeric settings of a builder config. */
typedef enum trtd_option {
  TRTD_OPTION_OPTIMIZATION_LEVEL = 0,      /* 0..5, 3 in a fresh config; 8.6 and later */
  TRTD_OPTION_PROFILING_VERBOSITY = 1,     /* 0 layer names, 1 none, 2 detailed */
  TRTD_OPTION_HARDWARE_COMPATIBILITY = 2,  /* 0 none, 1 Ampere and later, 2 same compute capability (10.9 and later) */
  TRTD_OPTION_TACTIC_SOURCES = 3,          /* bit set, TensorRT's own bits */
  TRTD_OPTION_DLA_CORE = 4,                /* -1 none */
  TRTD_OPTION_DEFAULT_DEVICE = 5,          /* 0 GPU, 1 DLA */
  TRTD_OPTION_MAX_AUX_STREAMS = 6,         /* 8.6 and later; cannot be read back */
  TRTD_OPTION_AVERAGE_TIMING_ITERATIONS = 7
} trtd_option;

/* Numeric settings of a runtime. */
typedef enum trtd_runtime_option {
  TRTD_RUNTIME_MAX_THREADS = 0,       /* at least 1 */
  TRTD_RUNTIME_HOST_CODE_ALLOWED = 1  /* 1 lets a trusted version-compatible plan run its lean runtime; 8.6 and later */
} trtd_runtime_option;

/* Bits of `flags` of trtd_context_create(); TensorRT-RTX only. */
typedef enum trtd_context_flag {
  TRTD_CONTEXT_RUNTIME_CACHE = 1, /* keep compiled kernels for trtd_context_save_cache() */
  TRTD_CONTEXT_CUDA_GRAPH = 2,    /* let TensorRT-RTX capture the whole graph */
  TRTD_CONTEXT_SPECIALIZE = 4     /* compile kernels for a new dynamic shape before its first run, which waits for them,
                                     and not in the background: a graph captured behind that run has the fast ones */
} trtd_context_flag;

/* How a detector's output tensors are laid out: N pictures, A anchors, C classes, K or Q rows. Boxes are pixels of the
   model's input unless told otherwise. */
typedef enum trtd_layout {
  TRTD_LAYOUT_CHANNELS_FIRST = 0,      /* [N, 4+C, A]: rows cx, cy, w, h, then a probability for each class */
  TRTD_LAYOUT_ANCHORS_FIRST = 1,       /* [N, A, 4+C]: the same, transposed */
  TRTD_LAYOUT_OBJECTNESS = 2,          /* [N, A, 5+C]: cx, cy, w, h, objectness, classes; the score is their product */
  TRTD_LAYOUT_OBJECTNESS_GRID = 3,     /* the same as YOLOX leaves it: offsets in cells and logarithms of sizes */
  TRTD_LAYOUT_END_TO_END = 4,          /* [N, K, 6]: x1, y1, x2, y2, score, class */
  TRTD_LAYOUT_BOXES_SCORES = 5,        /* [N, A, 4] corners, [N, A, C]: the inputs of EfficientNMS_TRT */
  TRTD_LAYOUT_LOGITS_BOXES = 6,        /* [N, Q, C] logits, [N, Q, 4] cx, cy, w, h in 0..1 of the input */
  TRTD_LAYOUT_LABELS_BOXES_SCORES = 7, /* [N, K], [N, K, 4] corners, [N, K] */
  TRTD_LAYOUT_COUNT_BOXES_SCORES_LABELS = 8 /* [N, 1], [N, K, 4] corners, [N, K], [N, K]: EfficientNMS_TRT's outputs */
} trtd_layout;

/* How boxes are written. The first is for TRTD_LAYOUT_ANCHORS_FIRST and TRTD_LAYOUT_END_TO_END, the second for that and
   TRTD_LAYOUT_BOXES_SCORES, the others for TRTD_LAYOUT_BOXES_SCORES. */
typedef enum trtd_box_flag {
  TRTD_BOX_NORMALIZED = 1, /* in 0..1 of the input */
  TRTD_BOX_CENTER_SIZE = 2, /* cx, cy, w, h instead of corners */
  TRTD_BOX_OF_CLASS = 4,   /* boxes are [N, A, C, 4] */
  TRTD_BOX_ANCHORS = 8,    /* boxes are offsets from anchors, EfficientNMS_TRT's third input: tensor 2, [1, A, 4] */
  TRTD_BOX_OWN_ANCHORS = 16 /* with TRTD_BOX_ANCHORS: tensor 2 is [N, A, 4] */
} trtd_box_flag;

/* What a frame in host memory is. */
typedef enum trtd_frame_kind {
  TRTD_FRAME_RGB = 0, /* packed RGB u8, [height, width, 3] */
  TRTD_FRAME_JPEG = 1 /* a JPEG file */
} trtd_frame_kind;

/* Bits of `flags` of trtd_pipeline_create() and trtd_runner_create(). */
typedef enum trtd_pipeline_flag {
  TRTD_PIPELINE_CUDA_GRAPH = 1, /* record a CUDA graph once a shape has run */
  /* How frames get into pinned memory; a runner takes no notice. */
  TRTD_PIPELINE_SHARED_COPIES = 2,  /* up to three threads of the process help where a run has more than 512 KiB of RGB
                                       frames */
  TRTD_PIPELINE_STREAMED_COPIES = 4 /* stored past the caches, where the processor can (x86-64) */
} trtd_pipeline_flag;

/* Bits of `flags` of trtd_pipeline_run(). */
typedef enum trtd_run_flag {
  TRTD_RUN_TIMED = 1 /* measure each stage on the GPU, from the second time on inside a graph with events between the
                        stages, where the driver has those (CUDA 11.1); else with the stages enqueued one by one */
} trtd_run_flag;

/* Bits of `flags` of trtd_context_time(). */
typedef enum trtd_time_flag {
  TRTD_TIME_GRAPH = 1,     /* launch a CUDA graph of the run instead of enqueueing it */
  TRTD_TIME_CLOCK = 2,     /* by the host's clock, with launch and waiting, instead of on the GPU */
  TRTD_TIME_THROUGHPUT = 4 /* wait for the last run only; each is timed from the end of the one before, on the GPU */
} trtd_time_flag;

/* Which part of nvJPEG decodes; its own numbers. Its GPU hybrid (2) is left out: it crashes on odd files. */
typedef enum trtd_jpeg_backend {
  TRTD_JPEG_AUTO = 0,    /* the hardware: without it the CPU's decoder is as fast */
  TRTD_JPEG_HYBRID = 1,  /* Huffman decoding on the CPU, the rest on the GPU */
  TRTD_JPEG_HARDWARE = 3 /* the GPU's own JPEG engines (A100, H100, L4, Jetson Thor and others) */
} trtd_jpeg_backend;

/* Bits of `flags` of trtd_jpeg_open(). */
typedef enum trtd_jpeg_flag {
  /* Interpolate where colours have fewer pixels than brightness (4:2:0 and others), as libjpeg does, instead of repeating
     pixels: NVJPEG_FLAGS_UPSAMPLING_WITH_INTERPOLATION, nvJPEG 12.1. A library that is older or refuses it decodes
     without; trtd_jpeg_facts() tells. */
  TRTD_JPEG_INTERPOLATE = 1
} trtd_jpeg_flag;

/* ---------------------------------------------------------------- records */

/* What went wrong: 2048 bytes. `length` is the length of `message` in bytes; longer texts are cut at a character. */
typedef struct trtd_error {
  int32_t status; /* trtd_status */
  int32_t origin; /* trtd_origin */
  int32_t code;
  uint32_t length;
  char message[2032];
} trtd_error;

/* A shape: 72 bytes. Entries from `count` on are 0. */
typedef struct trtd_dims {
  int32_t count; /* 0..8; -1 when TensorRT does not know the shape */
  int32_t reserved;
  int64_t size[8];
} trtd_dims;

/* A tensor of a network, an engine or a context: 1024 bytes. */
typedef struct trtd_tensor_info {
  int32_t mode;     /* trtd_mode */
  int32_t type;     /* trtd_type */
  int32_t format;   /* TensorRT's TensorFormat, 0 is linear; -1 in a network */
  int32_t location; /* 0 device, 1 host; -1 in a network */
  int32_t is_shape; /* 1 when its values, not only its sizes, are read to infer shapes */
  uint32_t name_length;
  trtd_dims dims;
  char name[928]; /* NUL-terminated; a longer name is TRTD_BUFFER_TOO_SMALL */
} trtd_tensor_info;

/* One complaint of the ONNX parser: 3216 bytes. Texts are cut at their capacity. */
typedef struct trtd_parser_error {
  int32_t code;
  int32_t line; /* in the parser's source */
  int32_t node; /* index of the node in the graph, -1 when no node is meant */
  int32_t reserved;
  char description[2048];
  char file[256];
  char function[256];
  char node_name[512];    /* empty where the parser does not tell (8.x) */
  char node_operator[128];
} trtd_parser_error;

/* The CUDA driver: 128 bytes. */
typedef struct trtd_cuda_info {
  int32_t driver_version; /* CUDA version of the driver: major * 1000 + minor * 10 */
  int32_t device_count;
  char driver_release[56]; /* such as "580.65.06" from NVML or /proc; empty when neither tells */
  char path[64];           /* the name or the end of the path that was opened */
} trtd_cuda_info;

/* One device: 352 bytes. */
typedef struct trtd_device_info {
  int32_t index;
  int32_t compute_major;
  int32_t compute_minor;
  int32_t integrated;      /* 1 when the GPU shares the host's memory */
  int32_t mig;             /* 1 when the device is a MIG slice, judged by its name */
  int32_t multiprocessors;
  int32_t memory_known;    /* 1 when memory_free was asked for and answered */
  int32_t reserved;
  uint64_t memory_total;
  uint64_t memory_free;
  uint8_t uuid[16];
  char name[256];
  char pci_bus_id[32]; /* such as "0000:65:00.0" */
} trtd_device_info;

/* A library set: 64 bytes. */
typedef struct trtd_library_info {
  int32_t product; /* trtd_product */
  int32_t kind;    /* trtd_library_kind */
  int32_t family;  /* trtd_family */
  int32_t version;
  int32_t raw_version;
  int32_t major;
  int32_t minor;
  int32_t patch;
  int32_t build;          /* 0 when the library does not tell (8.x, 9.x) */
  int32_t evidence;       /* trtd_evidence */
  int32_t forced;         /* 1 when only TRTD_OPEN_FORCE made it pass */
  int32_t has_parser;     /* 1 after trtd_library_open_parser() */
  int32_t has_plugins;    /* 1 after trtd_library_open_plugins() */
  int32_t parser_version; /* as the parser reports it, 0 without a parser */
  int32_t reserved[2];
} trtd_library_info;

/* A builder: 32 bytes. -1 where the family cannot tell. */
typedef struct trtd_builder_info {
  int32_t fast_fp16;
  int32_t fast_int8;
  int32_t tf32;
  int32_t dla_cores;
  int32_t max_threads;
  int32_t reserved[3];
} trtd_builder_info;

/* A network: 32 bytes. */
typedef struct trtd_network_info {
  int32_t layers;
  int32_t inputs;
  int32_t outputs;
  int32_t errors; /* complaints of the last trtd_network_parse() */
  int32_t reserved[4];
} trtd_network_info;

/* An engine: 320 bytes. */
typedef struct trtd_engine_info {
  int64_t device_memory; /* bytes that an execution context needs */
  int32_t tensors;
  int32_t profiles;
  int32_t layers;
  int32_t hardware_compatibility; /* as TRTD_OPTION_HARDWARE_COMPATIBILITY, -1 when the family has none */
  uint32_t name_length;
  int32_t reserved[3];
  char name[280];
} trtd_engine_info;

/* Header of a record in the ring: 48 bytes, followed by `text_length` bytes of text and `detail_length` bytes of detail
   (both UTF-8 without NUL), padded with zeros to `size`, a multiple of 8. */
typedef struct trtd_event {
  uint32_t size;
  int32_t kind;     /* trtd_event_kind */
  int32_t severity; /* trtd_severity; info for progress */
  int32_t step;
  int32_t total;
  uint32_t text_length;
  uint32_t detail_length;
  uint32_t reserved;
  uint64_t time_us;
  uint64_t sequence; /* counts all records, lost ones included, from 1 */
} trtd_event;

/* What a letterbox makes: 32 bytes. */
typedef struct trtd_letterbox_spec {
  int32_t frames_max; /* 1..256 */
  int32_t width;      /* of the input, 1..32768 */
  int32_t height;
  int32_t type;  /* TRTD_TYPE_FLOAT32 or TRTD_TYPE_FLOAT16 */
  int32_t bgr;   /* 1: blue is the first plane */
  int32_t range; /* highest value of a pixel: 1 or 255 */
  int32_t reserved[2]; /* 0 */
} trtd_letterbox_spec;

/* A frame and where it goes: 48 bytes. Its pixels are packed RGB u8, [height, width, 3], in device memory. */
typedef struct trtd_frame {
  uint64_t memory;
  uint64_t offset;
  int32_t width;  /* 1..65536 */
  int32_t height;
  int32_t left; /* place of the scaled frame in the input, wholly inside it */
  int32_t top;
  int32_t scaled_width; /* at least 1 */
  int32_t scaled_height;
  int32_t reserved[2]; /* 0 */
} trtd_frame;

/* What detections are read from: 96 bytes. */
typedef struct trtd_detect_spec {
  int32_t layout;  /* trtd_layout */
  int32_t classes; /* C, at least 1; not read where rows name their class */
  int32_t width;   /* of the model's input */
  int32_t height;
  int32_t types[4]; /* trtd_type of each tensor: FLOAT32 or FLOAT16; INT32 and INT64 for counts and labels too */
  int32_t rows;     /* second and third dimension of the tensor with the scores; 1 column where it has two dimensions */
  int32_t columns;
  int32_t box_flags;    /* trtd_box_flag bits */
  int32_t stride_count; /* 1..4 for TRTD_LAYOUT_OBJECTNESS_GRID */
  int32_t strides[4];   /* cell sizes in pixels, in the order of the anchors */
  int32_t images_max;   /* 1..32 */
  int32_t boxes_max;    /* boxes that are given for one picture: 1..5000 */
  int32_t candidates_max; /* candidates that are looked at after sorting: 1..5000; EfficientNMS_TRT has 5000 */
  int32_t labels;       /* labels that a choice of labels tells of, 0..65536 */
  int32_t suppress;     /* 1: overlapping boxes are dropped */
  int32_t background;   /* class of TRTD_LAYOUT_BOXES_SCORES that is never a detection, -1 for none */
  int32_t reserved[2];  /* 0 */
} trtd_detect_spec;

/* A JPEG file in a block of files, and where its pixels go: 40 bytes. */
typedef struct trtd_jpeg_file {
  uint64_t begin; /* of the file in the block */
  uint64_t bytes;
  uint64_t memory; /* packed RGB u8, [height, width, 3], from `offset` on */
  uint64_t offset;
  int32_t width; /* 1..65535; what the file's header says */
  int32_t height;
} trtd_jpeg_file;

/* A JPEG decoder: 128 bytes. */
typedef struct trtd_jpeg_info {
  int32_t version; /* of nvJPEG */
  int32_t backend; /* trtd_jpeg_backend, never AUTO */
  int32_t engines; /* JPEG engines of the GPU; 0 when there are none or nvJPEG does not tell */
  int32_t flags;   /* trtd_jpeg_flag bits that nvJPEG took */
  uint64_t decoded; /* pictures */
  uint64_t refused;
  char path[96]; /* the name or the end of the path that was opened */
} trtd_jpeg_info;

/* A picture in host memory and where it goes: 48 bytes. */
typedef struct trtd_host_frame {
  uint64_t data;  /* address of the bytes, see trtd_address() */
  uint64_t bytes; /* 3 * width * height for TRTD_FRAME_RGB, the file's size for TRTD_FRAME_JPEG */
  int32_t kind;   /* trtd_frame_kind */
  int32_t width;  /* of the picture as it is stored, 1..65536 */
  int32_t height;
  int32_t left; /* place of the scaled picture in the input, wholly inside it */
  int32_t top;
  int32_t scaled_width; /* at least 1 */
  int32_t scaled_height;
  int32_t reserved; /* 0 */
} trtd_host_frame;

/* A tensor in host memory: 88 bytes. */
typedef struct trtd_host_tensor {
  uint64_t data;  /* address of the bytes, see trtd_address() */
  uint64_t bytes; /* of an input: its size; of an output: room before the call, its size after it */
  trtd_dims dims; /* of an output: written by the call */
} trtd_host_tensor;

/* What a pipeline or runner holds: 512 bytes. */
typedef struct trtd_pipeline_info {
  uint64_t device_bytes; /* its own memory on the device; not the context's */
  uint64_t pinned_bytes;
  uint64_t runs;   /* runs that ended well */
  int32_t graphs;  /* CUDA graphs that are ready */
  int32_t batch;   /* pictures of every run of an engine with a fixed batch, 0 for a dynamic one */
  uint32_t refusal_length;
  int32_t reserved;
  char refusal[472]; /* why there will be no graph, empty while there is no reason; cut at its capacity */
} trtd_pipeline_info;

/* ---------------------------------------------------------------- shim */

/* The TRTD_ABI_VERSION that this library was built with. Cannot fail. */
TRTD_API uint32_t trtd_abi_version(void);

/* Facts of this build as one JSON object:
   {"abi","compiler","architecture","families":[{"name","oldest","newest"}]}; versions as in VERSIONS above. */
TRTD_API int32_t trtd_describe(char* text, uint64_t capacity, uint64_t* length, trtd_error* error);

/* Number of open handles. Cannot fail; for leak checks. */
TRTD_API uint64_t trtd_live_handles(void);

/* End an object of any kind. An id that is unknown, closed or 0 is TRTD_OK. */
TRTD_API int32_t trtd_close(uint64_t handle, trtd_error* error);

/* Address of memory of the caller, for the `data` of a record. Cannot fail. */
TRTD_API uint64_t trtd_address(const void* memory);

/* ---------------------------------------------------------------- log */
/*
 * There is one logger for each library and process, and it lives as long as the process: TensorRT keeps the first one it
 * is given. Its lines go to the three sinks below, in this order, each with its own limit of severity (a line passes
 * when its number is not above the limit). A line reaches the descriptor and the file with write(2) before TensorRT goes
 * on, so the line before an abort is there. All sinks are off at first.
 *
 * Line format: `2026-11-22T17:40:01.123456Z LEVEL source: text`, LEVEL one of FATAL ERROR WARN INFO VERBOSE, source such
 * as `tensorrt-10.16.1` or `rtx-1.7.1`. A line break inside the text becomes a line break and a tab: a line that begins
 * with a tab continues the one before. Other control characters are written as `?`.
 */

/* Write lines to an open descriptor (a pipe or standard error), which stays the caller's. -1 ends it. A reader that has
   gone (EPIPE) ends it too. SIGPIPE must be ignored by the process. */
TRTD_API int32_t trtd_log_to_descriptor(int32_t descriptor, int32_t severity, trtd_error* error);

/* Append lines to a file, made with mode 0644. When it holds more than `limit_bytes` (0: no limit) it is renamed to
   `path` + ".1", replacing an older one, and begun anew. NULL closes the file.
   Errors: TRTD_IO_ERROR. A later failure to write is not reported: logging never stops a build. */
TRTD_API int32_t trtd_log_to_file(const char* path, int32_t severity, uint64_t limit_bytes, trtd_error* error);

/* Keep records in memory for trtd_log_drain(), `capacity` bytes at most, the oldest lost first. 0 ends it and forgets
   them. Progress passes whatever `severity` is. */
TRTD_API int32_t trtd_log_to_ring(uint64_t capacity, int32_t severity, trtd_error* error);

/* Move whole records (trtd_event and its texts) from the ring to `records`, oldest first, as many as fit; `length` is
   the number of bytes written, 0 when the ring is empty. `lost` counts records dropped since the last call.
   Errors: TRTD_BUFFER_TOO_SMALL when not even the first record fits. */
TRTD_API int32_t trtd_log_drain(uint8_t* records, uint64_t capacity, uint64_t* length, uint64_t* lost,
                                trtd_error* error);

/* Send a line of the caller's own through the same sinks. `source` has no space or colon in it. */
TRTD_API int32_t trtd_log_write(int32_t severity, const char* source, const char* text, trtd_error* error);

/* ---------------------------------------------------------------- CUDA driver */

/* Open the driver and start it (cuInit). `path` NULL tries libcuda.so.1 and libcuda.so on the loader's path; opening
   again refreshes `info`, and with another path changes the driver for what is made later. Without this call the
   functions below open the default themselves.
   Errors: TRTD_NO_DRIVER, TRTD_SYMBOL_MISSING, TRTD_CUDA_ERROR (100: no device visible; 803: library and kernel module
   of different versions). */
TRTD_API int32_t trtd_cuda_open(const char* path, trtd_cuda_info* info, trtd_error* error);

/* Facts of device `index`. With `with_memory` 1 the free memory is asked for, which makes the device's primary context
   for a moment (some 200 ms and 300 MB where no other part of the process uses it); with 0 memory_free is 0. */
TRTD_API int32_t trtd_cuda_device(int32_t index, int32_t with_memory, trtd_device_info* info, trtd_error* error);

/* Version of the CUDA runtime library, major * 1000 + minor * 10. `path` NULL tries the names that CUDA 11 to 13 give
   it. It is only asked, never used. Errors: TRTD_LIBRARY_NOT_LOADED, TRTD_SYMBOL_MISSING, TRTD_CUDA_ERROR. */
TRTD_API int32_t trtd_cuda_runtime_version(const char* path, int32_t* version, trtd_error* error);

/* Hold device `index` and its primary context until closed. */
TRTD_API int32_t trtd_device_open(int32_t index, uint64_t* device, trtd_error* error);

/* Device memory of `bytes` (1 or more). Errors: TRTD_OUT_OF_MEMORY, TRTD_CUDA_ERROR. */
TRTD_API int32_t trtd_memory_allocate(uint64_t device, uint64_t bytes, uint64_t* memory, trtd_error* error);

/* Copy `bytes` from `data` to the device, from `offset` on. Returns when `data` may be reused. */
TRTD_API int32_t trtd_memory_write(uint64_t memory, uint64_t offset, const void* data, uint64_t bytes,
                                   trtd_error* error);

/* Copy `bytes` from the device, from `offset` on, to `data`. Synchronize the stream that wrote them first. */
TRTD_API int32_t trtd_memory_read(uint64_t memory, uint64_t offset, void* data, uint64_t bytes, trtd_error* error);

/* A stream that does not wait for the default stream. */
TRTD_API int32_t trtd_stream_create(uint64_t device, uint64_t* stream, trtd_error* error);

/* Wait until all work in the stream is done. A fault of a kernel surfaces here, as TRTD_CUDA_ERROR, and stays: after
   code 700 or 719 the process must be restarted. */
TRTD_API int32_t trtd_stream_synchronize(uint64_t stream, trtd_error* error);

/* ---------------------------------------------------------------- library */

/* Open a core library (libnvinfer, libnvinfer_lean, libnvinfer_dispatch, libtensorrt_rtx) by path or by name and find
   its row. `flags`: trtd_open_flag bits. The same file opened twice is one library.
   Errors: TRTD_LIBRARY_NOT_LOADED with the loader's message, TRTD_SYMBOL_MISSING when the file is not a core library,
   TRTD_VERSION_UNKNOWN with the versions that are known. */
TRTD_API int32_t trtd_library_open(const char* path, int32_t flags, uint64_t* library, trtd_error* error);

/* Add the ONNX parser (libnvonnxparser, libtensorrt_onnxparser_rtx).
   Errors: as trtd_library_open, and TRTD_LIBRARY_MISMATCH when the file is of another major or product, or when the
   loader tied it to another core of the same major that is in the process too: use one TensorRT of a major in a process. */
TRTD_API int32_t trtd_library_open_parser(uint64_t library, const char* path, trtd_error* error);

/* Add the plugin library (libnvinfer_plugin) and register its plugins. Errors: as trtd_library_open_parser, and
   TRTD_UNSUPPORTED for TensorRT-RTX. */
TRTD_API int32_t trtd_library_open_plugins(uint64_t library, const char* path, trtd_error* error);

/* Facts of the set. */
TRTD_API int32_t trtd_library_facts(uint64_t library, trtd_library_info* info, trtd_error* error);

/* Real path of a part (trtd_part) as the loader found it; empty when it is not open. */
TRTD_API int32_t trtd_library_path(uint64_t library, int32_t part, char* text, uint64_t capacity, uint64_t* length,
                                   trtd_error* error);

/* Whether the plugin `name` of `version` (such as "1") and `space` (often "") is registered; `present` 0 or 1. From 10.x
   on the library logs an error when it is not, which is no failure of this call. */
TRTD_API int32_t trtd_library_has_plugin(uint64_t library, const char* name, const char* version, const char* space,
                                         int32_t* present, trtd_error* error);

/* Ask harmless getters with known answers through the slots: a fresh config has only TF32 set and no profile, setters
   read back, a runtime has one thread, and the like. `checks` is the number that passed. A wrong slot can crash: call
   it in a child process for a version without evidence. Lean and dispatch libraries have the runtime checked only, and
   that needs a driver.
   Errors: TRTD_ABI_MISMATCH naming getter, expected and found value, and the version; what creating objects gives. */
TRTD_API int32_t trtd_library_self_check(uint64_t library, int32_t flags, int32_t* checks, trtd_error* error);

/* ---------------------------------------------------------------- builder */

/* A builder on `device` (0: none, then whatever the library picks; TensorRT-RTX needs none). Unless `flags` has
   TRTD_CREATE_UNCHECKED, the CUDA driver is asked first for every product but RTX.
   Errors: TRTD_UNSUPPORTED for lean and dispatch libraries, TRTD_NO_DRIVER, TRTD_CUDA_ERROR, TRTD_NULL_RESULT. */
TRTD_API int32_t trtd_builder_create(uint64_t library, uint64_t device, int32_t flags, uint64_t* builder,
                                     trtd_error* error);

/* What the builder says of its platform. */
TRTD_API int32_t trtd_builder_facts(uint64_t builder, trtd_builder_info* info, trtd_error* error);

/* Threads that the builder may use, 1 or more. Errors: TRTD_REFUSED. */
TRTD_API int32_t trtd_builder_set_threads(uint64_t builder, int32_t threads, trtd_error* error);

/* An empty network with explicit batch. `strongly_typed` 1 takes precisions from the model on 9.x and 10.x (11 and RTX
   always do); TRTD_UNSUPPORTED with 1 on 8.x. */
TRTD_API int32_t trtd_network_create(uint64_t builder, int32_t strongly_typed, uint64_t* network, trtd_error* error);

/* Fill the network from an ONNX file in memory, once. `model_path` (or NULL) is where external data is looked for.
   `onnx` is read during the call only.
   Errors: TRTD_UNSUPPORTED without a parser, TRTD_PARSE_FAILED with the first complaint and its node, or when
   the model has no output (a text can pass as an empty model). */
TRTD_API int32_t trtd_network_parse(uint64_t network, const void* onnx, uint64_t bytes, const char* model_path,
                                    trtd_error* error);

/* Complaint `index` of the last parse, 0 .. errors - 1. */
TRTD_API int32_t trtd_network_error(uint64_t network, int32_t index, trtd_parser_error* complaint, trtd_error* error);

/* Counts. */
TRTD_API int32_t trtd_network_facts(uint64_t network, trtd_network_info* info, trtd_error* error);

/* Input or output (`mode`) `index` of the network. */
TRTD_API int32_t trtd_network_tensor(uint64_t network, int32_t mode, int32_t index, trtd_tensor_info* info,
                                     trtd_error* error);

/* A fresh config: TF32 on, nothing else. */
TRTD_API int32_t trtd_config_create(uint64_t builder, uint64_t* config, trtd_error* error);

/* Set (1) or clear (0) a trtd_flag. The flag is read back: TRTD_UNSUPPORTED when this family or version does not have
   it, TRTD_REFUSED when it did not stick. */
TRTD_API int32_t trtd_config_set_flag(uint64_t config, int32_t flag, int32_t on, trtd_error* error);

/* Read a trtd_flag; `on` 0 or 1. */
TRTD_API int32_t trtd_config_get_flag(uint64_t config, int32_t flag, int32_t* on, trtd_error* error);

/* Limit of a trtd_pool in bytes. Errors: TRTD_UNSUPPORTED, TRTD_REFUSED. */
TRTD_API int32_t trtd_config_set_pool(uint64_t config, int32_t pool, uint64_t bytes, trtd_error* error);

/* Read the limit of a trtd_pool. */
TRTD_API int32_t trtd_config_get_pool(uint64_t config, int32_t pool, uint64_t* bytes, trtd_error* error);

/* Set a trtd_option. Errors: TRTD_UNSUPPORTED, TRTD_REFUSED when it did not stick or an error was logged. */
TRTD_API int32_t trtd_config_set_option(uint64_t config, int32_t option, int64_t value, trtd_error* error);

/* Read a trtd_option. */
TRTD_API int32_t trtd_config_get_option(uint64_t config, int32_t option, int64_t* value, trtd_error* error);

/* Compute capabilities to build for (75, 80, 86, 89, 120, 121; 1 is the current GPU), 1 to 16 of them, each once.
   TensorRT-RTX only. Errors: TRTD_UNSUPPORTED, TRTD_REFUSED naming the target. */
TRTD_API int32_t trtd_config_set_targets(uint64_t config, const int32_t* targets, uint32_t count, trtd_error* error);

/* An empty optimization profile. */
TRTD_API int32_t trtd_profile_create(uint64_t builder, uint64_t* profile, trtd_error* error);

/* Shape of input `name` at one trtd_selector. All three must be given, MIN <= OPT <= MAX in each dimension.
   Errors: TRTD_INVALID_ARGUMENT for sizes below 0, TRTD_REFUSED. */
TRTD_API int32_t trtd_profile_set_shape(uint64_t profile, const char* name, int32_t selector, const trtd_dims* dims,
                                        trtd_error* error);

/* Add the profile to the config; `index` is its number. A profile without shapes is refused. */
TRTD_API int32_t trtd_config_add_profile(uint64_t config, uint64_t profile, int32_t* index, trtd_error* error);

/* Use a timing cache: `bytes` 0 begins an empty one (`cache` may be NULL). With `ignore_mismatch` 1 a cache of another
   device is taken all the same. Errors: TRTD_REFUSED. */
TRTD_API int32_t trtd_config_load_timing_cache(uint64_t config, const void* cache, uint64_t bytes,
                                               int32_t ignore_mismatch, trtd_error* error);

/* The timing cache after a build, as a blob. TRTD_UNSUPPORTED when the config has none. */
TRTD_API int32_t trtd_config_save_timing_cache(uint64_t config, uint64_t* blob, trtd_error* error);

/* Send the builder's progress to the ring (1) or not (0), and make the build cancellable. TRTD_UNSUPPORTED below 9.1:
   there progress can be guessed from the log only, and ending the process is the only way to cancel. */
TRTD_API int32_t trtd_config_watch_progress(uint64_t config, int32_t on, trtd_error* error);

/* Ask a running build to end at its next step; it then returns TRTD_CANCELLED. Never waits. The wish stays: a later
   build with this config ends at once. TRTD_UNSUPPORTED unless progress is watched. */
TRTD_API int32_t trtd_config_cancel(uint64_t config, trtd_error* error);

/* Build a plan; takes seconds to hours. Errors: TRTD_BUILD_FAILED with the first logged error, TRTD_CANCELLED. */
TRTD_API int32_t trtd_builder_build(uint64_t builder, uint64_t network, uint64_t config, uint64_t* blob,
                                    trtd_error* error);

/* ---------------------------------------------------------------- blob: bytes that TensorRT made */

/* Size in bytes, 1 or more. */
TRTD_API int32_t trtd_blob_size(uint64_t blob, uint64_t* bytes, trtd_error* error);

/* Copy `bytes` from `offset` on. Errors: TRTD_INVALID_ARGUMENT beyond the end. */
TRTD_API int32_t trtd_blob_read(uint64_t blob, uint64_t offset, void* data, uint64_t bytes, trtd_error* error);

/* Make a file (mode 0644, replaced if there), write all bytes, fsync, close. On failure a regular file is
   removed. Use a temporary name and rename it. Errors: TRTD_IO_ERROR. */
TRTD_API int32_t trtd_blob_write_file(uint64_t blob, const char* path, trtd_error* error);

/* Write all bytes to an open descriptor. Errors: TRTD_IO_ERROR. */
TRTD_API int32_t trtd_blob_write_descriptor(uint64_t blob, int32_t descriptor, trtd_error* error);

/* ---------------------------------------------------------------- runtime */

/* A runtime on `device` (0: none; enough for TensorRT-RTX up to loading a plan). `flags` and errors as for
   trtd_builder_create(). */
TRTD_API int32_t trtd_runtime_create(uint64_t library, uint64_t device, int32_t flags, uint64_t* runtime,
                                     trtd_error* error);

/* Set a trtd_runtime_option. Errors: TRTD_UNSUPPORTED, TRTD_REFUSED. */
TRTD_API int32_t trtd_runtime_set_option(uint64_t runtime, int32_t option, int64_t value, trtd_error* error);

/* Read a trtd_runtime_option. */
TRTD_API int32_t trtd_runtime_get_option(uint64_t runtime, int32_t option, int64_t* value, trtd_error* error);

/* An engine from a plan. `plan` is read during the call only.
   Errors: TRTD_PLAN_REFUSED with the first logged error. */
TRTD_API int32_t trtd_engine_load(uint64_t runtime, const void* plan, uint64_t bytes, uint64_t* engine,
                                  trtd_error* error);

/* Facts of the engine. */
TRTD_API int32_t trtd_engine_facts(uint64_t engine, trtd_engine_info* info, trtd_error* error);

/* Input or output `index` of the engine, 0 .. tensors - 1. */
TRTD_API int32_t trtd_engine_tensor(uint64_t engine, int32_t index, trtd_tensor_info* info, trtd_error* error);

/* Shape of input `name` at a corner (trtd_selector) of profile `profile`. */
TRTD_API int32_t trtd_engine_profile_shape(uint64_t engine, const char* name, int32_t profile, int32_t selector,
                                           trtd_dims* dims, trtd_error* error);

/* What the engine inspector tells of all layers; `format` 0 one line each, 1 JSON. Detailed only for an engine built
   with TRTD_OPTION_PROFILING_VERBOSITY 2. Call twice: with capacity 0 for the length. */
TRTD_API int32_t trtd_engine_describe(uint64_t engine, int32_t format, char* text, uint64_t capacity,
                                      uint64_t* length, trtd_error* error);

/* An execution context with static memory. `flags`: trtd_context_flag bits; with TRTD_CONTEXT_RUNTIME_CACHE `cache`
   may hold `bytes` of an earlier trtd_context_save_cache() (NULL and 0: none). Seconds on TensorRT-RTX without a cache.
   Errors: TRTD_UNSUPPORTED for flags where the family has no runtime cache, TRTD_NULL_RESULT, TRTD_REFUSED when the
   cache is not accepted. */
TRTD_API int32_t trtd_context_create(uint64_t engine, int32_t flags, const void* cache, uint64_t bytes,
                                     uint64_t* context, trtd_error* error);

/* The runtime cache of a context made with TRTD_CONTEXT_RUNTIME_CACHE, as a blob. */
TRTD_API int32_t trtd_context_save_cache(uint64_t context, uint64_t* blob, trtd_error* error);

/* Shape of an input for the next run; inside the current profile. Errors: TRTD_EXECUTION_FAILED. */
TRTD_API int32_t trtd_context_set_shape(uint64_t context, const char* name, const trtd_dims* dims, trtd_error* error);

/* Shape of any tensor under the current input shapes; -1 or `count` -1 where it is not known yet. */
TRTD_API int32_t trtd_context_shape(uint64_t context, const char* name, trtd_dims* dims, trtd_error* error);

/* Upper bound of an output's size in bytes under the current input shapes. */
TRTD_API int32_t trtd_context_output_bytes(uint64_t context, const char* name, int64_t* bytes, trtd_error* error);

/* Where a tensor lives: `memory` from `offset` on. The context keeps the memory alive. */
TRTD_API int32_t trtd_context_set_address(uint64_t context, const char* name, uint64_t memory, uint64_t offset,
                                          trtd_error* error);

/* Switch to optimization profile `index` in `stream`. */
TRTD_API int32_t trtd_context_set_profile(uint64_t context, int32_t index, uint64_t stream, trtd_error* error);

/* Names of inputs whose shape (or shape values) are still missing, one a line; empty text when none is. */
TRTD_API int32_t trtd_context_missing_shapes(uint64_t context, char* text, uint64_t capacity, uint64_t* length,
                                             trtd_error* error);

/* Put one run into the stream. All shapes and addresses must be set. Errors: TRTD_EXECUTION_FAILED. */
TRTD_API int32_t trtd_context_enqueue(uint64_t context, uint64_t stream, trtd_error* error);

/* ---------------------------------------------------------------- kernels

   trtd's own kernels: letterbox before a model, decoding and suppression behind it. They need a driver of CUDA 9 or
   later and a GPU of compute capability 5.3 or later; nothing of TensorRT. What is enqueued can be captured into a CUDA
   graph: its tables are read from pinned memory of the object, so a later "set" of as many frames or pictures, followed
   by a replay, is the same as a new enqueue. "Set" what a run reads only after that run is over. */

/* Compiles the kernels for a device, which the driver keeps in its own cache. TRTD_UNSUPPORTED when the driver cannot:
   use the CPU path then; `code` is the CUresult. */
TRTD_API int32_t trtd_kernels_load(uint64_t device, uint64_t* kernels, trtd_error* error);

/* Makes a letterbox: bilinear scaling as OpenCV's 8-bit INTER_LINEAR, padding 114, [frames, 3, height, width]. */
TRTD_API int32_t trtd_letterbox_create(uint64_t kernels, const trtd_letterbox_spec* spec, uint64_t* letterbox,
                                       trtd_error* error);

/* Sets the frames of the next runs, at most `frames_max`, of any sizes. Their memory is kept alive. */
TRTD_API int32_t trtd_letterbox_set_frames(uint64_t letterbox, const trtd_frame* frames, uint32_t count,
                                           trtd_error* error);

/* Sets where the input tensor begins. */
TRTD_API int32_t trtd_letterbox_set_target(uint64_t letterbox, uint64_t memory, uint64_t offset, trtd_error* error);

/* Enqueues a run; answers at once. */
TRTD_API int32_t trtd_letterbox_enqueue(uint64_t letterbox, uint64_t stream, trtd_error* error);

/* Makes a reader of detections with its memory: about 2.1 MB of the device for each picture of `images_max`. Candidates
   are sorted by falling score, ties by rising element (anchor * classes + class, or row); a box is dropped when its IoU
   with a kept one of its class is at least the threshold (EfficientNMS_TRT's arithmetic, corner boxes, f32). */
TRTD_API int32_t trtd_detections_create(uint64_t kernels, const trtd_detect_spec* spec, uint64_t* detections,
                                        trtd_error* error);

/* Sets where tensor `index` (0..3, in the order that the layout names) begins. The memory is kept alive. */
TRTD_API int32_t trtd_detections_set_tensor(uint64_t detections, uint32_t index, uint64_t memory, uint64_t offset,
                                            trtd_error* error);

/* Sets what is asked of each of the `count` pictures of the next runs.
   scores      lowest score of each
   ious        IoU from which a box is dropped, of each
   limits      3 of each: most boxes (1..boxes_max), 1 to drop across classes, 1 when `wanted` counts
   placements  6 of each, or NULL: left, top, scale x, scale y (input pixels for a picture's pixel), width, height of
               the picture; boxes that have nothing on the picture are then left out before "most boxes" counts
   wanted      (labels + 31) / 32 words of each, one bit for a label, or NULL */
TRTD_API int32_t trtd_detections_set_images(uint64_t detections, uint32_t count, const float* scores, const float* ious,
                                            const int32_t* limits, const double* placements, const uint32_t* wanted,
                                            trtd_error* error);

/* Enqueues a run and the copy of its boxes to the host; answers at once. */
TRTD_API int32_t trtd_detections_enqueue(uint64_t detections, uint64_t stream, trtd_error* error);

/* Reads the boxes of picture `image` once the run is over (synchronize the stream first).
   numbers  5 of each box: x1, y1, x2, y2 in pixels of the input, score; room for `capacity` boxes
   labels   1 of each box
   counts   2: boxes; candidates that were over the lowest score
   TRTD_BUFFER_TOO_SMALL when there are more boxes than `capacity`; the first are there. */
TRTD_API int32_t trtd_detections_read(uint64_t detections, uint32_t image, float* numbers, int32_t* labels,
                                      uint32_t capacity, uint32_t* counts, trtd_error* error);

/* ---------------------------------------------------------------- JPEG

   nvJPEG, opened at run time: CUDA 11 or later. It shows damaged data as if they were sound, so every file is checked
   on the CPU first or meanwhile, and only whole baseline files of 8 bits with 1 or 3 components pass. What the
   components are (YCbCr, RGB), and how the picture is turned, is not looked at: the caller checks that. */

/* A decoder for one pipeline. `path` NULL tries libnvjpeg.so.13, .12 and .11, as the driver allows, on the loader's path
   and in the folders of CUDA's packages. `backend` is a trtd_jpeg_backend, `flags` are trtd_jpeg_flag bits. The first one
   on a device takes up to a second. Errors: TRTD_LIBRARY_NOT_LOADED, TRTD_SYMBOL_MISSING, TRTD_UNSUPPORTED when the GPU or
   nvJPEG has no such backend. */
TRTD_API int32_t trtd_jpeg_open(uint64_t device, const char* path, int32_t backend, int32_t flags, uint64_t* decoder,
                                trtd_error* error);

/* Facts of the decoder. */
TRTD_API int32_t trtd_jpeg_facts(uint64_t decoder, trtd_jpeg_info* info, trtd_error* error);

/* Whether a JPEG file may be decoded on the GPU as far as its data say: the check that every decoded file passes.
   `width` and `height` are those of its header. Errors: TRTD_PICTURE_REFUSED with the first thing wrong. */
TRTD_API int32_t trtd_jpeg_check(const uint8_t* data, uint64_t bytes, int32_t width, int32_t height, trtd_error* error);

/* Decodes `count` files that lie in the `bytes` of `data`, and returns when their pixels are there.
   Errors: TRTD_PICTURE_REFUSED, nothing is told of the other pictures then. */
TRTD_API int32_t trtd_jpeg_decode(uint64_t decoder, const uint8_t* data, uint64_t bytes, const trtd_jpeg_file* files,
                                  uint32_t count, uint64_t stream, trtd_error* error);

/* ---------------------------------------------------------------- pipeline: frames in, boxes out

   A pipeline joins an execution context, a letterbox and a reader of detections with a stream and buffers of its own.
   One call copies frames to the device, runs everything, and waits. A call on one pipeline holds that pipeline (and its
   context) alone, so pipelines of several threads run side by side.

   MEMORY. Input and outputs for the largest batch are allocated at creation. Memory for frames, on the device and pinned,
   grows by doubling when a run needs more, and stays: a run that needs no more than one before allocates nothing. When
   growing fails (TRTD_OUT_OF_MEMORY), what was there is kept and smaller frames still run.

   GRAPHS. With TRTD_PIPELINE_CUDA_GRAPH the first run of a shape is enqueued plainly, and right after it the same work is
   captured for the runs to come; other frames, places and questions need no new graph. A graph is dropped when shapes,
   addresses or profile of the context change, since NVIDIA calls launching it undefined then: an engine with a fixed
   batch keeps a graph for each number of frames, one with a dynamic batch a graph for its present batch. When the driver
   has no graphs, or capturing or instantiating is refused, runs are enqueued from then on and the reason is kept. Only the
   capturing thread is restricted while it captures (CU_STREAM_CAPTURE_MODE_THREAD_LOCAL); others may allocate.

   WAITING. The calling thread asks the driver again and again, giving way to other threads, for `spin_us` microseconds,
   and then sleeps until the GPU's interrupt: asking answers some 30 to 60 us sooner, sleeping leaves the core to others.

   FAULTS. After TRTD_CUDA_ERROR with a code such as 700 or 719 every later call of the process fails: end it. */

/* Makes a pipeline. The context is used by it alone (others' changes of shapes and addresses are undone at the next run)
   and was made without TRTD_CONTEXT_CUDA_GRAPH.
   jpeg        decoder for TRTD_FRAME_JPEG, 0 for none
   input       name of the input for pictures: [N, 3, height, width] in the letterbox's type
   outputs     names of the outputs in the order of the layout, one a line; the engine may have others. With
               TRTD_BOX_ANCHORS the last may be missing: trtd_pipeline_set_anchors() gives the anchors before the first run
   size_input  name of an INT64 or INT32 input [N, 2] that gets width and height of the model's input, or NULL
   letterbox   `frames_max` is the largest batch, 1..32, at most the engine's
   detections  `images_max` is the same
   flags       trtd_pipeline_flag bits
   spin_us     0..1000000, see WAITING; 1500 suits most
   An engine with a fixed batch runs whole each time; pictures that were not given are left as they were and not read. A
   batch below the least of profile 0 is run as that.
   Errors: TRTD_INVALID_ARGUMENT when names, types or sizes are not the engine's, TRTD_EXECUTION_FAILED when the largest
   batch is refused, TRTD_OUT_OF_MEMORY, TRTD_CUDA_ERROR. */
TRTD_API int32_t trtd_pipeline_create(uint64_t context, uint64_t kernels, uint64_t jpeg, const char* input,
                                      const char* outputs, const char* size_input,
                                      const trtd_letterbox_spec* letterbox, const trtd_detect_spec* detections,
                                      int32_t flags, int32_t spin_us, uint64_t* pipeline, trtd_error* error);

/* Sets the anchors of a pipeline whose engine does not give them, f32, for all runs to come: `count` numbers, [1, A, 4], or
   [N, A, 4] for the largest batch with TRTD_BOX_OWN_ANCHORS. `anchors` is read during the call only.
   Errors: TRTD_INVALID_ARGUMENT for another count, TRTD_OUT_OF_MEMORY, TRTD_CUDA_ERROR. */
TRTD_API int32_t trtd_pipeline_set_anchors(uint64_t pipeline, const float* anchors, uint64_t count, trtd_error* error);

/* Runs `count` frames, 1..frames_max, and waits for their boxes. `scores` to `wanted` as for
   trtd_detections_set_images(). `flags`: trtd_run_flag bits.
   times  NULL or 7: milliseconds of decode (JPEG to RGB), upload, letterbox, inference, postprocess (decoding and
          suppression), download, and of the whole call by the host's clock. Without TRTD_RUN_TIMED all behind the upload
          is in inference, waiting included.
   Errors: TRTD_PICTURE_REFUSED with the frame's index as `code`, TRTD_OUT_OF_MEMORY, TRTD_EXECUTION_FAILED with the first
   line that TensorRT logged, TRTD_CUDA_ERROR, TRTD_INVALID_ARGUMENT. After an error there are no boxes to read, and the
   stream is idle. */
TRTD_API int32_t trtd_pipeline_run(uint64_t pipeline, const trtd_host_frame* frames, uint32_t count,
                                   const float* scores, const float* ious, const int32_t* limits,
                                   const double* placements, const uint32_t* wanted, int32_t flags, double* times,
                                   trtd_error* error);

/* The same in two calls, of which the first does not wait: it copies the frames and launches the graph, which takes the
   GPU's time to find a thread for the second, which waits, off the way.
   started  1, or 0 with nothing done: no graph is ready for as many frames, one is a JPEG file, or they have more than
            24 MiB. Call trtd_pipeline_run() then.
   After 1 the next calls must be trtd_pipeline_poll() until it is done, or trtd_pipeline_finish(); the frames may go before
   them. Errors as there. */
TRTD_API int32_t trtd_pipeline_start(uint64_t pipeline, const trtd_host_frame* frames, uint32_t count,
                                     const float* scores, const float* ious, const int32_t* limits,
                                     const double* placements, const uint32_t* wanted, int32_t* started,
                                     trtd_error* error);

/* Does not wait: `done` is 1 when the boxes of a run that was started are there, else 0. `times` and errors as
   trtd_pipeline_finish(). */
TRTD_API int32_t trtd_pipeline_poll(uint64_t pipeline, int32_t* done, double* times, trtd_error* error);

/* Waits for the boxes of a run that was started. `times` as there, without TRTD_RUN_TIMED. Errors: TRTD_CUDA_ERROR,
   TRTD_INVALID_ARGUMENT when none was started. */
TRTD_API int32_t trtd_pipeline_finish(uint64_t pipeline, double* times, trtd_error* error);

/* Runs the last run's letterbox, model, decoding and suppression again, `runs` (1..1000000) times, each waited for, on the
   frames that are on the device. `ms` gets the milliseconds of the model in each, on the GPU: what trtd_context_time()
   compares with. The boxes stay.
   Errors: TRTD_UNSUPPORTED where TRTD_RUN_TIMED has no graph of as many frames (the driver has no such events, a graph is
   refused, or it was not run twice), TRTD_CUDA_ERROR, TRTD_INVALID_ARGUMENT without a run. */
TRTD_API int32_t trtd_pipeline_time(uint64_t pipeline, uint32_t runs, double* ms, trtd_error* error);

/* Reads the boxes of picture `image` of the last run, as trtd_detections_read(). Waits for a run under way. */
TRTD_API int32_t trtd_pipeline_read(uint64_t pipeline, uint32_t image, float* numbers, int32_t* labels,
                                    uint32_t capacity, uint32_t* counts, trtd_error* error);

/* What it holds. Never waits for a run. */
TRTD_API int32_t trtd_pipeline_facts(uint64_t pipeline, trtd_pipeline_info* info, trtd_error* error);

/* Makes a runner: host tensors in, host tensors out, over pinned memory, with graphs and waiting as a pipeline's. It
   needs none of trtd's kernels.
   inputs         names of all inputs of the engine, one a line
   input_bytes    the most that each takes, 1 or more
   outputs        names of the outputs that are wanted, one a line
   output_bytes   the most that each gives, 1 or more
   Errors: TRTD_INVALID_ARGUMENT, TRTD_OUT_OF_MEMORY, TRTD_CUDA_ERROR. */
TRTD_API int32_t trtd_runner_create(uint64_t context, uint64_t device, const char* inputs, const uint64_t* input_bytes,
                                    const char* outputs, const uint64_t* output_bytes, int32_t flags, int32_t spin_us,
                                    uint64_t* runner, trtd_error* error);

/* One run: as many `inputs` and `outputs` as the runner has, in its order; `bytes` of an input is its shape's size in the
   engine's element type. `ms` (or NULL) is the time of the call in milliseconds.
   Errors: TRTD_INVALID_ARGUMENT, TRTD_BUFFER_TOO_SMALL when an output does not fit, TRTD_EXECUTION_FAILED,
   TRTD_CUDA_ERROR. */
TRTD_API int32_t trtd_runner_run(uint64_t runner, const trtd_host_tensor* inputs, trtd_host_tensor* outputs,
                                 double* ms, trtd_error* error);

/* What it holds. Never waits for a run. */
TRTD_API int32_t trtd_runner_facts(uint64_t runner, trtd_pipeline_info* info, trtd_error* error);

/* Times the bare engine: `runs` (1..1000000) runs under the present shapes after two that do not count, with zeros in
   memory that is allocated for this call. `ms` gets the milliseconds of each run: on the GPU from begin to end, each
   waited for, unless `flags` (trtd_time_flag bits; CLOCK and THROUGHPUT exclude each other) say otherwise.
   Errors: TRTD_UNSUPPORTED when a graph was asked for and is refused, or the driver has no events;
   TRTD_EXECUTION_FAILED when a shape is missing; TRTD_OUT_OF_MEMORY, TRTD_CUDA_ERROR. */
TRTD_API int32_t trtd_context_time(uint64_t context, uint64_t device, uint32_t runs, int32_t flags, double* ms,
                                   trtd_error* error);

#ifdef __cplusplus
}
#endif

#endif
