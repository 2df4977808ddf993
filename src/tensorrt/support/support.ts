/** Whether a TensorRT runs on a GPU, before anything is tried. */
import type { ErrorCode } from "../../errors.ts";
import { cudaRefusal, driverRefusal } from "./cuda_support.ts";
import { dlaRefusal, precisionRefusal } from "./precision_support.ts";
import {
  type Case,
  gpuRefusal,
  isNewGpu,
  readCase,
  type Refusal,
  type SupportQuestion,
  type SupportRemark,
} from "./support_case.ts";
import type { Evidence } from "./support_table.ts";
import { releaseText } from "../versions.ts";

/** The answer; `code`, `reason` and `remedy` are null unless it is `impossible`. */
export interface SupportVerdict {
  readonly verdict: "fine" | "remarks" | "impossible";
  readonly remarks: readonly SupportRemark[];
  readonly code: ErrorCode | null;
  readonly reason: string | null;
  readonly remedy: string | null;
  /** How well the answer is founded, null when no row of a table speaks of it. */
  readonly evidence: Evidence | null;
  readonly source: string | null;
}

const impossible = (refusal: Refusal, remarks: readonly SupportRemark[] = []): SupportVerdict => ({
  verdict: "impossible",
  remarks,
  code: refusal.code,
  reason: refusal.reason,
  remedy: refusal.remedy,
  evidence: refusal.evidence ?? null,
  source: refusal.source ?? null,
});

/**
 * The verdict on a pair of TensorRT and GPU. It answers every question, also one of nonsense, and never throws.
 *
 * Codes: `TENSORRT_UNSUPPORTED`, `GPU_UNSUPPORTED`, `DRIVER_TOO_OLD`, `PRECISION_UNSUPPORTED`.
 */
export function supportVerdict(question: SupportQuestion): SupportVerdict {
  const read = readCase(question);
  if ("code" in read) return impossible(read);
  if (read.rows.length === 0 && !(read.newer && isNewGpu(read))) return impossible(gpuRefusal(read));
  const remarks: SupportRemark[] = [];
  const refusal = cudaRefusal(read, remarks) ?? driverRefusal(read, remarks) ?? precisionRefusal(read, remarks) ??
    dlaRefusal(read);
  if (refusal !== null) return impossible(refusal, remarks);
  remarks.unshift(...rowRemarks(read));
  const row = read.rows[0];
  return {
    verdict: remarks.length === 0 ? "fine" : "remarks",
    remarks,
    code: null,
    reason: null,
    remedy: null,
    evidence: row?.evidence ?? null,
    source: row?.source ?? null,
  };
}

function rowRemarks({ question, release, rows, newer, gpu }: Case): SupportRemark[] {
  const remarks: SupportRemark[] = [];
  const row = rows[0];
  const what = `${releaseText(release)} on ${gpu}`;
  if (newer) {
    remarks.push({
      id: "newer-than-known",
      text: `${releaseText(release)} is newer than what trtd knows: its last known release of this major was taken`,
    });
  }
  if (row === undefined) {
    remarks.push({
      id: "gpu-unknown",
      text: `trtd does not know compute capability ${question.gpu.computeCapability}`,
    });
    return remarks;
  }
  if (!row.listed) {
    const how = row.evidence === "measured" ? "works" : row.evidence === "unchecked" ? "should work" : "can work";
    remarks.push({ id: "not-listed", text: `${what} ${how} but is not listed by NVIDIA (${row.source})` });
  } else if (row.evidence === "unchecked") {
    remarks.push({ id: "unchecked", text: `Support of ${what} is not verified (${row.source})` });
  }
  if (row.note !== undefined) remarks.push({ id: "note", text: row.note });
  return remarks;
}
