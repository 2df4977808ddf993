/** `trtd build-engine`: a TensorRT engine from an ONNX model, or the reason why there is none. */
import { openCache } from "../../cache/configured_cache.ts";
import type { TrtdError } from "../../errors.ts";
import { plainText } from "../../onnx/quoted.ts";
import { TIME_LIMIT_MS } from "../../tensorrt/build/build_engine.ts";
import { BuildFailure } from "../../tensorrt/build/build_failure.ts";
import { type ObtainedEngine, retriesText } from "../../tensorrt/build/obtain_engine.ts";
import { LoadFailure } from "../../tensorrt/load/load_failure.ts";
import { PRODUCT_NAMES } from "../../tensorrt/versions.ts";
import { answer, failureOf } from "../answer.ts";
import type { CliCommand, CommandContext, Terminal } from "../command.ts";
import { addBuildFlags, numberFrom, planRequest } from "./build_request.ts";
import { obtainShown } from "./obtain_shown.ts";

export const buildEngineCommand: CliCommand = {
  name: "build-engine",
  summary: "Build a TensorRT engine from an ONNX model, unless the cache has it",

  configure(command) {
    addBuildFlags(command.argument("<MODEL.onnx>", "ONNX file, name or source of a model"));
    command
      .option("--rebuild", "Build even when the cache has the engine")
      .option("--time-limit <SECONDS>", `End a build that takes longer; default: ${TIME_LIMIT_MS / 1000}`)
      .option("--json", "Print one JSON value");
  },

  run(context): Promise<number> {
    const work = async () => {
      try {
        return await obtain(context);
      } catch (thrown) {
        tellErrors(thrown, context.terminal);
        throw thrown;
      }
    };
    return answer(context, { work, text: textFrom, json: answerFrom, failure: failureFrom });
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

async function obtain(context: CommandContext): Promise<ObtainedEngine> {
  const { flags, config, terminal } = context;
  const limits = { key: "timeLimit", flag: "--time-limit", low: 1, high: 604_800 };
  const timeLimitMs = (numberFrom(flags, limits) ?? TIME_LIMIT_MS / 1000) * 1000;
  const planned = await planRequest(context);
  const cache = await openCache(config, terminal);
  return await obtainShown(planned, cache, { config, terminal, timeLimitMs, rebuild: flags["rebuild"] === true });
}

/** The contract of `build-engine --json`. */
function answerFrom({ cache, missedBecause, place, facts, engine, durationS }: ObtainedEngine) {
  return {
    engine: place.engine,
    metadata: place.metadata,
    cache,
    missed_because: missedBecause,
    tensorrt: { product: facts.tensorrt.product, version: facts.tensorrt.version },
    targets: facts.targets,
    precision: facts.precision,
    batch: facts.batch,
    duration_s: durationS,
    report: {
      outcome: "built",
      bytes: engine.bytes,
      sha256: engine.sha256,
      layers: facts.layers,
      inputs: facts.inputs,
      outputs: facts.outputs,
      library: facts.library,
      built_at: facts.built_at,
      build_s: facts.duration_s,
      timings_ms: facts.timings_ms,
      passes: facts.passes,
      rewritten: facts.rewritten,
      retries: facts.retries,
      forecast: facts.forecast,
      loaded: facts.loaded,
      remarks: facts.remarks,
      log: place.log,
    },
  };
}

function failureFrom(error: TrtdError) {
  const failed = error instanceof BuildFailure
    ? { log: error.log, end: error.end, explanation: error.explanation }
    : error instanceof LoadFailure
    ? { end: error.end, explanation: error.explanation }
    : {};
  return { error: failureOf(error), ...failed };
}

function textFrom({ cache, place, facts, engine, durationS }: ObtainedEngine): string {
  const { tensorrt, precision, batch, targets, retries } = facts;
  const how = cache === "hit"
    ? `from the cache in ${durationS.toFixed(2)} s, built ${facts.built_at}`
    : `built in ${facts.duration_s.toFixed(1)} s`;
  return [
    place.engine,
    `  ${PRODUCT_NAMES[tensorrt.product]} ${tensorrt.version}, ${precision}, batch ${batch}, for ${targets.join(", ")}`,
    `  ${(engine.bytes / 1e6).toFixed(1)} MB, ${facts.layers} layers, ${how}`,
    ...retries.length === 0
      ? []
      : [`  with ${retriesText(retries)}, because memory ran out; --rebuild tries all of it`],
    `  ${loadedText(facts)}`,
  ].join("\n");
}

function loadedText({ loaded }: Pick<ObtainedEngine["facts"], "loaded">): string {
  if (loaded === null) {
    return "Head and digest were checked; it was not loaded, because it is not for a GPU of this machine";
  }
  const times = Object.entries(loaded.timings_ms).map(([step, ms]) =>
    `${step.replaceAll("_", " ")} ${Math.round(ms)} ms`
  );
  return `Loaded on the GPU: ${times.join(", ")}`;
}
