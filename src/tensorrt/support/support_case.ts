/** A question about support with its texts read, and the two refusals that need nothing else. */
import type { ErrorCode } from "../../errors.ts";
import { capabilityNumber, capabilityRow, installAdvice, rowsFor } from "./install_advice.ts";
import {
  type CapabilityRow,
  type Evidence,
  type Platform,
  type Precision,
  type RefusalRow,
  REFUSALS,
  type SupportRow,
} from "./support_table.ts";
import {
  FAMILIES,
  familyOf,
  type Product,
  PRODUCT_NAMES,
  type Release,
  releaseText,
  type Version,
  versionFromText,
  versionInRange,
} from "../versions.ts";

export interface SupportQuestion {
  readonly tensorrt: { readonly product: Product; readonly version: string };
  /** `computeCapability` such as `12.0`. */
  readonly gpu: { readonly name: string; readonly computeCapability: string };
  readonly platform: Platform;
  /** CUDA that TensorRT was built with, `12.8` or only `12`. @default null, not known */
  readonly cuda?: string | null;
  /** Release of the GPU driver such as `570.124.06`; it has other numbers on a Jetson. @default null */
  readonly driver?: string | null;
  /** CUDA of the driver (cuDriverGetVersion) such as `12.8`. @default null */
  readonly driverCuda?: string | null;
  /** @default "f32" */
  readonly precision?: Precision;
  /** Whether a DLA is wanted. @default false */
  readonly dla?: boolean;
}

export type RemarkId =
  | "tf32-off"
  | "not-listed"
  | "unchecked"
  | "note"
  | "newer-than-known"
  | "gpu-unknown"
  | "cuda-build"
  | "cuda-build-unknown"
  | "driver-older-than-toolkit"
  | "precision-in-model"
  | "int8-weights-only";

export interface SupportRemark {
  readonly id: RemarkId;
  readonly text: string;
}

/** Why not. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly reason: string;
  readonly remedy: string;
  readonly evidence?: Evidence;
  readonly source?: string;
}

/** The question with its texts read. */
export interface Case {
  readonly question: SupportQuestion;
  readonly release: Release;
  /** The release that the tables are asked for: the last known one when this is newer. */
  readonly asked: Version;
  readonly newer: boolean;
  readonly capability: number;
  readonly gpu: string;
  readonly hardware: CapabilityRow | null;
  /** Rows of the release, the platform and the GPU. */
  readonly rows: readonly SupportRow[];
}

/** The case, or the refusal of a question that cannot be one. */
export function readCase(question: SupportQuestion): Case | Refusal {
  const { tensorrt, gpu, platform } = question;
  const named = gpu.name.trim() === "" ? "The GPU" : `"${gpu.name}"`;
  const version = versionFromText(tensorrt.version);
  const name = PRODUCT_NAMES[tensorrt.product];
  if (version === null) {
    return {
      code: "TENSORRT_UNSUPPORTED",
      reason: `The version "${tensorrt.version}" of ${name} cannot be read`,
      remedy: installAdvice(gpu.computeCapability, platform, tensorrt.product),
    };
  }
  const release: Release = { product: tensorrt.product, version };
  const family = familyOf(release);
  if (family.family === null) {
    const drives = FAMILIES.filter((row) => row.product === tensorrt.product);
    return {
      code: "TENSORRT_UNSUPPORTED",
      reason: `${releaseText(release)} is ${family.why} than what trtd drives, ${name} ${drives[0]?.from} to ${
        drives.at(-1)?.to
      }`,
      remedy: family.why === "newer"
        ? `Install ${name} ${drives.at(-1)?.to}, the newest that trtd knows, or try this one with --force`
        : installAdvice(gpu.computeCapability, platform, tensorrt.product),
    };
  }
  const capability = capabilityNumber(gpu.computeCapability);
  if (capability === null) {
    return {
      code: "GPU_UNSUPPORTED",
      reason: `${named} has no readable compute capability ("${gpu.computeCapability}")`,
      remedy: "Check with nvidia-smi that the driver knows the GPU",
    };
  }
  const last = versionFromText(FAMILIES.find((row) => row.family === family.family)!.to)!;
  const asked: Version = family.known ? version : { ...last, patch: 99 };
  return {
    question,
    release,
    asked,
    newer: !family.known,
    capability,
    gpu: `${named} (compute capability ${gpu.computeCapability.trim()})`,
    hardware: capabilityRow(gpu.computeCapability),
    rows: rowsFor(gpu.computeCapability, platform).filter((row) =>
      row.product === tensorrt.product && versionInRange(asked, row.from, row.to)
    ),
  };
}

/** Newer than every GPU of the tables. */
export const isNewGpu = ({ hardware, capability }: Case): boolean => hardware === null && capability > 120;

/** Why no row has the GPU. */
export function gpuRefusal({ question, release, asked, capability, gpu }: Case): Refusal {
  const { platform, tensorrt } = question;
  const fits = (row: RefusalRow) =>
    row.product === tensorrt.product && versionInRange(asked, row.from, row.to) &&
    (row.platforms === undefined || row.platforms.includes(platform)) &&
    capability >= capabilityNumber(row.min)! && capability <= capabilityNumber(row.max)!;
  const row = REFUSALS.find(fits);
  return {
    code: "GPU_UNSUPPORTED",
    reason: `${releaseText(release)} cannot run on ${gpu}` +
      (row === undefined ? ": no known build of it for this platform has the GPU" : ` because ${row.because}`),
    remedy: installAdvice(question.gpu.computeCapability, platform, tensorrt.product),
    ...row === undefined ? {} : { evidence: row.evidence, source: row.source },
  };
}
