/** Which precisions and accelerators a pair of TensorRT and GPU has. */
import { capabilityNumber } from "./install_advice.ts";
import type { Case, Refusal, SupportRemark } from "./support_case.ts";
import { DLA_RELEASES, PRECISION_SINCE, RTX_PRECISIONS } from "./support_table.ts";
import { compareVersions, releaseText, versionFromText, versionInRange } from "../versions.ts";

/** Refuses a precision that the GPU or TensorRT does not have. */
export function precisionRefusal(
  { question, release, asked, gpu, hardware }: Case,
  remarks: SupportRemark[],
): Refusal | null {
  const precision = question.precision ?? "f32";
  const rtx = release.product === "tensorrt-rtx";
  const refuse = (why: string): Refusal => ({
    code: "PRECISION_UNSUPPORTED",
    reason: `${releaseText(release)} on ${gpu} cannot compute in ${precision}: ${why}`,
    remedy: "Build with --precision f32",
    ...hardware === null ? {} : { evidence: hardware.evidence, source: hardware.source },
  });
  if (precision !== "f32" && !rtx) {
    const since = versionFromText(PRECISION_SINCE[precision])!;
    if (compareVersions(asked, since) < 0) {
      return refuse(`TensorRT has this type from ${PRECISION_SINCE[precision]} on`);
    }
  }
  if (hardware !== null && precision !== "f32") {
    const can = rtx
      ? RTX_PRECISIONS[hardware.capability]?.includes(precision) ?? hardware[precision]
      : hardware[precision];
    if (!can) {
      return refuse(rtx && hardware[precision] ? "TensorRT-RTX does not offer it here" : "the GPU does not have it");
    }
  }
  if (precision === "f32" && hardware !== null && !hardware.tf32) {
    remarks.push({
      id: "tf32-off",
      text: "TF32 is off: it begins with compute capability 8.0, so f32 runs at full width",
    });
  }
  if (precision === "int8" && rtx) {
    remarks.push({ id: "int8-weights-only", text: "TensorRT-RTX uses INT8 for weights only" });
  }
  if ((precision === "fp16" || precision === "bf16") && (rtx || asked.major >= 11)) {
    remarks.push({
      id: "precision-in-model",
      text: `${releaseText(release)} takes the precision from the model: convert it to ${precision} first`,
    });
  }
  return null;
}

/** Refuses a DLA that the device or TensorRT does not have. */
export function dlaRefusal({ question, release, asked, capability, gpu, hardware }: Case): Refusal | null {
  if (question.dla !== true) return null;
  const fits = release.product === "tensorrt" && question.platform === "jetpack" &&
    DLA_RELEASES.some((row) =>
      versionInRange(asked, row.from, row.to) &&
      row.capabilities.some((listed) => capabilityNumber(listed) === capability)
    );
  if (fits) return null;
  return {
    code: "PRECISION_UNSUPPORTED",
    reason: `${releaseText(release)} on ${gpu} cannot use a DLA: ${
      hardware?.dla === true ? "this release has no support for it" : "the device has none"
    }`,
    remedy: "Build for the GPU, without a DLA",
  };
}
