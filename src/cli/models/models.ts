/** `trtd models`: what is in the folder of models. */
import { createHash } from "node:crypto";
import { openCache } from "../../cache/configured_cache.ts";
import { type ListedEngine, listRoot } from "../../cache/inventory.ts";
import { detectHead } from "../../detect/heads/heads.ts";
import { EXIT, trtdErrorFrom } from "../../errors.ts";
import type { Manifest, Model } from "../../models/model.ts";
import { readModelFile } from "../../models/model_file.ts";
import { listModels } from "../../models/registry.ts";
import { modelFacts } from "../../onnx/facts.ts";
import { knownOutputs } from "../../onnx/known_outputs.ts";
import { plainText } from "../../onnx/quoted.ts";
import { readModel } from "../../onnx/read.ts";
import type { CliCommand, CommandContext } from "../command.ts";
import { megabytes } from "./download_bar.ts";

interface Problem {
  readonly code: string;
  readonly detail: string;
}

/** One entry of `models --json`; what could not be found out is null, and `problem` says why. */
interface ListedModel {
  readonly name: string;
  readonly file: string | null;
  readonly bytes: number | null;
  readonly sha256: string | null;
  readonly head: string | null;
  readonly input: { readonly width: number; readonly height: number; readonly batch: number | null } | null;
  readonly labels: readonly string[] | null;
  readonly engines: readonly { readonly engine: string; readonly where: string; readonly bytes: number }[];
  readonly source: Model["manifest"]["source"] | null;
  readonly problem: Problem | null;
}

export const modelsCommand: CliCommand = {
  name: "models",
  summary: "List the models: file, head, labels, engines in the cache, and where they came from",

  configure(command) {
    command.option("--json", "Print one JSON value");
  },

  async run(context): Promise<number> {
    const listed = await list(context);
    if (context.flags["json"] === true) context.terminal.print(JSON.stringify(listed));
    else for (const one of listed) context.terminal.print(textOf(one));
    return EXIT.fine;
  },
};

async function list({ config, terminal }: CommandContext): Promise<ListedModel[]> {
  const bad: ListedModel[] = [];
  const models = await listModels(terminal.resolve(config.models), (name, { code, message }) => {
    bad.push({ ...UNKNOWN, name, problem: { code, detail: message } });
  });
  const cache = await openCache(config, terminal);
  const found = (await Promise.all(cache.roots.map((root) => listRoot(root, cache.keeper.judge)))).flat();
  const engines = found.filter((one): one is ListedEngine => one.kind === "engine" && one.problem === null);
  const good: ListedModel[] = [];
  for (const model of models) good.push(await describe(model, engines));
  return [...good, ...bad].sort((a, b) => a.name < b.name ? -1 : 1);
}

const UNKNOWN = {
  file: null,
  bytes: null,
  sha256: null,
  head: null,
  input: null,
  labels: null,
  engines: [],
  source: null,
} as const;

async function describe(model: Model, engines: readonly ListedEngine[]): Promise<ListedModel> {
  const { name, path, manifest } = model;
  const base = { ...UNKNOWN, name, file: path, source: manifest.source ?? null };
  try {
    const bytes = await readModelFile(path);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const mine = engines.filter(({ entry }) => entry?.key["model_sha256"] === sha256)
      .map(({ engine, where, bytes }) => ({ engine, where, bytes }));
    const known = { ...base, bytes: bytes.length, sha256, engines: mine };
    try {
      return { ...known, ...detectorOf(bytes, manifest), problem: null };
    } catch (thrown) {
      return { ...known, problem: problemOf(thrown) };
    }
  } catch (thrown) {
    return { ...base, problem: problemOf(thrown) };
  }
}

function detectorOf(bytes: Uint8Array, manifest: Manifest): Pick<ListedModel, "head" | "input" | "labels"> {
  const read = readModel(bytes);
  const facts = modelFacts(read);
  const { name, input, labels } = detectHead({ ...facts, outputs: knownOutputs(read, facts.outputs) }, manifest);
  return { head: name, input: { width: input.width, height: input.height, batch: input.batch }, labels };
}

const problemOf = (thrown: unknown): Problem => {
  const { code, message } = trtdErrorFrom(thrown);
  return { code, detail: message };
};

function textOf({ name, file, bytes, sha256, head, input, labels, engines, source, problem }: ListedModel): string {
  const size = bytes === null ? "" : `  ${megabytes(bytes)}`;
  const shape = input === null ? "" : `, ${input.width}x${input.height}, batch ${input.batch ?? "any"}`;
  return [
    `${name}${size}`,
    ...(file === null ? [] : [`  ${file}`]),
    ...(sha256 === null ? [] : [`  SHA-256 ${sha256}`]),
    ...(head === null ? [] : [`  ${head}${shape}, ${labels?.length ?? 0} classes`]),
    ...(source === null || source === undefined ? [] : [`  from ${source.uri}, ${source.fetched_at}`]),
    ...engines.map(({ where, bytes }) => `  engine ${where}, ${megabytes(bytes)}`),
    ...(problem === null ? [] : [`  ${problem.code}: ${problem.detail}`]),
  ].map(plainText).join("\n");
}
