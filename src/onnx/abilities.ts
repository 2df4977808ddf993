/** What each backend can do with a model: a table of rules over its facts, each with its source. */
import type { ErrorCode } from "../errors.ts";
import type { ModelFacts, ValueSpec } from "./model_facts.ts";
import { TENSORRT_MISSING } from "./operators.ts";
import { NMS_OPERATOR } from "./passes/nms/nms_cut.ts";
import { plainText, quoted } from "./quoted.ts";

export type BackendName = "onnxruntime" | "tensorrt";

/** One thing that a backend has to say about a model. */
export interface Remark {
  readonly id: string;
  /** `refuses`: it cannot run the model as it is. `needs`: it runs once the user or trtd provides something. */
  readonly kind: "refuses" | "needs" | "note";
  /** Code of the error that loading would give, for refusals. */
  readonly code: ErrorCode | null;
  readonly detail: string;
  readonly source: string;
}

export interface Ability {
  readonly backend: BackendName;
  /** `no` when a rule refuses, `conditional` when something is needed. */
  readonly runs: "yes" | "conditional" | "no";
  readonly remarks: readonly Remark[];
}

interface Rule {
  readonly id: string;
  readonly backend: BackendName;
  readonly kind: Remark["kind"];
  readonly code?: ErrorCode;
  readonly source: string;
  /** The rule's detail for this model, null when it does not apply. */
  readonly detail: (facts: ModelFacts) => string | null;
}

/** Newest versions that ONNX Runtime 1.30.0 loads; one more is refused. Source: measured with onnxruntime-node 1.30.0. */
export const ONNXRUNTIME_NEWEST: Readonly<Record<string, number>> = { "ai.onnx": 26, "ai.onnx.ml": 5 };
const ONNXRUNTIME_IR_NEWEST = 13;
const OPSET_OLDEST = 7;

/** Domains of operators that ONNX Runtime defines itself. */
const ONNXRUNTIME_DOMAINS: readonly string[] = [
  "com.microsoft",
  "com.microsoft.experimental",
  "com.microsoft.nchwc",
  "com.ms.internal.nhwc",
];

/** Operators without a CPU kernel in ONNX Runtime 1.30.0, by the opset from which on. */
const CPU_KERNELS_MISSING: Readonly<Record<string, number>> = { ImageDecoder: 20, RandomUniformLike: 22, RoiAlign: 22 };

const TENSORRT_RANK_MAX = 8;
/** Element types that TensorRT has for inputs and outputs. Source: NvInfer.h, DataType, 10.0. */
const TENSORRT_TYPES: readonly ValueSpec["type"][] = [
  "float32",
  "float16",
  "bfloat16",
  "int64",
  "int32",
  "int8",
  "uint8",
  "bool",
];

const opset = (facts: ModelFacts): number => facts.opsets["ai.onnx"] ?? 0;
const values = (facts: ModelFacts): readonly ValueSpec[] => [...facts.inputs, ...facts.outputs];
const titled = (names: readonly string[]): string | null => names.length === 0 ? null : names.join(", ");
const counted = (count: number, one: string): string => `${count} ${one}${count === 1 ? "" : "s"}`;
const operatorTitle = ({ domain, name }: { domain: string; name: string }): string =>
  plainText(domain === "" ? name : `${domain}::${name}`);

const isTensorRtPlugin = ({ name }: { name: string }): boolean => name.endsWith("_TRT");
const isCutOff = ({ name }: { name: string }, { nms_plugin: nms }: ModelFacts): boolean =>
  name === NMS_OPERATOR && nms?.separable === true;
const isOnnxRuntimes = ({ domain }: { domain: string }): boolean => ONNXRUNTIME_DOMAINS.includes(domain);

/** Put a list of offending names into a sentence, or say nothing when there are none. */
const about = (names: readonly string[], sentence: (list: string) => string): string | null => {
  const list = titled(names);
  return list === null ? null : sentence(list);
};

/** The rules, in the order in which they are told. */
export const ABILITY_RULES: readonly Rule[] = [
  {
    id: "plugin",
    backend: "onnxruntime",
    kind: "refuses",
    code: "MODEL_NEEDS_PLUGIN",
    source: "measured with onnxruntime-node 1.30.0: not a registered function/op",
    detail: (facts) =>
      about(
        facts.custom_operators.filter((one) => !isOnnxRuntimes(one) && !isCutOff(one, facts)).map(operatorTitle),
        (list) => `It does not have ${list}`,
      ),
  },
  {
    id: "nms_cut",
    backend: "onnxruntime",
    kind: "needs",
    source: "src/onnx/passes/nms/nms_split.ts; detect and serve run the pass by themselves",
    detail: ({ nms_plugin: nms }) =>
      nms?.separable === true
        ? `trtd cuts ${NMS_OPERATOR} off, which it does not have, and suppresses boxes itself`
        : null,
  },
  {
    id: "nms_stays",
    backend: "onnxruntime",
    kind: "note",
    source: "src/onnx/passes/nms/nms_cut.ts",
    detail: ({ nms_plugin: nms }) =>
      nms?.separable === false ? `${NMS_OPERATOR} cannot be cut off: ${nms.reason}` : null,
  },
  {
    id: "opset",
    backend: "onnxruntime",
    kind: "refuses",
    code: "MODEL_LOAD_FAILED",
    source: "measured with onnxruntime-node 1.30.0: ValidateOpsetForDomain",
    detail: (facts) =>
      about(
        Object.entries(ONNXRUNTIME_NEWEST).filter(([domain, newest]) => (facts.opsets[domain] ?? 0) > newest)
          .map(([domain, newest]) => `${domain} ${facts.opsets[domain]} (newest is ${newest})`),
        (list) => `The operator set is too new: ${list}`,
      ),
  },
  {
    id: "ir_version",
    backend: "onnxruntime",
    kind: "refuses",
    code: "MODEL_LOAD_FAILED",
    source: "measured with onnxruntime-node 1.30.0: Unsupported model IR version",
    detail: ({ ir_version: version }) =>
      version > ONNXRUNTIME_IR_NEWEST
        ? `The IR version ${version} is too new (newest is ${ONNXRUNTIME_IR_NEWEST})`
        : null,
  },
  {
    id: "operator_too_new",
    backend: "onnxruntime",
    kind: "refuses",
    code: "MODEL_LOAD_FAILED",
    source: "measured with onnxruntime-node 1.30.0: No Op registered for X with domain_version of N",
    detail: (facts) => about(facts.too_new_operators, (list) => `The model imports opset ${opset(facts)}, but ${list}`),
  },
  {
    id: "kernel",
    backend: "onnxruntime",
    kind: "refuses",
    code: "MODEL_LOAD_FAILED",
    source: "measured with onnxruntime-node 1.30.0 on ONNX's own node tests: Could not find an implementation",
    detail: (facts) =>
      about(
        Object.entries(CPU_KERNELS_MISSING).filter(([name, from]) => name in facts.operators && opset(facts) >= from)
          .map(([name]) => name),
        (list) => `It has no CPU kernel at opset ${opset(facts)} for ${list}`,
      ),
  },
  {
    id: "opset_old",
    backend: "onnxruntime",
    kind: "note",
    source: "onnxruntime docs/reference/compatibility: opset version 7 and higher",
    detail: (facts) =>
      "ai.onnx" in facts.opsets && opset(facts) < OPSET_OLDEST
        ? `Opset ${opset(facts)} is older than ${OPSET_OLDEST}, the oldest that is supported`
        : null,
  },
  {
    id: "plugin",
    backend: "tensorrt",
    kind: "needs",
    source:
      "TensorRT 8.0 to 11.1: initLibNvInferPlugins registers the *_TRT plugins; TensorRT-RTX 1.3 to 1.7 has no plugin library",
    detail: (facts) =>
      about(
        facts.custom_operators.filter((one) => isTensorRtPlugin(one) && !isCutOff(one, facts)).map(({ name }) =>
          plainText(name)
        ),
        (list) => `${list} needs TensorRT's plugin library (libnvinfer_plugin); TensorRT-RTX does not have it`,
      ),
  },
  {
    id: "nms_cut",
    backend: "tensorrt",
    kind: "needs",
    source: "src/tensorrt/plan/plan_passes.ts, splitReason; TensorRT-RTX 1.3 to 1.7 has no plugin library",
    detail: ({ nms_plugin: nms }) =>
      nms?.separable === true
        ? `build-engine cuts ${NMS_OPERATOR} off; with --nms plugin it needs TensorRT's plugin library (libnvinfer_plugin)`
        : null,
  },
  {
    id: "custom_operator",
    backend: "tensorrt",
    kind: "refuses",
    code: "MODEL_NEEDS_PLUGIN",
    source: "nvonnxparser: No importer registered for op, then Plugin not found",
    detail: (facts) =>
      about(
        facts.custom_operators.filter((one) => !isTensorRtPlugin(one)).map(operatorTitle),
        (list) => `Its parser does not have ${list}`,
      ),
  },
  {
    id: "operator",
    backend: "tensorrt",
    kind: "refuses",
    code: "MODEL_LOAD_FAILED",
    source: "onnx-tensorrt 10.1 docs/operators.md, rows marked N",
    detail: (facts) =>
      about(
        Object.keys(facts.operators).filter((name) => TENSORRT_MISSING.has(name)),
        (list) => `Its parser (10.1) does not support ${list}`,
      ),
  },
  {
    id: "type",
    backend: "tensorrt",
    kind: "refuses",
    code: "MODEL_LOAD_FAILED",
    source: "NvInfer.h, DataType, and onnx-tensorrt 10.1 docs/operators.md",
    detail: (facts) =>
      about(
        values(facts).filter(({ type }) => !TENSORRT_TYPES.includes(type) && type !== "float64")
          .map(({ name, type }) => `${quoted(name)} (${type})`),
        (list) => `It has no such type for ${list}`,
      ),
  },
  {
    id: "rank",
    backend: "tensorrt",
    kind: "refuses",
    code: "MODEL_LOAD_FAILED",
    source: "NvInferRuntimeBase.h, Dims::MAX_DIMS, 8.5 to 11.1",
    detail: (facts) =>
      about(
        values(facts).filter(({ dims }) => dims.length > TENSORRT_RANK_MAX).map(({ name }) => quoted(name)),
        (list) => `More than ${TENSORRT_RANK_MAX} dimensions: ${list}`,
      ),
  },
  {
    id: "dynamic_axes",
    backend: "tensorrt",
    kind: "needs",
    source: "NvInfer.h, IOptimizationProfile",
    detail: ({ dynamic_axes: axes }) =>
      about(
        [...new Set(axes.filter(({ kind }) => kind === "input").map(({ tensor }) => tensor))].map((tensor) => {
          const own = axes.filter((axis) => axis.kind === "input" && axis.tensor === tensor);
          return `${quoted(tensor)} (${own.length === 1 ? "axis" : "axes"} ${own.map(({ axis }) => axis).join(", ")})`;
        }),
        (list) => `An optimization profile must tell the smallest, best and largest shape of ${list}`,
      ),
  },
  {
    id: "int64",
    backend: "tensorrt",
    kind: "note",
    source: "nvonnxparser up to 9.3: INT64 weights are cast down or clamped; DataType::kINT64 from 9.1 and 10.0",
    detail: ({ int64 }) =>
      int64.tensors === 0
        ? null
        : int64.outside_int32 === 0
        ? `${counted(int64.tensors, "INT64 constant")}: cast to INT32 up to 8.6 without loss, native later`
        : `${counted(int64.tensors, "INT64 constant")}: up to 9.3 elements outside INT32 are clamped, here ` +
          `${int64.outside_int32} (harmless for the ends of slices), native from 10.0 on`,
  },
  {
    id: "int64_io",
    backend: "tensorrt",
    kind: "note",
    source: "nvonnxparser from 10.0: Make sure input has Int64 binding",
    detail: (facts) =>
      about(
        values(facts).filter(({ type }) => type === "int64").map(({ name }) => quoted(name)),
        (list) => `INT32 up to 8.6, INT64 from 10.0 on: ${list}`,
      ),
  },
  {
    id: "float64",
    backend: "tensorrt",
    kind: "note",
    source: "onnx-tensorrt 10.1 docs/operators.md: DOUBLE is cast down to FLOAT",
    detail: ({ weights }) =>
      "float64" in weights.types ? `${counted(weights.types["float64"]!, "float64 weight")} become float32` : null,
  },
  {
    id: "opset_old",
    backend: "tensorrt",
    kind: "note",
    source: "nvonnxparser: TensorRT supports ONNX graphs generated with at least opset 7",
    detail: (facts) =>
      "ai.onnx" in facts.opsets && opset(facts) < OPSET_OLDEST
        ? `Opset ${opset(facts)} is older than ${OPSET_OLDEST}, the oldest that its parser supports`
        : null,
  },
];

/** What ONNX Runtime on the CPU and TensorRT, whatever its version, can do with a model. */
export function modelAbilities(facts: ModelFacts): readonly Ability[] {
  return (["onnxruntime", "tensorrt"] as const).map((backend): Ability => {
    const remarks = ABILITY_RULES.filter((rule) => rule.backend === backend).flatMap((rule): Remark[] => {
      const detail = rule.detail(facts);
      const { id, kind, code = null, source } = rule;
      return detail === null ? [] : [{ id, kind, code, detail, source }];
    });
    const says = (kind: Remark["kind"]) => remarks.some((remark) => remark.kind === kind);
    return { backend, runs: says("refuses") ? "no" : says("needs") ? "conditional" : "yes", remarks };
  });
}
