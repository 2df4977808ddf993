/** Which CUDA and driver a pair of TensorRT and GPU needs. */
import { installAdvice } from "./install_advice.ts";
import type { Case, Refusal, SupportRemark } from "./support_case.ts";
import { CUDA_MAJORS, CUDA_TOOLKITS } from "./support_table.ts";
import { type Cuda, cudaFromText, cudaKnows, cudaText, cudaWanted } from "./cuda_version.ts";
import { compareVersions, releaseText, type Version, versionFromText } from "../versions.ts";

/** Refuses a build of TensorRT whose CUDA has no code for the GPU. */
export function cudaRefusal(
  { question, release, gpu, hardware, rows }: Case,
  remarks: SupportRemark[],
): Refusal | null {
  if (hardware === null) return null;
  const builds = [...new Set(rows.flatMap((row) => row.cuda))];
  const wanted = cudaWanted(hardware);
  const cuda = cudaFromText(question.cuda);
  if (cuda === null) {
    const usable = builds.filter((build) => cudaKnows(hardware, cudaFromText(build)!));
    if (usable.length > 0 && usable.length < builds.length) {
      remarks.push({ id: "cuda-build", text: `It must be the build for ${wanted}` });
    }
    return null;
  }
  if (!cudaKnows(hardware, cuda)) {
    return {
      code: "GPU_UNSUPPORTED",
      reason: `This ${releaseText(release)} was built for ${cudaText(cuda)}, which has no code for ${gpu}`,
      remedy: `Install the build of ${releaseText(release)} for ${wanted}, or another release: ` +
        lowerFirst(installAdvice(question.gpu.computeCapability, question.platform, release.product)),
      evidence: hardware.evidence,
      source: "CUDA Toolkit release notes",
    };
  }
  if (builds.length > 0 && !builds.some((build) => cudaFromText(build)!.major === cuda.major)) {
    remarks.push({
      id: "cuda-build-unknown",
      text: `trtd knows builds of ${releaseText(release)} for CUDA ${builds.join(", ")}, not for ${cudaText(cuda)}`,
    });
  }
  return null;
}

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

/** Refuses a driver that is older than TensorRT's CUDA. */
export function driverRefusal({ question, release, rows, hardware }: Case, remarks: SupportRemark[]): Refusal | null {
  if (question.platform === "jetpack") return null;
  const builds = rows.flatMap((row) => row.cuda.map((text) => cudaFromText(text)!))
    .filter((build) => hardware === null || cudaKnows(hardware, build));
  const known = cudaFromText(question.cuda);
  const cuda = known ??
    builds.reduce<Cuda | null>((a, b) => a === null || b.major < a.major ? { ...b, minor: null } : a, null);
  const row = CUDA_MAJORS.find(({ major }) => major === cuda?.major);
  if (cuda === null || row === undefined) return null;
  const driver = versionFromText(question.driver ?? "");
  const driverCuda = cudaFromText(question.driverCuda);
  const system = question.platform === "windows-x86_64" ? "windows" : "linux";
  const tooOld = driverCuda !== null
    ? driverCuda.major < cuda.major
    : driver !== null && compareVersions(driver, versionFromText(row[system])!) < 0;
  if (tooOld) {
    const has = driverCuda === null ? `is ${question.driver!.trim()}` : `knows ${cudaText(driverCuda)} only`;
    return {
      code: "DRIVER_TOO_OLD",
      reason: `${releaseText(release)} for CUDA ${cuda.major} needs an NVIDIA driver of ${row[system]} or later, ` +
        `but the driver ${has}`,
      remedy: `Update the NVIDIA driver to ${row[system]} or later, or install TensorRT built for an older CUDA`,
      evidence: "documented",
      source: row.source,
    };
  }
  const older = known === null ? null : olderThanToolkit(known, driver, driverCuda, system);
  if (older !== null) remarks.push({ id: "driver-older-than-toolkit", text: older });
  return null;
}

/** What speaks against a driver that the major version allows, null without anything. */
function olderThanToolkit(
  cuda: Cuda,
  driver: Version | null,
  driverCuda: Cuda | null,
  system: "linux" | "windows",
): string | null {
  const came = CUDA_TOOLKITS.find((row) => row.cuda === `${cuda.major}.${cuda.minor}`)?.[system] ?? null;
  const byCuda = driverCuda !== null && driverCuda.major === cuda.major && cuda.minor !== null &&
    driverCuda.minor !== null && driverCuda.minor < cuda.minor;
  const byRelease = driver !== null && came !== null && compareVersions(driver, versionFromText(came)!) < 0;
  if (!byCuda && (driverCuda !== null || !byRelease)) return null;
  return `The driver is older than ${cudaText(cuda)}${
    came === null ? "" : `, which came with ${came}`
  }: code that is compiled at run time may be refused (CUDA error 222)`;
}
