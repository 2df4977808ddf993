/** `trtd bench`: how fast it is, side by side with a Python service on the same machine. */
import { join } from "node:path";
import { cpus } from "node:os";
import { usableCores } from "../backends/onnxruntime.ts";
import { prepareBaseline } from "../bench/baseline.ts";
import { compare } from "../bench/compare.ts";
import { photo720p } from "../bench/photo.ts";
import { rowsFrom, tableFrom } from "../bench/report.ts";
import { detectHead } from "../detect/heads/heads.ts";
import { EXIT, TrtdError } from "../errors.ts";
import { fileFailure } from "../models/model_file.ts";
import { bundledPhoto, findModel } from "../models/registry.ts";
import { modelFacts } from "../onnx/facts.ts";
import { readModel } from "../onnx/read.ts";
import type { CliCommand, CommandContext } from "./command.ts";

export const benchCommand: CliCommand = {
  name: "bench",
  summary: "Measure speed, side by side with a Python service",

  configure(command) {
    command
      .option("--image <FILE>", "JPEG that is sent as it is; default: a bundled photo at 1280x720")
      .option("--rounds <N>", "Rounds, 3 to 100; everything is measured once a round", "7")
      .option("--requests <N>", "Requests of one client in a round, 5 to 1000", "20")
      .option("--clients <N>", "Clients at once, 1 to 256", "8")
      .option("--no-baseline", "Leave the Python service out")
      .option("--wait-for-idle", "Before each measurement wait until the rest of the machine is idle")
      .option("--json", "Print one JSON value instead of a table");
  },

  async run({ flags, config, terminal }: CommandContext): Promise<number> {
    const rounds = integer(flags["rounds"], "rounds", [3, 100]);
    const requests = integer(flags["requests"], "requests", [5, 1000]);
    const clients = integer(flags["clients"], "clients", [1, 256]);
    const threads = config.threads ?? usableCores();
    const note = (text: string) => terminal.note(`bench: ${text}`);

    const model = await findModel(config.model[0]!, terminal.resolve(config.models), terminal.cwd);
    const facts = modelFacts(readModel(await read(model.path)));
    const head = detectHead(facts, model.manifest);
    const image = typeof flags["image"] === "string" ? flags["image"] : undefined;
    const jpeg = image === undefined
      ? await photo720p(await read(bundledPhoto()))
      : await read(terminal.resolve(image));
    const noBaseline = flags["baseline"] === false
      ? "it was left out"
      : head.name !== "yolov8" || head.input.type !== "float32"
      ? `it takes raw YOLOv8 outputs and f32 only, the model's head is "${head.name}"`
      : await prepareBaseline(note);
    if (noBaseline !== null) note(`no baseline: ${noBaseline}`);

    const loadBefore = Deno.loadavg()[0];
    const compiled = Deno.build.standalone ? null : join(import.meta.dirname!, "..", "..", "dist", "trtd");
    const { measures, agreement } = await compare({
      model: model.path,
      input: head.input,
      jpeg,
      threads,
      score: config.score ?? model.manifest.score ?? 0.25,
      iou: config.iou ?? model.manifest.iou ?? 0.45,
      rounds,
      requests,
      clients,
      throughputMs: 3000,
      baseline: noBaseline === null,
      compiled: compiled !== null && await isFile(compiled) ? compiled : null,
      serveFlags: ["--backend", "onnxruntime"],
      waitForIdle: flags["waitForIdle"] === true,
      note,
    });
    const rows = rowsFrom(measures);
    const machine = {
      cpu: cpus()[0]?.model ?? "unknown",
      cores: usableCores(),
      os: Deno.build.os,
      arch: Deno.build.arch,
      deno: Deno.version.deno,
      load_before: loadBefore,
      load_after: Deno.loadavg()[0],
    };
    const run = { model: model.name, threads, rounds, requests, clients, jpeg_bytes: jpeg.length };
    if (flags["json"] === true) {
      terminal.print(JSON.stringify({ machine, run, no_baseline: noBaseline, agreement, measures: rows }));
      return EXIT.fine;
    }
    terminal.print(
      `${machine.cpu}, ${machine.cores} cores, ${machine.os} ${machine.arch}, Deno ${machine.deno}\n` +
        `model ${model.name}, ${threads} threads, a JPEG of ${jpeg.length} bytes, ${rounds} rounds, ${clients} clients`,
    );
    if (agreement !== null) {
      const [ours, theirs] = agreement.found;
      terminal.print(`found: trtd ${ours}, baseline ${theirs}, the same ${agreement.matched}`);
    }
    terminal.print(`\n${tableFrom(rows)}`);
    return EXIT.fine;
  },
};

function integer(value: unknown, name: string, [min, max]: readonly [number, number]): number {
  const number = Number(value);
  if (Number.isInteger(number) && number >= min && number <= max) return number;
  throw new TrtdError("USAGE", `--${name} must be an integer from ${min} to ${max}, current value is "${value}"`);
}

const read = (path: string): Promise<Uint8Array> =>
  Deno.readFile(path).catch((error) => Promise.reject(fileFailure(path, error)));

const isFile = (path: string): Promise<boolean> => Deno.stat(path).then((info) => info.isFile, () => false);
