/** CUDA errors after which no work of the process succeeds any more. Pure. */

export interface StickyCode {
  /** CUresult. */
  readonly code: number;
  readonly name: string;
  /** What happened, without a final period. */
  readonly cause: string;
  readonly source: string;
}

const RELAUNCH = "CUDA driver API, enum CUresult: the process must be terminated and relaunched";
const LOST = "CUDA driver API, enum CUresult; met while running, the device or its context is gone";

/** By CUresult. `CUDA_ERROR_CONTEXT_IS_DESTROYED` and the like are met when another part of the process met the first. */
export const STICKY_CODES: readonly StickyCode[] = [
  { code: 4, name: "DEINITIALIZED", cause: "The CUDA driver is shutting down", source: LOST },
  { code: 46, name: "DEVICE_UNAVAILABLE", cause: "The GPU is no longer available to this process", source: LOST },
  { code: 100, name: "NO_DEVICE", cause: "The GPU is gone", source: LOST },
  { code: 101, name: "INVALID_DEVICE", cause: "The GPU is gone", source: LOST },
  { code: 201, name: "INVALID_CONTEXT", cause: "The GPU's context is gone", source: LOST },
  {
    code: 214,
    name: "ECC_UNCORRECTABLE",
    cause: "The GPU's memory had an error that ECC could not correct",
    source: "CUDA driver API, enum CUresult; NVIDIA GPU memory error management: the application is terminated",
  },
  {
    code: 220,
    name: "NVLINK_UNCORRECTABLE",
    cause: "NVLink had an error that could not be corrected",
    source: "CUDA driver API, enum CUresult; NVIDIA Xid catalogue, 74",
  },
  { code: 226, name: "CONTAINED", cause: "The GPU contained an error of its hardware", source: RELAUNCH },
  { code: 700, name: "ILLEGAL_ADDRESS", cause: "A kernel read or wrote an illegal address", source: RELAUNCH },
  { code: 702, name: "LAUNCH_TIMEOUT", cause: "A kernel ran past the driver's time limit", source: RELAUNCH },
  { code: 709, name: "CONTEXT_IS_DESTROYED", cause: "The GPU's context is gone", source: LOST },
  { code: 710, name: "ASSERT", cause: "An assertion of a kernel failed", source: RELAUNCH },
  { code: 714, name: "HARDWARE_STACK_ERROR", cause: "The stack of a kernel broke", source: RELAUNCH },
  { code: 715, name: "ILLEGAL_INSTRUCTION", cause: "A kernel met an illegal instruction", source: RELAUNCH },
  { code: 716, name: "MISALIGNED_ADDRESS", cause: "A kernel used a misaligned address", source: RELAUNCH },
  { code: 717, name: "INVALID_ADDRESS_SPACE", cause: "A kernel used the wrong address space", source: RELAUNCH },
  { code: 718, name: "INVALID_PC", cause: "A kernel's program counter left the program", source: RELAUNCH },
  { code: 719, name: "LAUNCH_FAILED", cause: "A kernel failed while it ran", source: RELAUNCH },
  {
    code: 999,
    name: "UNKNOWN",
    cause: "The CUDA driver reports an unknown error",
    source: "CUDA driver API, enum CUresult; follows a GPU that fell off the bus (NVIDIA Xid catalogue, 79)",
  },
];

const BY_CODE = new Map(STICKY_CODES.map((row) => [row.code, row]));

/** The row of a CUresult, null for an error that leaves the context usable. */
export const stickyCode = (code: number): StickyCode | null => BY_CODE.get(code) ?? null;
