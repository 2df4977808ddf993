/** Which GPUs an engine is for. Pure. */
import { TrtdError } from "../../errors.ts";
import { targetsFor } from "../support/install_advice.ts";
import type { PlanGpu, PlanMachine } from "./plan.ts";
import { type Release, releaseText } from "../versions.ts";

/** `ComputeCapability::kCURRENT`. */
const CURRENT = 1;

export interface Targets {
  /** Values for the builder, {@link CURRENT} for the GPU that is here; empty where the family has no targets. */
  readonly set: readonly number[];
  /** Compute capabilities, such as 89. */
  readonly builtFor: readonly number[];
  /** The GPU that must be able to run the engine, null for a build for others. */
  readonly onGpu: PlanGpu | null;
}

/**
 * What `--targets` means.
 * @param wish `current` or compute capabilities such as `75,86`
 * @throws {TrtdError} `USAGE`, `GPU_UNAVAILABLE`, `OPTION_UNSUPPORTED` for other GPUs without RTX, `GPU_UNSUPPORTED`
 */
export function chooseTargets(
  release: Release,
  { gpu, gpuMissing }: Pick<PlanMachine, "gpu" | "gpuMissing">,
  wish = "current",
): Targets {
  const rtx = release.product === "tensorrt-rtx";
  const words = [...new Set(wish.split(",").map((word) => word.trim()).filter((word) => word !== ""))];
  if (words.length === 0) throw new TrtdError("USAGE", "--targets names no compute capability");
  if (words.includes("current")) {
    if (words.length > 1) throw new TrtdError("USAGE", '--targets is either "current" or compute capabilities');
    if (gpu === null) {
      throw new TrtdError(
        "GPU_UNAVAILABLE",
        `There is no GPU to build for${gpuMissing === null ? "" : `: ${gpuMissing}`}`,
        {
          ...rtx ? { remedy: `Name the GPUs to build for, such as --targets ${defaultTargets(release)}` } : {},
        },
      );
    }
    return { set: rtx ? [CURRENT] : [], builtFor: [Number(gpu.computeCapability.replace(".", ""))], onGpu: gpu };
  }
  const numbers = words.map((word) => {
    if (!/^\d{2,3}$/.test(word)) {
      throw new TrtdError("USAGE", `--targets has "${word}", which is not a compute capability such as 86`);
    }
    return Number(word);
  });
  if (!rtx) {
    throw new TrtdError("OPTION_UNSUPPORTED", `${releaseText(release)} builds for the GPU that it runs on only`, {
      remedy: "Build on a machine with that GPU, or use TensorRT-RTX, which builds for others",
    });
  }
  const known = targetsFor([release.version.major, release.version.minor, release.version.patch].join("."));
  const strange = numbers.find((number) => !known.includes(number));
  if (strange !== undefined) {
    throw new TrtdError("GPU_UNSUPPORTED", `${releaseText(release)} cannot build for the target ${strange}`, {
      remedy: known.length === 0 ? "Install TensorRT-RTX 1.3 or later" : `Use targets out of ${known.join(", ")}`,
    });
  }
  return { set: numbers, builtFor: numbers, onGpu: null };
}

const defaultTargets = ({ version }: Release): string =>
  targetsFor([version.major, version.minor, version.patch].join(".")).join(",");
