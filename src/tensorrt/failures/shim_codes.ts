/** Codes of failures that libtrtd names by itself, whatever was being done. */
import type { ErrorCode } from "../../errors.ts";

/** By the name of the shim's status, see `trtd_status` in `cpp/include/trtd.h`. */
export const SHIM_CODES = {
  LIBRARY_NOT_LOADED: "NATIVE_LOAD_FAILED",
  SYMBOL_MISSING: "TENSORRT_UNSUPPORTED",
  VERSION_UNKNOWN: "TENSORRT_UNSUPPORTED",
  LIBRARY_MISMATCH: "TENSORRT_UNSUPPORTED",
  ABI_MISMATCH: "ABI_MISMATCH",
  NO_DRIVER: "GPU_UNAVAILABLE",
  CUDA_ERROR: "GPU_UNAVAILABLE",
  UNSUPPORTED: "OPTION_UNSUPPORTED",
  IO_ERROR: "OUTPUT_UNWRITABLE",
  INTERNAL: "INTERNAL",
  CANCELLED: "INTERRUPTED",
} as const satisfies Readonly<Record<string, ErrorCode>>;
