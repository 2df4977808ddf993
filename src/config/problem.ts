/** What is wrong with a layer of the configuration. */
import { nearestOf } from "../nearest.ts";

export interface Problem {
  /** Names the place and the rule that is broken; no secret stands in it. */
  readonly text: string;
  /** A remedy of its own. */
  readonly remedy?: string;
  /** Whether a flag is wrong. @default false */
  readonly flag?: boolean;
}

/**
 * A name that nobody knows.
 * @param what for example `"f.json" names the unknown setting`
 * @param name as it was written
 * @param word the name in the form of the known ones
 */
export function unknownName(what: string, name: string, word: string, known: readonly string[]): Problem {
  const nearest = nearestOf(word, known.map((one) => one.toLowerCase()));
  const near = known.find((one) => one.toLowerCase() === nearest);
  return {
    text: `${what} "${name.slice(0, 80)}"`,
    remedy: near === undefined ? "Remove it; docs/configuration.md lists all settings" : `Did you mean "${near}"?`,
  };
}

/**
 * Where a text stops being JSON, told by line and column or by one character: the parser's own message quotes the text,
 * which may hold secrets.
 */
export function notJson(text: string, thrown: unknown): string {
  const message = thrown instanceof Error ? thrown.message : "";
  const [, at] = /at position (\d+)/.exec(message) ?? [];
  const [, token] = /^Unexpected token '(.)'/u.exec(message) ?? [];
  if (at === undefined) return `is not JSON: ${token === undefined ? "it ends too early" : `"${token}" is unexpected`}`;
  const before = text.slice(0, Number(at)).split("\n");
  return `is not JSON from line ${before.length}, column ${before.at(-1)!.length + 1}`;
}
