/** What each operator may do in half precision: data, not code. */
import { domainOf } from "../../graph/nodes.ts";
import type { NodeProto } from "../../proto.ts";

/**
 * - `weighted`: sums of products, where the time goes; converted whenever its constants allow it
 * - `cheap`: one rounding for each element, or none; follows its neighbours
 * - `kept`: stays in f32
 */
export type Fitness = "weighted" | "cheap" | "kept";

const words = (text: string): readonly string[] => text.split(" ");

/** Source: the schemas of onnx 1.23.2: all of these and of the cheap ones take float16 since opset 7. */
const WEIGHTED = words("Conv ConvTranspose Einsum Gemm MatMul");

/** Operators that move, choose, clip or map elements one by one, or average a small window. */
const CHEAP = words(
  "Abs Add AveragePool BatchNormalization Clip Concat DepthToSpace Div Dropout Elu Erf Expand Flatten Gather " +
    "GatherElements GatherND Gelu GlobalAveragePool GlobalMaxPool HardSigmoid HardSwish Identity LeakyRelu Max MaxPool " +
    "Mean Min Mish Mul Neg PRelu Pad ReduceMax ReduceMin Relu Reshape Resize Selu Shrink Sigmoid Sign Slice Softsign " +
    "SpaceToDepth Split Squeeze Sub Sum Swish Tanh ThresholdedRelu Tile Transpose Unsqueeze Upsample Where",
);

export interface KeptRow {
  readonly operators: readonly string[];
  /** Completes "In f32 stays N Exp: ...". */
  readonly reason: string;
}

/** Operators that lose too much. The largest f16 is 65,504; from 1,024 on its steps are 1, from 2,048 on 2. */
export const KEPT: readonly KeptRow[] = [
  {
    operators: words("Exp Pow Softplus Sinh Cosh"),
    reason: "they pass f16's largest value at small arguments (an exponential at 11.1, a square at 256)",
  },
  {
    operators: words("Softmax LogSoftmax Attention LinearAttention"),
    reason: "they sum exponentials, and box distances are read off the weights",
  },
  {
    operators: words(
      "ReduceSum ReduceSumSquare ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMean ReduceProd CumSum CumProd " +
        "LRN GlobalLpPool LpPool LpNormalization",
    ),
    reason: "long sums outgrow f16 before they are divided",
  },
  {
    operators: words(
      "LayerNormalization InstanceNormalization GroupNormalization RMSNormalization MeanVarianceNormalization",
    ),
    reason: "they sum squares, and their epsilon is next to nothing in f16",
  },
  {
    operators: words("Sqrt Reciprocal Log Sin Cos Tan Asin Acos Atan Asinh Acosh Atanh RotaryEmbedding"),
    reason: "small differences of the argument make large ones of the result",
  },
  {
    operators: words("Range ConstantOfShape EyeLike OneHot Floor Ceil Round Mod"),
    reason: "they count, and f16 skips whole numbers above 2,048",
  },
  {
    operators: words(
      "NonMaxSuppression EfficientNMS_TRT TopK ArgMax ArgMin Equal Greater GreaterOrEqual Less LessOrEqual NonZero Unique " +
        "IsInf IsNaN Compress",
    ),
    reason: "they choose by comparing, and a rounding would choose another",
  },
  {
    operators: words("RoiAlign MaxRoiPool GridSample AffineGrid DeformConv"),
    reason: "they read at coordinates, which f16 rounds by up to a pixel",
  },
  {
    operators: words("LSTM GRU RNN"),
    reason: "their error grows from step to step",
  },
  {
    operators: words("QuantizeLinear DequantizeLinear DynamicQuantizeLinear QLinearConv QLinearMatMul"),
    reason: "their scales must be f32 before opset 19",
  },
  {
    operators: words("If Loop Scan"),
    reason: "what goes in and out of their graphs keeps its type; the graphs themselves are converted",
  },
  { operators: words("Celu"), reason: "it has no f16 in ONNX before opset 28" },
  { operators: words("Cast CastLike BitCast"), reason: "what they convert to and from other types is taken as it is" },
];

/** Reason for everything that no row names, and for operators outside ONNX's default domain. */
export const UNKNOWN_REASON = "it is not known what f16 does to them";

const FITNESS: ReadonlyMap<string, Fitness> = new Map([
  ...WEIGHTED.map((name) => [name, "weighted"] as const),
  ...CHEAP.map((name) => [name, "cheap"] as const),
]);

const REASONS: ReadonlyMap<string, string> = new Map(
  KEPT.flatMap(({ operators, reason }) => operators.map((name) => [name, reason] as const)),
);

export const fitnessOf = (node: NodeProto): Fitness =>
  domainOf(node.domain) === "ai.onnx" ? FITNESS.get(node.op_type ?? "") ?? "kept" : "kept";

/** Why an operator of fitness `kept` stays in f32. */
export const reasonFor = (node: NodeProto): string => REASONS.get(node.op_type ?? "") ?? UNKNOWN_REASON;

/** Inputs whose type the schema fixes at f32, by index: scales of Upsample 9; roi and scales of Resize 10 to 19. */
const F32_INPUTS: Readonly<Record<string, readonly number[]>> = { Resize: [1, 2], Upsample: [1] };

export const isF32Input = (node: NodeProto, index: number): boolean =>
  F32_INPUTS[node.op_type ?? ""]?.includes(index) === true && domainOf(node.domain) === "ai.onnx";

/** Operators that take either type and answer the same. */
const INDIFFERENT = new Set(["Shape", "Size"]);

export const isIndifferent = (node: NodeProto): boolean =>
  domainOf(node.domain) === "ai.onnx" && INDIFFERENT.has(node.op_type ?? "");

/** Operators that choose boxes: what leads to them is part of the decoding, wherever it stands. */
const CHOOSERS = new Set(["NonMaxSuppression", "EfficientNMS_TRT", "TopK"]);

export const isChooser = (node: NodeProto): boolean => CHOOSERS.has(node.op_type ?? "");
