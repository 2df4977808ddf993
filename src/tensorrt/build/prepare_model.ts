/** The model file that the build child parses: the given one, or what the plan's passes make of it. */
import { createHash } from "node:crypto";
import { TrtdError } from "../../errors.ts";
import type { PassReport } from "../../onnx/passes/pass.ts";
import { PASSES, runPasses } from "../../onnx/passes/passes.ts";
import { type OnnxModel, readModel } from "../../onnx/read.ts";
import { computePrecision } from "../plan/model_precision.ts";
import type { BuildPlan } from "../plan/plan.ts";
import type { PassStep } from "../plan/plan_passes.ts";
import { derivedPath, findDerived, withOrigin, writeDerived, writeModelFile } from "./derived_model.ts";

export interface PreparedModel {
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
  /** What each pass did, in order. */
  readonly reports: readonly PassReport[];
  /** Things to know, in sentences. */
  readonly remarks: readonly string[];
  /** Path of the fp16 model that is kept, null when there is none. */
  readonly derived: string | null;
}

export interface PrepareOptions {
  /** File that a rewritten model goes to; the caller removes it. */
  readonly part: string;
}

/** The version of a pass, as keys and records have it: `fp16@1`. */
export const passText = ({ pass }: Pick<PassStep, "pass">): string => `${pass}@${PASSES[pass].version}`;

/**
 * Runs the plan's passes over the model.
 * @param source the model's file, and the digest of what the plan was made from
 * @throws {TrtdError} `MODEL_LOAD_FAILED` when the file changed meanwhile, `PASS_REFUSED`, `FILE_UNREADABLE`,
 * `OUTPUT_UNWRITABLE`
 */
export async function prepareModel(
  source: { readonly path: string; readonly sha256: string; readonly bytes: number },
  plan: Pick<BuildPlan, "passes" | "precision">,
  { part }: PrepareOptions,
): Promise<PreparedModel> {
  const reports: PassReport[] = [];
  const remarks: string[] = [];
  if (plan.passes.length === 0) return { ...source, reports, remarks, derived: null };
  let model = await readUnchanged(source);
  let file: { path: string; sha256: string; bytes: number } | null = null;
  let derived: string | null = null;
  let rest = plan.passes;
  if (rest[0]!.pass === "fp16") {
    const path = derivedPath(source.path);
    const kept = await keepDerived(path, model, { sha256: source.sha256, pass: passText(rest[0]!) });
    ({ model } = kept);
    reports.push(...kept.reports);
    remarks.push(kept.remark);
    if (kept.file !== null) {
      derived = path;
      file = { path, ...kept.file };
    }
    rest = rest.slice(1);
  }
  if (rest.length > 0) {
    const result = runPasses(model, rest.map(({ pass }) => ({ pass })));
    reports.push(...result.reports);
    if (result.model !== model) file = null;
    model = result.model as OnnxModel;
  }
  const made = computePrecision(model);
  if (plan.passes[0]!.pass === "fp16" && made !== "fp16") {
    throw new TrtdError("PASS_REFUSED", `Most of "${source.path}" still computes in ${made} after the pass fp16`, {
      remedy: "Build with --precision f32, or give a model that was converted to fp16",
    });
  }
  return { ...file ?? await writePart(part, model), reports, remarks, derived };
}

async function readUnchanged({ path, sha256 }: { path: string; sha256: string }): Promise<OnnxModel> {
  const bytes = await Deno.readFile(path).catch((error) => {
    throw new TrtdError("FILE_UNREADABLE", `Cannot read "${path}": ${(error as Error).message}`, { cause: error });
  });
  if (createHash("sha256").update(bytes).digest("hex") !== sha256) {
    throw new TrtdError("MODEL_LOAD_FAILED", `"${path}" changed while its engine was to be built`, {
      remedy: "Build again",
    });
  }
  return readModel(bytes);
}

interface Kept {
  readonly model: OnnxModel;
  readonly reports: readonly PassReport[];
  readonly remark: string;
  /** What lies at the derived path, null when it could not be written there. */
  readonly file: { readonly sha256: string; readonly bytes: number } | null;
}

/** The fp16 model, from the file that was kept or made anew. */
async function keepDerived(
  path: string,
  source: OnnxModel,
  origin: { readonly sha256: string; readonly pass: string },
): Promise<Kept> {
  const there = await findDerived(path, origin);
  if (there.kind === "fits") {
    const { model, sha256, bytes } = there;
    const report: PassReport = {
      pass: "fp16",
      version: PASSES.fp16.version,
      changed: true,
      counts: {},
      remarks: [`Its result is taken from "${path}", which was made of the same model before`],
    };
    return { model, reports: [report], remark: `"${path}" is used again`, file: { sha256, bytes } };
  }
  const { model, reports } = runPasses(source, [{ pass: "fp16" }]);
  const named = withOrigin(model as OnnxModel, origin);
  if (there.kind === "foreign") {
    return { model: named, reports, remark: `"${path}" was not made by trtd and is left alone`, file: null };
  }
  try {
    const file = await writeDerived(path, named);
    const why = there.kind === "stale" ? `, in place of one that did not fit: ${there.why}` : "";
    return { model: named, reports, remark: `The fp16 model is kept as "${path}"${why}`, file };
  } catch (error) {
    const reason = (error as Error).message;
    return { model: named, reports, remark: `The fp16 model is not kept as "${path}": ${reason}`, file: null };
  }
}

async function writePart(part: string, model: OnnxModel): Promise<{ path: string; sha256: string; bytes: number }> {
  try {
    return { path: part, ...await writeModelFile(part, model, { sync: false }) };
  } catch (error) {
    throw new TrtdError(
      "OUTPUT_UNWRITABLE",
      `Cannot write the rewritten model "${part}": ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
}
