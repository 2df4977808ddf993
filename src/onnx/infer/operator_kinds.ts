/** Operators that every rule about shapes treats alike. */

/** Operators whose output has the shape that all inputs broadcast to. */
export const BROADCAST =
  "Add And BitShift BitwiseAnd BitwiseOr BitwiseXor Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min " +
  "Mod Mul Or PRelu Pow Sub Sum Where Xor";

/** Reductions, each with the opset from which its axes are an input instead of an attribute. */
export const REDUCTIONS: Readonly<Record<string, number>> = {
  ReduceL1: 18,
  ReduceL2: 18,
  ReduceLogSum: 18,
  ReduceLogSumExp: 18,
  ReduceMax: 18,
  ReduceMean: 18,
  ReduceMin: 18,
  ReduceProd: 18,
  ReduceSum: 13,
  ReduceSumSquare: 18,
};
