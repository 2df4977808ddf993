/** Puts one exporter's model through its plans and collects everything that is wrong. */

import { join } from "node:path";
import { Buffer } from "node:buffer";
import { detectHead } from "../../src/detect/heads/heads.ts";
import { TrtdError } from "../../src/errors.ts";
import { modelFacts } from "../../src/onnx/facts.ts";
import { knownOutputs } from "../../src/onnx/known_outputs.ts";
import type { PassReport } from "../../src/onnx/passes/pass.ts";
import type { ModelProto } from "../../src/onnx/proto.ts";
import { type OnnxModel, readModel } from "../../src/onnx/read.ts";
import { walk } from "../../src/onnx/graph/walk.ts";
import { writeModel } from "../../src/onnx/write.ts";
import type { Checker, Verdict } from "./checker.ts";
import type { Entry } from "./environment.ts";
import { type Plan, plansFor, type Step } from "./plans.ts";

/** `runPasses` of src/onnx/passes. */
export type RunPasses = (
  model: ModelProto,
  steps: readonly Step[],
) => { readonly model: ModelProto; readonly reports: readonly PassReport[] };

/** What came of one plan. */
export interface Outcome {
  readonly plan: string;
  readonly problems: readonly string[];
  /** Why a pass would not do it; null when it did. */
  readonly refused: string | null;
  readonly measured: Verdict["measured"];
  readonly reports: readonly PassReport[];
  /** Milliseconds that the passes took. */
  readonly passesMs: number;
}

/** What is needed besides the model. */
export interface JudgeContext {
  /** Folder of the exporters' models. */
  readonly folder: string;
  /** Folder for rewritten models. */
  readonly scratch: string;
  readonly checker: Checker;
  readonly runPasses: RunPasses;
}

/** The head's name as `trtd inspect` finds it, or the error's code. */
export function headOf(model: OnnxModel, file: string): string {
  try {
    const facts = modelFacts(model);
    return detectHead({ ...facts, outputs: knownOutputs(model, facts.outputs) }, { name: file, file }).name;
  } catch (error) {
    if (error instanceof TrtdError) return error.code;
    throw error;
  }
}

/** All plans of a model, in order. */
export async function judgeModel(entry: Entry, context: JudgeContext): Promise<Outcome[]> {
  const bytes = await Deno.readFile(join(context.folder, entry.file));
  const outcomes: Outcome[] = [];
  for (const plan of plansFor(entry, traitsOf(readModel(bytes)))) {
    outcomes.push(await judgePlan({ entry, bytes, plan }, context));
  }
  return outcomes;
}

function traitsOf(model: OnnxModel): { hasNms: boolean; hasSubgraphs: boolean } {
  let graphs = 0;
  walk("ModelProto", model, (...[type]) => {
    if (type === "GraphProto") graphs++;
  });
  return { hasNms: model.graph.node.some(({ op_type }) => op_type === "EfficientNMS_TRT"), hasSubgraphs: graphs > 1 };
}

interface Task {
  readonly entry: Entry;
  readonly bytes: Uint8Array;
  readonly plan: Plan;
}

async function judgePlan({ entry, bytes, plan }: Task, context: JudgeContext): Promise<Outcome> {
  const problems: string[] = [];
  const original = readModel(bytes);
  const before = writeModel(original);
  const outcome = (rest: Partial<Outcome>): Outcome => ({
    plan: plan.name,
    problems,
    refused: null,
    measured: {},
    reports: [],
    passesMs: 0,
    ...rest,
  });
  const started = performance.now();
  let made: ReturnType<RunPasses>;
  try {
    made = context.runPasses(original, plan.steps);
  } catch (error) {
    if (error instanceof TrtdError && error.code === "PASS_REFUSED") return outcome({ refused: error.message });
    problems.push(`threw ${error instanceof Error ? error.stack : error}`);
    return outcome({});
  }
  const passesMs = performance.now() - started;
  const { reports } = made;
  const result = writeModel(made.model);
  if (!isEqual(writeModel(original), before)) problems.push("changed the model that it was given");
  if (!isEqual(writeModel(context.runPasses(readModel(bytes), plan.steps).model), result)) {
    problems.push("wrote other bytes in a second run");
  }
  const changed = reports.some((report) => report.changed);
  if (!changed && made.model !== original) problems.push("made another object although it says that nothing changed");
  if (!changed && !isEqual(result, before)) problems.push("says that nothing changed, but the bytes did");
  let read: OnnxModel;
  try {
    read = readModel(result);
  } catch (error) {
    problems.push(`trtd itself refuses the result: ${error instanceof TrtdError ? error.message : error}`);
    return outcome({ reports, passesMs });
  }
  if (!isEqual(writeModel(read), result)) problems.push("is not written as it was read");
  problems.push(...idempotenceProblems(read, { plan, result, runPasses: context.runPasses }));
  if (plan.head !== null) {
    // Of an original that is not recognised rightly nothing better can be asked.
    const head = headOf(read, entry.file), was = headOf(readModel(bytes), entry.file);
    if (head !== plan.head && (head !== was || plan.head !== entry.head)) {
      problems.push(`is found to be "${head}" instead of "${plan.head}"`);
    }
  }
  const path = join(context.scratch, "result.onnx");
  await Deno.writeFile(path, result);
  const verdict = await context.checker.ask({
    original: join(context.folder, entry.file),
    result: path,
    batches: plan.batches,
    axes: entry.axes,
    compare: plan.compare,
    rows: plan.rows,
    one_by_one: plan.one_by_one,
    expect: plan.expect,
  });
  problems.push(...verdict.problems);
  return outcome({ reports, passesMs, measured: verdict.measured });
}

/** The last pass run on the result changes nothing, nor do all of them where none undoes another. */
function idempotenceProblems(
  read: OnnxModel,
  { plan, result, runPasses }: { plan: Plan; result: Uint8Array; runPasses: RunPasses },
): string[] {
  const undoing = plan.steps.some(({ pass }) => pass === "dynamic-batch" || pass === "nms-attach");
  const steps = undoing ? plan.steps.slice(-1) : plan.steps;
  try {
    const again = runPasses(read, steps);
    const busy = again.reports.filter((report) => report.changed);
    if (busy.length > 0) {
      return busy.map((report) => `"${report.pass}" changes its own result again: ${JSON.stringify(report.counts)}`);
    }
    return isEqual(writeModel(again.model), result) ? [] : ["other bytes when run on its own result"];
  } catch (error) {
    return [`cannot be run on its own result: ${error instanceof TrtdError ? error.message : error}`];
  }
}

const isEqual = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && Buffer.compare(one, other) === 0;
