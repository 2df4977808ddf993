/** Where the precision of an engine comes from: a flag of the builder, or the model itself. Pure. */
import { TrtdError } from "../../errors.ts";
import type { Family } from "../versions.ts";

/** Precision of an engine, as in its path. */
export type EnginePrecision = "f32" | "fp16";

/** Families that take every precision from the model: 11 and RTX have no precision flags, and ignore the old numbers. */
const FROM_MODEL: readonly Family[] = ["11", "rtx-1.3", "rtx-1.5"];

export const precisionIsInModel = (family: Family): boolean => FROM_MODEL.includes(family);

/** The precision and whether the builder's FP16 flag makes it. */
export interface PrecisionChoice {
  readonly precision: EnginePrecision;
  readonly flag: boolean;
}

/**
 * How to get the wanted precision; `own`, what the model computes in, when none is wanted.
 *
 * 8.5 to 10 have a builder flag that lets f32 models run in fp16; a model of fp16 needs it too. Later families and RTX
 * do as the model says, which must have been converted before.
 * @throws {TrtdError} `PRECISION_UNSUPPORTED`
 */
export function choosePrecision(
  wanted: EnginePrecision | undefined,
  own: EnginePrecision,
  family: Family,
): PrecisionChoice {
  const precision = wanted ?? own;
  if (precision === "f32" && own === "fp16") {
    throw new TrtdError("PRECISION_UNSUPPORTED", "The model computes in fp16, so an f32 engine cannot be made of it", {
      remedy: "Build with --precision fp16, or give the f32 model that it was made from",
    });
  }
  return { precision, flag: precision === "fp16" && !precisionIsInModel(family) };
}
