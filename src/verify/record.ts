/** Results of the gate in an engine's metadata: `verified`, newest first, one for each machine. */
import type { GateMachine, ParityReport } from "./report.ts";
import { GATE_VERSION, reportFrom } from "./report.ts";

/** A result that is remembered. */
export type VerificationRecord = ParityReport;

/** Name of the field in the metadata. */
export const VERIFIED = "verified";

/** Machines that one engine's metadata remember: RTX engines run on several. */
const RECORDS_KEPT = 8;

/** The results that metadata hold; what is no result, or of another version of the gate, is passed over. */
export function verificationsOf(facts: Readonly<Record<string, unknown>>): VerificationRecord[] {
  const all = facts[VERIFIED];
  if (!Array.isArray(all)) return [];
  return all.map(reportFrom).filter((one) => one !== null).filter(({ gate }) => gate === GATE_VERSION);
}

/** What a result must be about to count. */
export interface RecordQuestion {
  readonly sha256: string;
  readonly machine: GateMachine;
  /** Name of the set of pictures that the user wants; null when any will do. */
  readonly set: string | null;
}

/**
 * The result that counts now: of this very engine on this GPU with this driver and TensorRT. A failure counts whatever
 * the pictures were.
 */
export function recordFor(
  records: readonly VerificationRecord[],
  { sha256, machine, set }: RecordQuestion,
): VerificationRecord | null {
  return records.find((one) =>
    one.engine_sha256 === sha256 && isSame(one.machine, machine) &&
    (!one.passed || set === null || one.pictures.set === set)
  ) ?? null;
}

/** The results with a new one in front, in the place of an earlier one of the same machine. */
export function withRecord(
  records: readonly VerificationRecord[],
  record: VerificationRecord,
): VerificationRecord[] {
  const others = records.filter((one) =>
    one.engine_sha256 === record.engine_sha256 && !isSame(one.machine, record.machine)
  );
  return [record, ...others].slice(0, RECORDS_KEPT);
}

const isSame = (a: GateMachine, b: GateMachine): boolean =>
  a.gpu === b.gpu && a.compute_capability === b.compute_capability && a.driver === b.driver &&
  a.tensorrt === b.tensorrt;
