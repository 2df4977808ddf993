/** What every pass over a model looks like: a pure function with a name, a version and a report. */
import type { ModelProto } from "../proto.ts";

export const PASS_NAMES = [
  "int32",
  "fp16",
  "nms-split",
  "nms-attach",
  "static-batch",
  "dynamic-batch",
  "fold",
] as const;

export type PassName = typeof PASS_NAMES[number];

/** What a pass did. */
export interface PassReport {
  readonly pass: PassName;
  /** Of the pass, see {@link Pass.version}. */
  readonly version: number;
  readonly changed: boolean;
  /** How many of what, such as `{ constants_cast: 12, constants_clamped: 2 }`. */
  readonly counts: Readonly<Record<string, number>>;
  /** Things to know, in sentences: what was clamped, kept or lost. */
  readonly remarks: readonly string[];
}

export interface PassResult {
  /** The given model itself when nothing changed. */
  readonly model: ModelProto;
  readonly report: PassReport;
}

/** A pass. It never changes the model that it is given, and shares the tensors that it leaves alone. */
export interface Pass<Options = Record<never, never>> {
  readonly name: PassName;
  /** Rises with every change of what the pass makes: it is part of the key of cached engines. */
  readonly version: number;
  /** One line for `--help`. */
  readonly summary: string;
  /** @throws {TrtdError} `PASS_REFUSED` when the result would mean something else */
  run(model: ModelProto, options?: Options): PassResult;
}
