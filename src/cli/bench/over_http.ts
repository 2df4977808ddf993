/** `trtd bench --over-http`: `trtd serve` side by side with a Python service on the same machine (docs/speed.md). */
import { join } from "node:path";
import { usableCores } from "../../backends/onnxruntime.ts";
import { prepareBaseline } from "../../bench/over_http/baseline.ts";
import { compare } from "../../bench/over_http/compare.ts";
import { rowsFrom, tableFrom } from "../../bench/over_http/report.ts";
import { machineFacts } from "../../bench/stages/machine.ts";
import { detectHead } from "../../detect/heads/heads.ts";
import { TrtdError } from "../../errors.ts";
import { newKey } from "../../http/access/api_keys.ts";
import { readModelFile } from "../../models/model_file.ts";
import { modelFacts } from "../../onnx/facts.ts";
import { readModel } from "../../onnx/read.ts";
import type { CommandContext } from "../command.ts";
import { abortOnSignals } from "../interrupt.ts";
import { findOrPull, oneModel } from "../models/find_or_pull.ts";
import { integerFlag, jpegOf } from "./bench_flags.ts";

/** @throws {TrtdError} `USAGE`; those of the model and of the services */
export async function benchOverHttp(context: CommandContext): Promise<void> {
  const { flags, config, terminal } = context;
  const rounds = integerFlag(flags, "rounds", [3, 100]);
  const requests = integerFlag(flags, "requests", [5, 1000]);
  const clients = integerFlag(flags, "clients", [1, 256]);
  if (flags["report"] !== undefined) {
    throw new TrtdError("USAGE", "--report is about the stages and does not go with --over-http");
  }
  const threads = config.threads ?? usableCores();
  const note = (text: string) => terminal.note(`bench: ${text}`);

  const model = await findOrPull(oneModel("bench", config), { config, terminal });
  const facts = modelFacts(readModel(await readModelFile(model.path)));
  const head = detectHead(facts, model.manifest);
  const jpeg = await jpegOf(context);
  const noBaseline = flags["baseline"] === false
    ? "it was left out"
    : head.name !== "yolov8" || head.input.type !== "float32"
    ? `it takes raw YOLOv8 outputs and f32 only, the model's head is "${head.name}"`
    : await prepareBaseline(note);
  if (noBaseline !== null) note(`no baseline: ${noBaseline}`);

  const loadBefore = Deno.loadavg()[0]!;
  const compiled = Deno.build.standalone ? null : join(import.meta.dirname!, "..", "..", "..", "dist", "trtd");
  using interrupt = abortOnSignals("benchmark");
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
    apiKey: keyFor(config),
    signal: interrupt.signal,
    waitForIdle: flags["waitForIdle"] === true,
    note,
  }).catch((error) => {
    interrupt.signal.throwIfAborted();
    throw error;
  });
  const rows = rowsFrom(measures);
  const machine = await machineFacts(loadBefore);
  const run = { model: model.name, threads, rounds, requests, clients, jpeg_bytes: jpeg.length };
  if (flags["json"] === true) {
    terminal.print(JSON.stringify({ machine, run, no_baseline: noBaseline, agreement, measures: rows }));
    return;
  }
  terminal.print(
    `${machine.name}, ${machine.cores} cores, ${machine.os} ${machine.arch}, Deno ${machine.deno}\n` +
      `model ${model.name}, ${threads} threads, a JPEG of ${jpeg.length} bytes, ${rounds} rounds, ${clients} clients`,
  );
  if (agreement !== null) {
    const [ours, theirs] = agreement.found;
    terminal.print(`found: trtd ${ours}, baseline ${theirs}, the same ${agreement.matched}`);
  }
  terminal.print(`\n${tableFrom(rows)}`);
}

/** The key for a server with these settings; where it may have only digests of keys, or trusts networks, a new one. */
function keyFor({ api_key, api_keys_file, http_trusted_networks }: CommandContext["config"]): string | null {
  if (api_key !== undefined) return api_key;
  return api_keys_file === undefined && http_trusted_networks.length === 0 ? null : newKey();
}

const isFile = (path: string): Promise<boolean> => Deno.stat(path).then((info) => info.isFile, () => false);
