/** `trtd convert`: passes over an ONNX model, into another file. */
import { basename, dirname } from "node:path";
import { Option } from "commander";
import { TrtdError } from "../errors.ts";
import { readModelFile } from "../models/model_file.ts";
import { fileDigests } from "../onnx/facts.ts";
import { RAW_LAYOUTS } from "../onnx/passes/nms/nms_layout.ts";
import { PASS_NAMES, type PassName, type PassReport } from "../onnx/passes/pass.ts";
import { PASSES, type PassOptions, type PassRun, runPasses } from "../onnx/passes/passes.ts";
import type { ModelProto } from "../onnx/proto.ts";
import { plainText } from "../onnx/quoted.ts";
import { readModel } from "../onnx/read.ts";
import { modelChunks } from "../onnx/write.ts";
import { answer } from "./answer.ts";
import type { CliCommand, CommandContext } from "./command.ts";
import { nearestOf } from "../nearest.ts";
import { findOrPull } from "./models/find_or_pull.ts";
import { abortOnSignals } from "./interrupt.ts";

/** What `--json` prints. */
interface Conversion {
  readonly input: string;
  readonly output: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Whether any pass changed the model; the output is written in any case. */
  readonly changed: boolean;
  readonly reports: readonly PassReport[];
}

type Flags = Readonly<Record<string, unknown>>;

/** A flag that sets an option of one pass. */
interface PassFlag {
  readonly pass: PassName;
  /** By which commander knows the flag. */
  readonly key: string;
  readonly option: Option;
  /** The option that the flag's value makes. */
  readonly read: (value: unknown) => Record<string, unknown>;
}

const option = (flags: string, help: string, choices?: readonly string[]): Option => {
  const made = new Option(flags, help);
  return choices === undefined ? made : made.choices(choices);
};

const numeric = (name: keyof PassOptions["nms-attach"] | keyof PassOptions["static-batch"], flag: string) => {
  return (value: unknown): Record<string, unknown> => {
    const text = String(value);
    if (!/^\d+(\.\d+)?$/.test(text)) {
      throw new TrtdError("USAGE", `${flag} takes a number, current value is "${text}"`);
    }
    return { [name]: Number(text) };
  };
};

const PASS_FLAGS: readonly PassFlag[] = [
  {
    pass: "fp16",
    key: "io",
    option: option("--io <TYPE>", "fp16: type of inputs and outputs; default: f32, as they are", ["f32", "fp16"]),
    read: (io) => ({ io }),
  },
  {
    pass: "static-batch",
    key: "batch",
    option: option("--batch <N>", "static-batch: pictures in each run; default: 1"),
    read: numeric("batch", "--batch"),
  },
  {
    pass: "nms-attach",
    key: "scoreThreshold",
    option: option("--score-threshold <N>", "nms-attach: lowest score, 0 to 1; default: 0.25"),
    read: numeric("scoreThreshold", "--score-threshold"),
  },
  {
    pass: "nms-attach",
    key: "iouThreshold",
    option: option("--iou-threshold <N>", "nms-attach: IoU that drops the weaker box; default: 0.45"),
    read: numeric("iouThreshold", "--iou-threshold"),
  },
  {
    pass: "nms-attach",
    key: "maxBoxes",
    option: option("--max-boxes <N>", "nms-attach: most boxes of a picture, 1 to 5000; default: 100"),
    read: numeric("maxOutputBoxes", "--max-boxes"),
  },
  {
    pass: "nms-attach",
    key: "boxCoding",
    option: option("--box-coding <NAME>", "nms-attach: how boxes are written; default: what the layout says", [
      "corners",
      "center-size",
    ]),
    read: (coding) => ({ boxCoding: coding === "corners" ? "corners" : "center_size" }),
  },
  {
    pass: "nms-attach",
    key: "classAgnostic",
    option: option("--class-agnostic", "nms-attach: a box drops boxes of other classes too"),
    read: () => ({ classAgnostic: true }),
  },
  {
    pass: "nms-attach",
    key: "layout",
    option: option("--layout <NAME>", "nms-attach: layout of the raw outputs; default: found from shapes", RAW_LAYOUTS),
    read: (layout) => ({ layout }),
  },
];

export const convertCommand: CliCommand = {
  name: "convert",
  summary: "Rewrite an ONNX model by passes into another file",

  configure(command) {
    command
      .argument("<MODEL.onnx>", "ONNX file, name or source of a model")
      .requiredOption(
        "--pass <NAMES>",
        "Passes in the order in which they run, such as fp16 or nms-split,int32",
        (names: string, before: string | undefined) => before === undefined ? names : `${before},${names}`,
      )
      .requiredOption("-o, --output <OUT.onnx>", "File to write")
      .option("--json", "Print one JSON value");
    for (const { option } of PASS_FLAGS) command.addOption(option);
    const width = Math.max(...PASS_NAMES.map((name) => name.length));
    const list = PASS_NAMES.map((name) => `  ${name.padEnd(width)}  ${PASSES[name].summary}`);
    command.addHelpText("after", `\nPasses:\n${list.join("\n")}`);
  },

  run(context): Promise<number> {
    return answer(context, { work: () => convert(context), text: textOf, json: (conversion) => conversion });
  },
};

async function convert(context: CommandContext): Promise<Conversion> {
  const { args, flags, terminal } = context;
  const steps = stepsFrom(flags);
  const output = terminal.resolve(flags["output"] as string);
  const { path } = await findOrPull(args[0]!, context);
  await refuseSameFile(path, output);
  const original = readModel(await readModelFile(path));
  const { model, reports } = runPasses(original, steps);
  return { input: path, output, ...await writeChecked(output, model), changed: model !== original, reports };
}

/** The passes that the flags ask for. */
function stepsFrom(flags: Flags): PassRun[] {
  const names = String(flags["pass"]).split(",").map((name) => name.trim());
  for (const name of names) if (!isPassName(name)) throw unknownPass(name);
  const given = PASS_FLAGS.filter(({ key }) => flags[key] !== undefined);
  for (const { pass, option } of given) {
    if (names.includes(pass)) continue;
    throw new TrtdError("USAGE", `${option.long} belongs to the pass "${pass}", which --pass does not name`);
  }
  return (names as PassName[]).map((pass) => ({
    pass,
    options: Object.assign({}, ...given.filter((one) => one.pass === pass).map(({ key, read }) => read(flags[key]))),
  }));
}

const isPassName = (name: string): name is PassName => (PASS_NAMES as readonly string[]).includes(name);

function unknownPass(name: string): TrtdError {
  const nearest = nearestOf(name, PASS_NAMES);
  const hint = nearest === undefined ? "" : `; "${nearest}" is near`;
  return new TrtdError("USAGE", `There is no pass "${name}"${hint}`, {
    remedy: `Name one of ${PASS_NAMES.join(", ")}`,
  });
}

async function refuseSameFile(input: string, output: string): Promise<void> {
  const existing = await Deno.realPath(output).catch(() => output);
  if (existing !== await Deno.realPath(input)) return;
  throw new TrtdError("OUTPUT_UNWRITABLE", `The result would overwrite the model "${input}" that it is made from`, {
    remedy: "Name another file with -o",
  });
}

/**
 * Write a model under a temporary name, read it again as any other model, and only then give it its name.
 * @throws {TrtdError} `OUTPUT_UNWRITABLE`, `INTERRUPTED`, `INTERNAL` when a pass made what the reader refuses; nothing is left behind
 */
async function writeChecked(path: string, model: ModelProto): Promise<{ bytes: number; sha256: string }> {
  const part = `${path}.${crypto.randomUUID()}.part`;
  using interrupt = abortOnSignals("conversion");
  try {
    await writeChunks(part, modelChunks(model), interrupt.signal);
    const written = await Deno.readFile(part);
    try {
      readModel(written);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new TrtdError("INTERNAL", `The rewritten model is refused by trtd's own reader: ${reason}`, { cause });
    }
    interrupt.signal.throwIfAborted();
    await Deno.rename(part, path);
    await syncFolder(dirname(path));
    const { bytes, sha256 } = fileDigests(written);
    return { bytes, sha256 };
  } catch (thrown) {
    await Deno.remove(part).catch(() => {});
    if (thrown instanceof TrtdError) throw thrown;
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new TrtdError("OUTPUT_UNWRITABLE", `Cannot write "${path}": ${reason}`, { cause: thrown });
  }
}

async function writeChunks(path: string, chunks: readonly Uint8Array[], signal: AbortSignal): Promise<void> {
  using file = await Deno.open(path, { write: true, createNew: true });
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length;) {
      signal.throwIfAborted();
      at += await file.write(chunk.subarray(at));
    }
  }
  await file.sync();
}

/** So that the new name outlives a loss of power. */
async function syncFolder(path: string): Promise<void> {
  using folder = await Deno.open(path);
  await folder.sync();
}

function textOf({ output, bytes, reports }: Conversion): string {
  const lines = reports.flatMap(({ pass, changed, counts, remarks }) => [
    `${pass}: ${changed ? countsText(counts) : "nothing to change"}`,
    ...remarks.map((remark) => `  ${plainText(remark)}`),
  ]);
  return [...lines, `${basename(output)}: ${(bytes / 1e6).toFixed(1)} MB written to ${output}`].join("\n");
}

const countsText = (counts: PassReport["counts"]): string =>
  Object.entries(counts).filter(([, count]) => count > 0).map(([name, count]) =>
    `${name.replaceAll("_", " ")} ${count}`
  )
    .join(", ") || "changed";
