/** `trtd inspect`: what an ONNX model or an engine is and who can run it. */
import { basename, relative } from "node:path";
import { detectHead, type Head } from "../../detect/heads/heads.ts";
import { EXIT, TrtdError, trtdErrorFrom } from "../../errors.ts";
import { readModelFile } from "../../models/model_file.ts";
import { modelFromPath } from "../../models/registry.ts";
import { type Ability, modelAbilities } from "../../onnx/abilities.ts";
import { type FileDigests, fileDigests, modelFacts } from "../../onnx/facts.ts";
import { knownOutputs } from "../../onnx/known_outputs.ts";
import type { ModelFacts } from "../../onnx/model_facts.ts";
import { readModel } from "../../onnx/read.ts";
import { type Failure, failureOf } from "../answer.ts";
import type { CliCommand, CommandContext, Terminal } from "../command.ts";
import { discoverTensorRt } from "../../tensorrt/discovery/discovery.ts";
import { readPlanHeader } from "../../tensorrt/engine_file/plan_header.ts";
import { isEngineFile, type PlanInspection, planInspection } from "../../tensorrt/engine_file/plan_inspection.ts";
import { type Release, versionFromText } from "../../tensorrt/versions.ts";
import { engineText, inspectionText } from "./inspection_text.ts";
import { noteError } from "../note_error.ts";

/** The head that was found, or why none was. */
export type HeadFinding =
  | {
    readonly name: string;
    readonly classes: number | null;
    readonly labels: readonly string[];
    /** Height and width of the pictures, and the batch (null: dynamic). */
    readonly input: Head["input"];
  }
  | { readonly error: Failure };

/** One file's entry of `--json`. */
export interface Inspection extends FileDigests, ModelFacts {
  readonly file: string;
  readonly head: HeadFinding;
  readonly backends: readonly Ability[];
}

/** One engine's entry of `--json`. */
export interface EngineInspection extends FileDigests, PlanInspection {
  readonly file: string;
}

export const inspectCommand: CliCommand = {
  name: "inspect",
  summary: "Say what an ONNX model or an engine is and who can run it",

  configure(command) {
    command
      .argument("<FILE...>", "ONNX models and TensorRT engines")
      .option("--json", "Print one JSON value: an object for one file, a list for several");
  },

  async run({ args, flags, config, terminal }: CommandContext): Promise<number> {
    const asJson = flags["json"] === true;
    const entries: (Inspection | EngineInspection | { file: string; error: Failure })[] = [];
    const tensorrt = config.tensorrt === undefined ? undefined : terminal.resolve(config.tensorrt);
    let status: number = EXIT.fine;
    for (const file of args) {
      try {
        const inspection = await inspectFile(file, terminal, tensorrt);
        entries.push(inspection);
        const text = () => "kind" in inspection ? engineText(inspection) : inspectionText(inspection);
        if (!asJson) terminal.print((entries.length > 1 ? "\n" : "") + text());
      } catch (thrown) {
        const error = trtdErrorFrom(thrown);
        if (status === EXIT.fine) status = error.row.exit;
        entries.push({ file, error: failureOf(error) });
        noteError(error, terminal, file);
      }
    }
    if (asJson) terminal.print(JSON.stringify(args.length === 1 ? entries[0] : entries));
    return status;
  },
};

async function inspectFile(
  file: string,
  terminal: Terminal,
  tensorrt: string | undefined,
): Promise<Inspection | EngineInspection> {
  const path = terminal.resolve(file);
  const bytes = await readModelFile(path);
  if (isEngineFile(basename(path), bytes)) {
    const inspection = planInspection(readPlanHeader(bytes), installedReleases(tensorrt));
    return { file: shownPath(path, terminal.cwd), ...fileDigests(bytes), ...inspection };
  }
  const model = readModel(bytes);
  const facts = modelFacts(model);
  return {
    file: shownPath(path, terminal.cwd),
    ...fileDigests(bytes),
    ...facts,
    head: await headFinding(path, { ...facts, outputs: knownOutputs(model, facts.outputs) }),
    backends: modelAbilities(facts),
  };
}

/** TensorRTs of this machine by their files; nothing is loaded. */
function installedReleases(named: string | undefined): Release[] {
  return discoverTensorRt(named).libraries.flatMap(({ product, version_by_name: name, problem }) => {
    const version = versionFromText(name ?? "");
    return version === null || problem !== null ? [] : [{ product, version }];
  });
}

async function headFinding(path: string, facts: ModelFacts): Promise<HeadFinding> {
  try {
    const { manifest } = await modelFromPath(path);
    const { name, classes, labels, input } = detectHead(facts, manifest);
    return { name, classes, labels, input };
  } catch (thrown) {
    if (thrown instanceof TrtdError) return { error: failureOf(thrown) };
    throw thrown;
  }
}

function shownPath(path: string, cwd: string): string {
  const short = relative(cwd, path);
  return short.startsWith("..") ? path : short;
}
