/** What a probe child says: lines on standard output, each a JSON value after a mark that no library prints. */
import type { LibraryKind } from "../discovery/discovery_names.ts";
import type { Product } from "../versions.ts";

export const PROBE_MARK = "@trtd-probe ";

/** What a child is asked. */
export type ProbeRequest =
  | { readonly subject: "cuda"; readonly runtime: readonly string[] }
  | {
    readonly subject: "tensorrt";
    readonly core: string;
    readonly parser: string | null;
    readonly plugins: string | null;
    /** Take the nearest row of the slot table for a version that is newer than it. */
    readonly force: boolean;
    /** Ask the getters with known answers also of a verified version. */
    readonly selfCheck: boolean;
  }
  | { readonly subject: "onnxruntime" | "sharp" };

/** The steps of each subject, in their order; the last one begun is where a child died. */
export type ProbeStep =
  | "shim"
  | "driver"
  | "device"
  | "runtime"
  | "library"
  | "parser"
  | "plugins"
  | "self-check"
  | "load";

export interface ShimFact {
  readonly path: string;
}

export interface DriverFact {
  /** CUDA of the driver, such as `13.0`. */
  readonly cuda_version: string;
  /** Such as `580.65.06`, null when neither NVML nor /proc tells. */
  readonly release: string | null;
  readonly device_count: number;
  readonly library: string;
}

export interface GpuFact {
  readonly index: number;
  readonly name: string;
  readonly uuid: string;
  /** Such as `12.0`. */
  readonly compute_capability: string;
  /** Bytes. */
  readonly memory_total: number;
  /** Bytes, null when the device's context could not be made. */
  readonly memory_free: number | null;
  readonly mig: boolean;
  /** Whether it shares the host's memory. */
  readonly integrated: boolean;
  readonly multiprocessors: number;
  readonly pci_bus_id: string;
}

export interface RuntimeFact {
  /** Such as `12.8`. */
  readonly version: string;
  /** Null when the loader found it by name. */
  readonly path: string | null;
}

export interface LibraryFact {
  readonly product: Product;
  readonly kind: LibraryKind;
  /** With the build number when the library tells it: `10.16.1.11`. */
  readonly version: string;
  readonly path: string;
  /** Why the slots are trusted. */
  readonly evidence: "none" | "headers" | "run";
  readonly forced: boolean;
}

export interface PartFact {
  readonly path: string;
}

export interface PluginsFact extends PartFact {
  readonly efficient_nms: boolean;
}

export interface SelfCheckFact {
  /** Number of getters that gave the known answer. */
  readonly checks: number;
}

export interface AddonFact {
  readonly version: string;
}

export interface ProbeFacts {
  readonly shim: ShimFact;
  readonly driver: DriverFact;
  readonly device: GpuFact;
  readonly runtime: RuntimeFact;
  readonly library: LibraryFact;
  readonly parser: PartFact;
  readonly plugins: PluginsFact;
  readonly "self-check": SelfCheckFact;
  readonly load: AddonFact;
}

/** A step that failed without a crash. */
export interface ProbeFailure {
  readonly step: ProbeStep;
  /**
   * Status of libtrtd, such as `CUDA_ERROR`; `SHIM` when libtrtd itself is missing; code of a `TrtdError`; else the name
   * of the error.
   */
  readonly status: string;
  /** Native code, 0 for none; for `CUDA_ERROR` the CUresult. */
  readonly code: number;
  readonly message: string;
  /** What a `TrtdError` says can be done. */
  readonly remedy?: string;
}

export type ProbeLine =
  | { readonly begin: ProbeStep }
  | { readonly [K in ProbeStep]: { readonly fact: K; readonly value: ProbeFacts[K] } }[ProbeStep]
  | { readonly failure: ProbeFailure }
  | { readonly done: true };
