/** `trtd bench`: one model in this process, stage by stage, on each backend that can run it. */
import { dirname, join } from "node:path";
import { waitUntilIdle } from "../../bench/idle.ts";
import { machineFacts } from "../../bench/stages/machine.ts";
import { measure } from "../../bench/stages/measure.ts";
import { type Rival, startRival } from "../../bench/stages/rival.ts";
import { ROW_HEAD, tableRow } from "../../bench/stages/row.ts";
import { rivalText, textFrom } from "../../bench/stages/text.ts";
import { decodePicture } from "../../detect/picture/decode.ts";
import { TrtdError } from "../../errors.ts";
import type { CommandContext } from "../command.ts";
import { findOrPull, oneModel } from "../models/find_or_pull.ts";
import { writeWhole } from "../write_whole.ts";
import { integerFlag, integerList, jpegOf } from "./bench_flags.ts";
import { BATCH_MAX, openSubjects } from "./open_subjects.ts";

/** @throws {TrtdError} `USAGE`, `OUTPUT_UNWRITABLE`; those of the model, the picture and the backends */
export async function benchStages(context: CommandContext): Promise<void> {
  const { flags, config, terminal } = context;
  const wishes = {
    rounds: integerFlag(flags, "rounds", [3, 100]),
    windowMs: integerFlag(flags, "window", [20, 60_000]),
    batches: integerList(flags, "batches", [1, BATCH_MAX]),
    lanes: integerList(flags, "lanes", [1, 16]),
  };
  const asJson = flags["json"] === true;
  const report = typeof flags["report"] === "string" ? flags["report"] : null;
  if (asJson && report === "-") throw new TrtdError("USAGE", "--json and --report - both want standard output");
  const table = report === null || report === "-" ? null : await tableAt(terminal.resolve(report));
  const name = oneModel("bench", config);
  const note = (text: string) => terminal.note(`bench: ${text}`);
  const model = await findOrPull(name, { config, terminal });
  const file = await jpegOf(context);
  const picture = await decodePicture(file, { maxPixels: config.max_pixels });

  const loadBefore = Deno.loadavg()[0]!;
  await using stack = new AsyncDisposableStack();
  const subjects = await openSubjects(context, { model, ...wishes, note });
  for (const subject of subjects) stack.use(subject);
  const rival = await rivalOf(context, { engine: subjects[0]!.info.engine ?? model.path, file, stack });
  const settle = async () => {
    if (flags["waitForIdle"] === true && !await waitUntilIdle()) {
      note("the machine stays busy; measuring all the same");
    }
  };
  const { subjects: reports, rival: beside } = await measure(subjects, {
    ...wishes,
    samples: [{ file, picture }],
    rival,
    settle,
    note,
  });
  const machine = await machineFacts(loadBefore);
  const { height, width } = subjects[0]!.input;
  const size = { width: picture.width, height: picture.height };
  const facts = {
    date: new Date().toISOString().slice(0, 10),
    machine,
    model: `${model.name} ${height}x${width}`,
    picture: size,
  };
  const rows = reports.map((one) => tableRow(one, facts));
  if (asJson) {
    const { windowMs, ...others } = wishes;
    const run = { model: facts.model, window_ms: windowMs, ...others, picture: { ...size, jpeg_bytes: file.length } };
    terminal.print(JSON.stringify({ machine, run, subjects: reports, rival: beside, rows }));
  } else {
    terminal.print(
      `${machine.name}, ${machine.cores} cores, ${machine.os} ${machine.arch}, Deno ${machine.deno}, trtd ${machine.trtd}\n` +
        `model ${facts.model}, a JPEG of ${size.width}x${size.height} (${file.length} bytes), ${wishes.rounds} rounds`,
    );
    for (const one of reports) terminal.print(`\n${textFrom(one)}`);
    if (beside !== null) terminal.print(`\n${rivalText(beside)}`);
    if (report === "-") terminal.print(`\n${[ROW_HEAD, ...rows].join("\n")}`);
  }
  await table?.add(rows);
}

/** What `--against` names, started; the stack ends it. */
async function rivalOf(
  { flags, terminal }: CommandContext,
  { engine, file, stack }: { engine: string; file: Uint8Array; stack: AsyncDisposableStack },
): Promise<Rival | null> {
  const command = flags["against"];
  if (typeof command !== "string") return null;
  const folder = await Deno.makeTempDir({ prefix: "trtd-bench-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const jpeg = join(folder, "picture.jpg");
  await Deno.writeFile(jpeg, file);
  const words = command.trim().split(/\s+/).map((word) => ({ "{engine}": engine, "{jpeg}": jpeg })[word] ?? word);
  terminal.note(`bench: starting ${words[0]} ...`);
  return stack.use(await startRival(words));
}

/** A table to add lines to, looked at before anything is measured; a new one begins with its head. */
async function tableAt(path: string): Promise<{ add(rows: readonly string[]): Promise<void> }> {
  const unwritable = (cause: Error) =>
    new TrtdError("OUTPUT_UNWRITABLE", `Cannot add to the table "${path}": ${cause.message}`, { cause });
  const info = await Deno.stat(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return null;
    throw unwritable(error);
  });
  if (info !== null && !info.isFile) throw unwritable(new Error("It is not a regular file"));
  await Deno.stat(dirname(path)).catch((error) => Promise.reject(unwritable(error)));
  return {
    async add(rows) {
      const before = await Deno.readTextFile(path).catch((error) => {
        if (error instanceof Deno.errors.NotFound) return "";
        throw unwritable(error);
      });
      const head = before === "" ? [ROW_HEAD] : [before.trimEnd()];
      await writeWhole(path, new TextEncoder().encode([...head, ...rows, ""].join("\n")));
    },
  };
}
