/** A report for people. */
import type { LatencyLimiter, ThroughputLimiter } from "./limiter.ts";
import type { Latency } from "./latency.ts";
import type { RivalReport, SubjectReport } from "./measure.ts";
import { digits } from "./row.ts";
import type { Spread } from "../statistics.ts";
import { STAGE_NAMES, STAGES, type Way } from "./subject.ts";
import { bestCell, type Cell } from "./throughput.ts";

/** Several paragraphs without a newline at the end. */
export function textFrom(report: SubjectReport): string {
  const { backend, runtime, platform, remarks } = report;
  const where = [
    runtime,
    platform?.gpu,
    platform === null ? null : `driver ${platform.driver ?? "unknown"}`,
    backend.precision,
  ];
  return [
    `${backend.name}: ${where.filter((part) => part !== null && part !== undefined).join(", ")}`,
    `boxes found: ${report.found}`,
    ...backend.degraded === null ? [] : [`degraded: ${backend.degraded}`],
    ...remarks,
    "",
    latencyTable(report),
    "",
    ...report.bare_ms === null ? [] : [`bare run: ${report.bare_is}`],
    ...throughputTable(report.throughput),
    ...limiterLines(report),
  ].join("\n");
}

/** A rival's report for people. */
export function rivalText({ about, agreement, jpeg_ms, ours_to_rival }: RivalReport): string {
  const [ours, theirs] = agreement.found;
  const { median, lowest, highest } = ours_to_rival;
  return [
    `beside: ${Object.entries(about).map(([name, value]) => `${name} ${value}`).join(", ")}`,
    `found: trtd ${ours}, the other ${theirs}, the same ${agreement.matched} (IoU ${agreement.iou_min})`,
    `JPEG in memory to boxes, the other: p50 ${digits(jpeg_ms.p50)}, p99 ${digits(jpeg_ms.p99)} ms`,
    `trtd / the other: ${median.toFixed(3)}x (${lowest.toFixed(3)} to ${highest.toFixed(3)})`,
  ].join("\n");
}

function latencyTable(report: SubjectReport): string {
  const beyond = (spread: Spread | null) =>
    spread === null ? "" : `${signed(spread.median)} ms (${signed(spread.lowest)} to ${signed(spread.highest)})`;
  const ratio = report.inference_to_bare;
  const rows: [string, Latency, string][] = [
    ...report.bare_ms === null ? [] : [["bare run", report.bare_ms, ""] satisfies [string, Latency, string]],
    ...STAGE_NAMES.flatMap((name): [string, Latency, string][] => {
      const latency = report.stages_ms[name];
      const note = name !== "inference" || ratio === null
        ? ""
        : `${ratio.median.toFixed(3)}x (${ratio.lowest.toFixed(3)} to ${ratio.highest.toFixed(3)})`;
      return latency === undefined ? [] : [[STAGES[name], latency, note]];
    }),
    ["RGB in memory to boxes", report.pixels_ms, beyond(report.pixels_beyond_bare_ms)],
    ["JPEG in memory to boxes", report.jpeg_ms, beyond(report.jpeg_beyond_bare_ms)],
  ];
  return columns([
    ["one picture at a time, ms", "p50", "p99", "against the bare run"],
    ...rows.map(([name, { p50, p99 }, note]) => [name, digits(p50), digits(p99), note]),
  ]);
}

function throughputTable(cells: readonly Cell[]): string[] {
  if (cells.length === 0) return [];
  const rate = (spread: Spread | null) => spread === null ? "" : digits(spread.median);
  const hasPixels = cells.some(({ pixels_per_s }) => pixels_per_s !== null);
  const head = ["pictures a second", "batch", "at once", ...hasPixels ? ["from RGB"] : [], "from JPEG"];
  const rows = cells.map(({ batch, lanes, pixels_per_s, jpeg_per_s, error }) => [
    error ?? "",
    String(batch),
    String(lanes),
    ...hasPixels ? [rate(pixels_per_s)] : [],
    rate(jpeg_per_s),
  ]);
  return ["", columns([head, ...rows])];
}

function limiterLines({ limiter, throughput }: SubjectReport): string[] {
  const lines = [
    latencyLine(limiter.latency),
    throughputLine("pixels", limiter.pixels, throughput),
    throughputLine("jpeg", limiter.jpeg, throughput),
  ].filter((line) => line !== null);
  return lines.length === 0 ? [] : ["", ...lines];
}

const latencyLine = (limiter: LatencyLimiter | null): string | null =>
  limiter &&
  `What limits one picture: ${STAGES[limiter.stage]}, ${digits(limiter.ms)} ms, ${percent(limiter.share)} of the way`;

function throughputLine(way: Way, limiter: ThroughputLimiter | null, cells: readonly Cell[]): string | null {
  const best = bestCell(cells, way);
  if (limiter === null || best === null) return null;
  const [lowest] = limiter.ceilings;
  const from = way === "jpeg" ? "JPEG" : "RGB";
  const ceiling = `${lowest!.resource} would allow ${digits(lowest!.per_s)} a second`;
  return `What limits many, from ${from}: ${
    limiter.resource ?? "waiting between the stages, no resource is used up"
  } (${digits(best.perSecond)} a second; ${ceiling})`;
}

const percent = (share: number): string => `${Math.round(100 * share)} %`;

const signed = (ms: number): string => `${ms < 0 ? "-" : "+"}${digits(Math.abs(ms))}`;

/** The first column to the left, the others to the right. */
function columns(lines: readonly (readonly string[])[]): string {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines.map((line) =>
    line.map((cell, column) => column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)).join("  ")
      .trimEnd()
  ).join("\n");
}
