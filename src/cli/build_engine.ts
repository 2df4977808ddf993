/** `trtd build-engine`: a TensorRT engine from an ONNX model, or the reason why there is none. */
import { Option } from "commander";
import { EXIT, TrtdError, trtdErrorFrom } from "../errors.ts";
import { readModelFile } from "../models/model_file.ts";
import { findModel } from "../models/registry.ts";
import { fileDigests, modelFacts } from "../onnx/facts.ts";
import { plainText } from "../onnx/quoted.ts";
import { readModel } from "../onnx/read.ts";
import { buildEngine, type BuildResult, TIME_LIMIT_MS } from "../tensorrt/build/build_engine.ts";
import { BuildFailure } from "../tensorrt/build/build_failure.ts";
import type { EnginePlace } from "../tensorrt/build/engine_place.ts";
import { computePrecision } from "../tensorrt/plan/model_precision.ts";
import { type BuildWishes, planBuild } from "../tensorrt/plan/plan.ts";
import { TACTIC_SOURCES } from "../tensorrt/plan/plan_options.ts";
import { PRODUCT_NAMES } from "../tensorrt/versions.ts";
import { findMachine } from "./build_machine.ts";
import { type BuildBar, buildBar, secondsText } from "./build_progress.ts";
import type { CliCommand, CommandContext, Terminal } from "./command.ts";
import { noteError } from "./note_error.ts";

/** Warnings of TensorRT that the terminal shows; all are in the log. */
const WARNINGS_SHOWN = 20;

export const buildEngineCommand: CliCommand = {
  name: "build-engine",
  summary: "Build a TensorRT engine from an ONNX model",

  configure(command) {
    command
      .argument("<MODEL.onnx>", "ONNX file, or the name of a model")
      .addOption(
        new Option("--precision <NAME>", "f32 or fp16; default: the model's own").choices(["f32", "fp16"]),
      )
      .option("--batch <N>", "Size of the first axis where it is dynamic")
      .option("--min <SHAPES>", "Smallest shapes of dynamic inputs, such as images:1x3x640x640")
      .option("--opt <SHAPES>", "Shapes to tune for")
      .option("--max <SHAPES>", "Largest shapes")
      .option("--targets <LIST>", "GPUs to build for: current, or with TensorRT-RTX such as 75,80,86,89,120")
      .option("--workspace <MB>", "Scratch memory for layers in MiB; default: all of the GPU's")
      .option("--optimization-level <N>", "0 (quick build) to 5 (quick engine); default: 3")
      .addOption(
        new Option("--hardware-compatibility <LEVEL>", "none, ampere (and later) or same (compute capability)")
          .choices(["none", "ampere", "same"]),
      )
      .option("--version-compatible", "Let later releases of TensorRT run the engine")
      .option("--timing-cache <FILE>", "Timings of tactics to begin with, and to add to")
      .option("--dla-core <N>", "Run on this DLA core of a Jetson, the rest on the GPU")
      .option("--tactic-sources <LIST>", `Libraries to take kernels from: ${Object.keys(TACTIC_SOURCES).join(", ")}`)
      .option("--time-limit <SECONDS>", `End a build that takes longer; default: ${TIME_LIMIT_MS / 1000}`)
      .option("--force", "Try a pair of TensorRT and GPU that is known not to work")
      .option("--json", "Print one JSON value");
  },

  async run(context): Promise<number> {
    const asJson = context.flags["json"] === true;
    try {
      const result = await build(context);
      context.terminal.print(asJson ? JSON.stringify(answerFrom(result)) : textFrom(result));
      return EXIT.fine;
    } catch (thrown) {
      tellErrors(thrown, context.terminal);
      if (!asJson) throw thrown;
      const error = trtdErrorFrom(thrown);
      context.terminal.print(JSON.stringify(failureFrom(error)));
      noteError(error, context.terminal);
      return error.row.exit;
    }
  },
};

/** The last errors of a failure that the catalogue does not have. */
function tellErrors(thrown: unknown, terminal: Pick<Terminal, "note">): void {
  if (!(thrown instanceof BuildFailure) || thrown.explanation === null || thrown.explanation.known) return;
  const { errors } = thrown.explanation;
  if (errors.length < 2) return;
  terminal.note("trtd: TensorRT's last errors:");
  for (const error of errors) terminal.note(`  ${plainText(error)}`);
}

async function build({ args, flags, config, terminal }: CommandContext): Promise<BuildResult> {
  const wishes = wishesFrom(flags, terminal);
  const timeLimitMs = (numberFrom(flags, "timeLimit", "--time-limit", 1, 604_800) ?? TIME_LIMIT_MS / 1000) * 1000;
  const modelsDir = terminal.resolve(config.models);
  const { name, path } = await findModel(args[0]!, modelsDir, terminal.cwd);
  const bytes = await readModelFile(path);
  const model = readModel(bytes);
  const { machine, shim, cudaRuntime, reason } = await findMachine({
    tensorrt: config.tensorrt === undefined ? undefined : terminal.resolve(config.tensorrt),
    device: config.device,
    targets: wishes.targets,
    force: wishes.force === true,
  });
  const plan = planBuild({ facts: modelFacts(model), precision: computePrecision(model) }, machine, wishes);

  terminal.note(`trtd: ${reason}`);
  for (const remark of plan.remarks) terminal.note(`trtd: ${plainText(remark)}`);
  const bar = buildBar(terminal);
  const warnings = new Warnings(bar, terminal);
  const interrupt = new AbortController();
  const onSignal = () => interrupt.abort();
  for (const signal of SIGNALS) Deno.addSignalListener(signal, onSignal);
  try {
    return await buildEngine(
      { name, model: { path, ...fileDigests(bytes) }, plan, machine, cudaRuntime, modelsDir, shim },
      {
        timeLimitMs,
        signal: interrupt.signal,
        onStart: (expectedS, place) => {
          terminal.note(startText(name, place, expectedS));
          bar.start(expectedS);
        },
        onStage: (stage) => bar.update({ phase: stage, fraction: 0 }),
        onProgress: (progress) => bar.update(progress),
        onWarning: (line) => warnings.tell(line),
      },
    );
  } finally {
    for (const signal of SIGNALS) Deno.removeSignalListener(signal, onSignal);
    bar.stop();
    warnings.end();
  }
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

class Warnings {
  #count = 0;

  constructor(private readonly bar: BuildBar, private readonly terminal: Pick<Terminal, "note">) {}

  /** Shows a line of the log without its time. */
  tell(line: string): void {
    if (this.#count++ >= WARNINGS_SHOWN) return;
    this.bar.pause(() => this.terminal.note(plainText(line.replace(/^\S+ /, ""))));
  }

  end(): void {
    const more = this.#count - WARNINGS_SHOWN;
    if (more > 0) this.terminal.note(`trtd: ${more} more warnings and errors are in the log`);
  }
}

function startText(name: string, { log }: EnginePlace, expectedS: number | null): string {
  const time = expectedS === null ? "" : `, which took ${secondsText(expectedS)} before`;
  return `trtd: Building the engine of "${plainText(name)}"${time}. TensorRT's log: ${log}`;
}

function wishesFrom(flags: Readonly<Record<string, unknown>>, terminal: Terminal): BuildWishes {
  const text = (key: string) => typeof flags[key] === "string" ? flags[key] : undefined;
  const timingCache = text("timingCache");
  const given: { [K in keyof BuildWishes]: BuildWishes[K] | undefined } = {
    precision: text("precision") as BuildWishes["precision"],
    batch: numberFrom(flags, "batch", "--batch", 1, 65_536),
    min: text("min"),
    opt: text("opt"),
    max: text("max"),
    targets: text("targets"),
    workspaceMb: numberFrom(flags, "workspace", "--workspace", 1, 1_048_576),
    optimizationLevel: numberFrom(flags, "optimizationLevel", "--optimization-level", 0, 5),
    hardwareCompatibility: text("hardwareCompatibility") as BuildWishes["hardwareCompatibility"],
    versionCompatible: flags["versionCompatible"] === true ? true : undefined,
    timingCache: timingCache === undefined ? undefined : terminal.resolve(timingCache),
    dlaCore: numberFrom(flags, "dlaCore", "--dla-core", 0, 15),
    tacticSources: text("tacticSources"),
    force: flags["force"] === true ? true : undefined,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as BuildWishes;
}

/** @throws {TrtdError} `USAGE` */
function numberFrom(
  flags: Readonly<Record<string, unknown>>,
  key: string,
  flag: string,
  low: number,
  high: number,
): number | undefined {
  const text = flags[key];
  if (typeof text !== "string") return undefined;
  const number = /^\d{1,9}$/.test(text.trim()) ? Number(text) : NaN;
  if (!(number >= low && number <= high)) {
    throw new TrtdError("USAGE", `${flag} is "${text}", but must be a whole number from ${low} to ${high}`);
  }
  return number;
}

/** The contract of `build-engine --json`. */
function answerFrom({ place, metadata, report }: BuildResult) {
  return {
    engine: place.engine,
    metadata: place.metadata,
    cache: "built",
    missed_because: [],
    tensorrt: { product: metadata.tensorrt.product, version: metadata.tensorrt.version },
    targets: metadata.targets,
    precision: metadata.precision,
    batch: metadata.batch,
    duration_s: metadata.duration_s,
    report: { ...report, log: place.log },
  };
}

function failureFrom(error: TrtdError) {
  const { code, message, remedy } = error;
  const failed = error instanceof BuildFailure
    ? { log: error.log, end: error.end, explanation: error.explanation }
    : {};
  return { error: { code, detail: message, remedy }, ...failed };
}

function textFrom({ place, metadata, report }: BuildResult): string {
  const { tensorrt, precision, batch, targets, duration_s: duration, engine } = metadata;
  return [
    place.engine,
    `  ${PRODUCT_NAMES[tensorrt.product]} ${tensorrt.version}, ${precision}, batch ${batch}, for ${targets.join(", ")}`,
    `  ${(engine.bytes / 1e6).toFixed(1)} MB, ${report.layers} layers, built in ${duration.toFixed(1)} s`,
  ].join("\n");
}
