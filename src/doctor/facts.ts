/** What `trtd doctor` judges. */
import type { Choice } from "../tensorrt/discovery/discovery_choice.ts";
import type { SearchedFolder } from "../tensorrt/discovery/discovery.ts";
import type { AddonProbe, CudaProbe, TensorRtProbe } from "../tensorrt/probe/probe.ts";
import type { SupportVerdict } from "../tensorrt/support/support.ts";
import type { Platform, Precision } from "../tensorrt/support/support_table.ts";
import type { Release } from "../tensorrt/versions.ts";

/** What the user set. */
export interface DoctorSettings {
  readonly backend: "auto" | "tensorrt" | "onnxruntime";
  /** Index or UUID of a GPU. */
  readonly device: string | undefined;
  /** The named place of TensorRT, absolute. */
  readonly tensorrt: string | undefined;
}

/** What the operating system tells; null where it does not. */
export interface SystemFacts {
  readonly os: string;
  readonly architecture: string;
  /** Version of Deno, whether trtd is compiled. */
  readonly deno: string;
  readonly standalone: boolean;
  /** Such as `2.36`. */
  readonly glibc: string | null;
  readonly memory: { readonly total: number; readonly available: number } | null;
  readonly limits: Limits;
  readonly disk: { readonly path: string; readonly free: number } | null;
  readonly cache: FolderFact;
  readonly models: FolderFact;
  /** `granted`, `prompt` or `denied` of each class. */
  readonly permissions: Readonly<Record<string, string>>;
  /** Release of Jetson Linux such as `36.4.3`, null when this is no Jetson. */
  readonly l4t: string | null;
  /** Traces of an NVIDIA GPU outside CUDA, such as `/dev/nvidia0`. */
  readonly traces: readonly string[];
}

/** Limits of the control group. */
export interface Limits {
  readonly cgroup: 1 | 2 | null;
  /** Bytes, null for none. */
  readonly memory: number | null;
  readonly memory_used: number | null;
  /** Processors, null for none. */
  readonly cpus: number | null;
  /** Processors that the program may use. */
  readonly processors: number;
}

export interface FolderFact {
  /** Null when none could be found. */
  readonly path: string | null;
  readonly exists: boolean;
  /** Why it cannot be used, null when it can. */
  readonly problem: string | null;
}

/** Columns of the precision table. */
export const PRECISIONS: readonly Precision[] = ["f32", "tf32", "fp16", "bf16", "int8", "fp8", "fp4"];

/** A pair of TensorRT and GPU. */
export interface PairFact {
  readonly gpu: number;
  readonly verdict: SupportVerdict;
  readonly precisions: Readonly<Record<Precision, SupportVerdict["verdict"]>>;
  /** Whether a DLA can be used. */
  readonly dla: boolean;
}

export interface TensorRtFact {
  readonly probe: TensorRtProbe;
  /** As the library reports itself, else as its file is called; null when neither says. */
  readonly release: Release | null;
  /** One for each GPU. */
  readonly pairs: readonly PairFact[];
  /** Why it cannot be used here, null when it can. */
  readonly refusal: string | null;
}

export interface DoctorFacts {
  readonly settings: DoctorSettings;
  readonly system: SystemFacts;
  /** Null on a system for which NVIDIA has no TensorRT. */
  readonly platform: Platform | null;
  readonly cuda: CudaProbe;
  /** Index of the GPU that would be used, null without one. */
  readonly gpu: number | null;
  readonly searched: readonly SearchedFolder[];
  readonly tensorrt: readonly TensorRtFact[];
  readonly choice: Choice;
  readonly onnxruntime: AddonProbe;
  readonly sharp: AddonProbe;
}
