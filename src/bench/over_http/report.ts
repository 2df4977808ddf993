/** A comparison as a table for people. */
import { type Goal, type GoalName, GOALS, isMet } from "./goals.ts";
import type { Summary } from "../statistics.ts";

/** One line of the report. */
export interface Row {
  readonly id: GoalName;
  readonly summary: string;
  readonly unit: Goal["unit"];
  /** `<= 0.93`, null for a figure without a goal. */
  readonly goal: string | null;
  readonly met: boolean | null;
  /** Median over the rounds. */
  readonly median: number;
  /** Of the best rounds: a ratio's two sides are taken at their own best. */
  readonly best: number;
  readonly rounds: readonly number[];
}

/** Rows in the order of {@link GOALS}. */
export function rowsFrom(measures: Partial<Record<GoalName, Summary>>): Row[] {
  return (Object.keys(GOALS) as GoalName[]).flatMap((id) => {
    const found = measures[id];
    if (found === undefined) return [];
    const goal: Goal = GOALS[id];
    return [{
      id,
      summary: goal.summary,
      unit: goal.unit,
      goal: goal.bound === null ? null : `${goal.better === "lower" ? "<=" : ">="} ${goal.bound}`,
      met: isMet(goal, found.median),
      median: found.median,
      best: found.best,
      rounds: found.rounds,
    }];
  });
}

export function tableFrom(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.summary,
    row.goal ?? "",
    figure(row.median, row.unit),
    figure(row.best, row.unit),
    row.met === null ? "" : row.met ? "met" : "missed",
  ]);
  const all = [["", "goal", "median", "best", ""], ...cells];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((line) => line[column]!.length)));
  return all.map((line) =>
    line.map((cell, column) => column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)).join("  ")
      .trimEnd()
  ).join("\n");
}

function figure(value: number, unit: Goal["unit"]): string {
  if (unit === "ratio") return `${value.toFixed(3)}x`;
  return `${value.toFixed(value < 10 ? 2 : 1)} ${unit === "ms" ? "ms" : "/s"}`;
}
