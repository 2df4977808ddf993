/** Options of a build that only some families of TensorRT have. Pure. */
import { TrtdError } from "../../errors.ts";
import type { Platform } from "../support/support_table.ts";
import { type Family, type Release, releaseText, versionInRange } from "../versions.ts";

/** Hardware compatibility: plans for Ampere and later, or for every GPU of the same compute capability. */
export type HardwareCompatibility = "none" | "ampere" | "same";

/** Options beyond precision and shapes; absent is the builder's default. */
export interface TuningWishes {
  /** MiB of scratch memory for layers. */
  readonly workspaceMb?: number;
  /** 0 to 5. */
  readonly optimizationLevel?: number;
  readonly hardwareCompatibility?: HardwareCompatibility;
  readonly versionCompatible?: boolean;
  /** Absolute path of a timing cache, read if it is there and written after the build. */
  readonly timingCache?: string;
  /** Index of the DLA core. */
  readonly dlaCore?: number;
  /** Names of {@link TACTIC_SOURCES}, separated by commas, or `none`. */
  readonly tacticSources?: string;
}

/** Bits of TacticSource. Source: enum TacticSource in NvInfer.h, 8.5 to 11.1. */
export const TACTIC_SOURCES: Readonly<Record<string, number>> = {
  cublas: 1,
  cublas_lt: 2,
  cudnn: 4,
  edge_mask_convolutions: 8,
  jit_convolutions: 16,
};

interface OptionRow {
  readonly wish: keyof TuningWishes;
  readonly flag: string;
  /** Families that have it. */
  readonly families: readonly Family[];
  /** Why the others have not. */
  readonly lacking: (family: Family) => string;
  readonly source: string;
}

const TENSORRT: readonly Family[] = ["8.5", "8.6", "10", "11"];
const SINCE_8_6: readonly Family[] = ["8.6", "10", "11"];
const isRtx = (family: Family): boolean => family.startsWith("rtx-");

/** One row an option. */
export const OPTION_ROWS: readonly OptionRow[] = [
  {
    wish: "optimizationLevel",
    flag: "--optimization-level",
    families: [...SINCE_8_6, "rtx-1.3", "rtx-1.5"],
    lacking: () => "it begins with TensorRT 8.6",
    source: "IBuilderConfig::setBuilderOptimizationLevel in NvInfer.h: absent in 8.5.3",
  },
  {
    wish: "hardwareCompatibility",
    flag: "--hardware-compatibility",
    families: SINCE_8_6,
    lacking: (family) =>
      isRtx(family) ? "its plans are made for compute capabilities with --targets" : "it begins with TensorRT 8.6",
    source: "IBuilderConfig::setHardwareCompatibilityLevel in NvInfer.h: absent in 8.5.3; TensorRT-RTX support matrix",
  },
  {
    wish: "versionCompatible",
    flag: "--version-compatible",
    families: SINCE_8_6,
    lacking: (family) =>
      isRtx(family) ? "its plans run on the version that built them only" : "it begins with TensorRT 8.6",
    source: "BuilderFlag::kVERSION_COMPATIBLE in NvInfer.h: absent in 8.5.3; RTX 1.4 and 1.7 refuse foreign plans",
  },
  {
    wish: "timingCache",
    flag: "--timing-cache",
    families: TENSORRT,
    lacking: () => "it times nothing while it builds: kernels are chosen on the GPU at the first run",
    source: "docs.nvidia.com TensorRT-RTX: ahead-of-time build needs no GPU",
  },
  {
    wish: "dlaCore",
    flag: "--dla-core",
    families: TENSORRT,
    lacking: () => "it does not use a DLA",
    source: "docs.nvidia.com TensorRT-RTX support matrix",
  },
  {
    wish: "tacticSources",
    flag: "--tactic-sources",
    families: TENSORRT,
    lacking: () => "it has its own kernels only",
    source: "docs.nvidia.com TensorRT-RTX: cuBLAS and cuDNN are not used",
  },
];

const refuse = (flag: string, release: Release, why: string): TrtdError =>
  new TrtdError("OPTION_UNSUPPORTED", `${releaseText(release)} cannot do ${flag}: ${why}`, {
    remedy: `Build without ${flag}`,
  });

const inRange = (value: number, low: number, high: number, flag: string): void => {
  if (!Number.isInteger(value) || value < low || value > high) {
    throw new TrtdError("USAGE", `${flag} is ${value}, but must be a whole number from ${low} to ${high}`);
  }
};

/**
 * Refuses options that the family lacks and values out of range.
 * @throws {TrtdError} `OPTION_UNSUPPORTED`, `USAGE`
 */
export function checkTuning(
  wishes: TuningWishes,
  { release, family, platform }: { release: Release; family: Family; platform: Platform },
): void {
  for (const row of OPTION_ROWS) {
    const wish = wishes[row.wish];
    if (wish === undefined || wish === false || wish === "none" || row.families.includes(family)) continue;
    throw refuse(row.flag, release, row.lacking(family));
  }
  if (wishes.workspaceMb !== undefined) inRange(wishes.workspaceMb, 1, 1_048_576, "--workspace");
  if (wishes.optimizationLevel !== undefined) inRange(wishes.optimizationLevel, 0, 5, "--optimization-level");
  if (wishes.dlaCore !== undefined) inRange(wishes.dlaCore, 0, 15, "--dla-core");
  const hardware = wishes.hardwareCompatibility;
  if (hardware === "same" && family === "10" && !versionInRange(release.version, "10.9", "10")) {
    throw refuse("--hardware-compatibility same", release, "it begins with TensorRT 10.9");
  }
  if (hardware === "same" && family === "8.6") {
    throw refuse("--hardware-compatibility same", release, "it begins with TensorRT 10.9");
  }
  if (hardware === "ampere" && platform === "jetpack") {
    throw refuse("--hardware-compatibility ampere", release, "a Jetson does not support it");
  }
}

/**
 * The bit set of tactic sources.
 * @throws {TrtdError} `USAGE`
 */
export function tacticSourceBits(names: string): number {
  if (names.trim() === "none") return 0;
  return names.split(",").map((name) => name.trim().toLowerCase()).reduce((bits, name) => {
    const bit = Object.hasOwn(TACTIC_SOURCES, name) ? TACTIC_SOURCES[name]! : undefined;
    if (bit === undefined) {
      const known = [...Object.keys(TACTIC_SOURCES), "none"].join(", ");
      throw new TrtdError("USAGE", `--tactic-sources has "${name}"; known are ${known}`);
    }
    return bits | bit;
  }, 0);
}
