/** The result of `trtd verify` for people. */
import { plainText } from "../../onnx/quoted.ts";
import { summaryOf } from "../../verify/gate.ts";
import type { ParityReport } from "../../verify/report.ts";
import type { VerifyAnswer } from "./verify.ts";

/** Failures that are shown; `--json` has more. */
const SHOWN = 10;

/** Lines about the engine, the comparison, and what differs. */
export function verifyText({ engine, model, passed, runs, failed, report }: VerifyAnswer): string {
  const { machine, precision, reference, duration_ms: ms } = report;
  const { tensorrt, gpu, compute_capability: capability, driver } = machine;
  const times = runs === 1 ? "" : `, ${runs - failed} of ${runs} comparisons passed; of the worst:`;
  return [
    engine,
    `  "${plainText(model)}", ${precision}, ${tensorrt} on ${gpu} (${capability}), driver ${driver ?? "unknown"}`,
    `  ${passed ? "Agrees" : "Does NOT agree"} with ${reference}${times}`,
    `  ${passed ? summaryOf(report) : report.reason}`,
    `  ${limitsText(report)}`,
    ...report.basis === "detections" ? [] : [`  ${basisText(report)}`],
    ...report.ties === 0
      ? []
      : [`  ${report.ties} boxes lost a tie of suppression on the other side and count as matched`],
    ...report.pictures.skipped.map((name) => `  left out, because it cannot be decoded: "${plainText(name)}"`),
    `  ${report.pictures.count} pictures; engine ${ms.engine} ms, reference ${ms.reference} ms, in all ${ms.total} ms`,
    ...failuresText(report),
  ].join("\n");
}

function limitsText({ limits, cut }: ParityReport): string {
  const { iou, score, percent } = limits;
  if (iou === null || cut === null) return `Limits: values within ${score} of the largest, ${percent} % of them`;
  return `Limits: boxes of score ${
    Number(cut.toPrecision(3))
  } and up, IoU ${iou}, scores within ${score}, ${percent} % of them`;
}

function basisText({ basis }: ParityReport): string {
  switch (basis) {
    case "candidates":
      return "The model detects little in these pictures: the best boxes before suppression were compared";
    case "outputs":
      return "The model detects nothing in these pictures: raw outputs were compared";
    default:
      return "Give pictures in which the model finds something with --pictures DIR";
  }
}

function failuresText({ failures, failures_in_all: all }: ParityReport): string[] {
  const shown = failures.slice(0, SHOWN).map(({ picture, detail }) => `  ${plainText(picture)}: ${plainText(detail)}`);
  return all > shown.length ? [...shown, `  and ${all - shown.length} more`] : shown;
}
