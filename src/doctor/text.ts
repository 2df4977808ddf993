/** The report of `trtd doctor` for people. */
import { plainText } from "../onnx/quoted.ts";
import type { CheckResult, CheckStatus } from "./check.ts";
import type { DoctorReport, ReportedTensorRt } from "./report.ts";

const COLUMNS = 110;
const MARKS: Readonly<Record<CheckStatus, string>> = { ok: "ok  ", warn: "warn", fail: "FAIL" };

/** Checks with remedies where something is wrong, the libraries found, a summary. */
export function doctorText(report: DoctorReport): string {
  const width = Math.max(...report.checks.map(({ id }) => id.length)) + 2;
  return [
    ...report.checks.flatMap((check) => checkLines(check, width)),
    ...(report.tensorrt.length === 0 ? [] : ["", "TensorRT found:", ...report.tensorrt.flatMap(libraryLines)]),
    "",
    summary(report),
  ].join("\n");
}

function checkLines({ id, status, detail, remedy }: CheckResult, width: number): string[] {
  const indent = " ".repeat(MARKS.ok.length + 2 + width);
  const first = `${MARKS[status]}  ${id.padEnd(width)}`;
  const lines = wrapped(plainText(detail), COLUMNS - indent.length);
  const helps = status === "ok" ? [] : wrapped(`-> ${plainText(remedy)}`, COLUMNS - indent.length);
  return [first + (lines[0] ?? ""), ...[...lines.slice(1), ...helps].map((line) => indent + line)];
}

function libraryLines(one: ReportedTensorRt): string[] {
  const name = one.product === "tensorrt-rtx" ? "TensorRT-RTX" : "TensorRT";
  const kind = one.kind === "full" ? "" : `, ${one.kind}`;
  const state = one.chosen ? "used" : one.refusal === null ? "usable" : "refused";
  const parts = [
    one.parser === null ? "no parser" : "parser",
    one.plugins === null ? "no plugin library" : one.efficient_nms ? "plugins with EfficientNMS_TRT" : "plugins",
    ...(one.evidence === null ? [] : [one.evidence === "none" ? "not verified" : "verified"]),
    `found by ${one.via}`,
  ];
  return [
    `  ${one.chosen ? "*" : " "} ${name} ${one.version ?? "of unknown version"}${kind}: ${state}`,
    `      ${plainText(one.path)}`,
    `      ${parts.join(", ")}`,
  ];
}

function summary({ checks, backends, ok }: DoctorReport): string {
  const count = (status: CheckStatus) => checks.filter((check) => check.status === status).length;
  const can = backends.filter(({ usable }) => usable).map(({ name }) => name);
  const runs = can.length === 0 ? "nothing can run models" : `models run on ${can.join(" and ")}`;
  const counts = `${checks.length} checks: ${count("ok")} ok, ${count("warn")} warnings, ${count("fail")} failures`;
  return `${counts}. ${ok ? "Healthy" : "Not healthy"}: ${runs}.`;
}

/** Words in lines; a word longer than a line stands alone. */
function wrapped(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= columns) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
