/** `trtd bench --isolation`: what a worker process costs beside `--in-process` (docs/serving.md). */
import { usableCores } from "../../backends/onnxruntime.ts";
import { waitUntilIdle } from "../../bench/idle.ts";
import { type IsolationRow, keepsLimit, limitOf, measureIsolation } from "../../bench/isolation.ts";
import { machineFacts } from "../../bench/stages/machine.ts";
import { TrtdError } from "../../errors.ts";
import { openServed } from "../children/open_served.ts";
import type { CommandContext } from "../command.ts";
import { findOrPull, oneModel } from "../models/find_or_pull.ts";
import { integerFlag, jpegOf } from "./bench_flags.ts";

/** @throws {TrtdError} `USAGE`, `SHARED_MEMORY_UNAVAILABLE`; those of the model and the picture */
export async function benchIsolation(context: CommandContext): Promise<void> {
  const { flags, config, terminal } = context;
  const rounds = integerFlag(flags, "rounds", [3, 100]);
  const requests = integerFlag(flags, "requests", [5, 1000]);
  if (flags["report"] !== undefined) {
    throw new TrtdError("USAGE", "--report is about the stages and does not go with --isolation");
  }
  const note = (text: string) => terminal.note(`bench: ${text}`);
  const model = await findOrPull(oneModel("bench", config), { config, terminal });
  const jpeg = await jpegOf(context);
  const threads = config.threads ?? usableCores();
  const loadBefore = Deno.loadavg()[0]!;
  note(`${rounds} rounds, pictures in turn through a worker process and through a worker in this process ...`);
  const rows = await measureIsolation({
    model,
    open: openServed({ config, terminal }),
    jpeg,
    threads,
    rounds,
    requests,
    settle: async () => {
      if (flags["waitForIdle"] === true && !await waitUntilIdle()) {
        note("the machine stays busy; measuring all the same");
      }
    },
  });
  const machine = await machineFacts(loadBefore);
  if (flags["json"] === true) {
    const run = { model: model.name, threads, rounds, requests, jpeg_bytes: jpeg.length };
    const judged = rows.map((row) => ({ ...row, limit: limitOf(row), met: keepsLimit(row) }));
    terminal.print(JSON.stringify({ machine, run, rows: judged }));
    return;
  }
  terminal.print(
    `${machine.name}, ${machine.cores} cores, ${machine.os} ${machine.arch}, Deno ${machine.deno}\n` +
      `model ${model.name}, ${threads} threads, a JPEG of ${jpeg.length} bytes, ${rounds} rounds\n`,
  );
  terminal.print(isolationTable(rows));
}

const WHAT = {
  empty: { file: "the way of an encoded picture", raw: "the way of a raw 640x1152 frame" },
  model: { file: "a detection, encoded picture", raw: "a detection, raw 640x1152 frame" },
} as const;

/** Goal, measured, met: a line for each row. */
export function isolationTable(rows: readonly IsolationRow[]): string {
  const cells = rows.map((row) => {
    const limit = limitOf(row);
    const met = keepsLimit(row);
    const { median, lowest, highest } = row.cost;
    const goal = limit === null ? "" : `<= ${limit.max} ${limit.of}`;
    const percent = row.detector === "model" ? `, ${row.cost_percent.toFixed(1)} %` : "";
    return [
      WHAT[row.detector][row.picture],
      goal,
      `${row.in_process_ms.toFixed(2)} ms`,
      `${row.isolated_ms.toFixed(2)} ms`,
      `${median.toFixed(2)} ms (${lowest.toFixed(2)} to ${highest.toFixed(2)})${percent}`,
      `${row.way_ms.toFixed(2)} ms`,
      met === null ? "" : met ? "met" : "missed",
    ];
  });
  const all = [["", "goal", "in process", "isolated", "cost", "of it the way", ""], ...cells];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((line) => line[column]!.length)));
  return all.map((line) => line.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd()).join("\n");
}
