/** What is done to each model, and what must then hold. */

import type { PassName } from "../../src/onnx/passes/pass.ts";
import type { Expectations, Question } from "./checker.ts";
import type { Entry } from "./environment.ts";

export interface Step {
  readonly pass: PassName;
  readonly options?: unknown;
}

/** Passes in order and what their result is compared with. */
export interface Plan extends Pick<Question, "batches" | "compare" | "rows" | "one_by_one"> {
  /** For people: the passes' names. */
  readonly name: string;
  readonly steps: readonly Step[];
  readonly expect: Expectations;
  /** Row of src/detect/heads that the result must be found to be; null when it need not be a detector. */
  readonly head: string | null;
}

/** Facts of a model that decide which passes it goes through. */
export interface Traits {
  readonly hasNms: boolean;
  /** Subgraphs may still ask for shapes. */
  readonly hasSubgraphs: boolean;
}

/** Heads whose rows come out of TopK. */
const SORTED_HEADS = ["end_to_end", "rtdetr", "rtdetr_selected", "dfine"];
/** Batches that a model with a free batch is run at. */
const BATCHES = [1, 3];
const BAKED_BATCH = 2;

/** The plans that fit a model, those of `excused` left out. */
export function plansFor(entry: Entry, { hasNms, hasSubgraphs }: Traits): Plan[] {
  const batches = entry.batch === null ? BATCHES : [entry.batch];
  const isFixed = entry.batch !== null && Object.keys(entry.axes).length === 0 && !hasSubgraphs;
  const split = hasNms ? "cut_nms" : entry.head;
  const rows = entry.head !== null && SORTED_HEADS.includes(entry.head);
  const plan = (steps: readonly (PassName | Step)[], rest: Partial<Plan> = {}): Plan => {
    const full = steps.map((step) => typeof step === "string" ? { pass: step } : step);
    return {
      name: full.map(({ pass }) => pass).join(", "),
      steps: full,
      batches,
      compare: "identical",
      rows,
      one_by_one: false,
      head: entry.head,
      ...rest,
      expect: { nms: hasNms, ...rest.expect },
    };
  };
  const folded = { no_shape: isFixed, no_dead: true };
  const plans = [
    plan(["int32"], { expect: { within_int32: true } }),
    plan(["fold"], { expect: folded }),
    plan(["fold", "int32"], { expect: { ...folded, within_int32: true } }),
    plan(["fp16"], { compare: "half", expect: { half: true } }),
  ];
  if (hasNms) {
    plans.push(
      plan(["nms-split"], { head: split, expect: { nms: false } }),
      plan(["nms-split", "nms-attach"], { expect: { same_nms: true } }),
      plan(["fold", "nms-split", "int32", "fp16"], {
        head: split,
        compare: "half",
        expect: { nms: false, within_int32: true, half: true },
      }),
    );
  } else {
    plans.push(
      plan(["fold", "int32", "fp16"], { compare: "half", expect: { within_int32: true, half: true } }),
    );
    if (entry.head === "boxes_scores") {
      plans.push(plan(["nms-attach"], { head: "efficient_nms", expect: { nms: true } }));
    }
  }
  // Shapes are not followed through If and Loop.
  const declares = (batch: number | null): Expectations => hasSubgraphs ? {} : { batch };
  const bake: Step = { pass: "static-batch", options: { batch: BAKED_BATCH } };
  if (entry.batch === null) {
    plans.push(
      plan([bake], { batches: [BAKED_BATCH], expect: declares(BAKED_BATCH) }),
      plan([bake, "fold"], { batches: [BAKED_BATCH], expect: { ...declares(BAKED_BATCH), no_dead: true } }),
      plan([bake, "dynamic-batch"], { expect: declares(null) }),
    );
  } else if (entry.batch === 1) {
    plans.push(
      plan(["dynamic-batch"], { batches: BATCHES, one_by_one: true, expect: declares(null) }),
      plan(["dynamic-batch", bake, "fold"], {
        batches: [BAKED_BATCH],
        one_by_one: true,
        expect: { ...declares(BAKED_BATCH), no_dead: true },
      }),
    );
  }
  return plans.filter(({ steps }) => steps.every(({ pass }) => entry.excused[pass] === undefined));
}
