/** One line of docs/performance.md from a report. */
import type { Spread } from "../statistics.ts";
import type { MachineFacts } from "./machine.ts";
import type { SubjectReport } from "./measure.ts";
import { STAGES } from "./subject.ts";
import { bestCell } from "./throughput.ts";

export interface RowFacts {
  /** Such as `2026-11-23`. */
  readonly date: string;
  readonly machine: MachineFacts;
  /** For people, such as `yolov8s 640x1152`. */
  readonly model: string;
  readonly picture: { readonly width: number; readonly height: number };
}

/** Columns in order: title, and the cell's text. */
const COLUMNS: readonly (readonly [string, (report: SubjectReport, facts: RowFacts) => string])[] = [
  ["machine", (_, { machine: { name, cores } }) => `${name}, ${cores} cores`],
  ["GPU", ({ platform }) => platform === null ? "none" : platform.gpu],
  ["driver", ({ platform }) => platform?.driver ?? "none"],
  ["runs on", ({ runtime }) => runtime],
  ["model", (_, { model }) => model],
  ["precision", ({ backend }) => backend.precision],
  ["bare run, ms", ({ bare_ms }) => bare_ms === null ? "not had" : digits(bare_ms.p50)],
  ["inference / bare", ({ inference_to_bare }) => inference_to_bare === null ? "not had" : ratio(inference_to_bare)],
  ["RGB to boxes, ms", ({ pixels_ms: { p50, p99 } }) => `${digits(p50)}, p99 ${digits(p99)}`],
  ["JPEG to boxes, ms", ({ jpeg_ms: { p50, p99 } }) => `${digits(p50)}, p99 ${digits(p99)}`],
  ["RGB, pictures a second", (report) => rate(report, "pixels")],
  ["JPEG, pictures a second", (report) => rate(report, "jpeg")],
  ["slowest stage", ({ limiter: { latency } }) => latency === null ? "" : STAGES[latency.stage].replace(/:.*/, "")],
  ["JPEG", (_, { picture: { width, height } }) => `${width}x${height}`],
  ["trtd, date", (_, { machine, date }) => `${machine.trtd}, ${date}`],
];

/** The head of the table that {@link tableRow} belongs to. */
export const ROW_HEAD = `${line(COLUMNS.map(([title]) => title))}\n${line(COLUMNS.map(() => "---"))}`;

/** One line of Markdown; whatever a name holds, it stays one line and one cell. */
export const tableRow = (report: SubjectReport, facts: RowFacts): string =>
  line(COLUMNS.map(([, cell]) => cell(report, facts).replace(/\s+/g, " ").replaceAll("|", "\\|").trim()));

function line(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

/** Three digits that count. */
export const digits = (ms: number): string => ms >= 100 ? ms.toFixed(0) : ms.toPrecision(3);

const ratio = ({ median, lowest, highest }: Spread): string =>
  `${median.toFixed(3)} (${lowest.toFixed(3)} to ${highest.toFixed(3)})`;

function rate({ throughput }: SubjectReport, way: "jpeg" | "pixels"): string {
  const best = bestCell(throughput, way);
  return best === null
    ? "not measured"
    : `${digits(best.perSecond)} (batch ${best.cell.batch}, ${best.cell.lanes} at once)`;
}
