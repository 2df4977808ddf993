/**
 * The functions of libtrtd: a transcript of `cpp/include/trtd.h`, which is their manual. Same names, same order, one
 * parameter a line with its C type; `scripts/check_abi.ts` compares the two. Calls that can take long do not block.
 */

import type {
  Flag,
  JpegBackend,
  Mode,
  Option,
  Part,
  Pool,
  RuntimeOption,
  Selector,
  Severity,
  Status,
} from "./enums.ts";

/** `TRTD_ABI_VERSION` of the header that this file was written from. */
export const ABI_VERSION = 2;

const status = "i32" as Deno.NativeI32Enum<Status>;
const severity = "i32" as Deno.NativeI32Enum<Severity>;
const flag = "i32" as Deno.NativeI32Enum<Flag>;
const pool = "i32" as Deno.NativeI32Enum<Pool>;
const option = "i32" as Deno.NativeI32Enum<Option>;
const runtimeOption = "i32" as Deno.NativeI32Enum<RuntimeOption>;
const part = "i32" as Deno.NativeI32Enum<Part>;
const mode = "i32" as Deno.NativeI32Enum<Mode>;
const selector = "i32" as Deno.NativeI32Enum<Selector>;
const jpegBackend = "i32" as Deno.NativeI32Enum<JpegBackend>;

/** The table for `Deno.dlopen`. */
export const symbols = {
  // shim
  trtd_abi_version: {
    parameters: [],
    result: "u32", // uint32_t
  },
  trtd_describe: {
    parameters: [
      "buffer", // char* text
      "u64", // uint64_t capacity
      "buffer", // uint64_t* length
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_live_handles: {
    parameters: [],
    result: "u64", // uint64_t
  },
  trtd_close: {
    parameters: [
      "u64", // uint64_t handle
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_address: {
    parameters: [
      "buffer", // const void* memory
    ],
    result: "u64", // uint64_t
  },

  // log
  trtd_log_to_descriptor: {
    parameters: [
      "i32", // int32_t descriptor
      severity, // int32_t severity
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_log_to_file: {
    parameters: [
      "buffer", // const char* path
      severity, // int32_t severity
      "u64", // uint64_t limit_bytes
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_log_to_ring: {
    parameters: [
      "u64", // uint64_t capacity
      severity, // int32_t severity
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_log_drain: {
    parameters: [
      "buffer", // uint8_t* records
      "u64", // uint64_t capacity
      "buffer", // uint64_t* length
      "buffer", // uint64_t* lost
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_log_write: {
    parameters: [
      severity, // int32_t severity
      "buffer", // const char* source
      "buffer", // const char* text
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },

  // CUDA driver
  trtd_cuda_open: {
    parameters: [
      "buffer", // const char* path
      "buffer", // trtd_cuda_info* info
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
    nonblocking: true,
  },
  trtd_cuda_device: {
    parameters: [
      "i32", // int32_t index
      "i32", // int32_t with_memory
      "buffer", // trtd_device_info* info
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
    nonblocking: true,
  },
  trtd_cuda_runtime_version: {
    parameters: [
      "buffer", // const char* path
      "buffer", // int32_t* version
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_device_open: {
    parameters: [
      "i32", // int32_t index
      "buffer", // uint64_t* device
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
    nonblocking: true,
  },
  trtd_memory_allocate: {
    parameters: [
      "u64", // uint64_t device
      "u64", // uint64_t bytes
      "buffer", // uint64_t* memory
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_memory_write: {
    parameters: [
      "u64", // uint64_t memory
      "u64", // uint64_t offset
      "buffer", // const void* data
      "u64", // uint64_t bytes
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_memory_read: {
    parameters: [
      "u64", // uint64_t memory
      "u64", // uint64_t offset
      "buffer", // void* data
      "u64", // uint64_t bytes
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_stream_create: {
    parameters: [
      "u64", // uint64_t device
      "buffer", // uint64_t* stream
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_stream_synchronize: {
    parameters: [
      "u64", // uint64_t stream
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
    nonblocking: true,
  },

  // library
  trtd_library_open: {
    parameters: [
      "buffer", // const char* path
      "i32", // int32_t flags
      "buffer", // uint64_t* library
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
    nonblocking: true,
  },
  trtd_library_open_parser: {
    parameters: [
      "u64", // uint64_t library
      "buffer", // const char* path
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
    nonblocking: true,
  },
  trtd_library_open_plugins: {
    parameters: [
      "u64", // uint64_t library
      "buffer", // const char* path
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
    nonblocking: true,
  },
  trtd_library_facts: {
    parameters: [
      "u64", // uint64_t library
      "buffer", // trtd_library_info* info
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_library_path: {
    parameters: [
      "u64", // uint64_t library
      part, // int32_t part
      "buffer", // char* text
      "u64", // uint64_t capacity
      "buffer", // uint64_t* length
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_library_has_plugin: {
    parameters: [
      "u64", // uint64_t library
      "buffer", // const char* name
      "buffer", // const char* version
      "buffer", // const char* space
      "buffer", // int32_t* present
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_library_self_check: {
    parameters: [
      "u64", // uint64_t library
      "i32", // int32_t flags
      "buffer", // int32_t* checks
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
    nonblocking: true,
  },

  // builder
  trtd_builder_create: {
    parameters: [
      "u64", // uint64_t library
      "u64", // uint64_t device
      "i32", // int32_t flags
      "buffer", // uint64_t* builder
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
    nonblocking: true,
  },
  trtd_builder_facts: {
    parameters: [
      "u64", // uint64_t builder
      "buffer", // trtd_builder_info* info
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_builder_set_threads: {
    parameters: [
      "u64", // uint64_t builder
      "i32", // int32_t threads
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_network_create: {
    parameters: [
      "u64", // uint64_t builder
      "i32", // int32_t strongly_typed
      "buffer", // uint64_t* network
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_network_parse: {
    parameters: [
      "u64", // uint64_t network
      "buffer", // const void* onnx
      "u64", // uint64_t bytes
      "buffer", // const char* model_path
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
    nonblocking: true,
  },
  trtd_network_error: {
    parameters: [
      "u64", // uint64_t network
      "i32", // int32_t index
      "buffer", // trtd_parser_error* complaint
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_network_facts: {
    parameters: [
      "u64", // uint64_t network
      "buffer", // trtd_network_info* info
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_network_tensor: {
    parameters: [
      "u64", // uint64_t network
      mode, // int32_t mode
      "i32", // int32_t index
      "buffer", // trtd_tensor_info* info
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_config_create: {
    parameters: [
      "u64", // uint64_t builder
      "buffer", // uint64_t* config
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_config_set_flag: {
    parameters: [
      "u64", // uint64_t config
      flag, // int32_t flag
      "i32", // int32_t on
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_config_get_flag: {
    parameters: [
      "u64", // uint64_t config
      flag, // int32_t flag
      "buffer", // int32_t* on
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_config_set_pool: {
    parameters: [
      "u64", // uint64_t config
      pool, // int32_t pool
      "u64", // uint64_t bytes
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_config_get_pool: {
    parameters: [
      "u64", // uint64_t config
      pool, // int32_t pool
      "buffer", // uint64_t* bytes
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_config_set_option: {
    parameters: [
      "u64", // uint64_t config
      option, // int32_t option
      "i64", // int64_t value
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_config_get_option: {
    parameters: [
      "u64", // uint64_t config
      option, // int32_t option
      "buffer", // int64_t* value
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_config_set_targets: {
    parameters: [
      "u64", // uint64_t config
      "buffer", // const int32_t* targets
      "u32", // uint32_t count
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_profile_create: {
    parameters: [
      "u64", // uint64_t builder
      "buffer", // uint64_t* profile
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_profile_set_shape: {
    parameters: [
      "u64", // uint64_t profile
      "buffer", // const char* name
      selector, // int32_t selector
      "buffer", // const trtd_dims* dims
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_config_add_profile: {
    parameters: [
      "u64", // uint64_t config
      "u64", // uint64_t profile
      "buffer", // int32_t* index
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_config_load_timing_cache: {
    parameters: [
      "u64", // uint64_t config
      "buffer", // const void* cache
      "u64", // uint64_t bytes
      "i32", // int32_t ignore_mismatch
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
    nonblocking: true,
  },
  trtd_config_save_timing_cache: {
    parameters: [
      "u64", // uint64_t config
      "buffer", // uint64_t* blob
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_config_watch_progress: {
    parameters: [
      "u64", // uint64_t config
      "i32", // int32_t on
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_config_cancel: {
    parameters: [
      "u64", // uint64_t config
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_builder_build: {
    parameters: [
      "u64", // uint64_t builder
      "u64", // uint64_t network
      "u64", // uint64_t config
      "buffer", // uint64_t* blob
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
    nonblocking: true,
  },

  // blob: bytes that TensorRT made
  trtd_blob_size: {
    parameters: [
      "u64", // uint64_t blob
      "buffer", // uint64_t* bytes
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_blob_read: {
    parameters: [
      "u64", // uint64_t blob
      "u64", // uint64_t offset
      "buffer", // void* data
      "u64", // uint64_t bytes
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_blob_write_file: {
    parameters: [
      "u64", // uint64_t blob
      "buffer", // const char* path
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
    nonblocking: true,
  },
  trtd_blob_write_descriptor: {
    parameters: [
      "u64", // uint64_t blob
      "i32", // int32_t descriptor
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
    nonblocking: true,
  },

  // runtime
  trtd_runtime_create: {
    parameters: [
      "u64", // uint64_t library
      "u64", // uint64_t device
      "i32", // int32_t flags
      "buffer", // uint64_t* runtime
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
    nonblocking: true,
  },
  trtd_runtime_set_option: {
    parameters: [
      "u64", // uint64_t runtime
      runtimeOption, // int32_t option
      "i64", // int64_t value
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_runtime_get_option: {
    parameters: [
      "u64", // uint64_t runtime
      runtimeOption, // int32_t option
      "buffer", // int64_t* value
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_engine_load: {
    parameters: [
      "u64", // uint64_t runtime
      "buffer", // const void* plan
      "u64", // uint64_t bytes
      "buffer", // uint64_t* engine
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
    nonblocking: true,
  },
  trtd_engine_facts: {
    parameters: [
      "u64", // uint64_t engine
      "buffer", // trtd_engine_info* info
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_engine_tensor: {
    parameters: [
      "u64", // uint64_t engine
      "i32", // int32_t index
      "buffer", // trtd_tensor_info* info
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_engine_profile_shape: {
    parameters: [
      "u64", // uint64_t engine
      "buffer", // const char* name
      "i32", // int32_t profile
      selector, // int32_t selector
      "buffer", // trtd_dims* dims
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_engine_describe: {
    parameters: [
      "u64", // uint64_t engine
      "i32", // int32_t format
      "buffer", // char* text
      "u64", // uint64_t capacity
      "buffer", // uint64_t* length
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_context_create: {
    parameters: [
      "u64", // uint64_t engine
      "i32", // int32_t flags
      "buffer", // const void* cache
      "u64", // uint64_t bytes
      "buffer", // uint64_t* context
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
    nonblocking: true,
  },
  trtd_context_save_cache: {
    parameters: [
      "u64", // uint64_t context
      "buffer", // uint64_t* blob
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_context_set_shape: {
    parameters: [
      "u64", // uint64_t context
      "buffer", // const char* name
      "buffer", // const trtd_dims* dims
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_context_shape: {
    parameters: [
      "u64", // uint64_t context
      "buffer", // const char* name
      "buffer", // trtd_dims* dims
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_context_output_bytes: {
    parameters: [
      "u64", // uint64_t context
      "buffer", // const char* name
      "buffer", // int64_t* bytes
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_context_set_address: {
    parameters: [
      "u64", // uint64_t context
      "buffer", // const char* name
      "u64", // uint64_t memory
      "u64", // uint64_t offset
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_context_set_profile: {
    parameters: [
      "u64", // uint64_t context
      "i32", // int32_t index
      "u64", // uint64_t stream
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_context_missing_shapes: {
    parameters: [
      "u64", // uint64_t context
      "buffer", // char* text
      "u64", // uint64_t capacity
      "buffer", // uint64_t* length
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_context_enqueue: {
    parameters: [
      "u64", // uint64_t context
      "u64", // uint64_t stream
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },

  // kernels
  trtd_kernels_load: {
    parameters: [
      "u64", // uint64_t device
      "buffer", // uint64_t* kernels
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
    nonblocking: true,
  },
  trtd_letterbox_create: {
    parameters: [
      "u64", // uint64_t kernels
      "buffer", // const trtd_letterbox_spec* spec
      "buffer", // uint64_t* letterbox
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_letterbox_set_frames: {
    parameters: [
      "u64", // uint64_t letterbox
      "buffer", // const trtd_frame* frames
      "u32", // uint32_t count
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_letterbox_set_target: {
    parameters: [
      "u64", // uint64_t letterbox
      "u64", // uint64_t memory
      "u64", // uint64_t offset
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_letterbox_enqueue: {
    parameters: [
      "u64", // uint64_t letterbox
      "u64", // uint64_t stream
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_detections_create: {
    parameters: [
      "u64", // uint64_t kernels
      "buffer", // const trtd_detect_spec* spec
      "buffer", // uint64_t* detections
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_detections_set_tensor: {
    parameters: [
      "u64", // uint64_t detections
      "u32", // uint32_t index
      "u64", // uint64_t memory
      "u64", // uint64_t offset
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_detections_set_images: {
    parameters: [
      "u64", // uint64_t detections
      "u32", // uint32_t count
      "buffer", // const float* scores
      "buffer", // const float* ious
      "buffer", // const int32_t* limits
      "buffer", // const double* placements
      "buffer", // const uint32_t* wanted
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_detections_enqueue: {
    parameters: [
      "u64", // uint64_t detections
      "u64", // uint64_t stream
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_detections_read: {
    parameters: [
      "u64", // uint64_t detections
      "u32", // uint32_t image
      "buffer", // float* numbers
      "buffer", // int32_t* labels
      "u32", // uint32_t capacity
      "buffer", // uint32_t* counts
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },

  // JPEG
  trtd_jpeg_open: {
    parameters: [
      "u64", // uint64_t device
      "buffer", // const char* path
      jpegBackend, // int32_t backend
      "i32", // int32_t flags
      "buffer", // uint64_t* decoder
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
    nonblocking: true,
  },
  trtd_jpeg_facts: {
    parameters: [
      "u64", // uint64_t decoder
      "buffer", // trtd_jpeg_info* info
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_jpeg_check: {
    parameters: [
      "buffer", // const uint8_t* data
      "u64", // uint64_t bytes
      "i32", // int32_t width
      "i32", // int32_t height
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
    nonblocking: true,
  },
  trtd_jpeg_decode: {
    parameters: [
      "u64", // uint64_t decoder
      "buffer", // const uint8_t* data
      "u64", // uint64_t bytes
      "buffer", // const trtd_jpeg_file* files
      "u32", // uint32_t count
      "u64", // uint64_t stream
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
    nonblocking: true,
  },

  // pipeline: frames in, boxes out
  trtd_pipeline_create: {
    parameters: [
      "u64", // uint64_t context
      "u64", // uint64_t kernels
      "u64", // uint64_t jpeg
      "buffer", // const char* input
      "buffer", // const char* outputs
      "buffer", // const char* size_input
      "buffer", // const trtd_letterbox_spec* letterbox
      "buffer", // const trtd_detect_spec* detections
      "i32", // int32_t flags
      "i32", // int32_t spin_us
      "buffer", // uint64_t* pipeline
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
    nonblocking: true,
  },
  trtd_pipeline_set_anchors: {
    parameters: [
      "u64", // uint64_t pipeline
      "buffer", // const float* anchors
      "u64", // uint64_t count
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_pipeline_run: {
    parameters: [
      "u64", // uint64_t pipeline
      "buffer", // const trtd_host_frame* frames
      "u32", // uint32_t count
      "buffer", // const float* scores
      "buffer", // const float* ious
      "buffer", // const int32_t* limits
      "buffer", // const double* placements
      "buffer", // const uint32_t* wanted
      "i32", // int32_t flags
      "buffer", // double* times
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
    nonblocking: true,
  },
  trtd_pipeline_start: {
    parameters: [
      "u64", // uint64_t pipeline
      "buffer", // const trtd_host_frame* frames
      "u32", // uint32_t count
      "buffer", // const float* scores
      "buffer", // const float* ious
      "buffer", // const int32_t* limits
      "buffer", // const double* placements
      "buffer", // const uint32_t* wanted
      "buffer", // int32_t* started
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_pipeline_poll: {
    parameters: [
      "u64", // uint64_t pipeline
      "buffer", // int32_t* done
      "buffer", // double* times
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_pipeline_finish: {
    parameters: [
      "u64", // uint64_t pipeline
      "buffer", // double* times
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
    nonblocking: true,
  },
  trtd_pipeline_time: {
    parameters: [
      "u64", // uint64_t pipeline
      "u32", // uint32_t runs
      "buffer", // double* ms
      "buffer", // trtd_error* error
    ],
    nonblocking: true,
    result: status, // int32_t
  },
  trtd_pipeline_read: {
    parameters: [
      "u64", // uint64_t pipeline
      "u32", // uint32_t image
      "buffer", // float* numbers
      "buffer", // int32_t* labels
      "u32", // uint32_t capacity
      "buffer", // uint32_t* counts
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_pipeline_facts: {
    parameters: [
      "u64", // uint64_t pipeline
      "buffer", // trtd_pipeline_info* info
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_runner_create: {
    parameters: [
      "u64", // uint64_t context
      "u64", // uint64_t device
      "buffer", // const char* inputs
      "buffer", // const uint64_t* input_bytes
      "buffer", // const char* outputs
      "buffer", // const uint64_t* output_bytes
      "i32", // int32_t flags
      "i32", // int32_t spin_us
      "buffer", // uint64_t* runner
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
    nonblocking: true,
  },
  trtd_runner_run: {
    parameters: [
      "u64", // uint64_t runner
      "buffer", // const trtd_host_tensor* inputs
      "buffer", // trtd_host_tensor* outputs
      "buffer", // double* ms
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
    nonblocking: true,
  },
  trtd_runner_facts: {
    parameters: [
      "u64", // uint64_t runner
      "buffer", // trtd_pipeline_info* info
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
  },
  trtd_context_time: {
    parameters: [
      "u64", // uint64_t context
      "u64", // uint64_t device
      "u32", // uint32_t runs
      "i32", // int32_t flags
      "buffer", // double* ms
      "buffer", // trtd_error* error
    ],
    result: status, // int32_t
    nonblocking: true,
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** The functions. */
export type Symbols = Deno.StaticForeignLibraryInterface<typeof symbols>;
