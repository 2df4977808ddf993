/** All passes by name, and how several run one after the other. */
import type { ModelProto } from "../proto.ts";
import { dynamicBatchPass } from "./batch/dynamic_batch.ts";
import { foldPass } from "./fold.ts";
import { type Fp16Options, fp16Pass } from "./fp16/fp16.ts";
import { int32Pass } from "./int32/int32.ts";
import { type NmsAttachOptions, nmsAttachPass } from "./nms/nms_attach.ts";
import { nmsSplitPass } from "./nms/nms_split.ts";
import type { Pass, PassName, PassReport } from "./pass.ts";
import { type StaticBatchOptions, staticBatchPass } from "./batch/static_batch.ts";

/** Options that a pass takes; all of them have defaults. */
export interface PassOptions {
  readonly "int32": Record<never, never>;
  readonly "fp16": Fp16Options;
  readonly "nms-split": Record<never, never>;
  readonly "nms-attach": NmsAttachOptions;
  readonly "static-batch": StaticBatchOptions;
  readonly "dynamic-batch": Record<never, never>;
  readonly "fold": Record<never, never>;
}

export const PASSES: { readonly [Name in PassName]: Pass<PassOptions[Name]> } = {
  "int32": int32Pass,
  "fp16": fp16Pass,
  "nms-split": nmsSplitPass,
  "nms-attach": nmsAttachPass,
  "static-batch": staticBatchPass,
  "dynamic-batch": dynamicBatchPass,
  "fold": foldPass,
};

/** One pass of a sequence. */
export interface PassRun {
  readonly pass: PassName;
  /** Those of the pass, see {@link PassOptions}. @default the pass's own */
  readonly options?: unknown;
}

export interface PassesResult {
  /** The given model itself when no pass changed it. */
  readonly model: ModelProto;
  /** One for each pass, in order. */
  readonly reports: PassReport[];
}

/**
 * Run passes one after the other. The given model is not changed.
 * @throws {TrtdError} `PASS_REFUSED`, and `USAGE` for options out of range
 */
export function runPasses(model: ModelProto, steps: readonly PassRun[]): PassesResult {
  const reports: PassReport[] = [];
  for (const { pass, options } of steps) {
    const result = (PASSES[pass] as Pass<unknown>).run(model, options);
    model = result.model;
    reports.push(result.report);
  }
  return { model, reports };
}
