/** Which nodes the fp16 pass converts. */
import { DATA_TYPE, type TensorProto } from "../../proto.ts";
import { elementCount } from "../../element_types.ts";
import { type HalfLoss, halfLoss } from "./fp16_constants.ts";
import { fitnessOf, isChooser, isF32Input, isIndifferent, reasonFor } from "./fp16_operators.ts";
import { allRooms, isFloat, type Read, type Room, type Step, type Value } from "./fp16_values.ts";
import { attribute, isOperator } from "../../graph/graph_index.ts";

/** Why a node that computes in f32 keeps doing so, in the order in which reasons are looked for. */
export type KeptBecause =
  /** The operator's own reason, see `KEPT`. */
  | "operator"
  /** It reads a value whose type nothing tells. */
  | "unknown"
  /** A constant that it reads cannot be f16. */
  | "constant"
  /** It stands between the last weighted operator and an output or a choice of boxes. */
  | "decode"
  /** It is cheap and none of its neighbours is converted. */
  | "alone";

export interface Choice {
  readonly converted: ReadonlySet<Step>;
  readonly kept: ReadonlyMap<Step, KeptBecause>;
  /** What f16 does to the constants that are read by a node which might be converted. */
  readonly losses: ReadonlyMap<Value, HalfLoss>;
}

/** Whether a node computes in f32: some float that it reads or makes, other than what must be f32, is one. */
function isSingle({ node, reads, makes }: Step): boolean {
  if (isIndifferent(node)) return false;
  return reads.some((read, at) => read?.type === DATA_TYPE.FLOAT && !isF32Input(node, at)) ||
    makes.some((value) => value?.type === DATA_TYPE.FLOAT);
}

/** Types that an image may have before the graph makes numbers of it; f16 holds all their values. */
const EXACT_TYPES: readonly number[] = [DATA_TYPE.UINT8, DATA_TYPE.INT8, DATA_TYPE.BOOL];

const isPictureCast = ({ node, reads }: Step): boolean =>
  isOperator(node, "Cast") && attribute(node, "to")?.i === BigInt(DATA_TYPE.FLOAT) &&
  EXACT_TYPES.includes(reads[0]?.type ?? 0);

/**
 * Decide about every node of a graph and the graphs within. Given a converted model, nothing is left to convert.
 * @param halfInputs values that will be f16 before any node is
 */
export function chooseSteps(root: Room, halfInputs: ReadonlySet<Value>): Choice {
  const rooms = [...allRooms(root)];
  const steps = rooms.flatMap((room) => room.steps);
  const single = new Set(steps.filter(isSingle));
  const kept = new Map<Step, KeptBecause>();
  const losses = new Map<Value, HalfLoss>();
  for (const step of single) {
    if (fitnessOf(step.node) === "kept" && !isPictureCast(step)) kept.set(step, "operator");
    else if (step.reads.some((read) => read !== null && read.type === undefined)) kept.set(step, "unknown");
    else if (spoilsConstants(step, losses)) kept.set(step, "constant");
  }
  for (const step of decodeSteps(rooms, single)) if (!kept.has(step)) kept.set(step, "decode");
  const isHalf = (step: Step) => single.has(step) ? isWeighted(step) && !kept.has(step) : isHalfAlready(step);
  const outputs = new Set(rooms.flatMap((room) => room.graph.output.map(({ name = "" }) => room.find(name))));
  const inner = steps.filter(({ makes }) => !makes.some((value) => value !== null && outputs.has(value)));
  const moved = movedHalves(inner, kept, isHalf, halfInputs);
  for (const step of moved) kept.delete(step);
  for (const step of loneSteps(single, kept, (step) => moved.has(step) || isHalf(step), halfInputs)) {
    kept.set(step, "alone");
  }
  return { converted: new Set([...single].filter((step) => !kept.has(step))), kept, losses };
}

/** Floats among the reads that a conversion would change. */
const floatReads = ({ node, reads }: Step): Read[] =>
  reads.filter((read, at): read is Read => isFloat(read?.type) && !isF32Input(node, at));

function spoilsConstants(step: Step, losses: Map<Value, HalfLoss>): boolean {
  let spoils = false;
  const isWeighted = fitnessOf(step.node) === "weighted";
  for (const { value } of floatReads(step)) {
    if (value.tensor === null || value.type !== DATA_TYPE.FLOAT) continue;
    const loss = losses.get(value) ?? halfLoss(value.tensor);
    losses.set(value, loss);
    // A few weights of next to nothing do no harm; an epsilon that vanishes does.
    const vanishes = !isWeighted && loss.flushed > 0 && loss.flushed + loss.zeros === loss.elements;
    if (loss.outOfRange > 0 || vanishes) spoils = true;
  }
  return spoils;
}

/** Nodes from the last weighted ones to the outputs of each graph and to the operators that choose boxes. */
function decodeSteps(rooms: readonly Room[], single: ReadonlySet<Step>): Set<Step> {
  const found = new Set<Step>();
  const waiting: Step[] = [];
  const enter = (step: Step | null | undefined) => {
    if (!step || found.has(step) || !single.has(step) || (isWeighted(step) && !isProjection(step))) return;
    found.add(step);
    waiting.push(step);
  };
  for (const room of rooms) {
    for (const output of room.graph.output) enter(room.outputValue(output)?.maker);
    for (const step of room.steps) if (isChooser(step.node)) enter(step);
  }
  for (let step = waiting.pop(); step !== undefined; step = waiting.pop()) {
    for (const { value } of floatReads(step)) enter(value.maker);
  }
  return found;
}

const isWeighted = ({ node }: Step): boolean => fitnessOf(node) === "weighted";

/** Bins of a distance: 16 in YOLOv8 and its successors, 33 in D-FINE. */
const PROJECTION_ELEMENTS_MAX = 64;
/** Operators that hand on what they read, in another order or shape. */
const MOVERS = new Set("Concat Flatten Identity Reshape Slice Split Squeeze Transpose Unsqueeze".split(" "));

/** Nodes of the decoding that only move numbers which were f16 already: moving them as f16 loses nothing. */
function movedHalves(
  steps: readonly Step[],
  kept: ReadonlyMap<Step, KeptBecause>,
  isHalf: (step: Step) => boolean,
  halfInputs: ReadonlySet<Value>,
): Set<Step> {
  const moved = new Set<Step>();
  const isHalfValue = (value: Value): boolean => {
    const { type, maker } = value;
    if (type === DATA_TYPE.FLOAT16 || halfInputs.has(value)) return true;
    return maker !== null && (moved.has(maker) || isHalf(maker));
  };
  for (const step of steps) {
    if (kept.get(step) !== "decode" || !MOVERS.has(step.node.op_type ?? "")) continue;
    if (floatReads(step).every(({ value }) => isHalfValue(value))) moved.add(step);
  }
  return moved;
}

/** Whether a weighted node only takes the mean of the bins of a distance, weighted by a Softmax. */
function isProjection(step: Step): boolean {
  const weights = step.reads.slice(0, 2).find((read) => read?.value.tensor)?.value.tensor as TensorProto | undefined;
  if (weights === undefined || elementCount(weights.dims) > PROJECTION_ELEMENTS_MAX) return false;
  let maker = step.reads[0]?.value.maker;
  while (maker && MOVERS.has(maker.node.op_type ?? "")) maker = maker.reads[0]?.value.maker;
  return maker?.node.op_type === "Softmax";
}

/** Groups of cheap nodes that touch no node which will be f16: their casts would cost more than they save. */
function loneSteps(
  single: ReadonlySet<Step>,
  kept: ReadonlyMap<Step, KeptBecause>,
  isHalf: (step: Step) => boolean,
  halfInputs: ReadonlySet<Value>,
): Step[] {
  const isFree = (step: Step) => single.has(step) && !kept.has(step) && !isHalf(step);
  const seen = new Set<Step>();
  const lone: Step[] = [];
  for (const start of single) {
    if (!isFree(start) || seen.has(start)) continue;
    const group: Step[] = [start];
    seen.add(start);
    let touches = false;
    for (let at = 0; at < group.length; at++) {
      const step = group[at]!;
      touches ||= floatReads(step).some(({ value }) => value.type === DATA_TYPE.FLOAT16 || halfInputs.has(value));
      for (const near of neighbours(step)) {
        if (isHalf(near)) touches = true;
        if (!isFree(near) || seen.has(near)) continue;
        seen.add(near);
        group.push(near);
      }
    }
    if (!touches) lone.push(...group);
  }
  return lone;
}

const isHalfAlready = ({ node, makes }: Step): boolean =>
  !isIndifferent(node) && makes.some((value) => value?.type === DATA_TYPE.FLOAT16);

function* neighbours(step: Step): Generator<Step> {
  for (const { value } of floatReads(step)) if (value.maker !== null) yield value.maker;
  for (const value of step.makes) {
    if (value === null || !isFloat(value.type)) continue;
    for (const { step: reader, at } of value.readers) if (!isF32Input(reader.node, at)) yield reader;
  }
}

/** How many nodes stay in f32, by operator, for those whose operator is the reason. */
export function keptOperators({ kept }: Choice): Map<string, { operators: Map<string, number> }> {
  const byReason = new Map<string, { operators: Map<string, number> }>();
  for (const [{ node }, because] of kept) {
    if (because !== "operator") continue;
    const row = byReason.get(reasonFor(node)) ?? { operators: new Map() };
    byReason.set(reasonFor(node), row);
    const name = node.op_type ?? "";
    row.operators.set(name, (row.operators.get(name) ?? 0) + 1);
  }
  return byReason;
}
