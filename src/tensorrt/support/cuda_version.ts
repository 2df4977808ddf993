/** Versions of CUDA, and which GPUs each can have code for. */
import type { CapabilityRow } from "./support_table.ts";
import { versionFromText } from "../versions.ts";

/** A CUDA version; `minor` is null when only the major is known. */
export interface Cuda {
  readonly major: number;
  readonly minor: number | null;
}

/** `12.8`, or `12` with an unknown minor; null without a version. */
export function cudaFromText(text: string | null | undefined): Cuda | null {
  const version = versionFromText(text ?? "");
  if (version === null) return null;
  return { major: version.major, minor: text!.includes(".") ? version.minor : null };
}

/** `CUDA 12.8`. */
export const cudaText = ({ major, minor }: Cuda): string => `CUDA ${major}${minor === null ? "" : `.${minor}`}`;

/** Whether code for the GPU can be in a build for this CUDA. */
export function cudaKnows(hardware: CapabilityRow, cuda: Cuda): boolean {
  const min = versionFromText(hardware.cudaMin)!;
  const since = cuda.major > min.major || cuda.major === min.major && (cuda.minor ?? Infinity) >= min.minor;
  return since && (hardware.cudaMaxMajor === null || cuda.major <= hardware.cudaMaxMajor);
}

/** `CUDA 12.8 or later`: what a build for the GPU is for. */
export function cudaWanted(hardware: CapabilityRow): string {
  return hardware.cudaMaxMajor === null
    ? `CUDA ${hardware.cudaMin} or later`
    : `CUDA ${hardware.cudaMaxMajor} or earlier`;
}
