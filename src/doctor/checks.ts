/** The checks of `trtd doctor`: one table, each row a pure function of the facts. */
import { GPU_CHECKS } from "./checks_gpu.ts";
import { SYSTEM_CHECKS } from "./checks_system.ts";
import { TENSORRT_CHECKS } from "./checks_tensorrt.ts";
import type { CheckResult, CheckRow } from "./check.ts";
import type { DoctorFacts } from "./facts.ts";

export const CHECKS: readonly CheckRow[] = [...SYSTEM_CHECKS, ...GPU_CHECKS, ...TENSORRT_CHECKS];

/** Every check, in the order of the table. */
export function runChecks(facts: DoctorFacts): CheckResult[] {
  return CHECKS.map((row) => {
    const { status, detail, remedy } = row.judge(facts);
    return { id: row.id, status, detail, remedy: remedy ?? row.remedy };
  });
}
