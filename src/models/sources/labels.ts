/** Files of class names, such as `coco.txt`. Pure. */
import { TrtdError } from "../../errors.ts";

const LABELS_MAX = 10_000;
const LABEL_LENGTH_MAX = 1000;

/**
 * The names in the order of their numbers: a line each, or JSON: a list, an object by number, or an object with `names`.
 * @param where the file, for messages
 * @throws {TrtdError} `LABELS_INVALID`
 */
export function labelsFrom(bytes: Uint8Array, where: string): string[] {
  const text = textFrom(bytes, where).trim();
  const labels = /^[[{]/.test(text) ? fromJson(text, where) : text.split(/\r?\n/).map((line) => line.trim());
  if (labels.length === 0 || text === "") throw invalid(where, "has no names");
  if (labels.length > LABELS_MAX) throw invalid(where, `has ${labels.length} names, the limit is ${LABELS_MAX}`);
  for (const [index, label] of labels.entries()) {
    if (label === "") throw invalid(where, `has no name for class ${index}`);
    if (label.length > LABEL_LENGTH_MAX) throw invalid(where, `has a name of ${label.length} characters`);
    if (/\p{Cc}/u.test(label)) throw invalid(where, `has control characters in the name of class ${index}`);
  }
  return labels;
}

function textFrom(bytes: Uint8Array, where: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw invalid(where, "is not text in UTF-8", cause);
  }
}

function fromJson(text: string, where: string): string[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw invalid(where, `is not JSON: ${(cause as Error).message.slice(0, 200)}`, cause);
  }
  const names = Array.isArray(json) ? json : (json as Record<string, unknown>)["names"] ?? json;
  const list = Array.isArray(names) ? names : byNumber(names, where);
  const index = list.findIndex((name) => typeof name !== "string");
  if (index >= 0) throw invalid(where, `has no name for class ${index}`);
  return list as string[];
}

function byNumber(names: unknown, where: string): unknown[] {
  if (typeof names !== "object" || names === null) throw invalid(where, "has no list of names");
  const entries = Object.entries(names);
  const list: unknown[] = Array.from({ length: entries.length });
  for (const [key, name] of entries) {
    const index = /^\d{1,5}$/.test(key) ? Number(key) : NaN;
    if (!(index < entries.length)) {
      throw invalid(where, `has a name for "${key.slice(0, 40)}", which is no class's number`);
    }
    list[index] = name;
  }
  return list;
}

const invalid = (where: string, problem: string, cause?: unknown): TrtdError =>
  new TrtdError("LABELS_INVALID", `"${where}" ${problem}`, cause === undefined ? {} : { cause });
