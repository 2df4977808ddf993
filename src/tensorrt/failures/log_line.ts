/** Lines of TensorRT's log, however they were written down. */

export type Severity = "internal-error" | "error" | "warning" | "info" | "verbose";

/** One message of TensorRT; `severity` is null when the text does not tell. */
export interface LogLine {
  readonly severity: Severity | null;
  /** The message without time and level; further lines of it after a line break. */
  readonly text: string;
}

/** Characters of a message that are kept; TensorRT cuts its own texts at 486. */
export const TEXT_LIMIT = 4000;

const WORDS: Readonly<Record<string, Severity>> = {
  FATAL: "internal-error",
  F: "internal-error",
  INTERNAL_ERROR: "internal-error",
  ERROR: "error",
  E: "error",
  WARN: "warning",
  WARNING: "warning",
  W: "warning",
  INFO: "info",
  I: "info",
  VERBOSE: "verbose",
  V: "verbose",
};

/** `2026-11-22T17:40:01.123456Z ERROR rtx-1.7.1: text`, as libtrtd writes. */
const SHIM = /^\d{4}-\d\d-\d\dT[\d:.]{8,15}Z (FATAL|ERROR|WARN|INFO|VERBOSE) [^\s:]{1,64}: ?/;
/** `[TRT]`, `[E]` or a time in brackets, but neither `[6]` nor `[file::function::line]`. */
const BRACKET = /^\s{0,4}\[(?!\d{1,4}\])([^[\]]{1,40})\](?!:\d)/;
/** `ERROR: ` after the brackets, as TensorRT 7 wrote. */
const WORD = /^\s{0,4}(INTERNAL_ERROR|ERROR|WARNING|INFO|VERBOSE):\s/;
/** What only an error says. */
const ERROR_SHAPE = /Error Code \d{1,3}:|^\d{1,2}: |^Error\[\d{1,3}\]: |ERROR: |While parsing node number /;
const MAX_BRACKETS = 6;

/** A line as a message. A line that begins with a tab continues the one before: see {@link readLogLines}. */
export function readLogLine(line: string): LogLine {
  const shim = SHIM.exec(line);
  if (shim !== null) return { severity: WORDS[shim[1]!]!, text: line.slice(shim[0].length, TEXT_LIMIT) };
  let rest = line.slice(0, TEXT_LIMIT);
  let severity: Severity | null = null;
  for (let count = 0; count < MAX_BRACKETS; count++) {
    const bracket = BRACKET.exec(rest);
    if (bracket === null || bracket[1]!.includes("::")) break;
    severity ??= WORDS[bracket[1]!.trim()] ?? null;
    rest = rest.slice(bracket[0].length);
  }
  const word = WORD.exec(rest);
  if (word !== null) {
    severity ??= WORDS[word[1]!]!;
    rest = rest.slice(word[0].length);
  }
  const text = rest.trimEnd().replace(/^\s/, "");
  return { severity: severity ?? (ERROR_SHAPE.test(text) ? "error" : null), text };
}

/** A log as messages, with continuations put back to their message. */
export function readLogLines(lines: readonly (LogLine | string)[]): LogLine[] {
  const messages: LogLine[] = [];
  for (const line of lines) {
    if (typeof line !== "string") {
      messages.push({ severity: line.severity, text: line.text.slice(0, TEXT_LIMIT) });
      continue;
    }
    const last = messages.at(-1);
    if (line.startsWith("\t") && last !== undefined) {
      const text = last.text.length >= TEXT_LIMIT ? last.text : `${last.text}\n${line.slice(1)}`.slice(0, TEXT_LIMIT);
      messages[messages.length - 1] = { severity: last.severity, text };
    } else messages.push(readLogLine(line));
  }
  return messages;
}

/** The parts of an error message of TensorRT; each is null where the message has none. */
export interface ErrorMessage {
  /** For example `IRuntime::deserializeCudaEngine`. */
  readonly api: string | null;
  readonly file: string | null;
  readonly function: string | null;
  readonly line: number | null;
  /** nvinfer1::ErrorCode, 0 to 10. */
  readonly code: number | null;
  /** For example `API Usage Error`. */
  readonly category: string | null;
  /** What it says, without the place that newer releases append. */
  readonly detail: string;
}

const PLACE = /\[([^[\]:\s]{1,80})::([^[\]\s]{1,200})::(\d{1,6})\]/;
const CODE = /Error Code (\d{1,3}): ([A-Za-z ]{1,40})(?: ?\()?/;
const API = /^(?:\d{1,2}: )?(\w{1,60}(?:::\w{1,80})?): Error Code /;

/** Takes an error message of any release apart. */
export function readErrorMessage(text: string): ErrorMessage {
  const first = text.slice(0, TEXT_LIMIT);
  const place = PLACE.exec(first);
  const code = CODE.exec(first);
  const from = code === null ? 0 : code.index + code[0].length;
  const appended = first.indexOf(" In ", from);
  const source = appended < 0 ? -1 : first.indexOf(" at /_src/", appended);
  const end = source < 0 ? first.length : appended;
  return {
    api: API.exec(first)?.[1] ?? null,
    file: place?.[1] ?? null,
    function: place?.[2] ?? null,
    line: place === null ? null : Number(place[3]),
    code: code === null ? null : Number(code[1]),
    category: code?.[2]?.trim() ?? null,
    detail: first.slice(from, end).trim().replace(/[\s.]*\)$/, ""),
  };
}
