/**
 * Batches of frames in ordinary memory to boxes, with one run at once, for each way to copy frames into pinned memory; all
 * ways take turns in each round, and must find the same boxes. Prints one JSON value, see {@link CopyReport}.
 *
 *     deno run -A scripts/bench/gpu_copies.ts MODEL.onnx --models DIR --image FILE [--tensorrt DIR] [--rounds 7]
 *         [--window 150]
 *
 * `--image` is a picture of the model's input's size, `--window` the milliseconds of a way in a round.
 */
import assert from "node:assert/strict";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { median } from "../../src/bench/statistics.ts";
import { buildingEngines } from "../../src/cli/build/engine_settings.ts";
import type { CommandContext, Terminal } from "../../src/cli/command.ts";
import { mergeConfig } from "../../src/config/config.ts";
import type { Detector } from "../../src/detect/detector.ts";
import type { LoadedEngineFacts } from "../../src/detect/gpu/engine_settings.ts";
import { openDetector } from "../../src/detect/open.ts";
import { decodePicture } from "../../src/detect/picture/decode.ts";
import { TrtdError } from "../../src/errors.ts";
import { modelFromPath } from "../../src/models/registry.ts";
import type { Range } from "./gpu_goals.ts";
import { BATCH, COPY_WAYS, type CopyReport, type CopyWay } from "./gpu_copies_ways.ts";

const { values: flags, positionals: [model] } = parseArgs({
  allowPositionals: true,
  options: {
    models: { type: "string" },
    image: { type: "string" },
    tensorrt: { type: "string" },
    rounds: { type: "string", default: "7" },
    window: { type: "string", default: "150" },
  },
});
if (model === undefined || flags.models === undefined || flags.image === undefined) {
  console.error(
    "Usage: gpu_copies.ts MODEL.onnx --models DIR --image FILE [--tensorrt DIR] [--rounds N] [--window MS]",
  );
  Deno.exit(2);
}
const windowMs = Number(flags.window);

const terminal: Terminal = {
  cwd: Deno.cwd(),
  interactive: false,
  resolve: (path) => path,
  print: () => {},
  note: (text) => console.error(text),
};

/** A detector whose frames are copied in one of the ways, and what was loaded for it. */
async function open({ batch, copies }: CopyWay) {
  const settings = { backend: "tensorrt", precision: "fp16", verify: "off", batch: String(batch), contexts: "1" };
  const tensorrt: Record<string, string> = flags.tensorrt === undefined ? {} : { tensorrt: resolve(flags.tensorrt) };
  const given = { ...settings, ...tensorrt, models: resolve(flags.models!) };
  const { config } = mergeConfig({ environment: {}, flags: given });
  const context = { config, terminal } as CommandContext;
  let loaded: LoadedEngineFacts | undefined;
  const engines = {
    ...buildingEngines(context),
    tuning: { copies },
    onLoaded: (facts: LoadedEngineFacts) => loaded = facts,
  };
  const detector = await openDetector(await modelFromPath(resolve(model!)), { backend: "tensorrt", engines });
  return { detector, backend: loaded!.backend };
}

const { data, width, height } = await decodePicture(await Deno.readFile(resolve(flags.image)));

/** Frames that share nothing: in the caches they would be copied faster. */
const frames = Array.from({ length: BATCH }, () => ({ frame: { data: data.slice(), width, height } }));

async function runOf(detector: Detector, batch: number) {
  const answers = await detector.detectBatch(frames.slice(0, batch));
  return answers.map((answer) => {
    if (answer instanceof TrtdError) throw answer;
    return answer;
  });
}

interface Subject {
  readonly way: CopyWay;
  readonly detector: Detector;
  readonly rates: number[];
  readonly uploads: number[];
}

const subjects: Subject[] = [];
let bareMs = NaN, expected: unknown;
for (const way of COPY_WAYS) {
  const { detector, backend } = await open(way);
  if (way.batch === BATCH && Number.isNaN(bareMs)) {
    bareMs = median(await backend.bareTimes(BATCH, { runs: 100, graph: true, mode: "clock" }));
  }
  // Engines of two batches may round differently; of one batch they do not.
  const found = (await runOf(detector, way.batch)).map(({ detections }) => detections);
  if (subjects.at(-1)?.way.batch !== way.batch) expected = found;
  assert.deepEqual(found, expected, `"${way.id}" finds other boxes`);
  subjects.push({ way, detector, rates: [], uploads: [] });
}

for (let round = 0; round < Number(flags.rounds); round++) {
  // In every second round the other way round, so that a drift favours none.
  for (const { way, detector, rates, uploads } of round % 2 === 0 ? subjects : subjects.toReversed()) {
    await runOf(detector, way.batch);
    const begun = performance.now();
    let runs = 0;
    for (; performance.now() - begun < windowMs; runs++) {
      const [first] = await runOf(detector, way.batch);
      uploads.push(first!.timings_ms.preprocess);
    }
    rates.push(1000 * runs * way.batch / (performance.now() - begun));
  }
}

const rangeOf = (values: readonly number[]): Range => ({
  median: median(values),
  lowest: Math.min(...values),
  highest: Math.max(...values),
});

const ratesOf = (batch: number): readonly number[] => subjects.find(({ way }) => way.batch === batch)!.rates;

const report: CopyReport = {
  frame_bytes: data.length,
  bare_ms: bareMs,
  ways: subjects.map(({ way: { id, batch }, rates, uploads }) => ({
    id,
    pictures_per_s: rangeOf(rates),
    to_plain: rangeOf(rates.map((rate, round) => rate / ratesOf(batch)[round]!)),
    to_single: rangeOf(rates.map((rate, round) => rate / ratesOf(1)[round]!)),
    upload_ms: median(uploads),
  })),
};
console.log(JSON.stringify(report));
for (const { detector } of subjects) await detector.close();
Deno.exit(0);
