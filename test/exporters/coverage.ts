/** What the models of the exporters cover, as a table for people. */

import type { Entry } from "./environment.ts";
import type { Outcome } from "./judge.ts";

/** One model and what came of it. */
export interface Coverage {
  readonly entry: Entry;
  /** Head that `trtd inspect` finds, or the error's code. */
  readonly head: string;
  readonly outcomes: readonly Outcome[];
}

/** Of the plans with fp16, or of the others: the largest difference as a share of an output's spread. */
function worst(outcomes: readonly Outcome[], half: boolean): string {
  const those = outcomes.filter(({ plan, refused }) => plan.includes("fp16") === half && refused === null);
  const found = those.flatMap(({ measured }) => measured.rows_found ?? []);
  if (found.length > 0) return `${(Math.min(...found) * 100).toFixed(1)} % of rows`;
  const numbers = those.flatMap(({ measured }) => measured.worst ?? []);
  const largest = Math.max(0, ...numbers);
  return largest === 0 ? "none" : largest.toExponential(1);
}

/** A row for each model, and the totals. */
export function coverageText(rows: readonly Coverage[]): string {
  const titles = [
    "file",
    "exporter",
    "opset",
    "nodes",
    "head found",
    "plans",
    "refused",
    "difference",
    "in fp16",
    "ms",
  ];
  const lines = rows.map(({ entry, head, outcomes }) => [
    entry.file,
    `${entry.exporter} ${entry.version}`,
    String(entry.opset),
    String(entry.nodes),
    head,
    String(outcomes.length),
    String(outcomes.filter(({ refused }) => refused !== null).length),
    worst(outcomes, false),
    worst(outcomes, true),
    Math.max(0, ...outcomes.map(({ passesMs }) => passesMs)).toFixed(0),
  ]);
  const widths = titles.map((title, at) => Math.max(title.length, ...lines.map((line) => line[at]!.length)));
  const text = [titles, ...lines].map((line) => line.map((cell, at) => cell.padEnd(widths[at]!)).join("  ").trimEnd());
  const plans = rows.reduce((sum, { outcomes }) => sum + outcomes.length, 0);
  return [...text, `${rows.length} models, ${plans} sequences of passes`].join("\n");
}
