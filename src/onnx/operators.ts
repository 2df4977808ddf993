/** ONNX's own operators, and what is known about who runs them. */
import { domainOf } from "./graph/nodes.ts";

/** Names by the opset that introduced them. */
type Introduced = readonly (readonly [opset: number, names: string])[];

/** Source: `onnx.defs.get_all_schemas_with_history()` of onnx 1.23.2 (opset 28). */
const DEFAULT_OPERATORS: Introduced = [
  [
    1,
    "Abs Add And ArgMax ArgMin AveragePool BatchNormalization Cast Ceil Clip Concat Constant Conv " +
    "ConvTranspose DepthToSpace Div Dropout Elu Equal Exp Flatten Floor GRU Gather Gemm GlobalAveragePool " +
    "GlobalLpPool GlobalMaxPool Greater HardSigmoid Hardmax Identity If InstanceNormalization LRN LSTM " +
    "LeakyRelu Less Log LogSoftmax Loop LpNormalization LpPool MatMul Max MaxPool MaxRoiPool Mean Min Mul Neg " +
    "Not Or PRelu Pad Pow RNN RandomNormal RandomNormalLike RandomUniform RandomUniformLike Reciprocal " +
    "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum " +
    "ReduceSumSquare Relu Reshape Selu Shape Sigmoid Size Slice Softmax Softplus Softsign SpaceToDepth Split " +
    "Sqrt Squeeze Sub Sum Tanh Tile TopK Transpose Unsqueeze Upsample Xor",
  ],
  [7, "Acos Asin Atan Cos Multinomial Sin Tan"],
  [8, "Expand Scan"],
  [
    9,
    "Acosh Asinh Atanh Compress ConstantOfShape Cosh Erf EyeLike IsNaN MaxUnpool MeanVarianceNormalization " +
    "NonZero OneHot Scatter Shrink Sign Sinh TfIdfVectorizer Where",
  ],
  [
    10,
    "ConvInteger DequantizeLinear IsInf MatMulInteger Mod NonMaxSuppression QLinearConv QLinearMatMul " +
    "QuantizeLinear Resize ReverseSequence RoiAlign StringNormalizer ThresholdedRelu",
  ],
  [
    11,
    "BitShift ConcatFromSequence CumSum Det DynamicQuantizeLinear GatherElements GatherND Range Round " +
    "ScatterElements ScatterND SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert " +
    "SequenceLength SplitToSequence Unique",
  ],
  [12, "Celu Einsum GreaterOrEqual LessOrEqual NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss"],
  [14, "HardSwish Trilu"],
  [15, "Bernoulli CastLike Optional OptionalGetElement OptionalHasElement"],
  [16, "GridSample"],
  [17, "BlackmanWindow DFT HammingWindow HannWindow LayerNormalization MelWeightMatrix STFT SequenceMap"],
  [18, "BitwiseAnd BitwiseNot BitwiseOr BitwiseXor CenterCropPad Col2Im GroupNormalization Mish"],
  [19, "DeformConv"],
  [20, "AffineGrid Gelu ImageDecoder RegexFullMatch StringConcat StringSplit"],
  [23, "Attention RMSNormalization RotaryEmbedding"],
  [24, "Swish TensorScatter"],
  [26, "BitCast CumProd"],
  [27, "CausalConvWithState LinearAttention"],
  [28, "SwiGLU"],
];

/** Source: as above, domain `ai.onnx.ml`. */
const ML_OPERATORS: Introduced = [
  [
    1,
    "ArrayFeatureExtractor Binarizer CastMap CategoryMapper DictVectorizer FeatureVectorizer Imputer " +
    "LabelEncoder LinearClassifier LinearRegressor Normalizer OneHotEncoder SVMClassifier SVMRegressor Scaler " +
    "TreeEnsembleClassifier TreeEnsembleRegressor ZipMap",
  ],
  [5, "TreeEnsemble"],
];

const byName = (table: Introduced): ReadonlyMap<string, number> =>
  new Map(table.flatMap(([opset, names]) => names.split(" ").map((name) => [name, opset] as const)));

const STANDARD: ReadonlyMap<string, ReadonlyMap<string, number>> = new Map([
  ["ai.onnx", byName(DEFAULT_OPERATORS)],
  ["ai.onnx.ml", byName(ML_OPERATORS)],
]);

/** The opset that introduced a standard operator, null for any other operator. */
export function introducedIn(domain: string | undefined, name: string): number | null {
  return STANDARD.get(domainOf(domain))?.get(name) ?? null;
}

/**
 * Operators of ONNX that TensorRT's parser does not have.
 * Source: the support matrix of onnx-tensorrt at 10.1 (docs/operators.md, rows marked N); later parsers may have more.
 */
export const TENSORRT_MISSING: ReadonlySet<string> = new Set(
  (
    "AffineGrid Bernoulli BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor BlackmanWindow CenterCropPad Col2Im " +
    "Compress ConcatFromSequence ConvInteger DFT Det DynamicQuantizeLinear HammingWindow HannWindow ImageDecoder " +
    "MatMulInteger MaxRoiPool MaxUnpool MelWeightMatrix Multinomial NegativeLogLikelihoodLoss Optional " +
    "OptionalGetElement OptionalHasElement QLinearConv QLinearMatMul RegexFullMatch STFT SequenceAt " +
    "SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength SequenceMap " +
    "SoftmaxCrossEntropyLoss SplitToSequence StringConcat StringNormalizer StringSplit TfIdfVectorizer Unique"
  ).split(" "),
);
