/**
 * All goals for speed on a GPU in one command: stages and throughput of two YOLOv8 layouts with random weights beside the
 * bare engine, JPEG to boxes beside a Python program, and the start of a process. Needs a GPU, a TensorRT, and for the
 * comparison a Python with TensorRT-RTX's bindings, PyTorch and OpenCV.
 *
 *     deno run -A scripts/bench/gpu.ts [--tensorrt DIR] [--work DIR] [--python python3] [--site DIR] [--only PART,...]
 *         [--seconds 240] [--report ROWS.md] [--out FILE.json]
 *
 * `--site` is a folder of Python packages (the bindings), `--work` keeps models, engines and caches for the next time,
 * `--report` gets rows for docs/performance.md. Each part runs in a process of its own with a time limit of its own, and
 * fails alone; what is known is written to `--out` after each, the table beside it as Markdown. The exit status is 0 when all goals are met, 1 when one is missed or was not measured.
 */
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { median } from "../../src/bench/statistics.ts";
import { bundledPhoto } from "../../src/models/registry.ts";
import { loadSharp } from "../../src/native/sharp.ts";
import type { CopyReport } from "./gpu_copies_ways.ts";
import { goalRows, goalTable, type GpuFigures, type Range, type StartFigures } from "./gpu_goals.ts";
import { runProcess } from "./gpu_process.ts";

const ROOT = resolve(import.meta.dirname!, "../..");
const MAIN = join(ROOT, "src/main.ts");

const { values: flags } = parseArgs({
  options: {
    tensorrt: { type: "string" },
    work: { type: "string" },
    python: { type: "string", default: "python3" },
    site: { type: "string" },
    only: { type: "string" },
    seconds: { type: "string", default: "240" },
    report: { type: "string" },
    out: { type: "string" },
  },
});

const begun = performance.now();
const work = resolve(flags.work ?? await Deno.makeTempDir({ prefix: "trtd-gpu-" }));
const models = join(work, "models");
await Deno.mkdir(models, { recursive: true });

const MODELS = { s: "640x1152", n: "640x640" } as const;
type ModelKey = keyof typeof MODELS;
const fileOf = (key: ModelKey): string => join(work, `yolov8${key}.onnx`);
const frameOf = (key: ModelKey): string => join(work, `frame-${key}.jpg`);

const deno = (args: readonly string[]): string[] => [Deno.execPath(), "run", "--quiet", "-A", "--cached-only", ...args];

/** What both `bench` and `detect` are told. */
const onGpu = (key: ModelKey): string[] => [
  ...["--model", fileOf(key), "--models", models, "--backend", "tensorrt", "--precision", "fp16", "--verify", "off"],
  ...flags.tensorrt === undefined ? [] : ["--tensorrt", resolve(flags.tensorrt)],
];

/** The models, and for each a photo of its input's size. */
async function makeModels(limitS: number): Promise<null> {
  const sharp = await loadSharp();
  const photo = await Deno.readFile(bundledPhoto());
  for (const [key, size] of Object.entries(MODELS)) {
    const command = deno([join(ROOT, "scripts/bench/make_yolov8.ts"), key, size, fileOf(key as ModelKey)]);
    await runProcess(command, { limitS });
    const [height, width] = size.split("x").map(Number);
    const frame = sharp(photo).resize(width, height, { fit: "cover" }).jpeg({ quality: 90 });
    await Deno.writeFile(frameOf(key as ModelKey), new Uint8Array(await frame.toBuffer()));
  }
  return null;
}

async function bench(key: ModelKey, args: readonly string[], limitS: number) {
  const { out } = await runProcess(deno([MAIN, "bench", ...onGpu(key), "--json", ...args]), { limitS });
  return JSON.parse(out);
}

const stages = (key: ModelKey) => async (limitS: number) => {
  const rows = flags.report === undefined ? [] : ["--report", resolve(flags.report)];
  const sizes = ["--batches", "1,8,16", "--lanes", "1,4", "--rounds", "5", "--window", "250"];
  return await bench(key, ["--image", frameOf(key), ...sizes, ...rows], limitS);
};

const beside = (key: ModelKey) => async (limitS: number) => {
  const libraries = flags.tensorrt === undefined ? [] : ["--libraries", await librariesIn(resolve(flags.tensorrt))];
  const site = flags.site === undefined ? [] : ["env", `PYTHONPATH=${resolve(flags.site)}`];
  const command = [
    ...[...site, flags.python, join(ROOT, "scripts/bench/gpu_baseline.py"), "{engine}", "--jpeg", "{jpeg}"],
    ...libraries,
  ].join(" ");
  const sizes = ["--batches", "1", "--lanes", "1", "--rounds", "5", "--window", "250"];
  return await bench(key, [...sizes, "--against", command], limitS);
};

/** The folder of the core library: `--tensorrt` may name a folder above it, or the library. */
async function librariesIn(path: string): Promise<string> {
  const { isFile } = await Deno.stat(path);
  if (isFile) return dirname(path);
  for (const folder of [path, join(path, "lib"), join(path, "tensorrt_rtx_libs")]) {
    if (await Deno.stat(join(folder, "libtensorrt_rtx.so.1")).then(() => true, () => false)) return folder;
  }
  return path;
}

const WARM_STARTS = 5;
const COLD_STARTS = 2;

async function starts(limitS: number): Promise<StartFigures> {
  const command = deno([MAIN, "detect", bundledPhoto(), ...onGpu("s")]);
  const start = async (env: Record<string, string> = {}) => {
    const { firstOutputMs } = await runProcess(command, { limitS, env });
    return firstOutputMs / 1000;
  };
  await start();
  const warm: number[] = [];
  for (let i = 0; i < WARM_STARTS; i++) warm.push(await start());
  const cold: number[] = [];
  for (let i = 0; i < COLD_STARTS; i++) {
    await Deno.remove(join(models, "trt", ".runtime"), { recursive: true }).catch(() => {});
    // The driver keeps what it compiles in a cache of its own.
    cold.push(await start({ CUDA_CACHE_DISABLE: "1" }));
  }
  return { warm_s: rangeOf(warm), cold_s: rangeOf(cold) };
}

/** All ways to copy frames into pinned memory, in turns. */
async function copies(limitS: number): Promise<CopyReport> {
  const tensorrt = flags.tensorrt === undefined ? [] : ["--tensorrt", resolve(flags.tensorrt)];
  const where = ["--models", models, "--image", frameOf("s"), ...tensorrt];
  const { out } = await runProcess(deno([join(ROOT, "scripts/bench/gpu_copies.ts"), fileOf("s"), ...where]), {
    limitS,
  });
  return JSON.parse(out);
}

const rangeOf = (values: readonly number[]): Range => ({
  median: median(values),
  lowest: Math.min(...values),
  highest: Math.max(...values),
});

/** In order of weight: what the time does not reach is left out. */
const PARTS = {
  models: { limitS: 40, run: makeModels },
  "stages-s": { limitS: 90, run: stages("s") },
  copies: { limitS: 75, run: copies },
  "stages-n": { limitS: 90, run: stages("n") },
  "python-s": { limitS: 75, run: beside("s") },
  start: { limitS: 45, run: starts },
  "python-n": { limitS: 75, run: beside("n") },
} as const;

interface PartReport {
  readonly seconds: number;
  readonly error: string | null;
  // deno-lint-ignore no-explicit-any
  readonly answer: any;
}

const wanted = flags.only?.split(",") ?? Object.keys(PARTS);
const unknown = wanted.filter((name) => !(name in PARTS));
if (unknown.length > 0) {
  console.error(`There is no part "${unknown.join(", ")}"; there are ${Object.keys(PARTS).join(", ")}`);
  Deno.exit(2);
}

const parts: Record<string, PartReport> = {};

function goalsNow() {
  const figuresOf = (key: ModelKey) => ({
    stages: parts[`stages-${key}`]?.answer?.subjects[0] ?? null,
    beside: parts[`python-${key}`]?.answer?.subjects[0] ?? null,
    rival: parts[`python-${key}`]?.answer?.rival ?? null,
  });
  const figures: GpuFigures = {
    s: figuresOf("s"),
    n: figuresOf("n"),
    start: parts["start"]?.answer ?? null,
    copies: parts["copies"]?.answer ?? null,
  };
  return goalRows(figures);
}

const secondsNow = () => Math.round((performance.now() - begun) / 1000);

function tableNow(): string {
  const failed = Object.entries(parts).flatMap(([name, { error }]) => error === null ? [] : [`${name}: ${error}`]);
  return `${goalTable(goalsNow())}\n\n${secondsNow()} s${failed.length === 0 ? "" : `. Failed: ${failed.join("; ")}`}`;
}

async function keep(): Promise<void> {
  if (flags.out === undefined) return;
  const report = { date: new Date().toISOString(), seconds: secondsNow(), goals: goalsNow(), parts };
  await Deno.writeTextFile(flags.out, JSON.stringify(report) + "\n");
  await Deno.writeTextFile(flags.out.replace(/(\.json)?$/, ".md"), `${tableNow()}\n`);
}

for (const [name, { limitS, run }] of Object.entries(PARTS)) {
  if (!wanted.includes(name)) continue;
  const start = performance.now();
  const leftS = Number(flags.seconds) - (start - begun) / 1000;
  const report = (error: string | null, answer: unknown = null): PartReport => ({
    seconds: Math.round((performance.now() - start) / 100) / 10,
    error,
    answer,
  });
  parts[name] = leftS < 5
    ? report("There was no time left")
    : await run(Math.min(limitS, leftS)).then((answer) => report(null, answer), (error) =>
      report(String(error.message)));
  const { seconds, error } = parts[name];
  console.error(`${name}: ${seconds} s${error === null ? "" : `, FAILED: ${error}`}`);
  await keep();
}
console.log(tableNow());
const goals = goalsNow();
if (flags.work === undefined) await Deno.remove(work, { recursive: true });
Deno.exit(goals.every(({ goal, met }) => goal === null || met === true) ? 0 : 1);
