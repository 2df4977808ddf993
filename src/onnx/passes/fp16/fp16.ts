/** An f32 model becomes an fp16 model that says in each place which precision it means. */
import { TrtdError } from "../../../errors.ts";
import type { ModelProto } from "../../proto.ts";
import { quoted } from "../../quoted.ts";
import { type Choice, chooseSteps, keptOperators } from "./fp16_choice.ts";
import { inputsOf, rewrite } from "./fp16_rewrite.ts";
import { roomOf, type Value } from "./fp16_values.ts";
import { Names } from "../../graph/names.ts";
import type { Pass, PassResult } from "../pass.ts";
import { sortedGraph } from "../../graph/sorted_graph.ts";

export interface Fp16Options {
  /** Type of the model's own inputs and outputs; `fp16` also halves what crosses the bus to a GPU. @default "f32" */
  readonly io?: "f32" | "fp16";
}

/** Constants that a remark names. */
const NAMED_MAX = 5;

/**
 * Convert to mixed precision. Weighted operators and what stands between them compute in f16; what `KEPT` names, what
 * decodes boxes behind the last weighted operator, and what reads constants that f16 cannot hold stay in f32, with one
 * Cast for each value and direction. Nodes that compute in f16 already stay so. Run on its own result it changes
 * nothing.
 *
 * Counts: `nodes_converted`, `nodes_kept`, `constants_converted`, `elements_flushed` (other than zero that become zero),
 * `elements_out_of_range` (their constants stay in f32), `casts_added`, `casts_removed`.
 */
export const fp16Pass: Pass<Fp16Options> = {
  name: "fp16",
  version: 1,
  summary: "compute in fp16 where it does no harm, decode boxes in f32",

  run(model: ModelProto, options: Fp16Options = {}): PassResult {
    if (model.graph === undefined) throw new TrtdError("PASS_REFUSED", "The model has no graph");
    if (model.training_info.length > 0) {
      throw new TrtdError("PASS_REFUSED", "The model carries its training, whose weights would be of another type");
    }
    const io = options.io ?? "f32";
    const sorted = sortedGraph(model.graph);
    const root = roomOf(sorted);
    const choice = chooseSteps(root, new Set(io === "fp16" ? inputsOf(root) : []));
    const { graph, changed: rewritten, castsAdded, castsRemoved, halved } = rewrite(root, choice, {
      io,
      names: new Names(model),
    });
    const changed = rewritten || sorted !== model.graph;
    const flushed = halved.filter((value) => (choice.losses.get(value)?.flushed ?? 0) > 0);
    const outOfRange = [...choice.losses].filter(([, loss]) => loss.outOfRange > 0).map(([value]) => value);
    return {
      model: changed ? { ...model, graph } : model,
      report: {
        pass: "fp16",
        version: fp16Pass.version,
        changed,
        counts: {
          nodes_converted: choice.converted.size,
          nodes_kept: choice.kept.size,
          constants_converted: halved.length,
          elements_flushed: sumOf(flushed, (value) => choice.losses.get(value)!.flushed),
          elements_out_of_range: sumOf(outOfRange, (value) => choice.losses.get(value)!.outOfRange),
          casts_added: castsAdded,
          casts_removed: castsRemoved,
        },
        remarks: [
          ...(sorted === model.graph ? [] : ["The nodes were not in the order that ONNX demands; they are now"]),
          ...keptRemarks(choice),
          ...constantRemark(flushed, (list) => `Elements that are not zero become zero in ${list}`),
          ...constantRemark(
            outOfRange,
            (list) => `Elements are beyond f16, so that what reads them stays in f32: ${list}`,
          ),
        ],
      },
    };
  },
};

const sumOf = (values: readonly Value[], count: (value: Value) => number): number =>
  values.reduce((sum, value) => sum + count(value), 0);

function keptRemarks(choice: Choice): string[] {
  const remarks = [...keptOperators(choice)].map(([reason, { operators }]) => {
    const names = [...operators].map(([name, count]) => `${count} ${name}`).join(", ");
    return `In f32 stays ${names}: ${reason}`;
  });
  const because = [...choice.kept.values()];
  const [decode, alone, unknown] = (["decode", "alone", "unknown"] as const).map((reason) =>
    because.filter((one) => one === reason).length
  ) as [number, number, number];
  if (decode > 0) {
    remarks.push(
      `In f32 stays what decodes boxes (nodes: ${decode}): coordinates from 1,024 on would be whole pixels in f16`,
    );
  }
  if (unknown > 0) remarks.push(`In f32 stays what reads values of a type that nothing tells (nodes: ${unknown})`);
  if (alone > 0) remarks.push(`In f32 stays what has no f16 neighbour (nodes: ${alone})`);
  return remarks;
}

function constantRemark(values: readonly Value[], sentence: (list: string) => string): string[] {
  if (values.length === 0) return [];
  const named = values.slice(0, NAMED_MAX).map(({ name }) => quoted(name)).join(", ");
  const more = values.length > NAMED_MAX ? ` and ${values.length - NAMED_MAX} more` : "";
  return [sentence(named + more)];
}
