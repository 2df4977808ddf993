/** Why a build, a load or a run failed, out of TensorRT's log. */
import type { ErrorCode } from "../../errors.ts";
import { type FailureRank, type FailureRow, FAILURES } from "./failure_table.ts";
import { type LogLine, readLogLines } from "./log_line.ts";
import { nodeAt, nodeText, type OnnxNode } from "./onnx_node.ts";
import { versionFromText } from "../versions.ts";

/** A row of the catalogue that the log has. */
export interface FailureHit {
  readonly id: string;
  readonly rank: FailureRank;
  readonly code: ErrorCode | null;
  /** Without a final period. */
  readonly cause: string;
  readonly remedy: string;
  /** The message, one line. */
  readonly message: string;
  /** Messages that the row explains. */
  readonly count: number;
}

export interface Explanation {
  /** Whether the catalogue has the failure. */
  readonly known: boolean;
  readonly code: ErrorCode;
  /** Row that explains it best, null when unknown. */
  readonly id: string | null;
  /** Without a final period; names the node of the model when there is one. */
  readonly cause: string;
  readonly remedy: string;
  /** The message that decided, null when the log has no error. */
  readonly message: string | null;
  /** The node of the model that the failure is about. */
  readonly node: OnnxNode | null;
  /** Everything that explains a part, best first. */
  readonly hits: readonly FailureHit[];
  /** Remarks that failed nothing, in the order of the log. */
  readonly notes: readonly FailureHit[];
  /** The last distinct errors, at most {@link LAST_ERRORS}, oldest first. */
  readonly errors: readonly string[];
}

export interface ExplainOptions {
  /** Code of a failure that the catalogue does not have. @default "BUILD_FAILED" */
  readonly otherwise?: ErrorCode;
}

/** How many errors an explanation repeats. */
export const LAST_ERRORS = 12;
/** Messages other than errors that may lie between two errors of one burst. */
const BURST_GAP = 20;
/** A message that TensorRT adds to any error where CUDA does not work, or a part of one. */
const FOLLOW_UP = /^[^\n]{0,20}\[checkMacros\.cpp::catchCudaError::\d{1,6}\] Error Code 1: Cuda Runtime/;
const MATCH_CACHE = 4096;
const MESSAGE_LIMIT = 600;

const ORDER: Readonly<Record<FailureRank, number>> = { cause: 0, symptom: 1, note: 2 };

interface Match {
  readonly row: FailureRow;
  readonly rowIndex: number;
  readonly groups: readonly (string | undefined)[];
}

interface Found extends Match {
  readonly index: number;
  readonly burst: number;
  /** The row's rank; a cause that was only a warning is a symptom. */
  readonly rank: FailureRank;
  count: number;
}

/**
 * Explain a failure by its log.
 *
 * The first error of the last burst decides, for TensorRT reports what follows from an error as further errors; when
 * the last bursts hold such symptoms only, the causes before them do. Time is in proportion to the log.
 * @param lines the log: messages, or lines as libtrtd, trtexec or the Python binding write them
 */
export function explainFailure(lines: readonly (LogLine | string)[], options: ExplainOptions = {}): Explanation {
  const messages = readLogLines(lines);
  const texts = messages.map((message) => withoutFollowUps(message.text));
  const found = findRows(messages, texts);
  const ranked = [...found.values()].sort(better);
  const best = ranked.find((candidate) => candidate.rank !== "note");
  const hits = ranked.filter((candidate) => candidate.rank !== "note").map((hit) => hitFrom(hit, texts));
  const notes = ranked.filter((candidate) => candidate.rank === "note").sort((a, b) => a.index - b.index)
    .map((hit) => hitFrom(hit, texts));
  const errors = lastErrors(messages, texts);
  if (best === undefined) return unknownFailure(errors, notes, options.otherwise ?? "BUILD_FAILED");
  const { id, code, cause, remedy, message } = hits[0]!;
  const node = nodeNear(texts, best.index);
  return {
    known: true,
    code: code ?? options.otherwise ?? "BUILD_FAILED",
    id,
    cause: node === null ? cause : `${cause}, at ${nodeText(node)}`,
    remedy,
    message,
    node,
    hits,
    notes,
    errors,
  };
}

function unknownFailure(errors: readonly string[], notes: readonly FailureHit[], code: ErrorCode): Explanation {
  const none = errors.length === 0;
  return {
    known: false,
    code,
    id: null,
    cause: none ? "The log holds no error" : "TensorRT reported an error that trtd does not know",
    remedy: `Read ${
      none ? "the whole log" : "the last errors"
    }; trtd doctor --bundle FILE collects what a report needs`,
    message: errors[0] ?? null,
    node: null,
    hits: [],
    notes,
    errors,
  };
}

/** A message without the parts that only repeat that CUDA does not work. */
function withoutFollowUps(text: string): string {
  if (!text.includes("catchCudaError") || !text.includes("\n")) return text;
  const [first, ...rest] = text.split("\n");
  return [first, ...rest.filter((part) => !FOLLOW_UP.test(part))].join("\n");
}

function findRows(messages: readonly LogLine[], texts: readonly string[]): Map<string, Found> {
  const cache = new Map<string, readonly Match[]>();
  const found = new Map<string, Found>();
  let burst = 0;
  let lastError = -1;
  for (const [index, text] of texts.entries()) {
    const { severity } = messages[index]!;
    if (severity === "verbose" || text === "") continue;
    if (lastError >= 0 && FOLLOW_UP.test(text)) continue;
    const matches = matchesOf(text, cache);
    const failing = severity === "error" || severity === "internal-error" ||
      severity === null && matches.some(({ row }) => row.rank !== "note");
    if (failing) {
      if (lastError >= 0 && index - lastError > BURST_GAP) burst++;
      lastError = index;
    }
    for (const match of matches) {
      const rank = rankIn(match.row.rank, severity);
      if (rank !== null) keep(found, { ...match, index, burst, rank, count: 1 });
    }
  }
  return found;
}

/** What a row is worth in a message of the severity, null for nothing. */
function rankIn(rank: FailureRank, severity: LogLine["severity"]): FailureRank | null {
  if (severity === "info") return rank === "note" ? rank : null;
  return severity === "warning" && rank !== "note" ? "symptom" : rank;
}

/** Keep the better of two findings of a row, and count both. */
function keep(found: Map<string, Found>, next: Found): void {
  const before = found.get(next.row.id);
  if (before === undefined) found.set(next.row.id, next);
  else {
    const count = before.count + 1;
    if (better(next, before) < 0) found.set(next.row.id, { ...next, count });
    else before.count = count;
  }
}

/** Best first: causes before symptoms; of causes the last burst; then the first message, and the earlier row. */
function better(a: Found, b: Found): number {
  const burst = a.rank === "cause" ? b.burst - a.burst : 0;
  return ORDER[a.rank] - ORDER[b.rank] || burst || a.index - b.index || a.rowIndex - b.rowIndex;
}

function matchesOf(text: string, cache: Map<string, readonly Match[]>): readonly Match[] {
  const known = cache.get(text);
  if (known !== undefined) return known;
  const matches: Match[] = [];
  for (const [rowIndex, row] of FAILURES.entries()) {
    const groups = row.pattern.exec(text);
    if (groups !== null) matches.push({ row, rowIndex, groups });
  }
  if (cache.size < MATCH_CACHE) cache.set(text, matches);
  return matches;
}

const oneLine = (text: string): string => text.replaceAll(/\s*\n\s*/g, " ").slice(0, MESSAGE_LIMIT);

function hitFrom({ row, groups, index, rank, count }: Found, texts: readonly string[]): FailureHit {
  return {
    id: row.id,
    rank,
    code: row.code,
    cause: filled(row.cause, groups),
    remedy: filled(row.remedy, groups),
    message: oneLine(texts[index]!),
    count,
  };
}

/** A text of the table with the groups of its pattern. */
function filled(template: string, groups: readonly (string | undefined)[]): string {
  return template.replaceAll(/\{(\d)(?::(tag|version))?\}/g, (_, group: string, format: string | undefined) => {
    const value = groups[Number(group)];
    if (format === "tag") return tagText(Number(value));
    if (format === "version") {
      return value !== undefined && versionFromText(value) !== null
        ? `TensorRT ${value.replace(/\.+$/, "")}`
        : "another version";
    }
    return value ?? "unknown";
  });
}

/** Four bytes, given as their little-endian number. */
function tagText(tag: number): string {
  const bytes = [0, 8, 16, 24].map((shift) => (tag >>> shift) & 0xff);
  if (bytes.every((byte) => byte >= 0x20 && byte < 0x7f)) return `"${String.fromCharCode(...bytes)}"`;
  const hex = bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  const onnx = bytes[0] === 0x08 && (bytes[1] ?? 0) < 0x20 && bytes[2] === 0x12;
  return `the bytes ${hex}${onnx ? ", as an ONNX model does" : ""}`;
}

/** The node named by the message or by the nearest other one of its burst. */
function nodeNear(texts: readonly string[], index: number): OnnxNode | null {
  for (let distance = 0; distance <= BURST_GAP * 2; distance++) {
    const node = nodeAt(texts, index - distance) ?? nodeAt(texts, index + distance);
    if (node !== null) return node;
  }
  return null;
}

function lastErrors(messages: readonly LogLine[], texts: readonly string[]): string[] {
  const errors: string[] = [];
  const seen = new Set<string>();
  let followUp: string | null = null;
  for (let index = messages.length - 1; index >= 0 && errors.length < LAST_ERRORS; index--) {
    const { severity } = messages[index]!;
    const text = oneLine(texts[index]!);
    if (severity !== "error" && severity !== "internal-error" || text === "" || seen.has(text)) continue;
    seen.add(text);
    if (FOLLOW_UP.test(text)) followUp ??= text;
    else errors.push(text);
  }
  return errors.length === 0 && followUp !== null ? [followUp] : errors.reverse();
}
