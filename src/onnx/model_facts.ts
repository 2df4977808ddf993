/** What trtd knows about a model without running it. */

/** Element types by the names that the rest of trtd uses. */
export type ElementType =
  | "float32"
  | "float16"
  | "bfloat16"
  | "float64"
  | "float8e4m3fn"
  | "float8e4m3fnuz"
  | "float8e5m2"
  | "float8e5m2fnuz"
  | "float8e8m0"
  | "float6e2m3"
  | "float6e3m2"
  | "float4e2m1"
  | "int64"
  | "int32"
  | "int16"
  | "int8"
  | "int4"
  | "int2"
  | "uint64"
  | "uint32"
  | "uint16"
  | "uint8"
  | "uint4"
  | "uint2"
  | "bool"
  | "string"
  | "complex64"
  | "complex128";

/**
 * A named input or output as the file declares it. Where `type` is one of the backend's tensor types this is also a
 * `TensorSpec` of `src/backends/backend.ts`.
 */
export interface ValueSpec {
  readonly name: string;
  /** Element type of a tensor; other kinds of value cannot be given to or taken from a detector. */
  readonly type: ElementType | "sequence" | "map" | "optional" | "sparse_tensor" | "opaque" | "unknown";
  /** A dynamic axis is its symbolic name, or -1 when it has none. Empty for a scalar and for an undeclared shape. */
  readonly dims: readonly (number | string)[];
  /** Whether the file declares a shape at all. */
  readonly has_shape: boolean;
}

/** An axis whose size is fixed only when the model runs. */
export interface DynamicAxis {
  readonly tensor: string;
  readonly kind: "input" | "output";
  /** Counted from 0. */
  readonly axis: number;
  /** The symbolic name, null when it has none. */
  readonly name: string | null;
}

/** An operator outside ONNX's own sets that no function of the model defines. */
export interface CustomOperator {
  /** Domain as written in the file; empty for the default domain. */
  readonly domain: string;
  readonly name: string;
  /** Nodes that use it, subgraphs and functions included. */
  readonly count: number;
}

/** An EfficientNMS_TRT node, and whether the pass `nms-split` can cut it off. */
export interface NmsPluginFacts {
  readonly separable: boolean;
  /** Why not, null when it can. */
  readonly reason: string | null;
}

/** INT64 constants: initializers and Constant nodes, subgraphs and functions included. */
export interface Int64Facts {
  readonly tensors: number;
  readonly elements: number;
  /** Elements below -2^31 or above 2^31 - 1. */
  readonly outside_int32: number;
}

/** Constant tensors: initializers and Constant nodes, subgraphs and functions included. */
export interface WeightFacts {
  readonly tensors: number;
  readonly elements: number;
  readonly bytes: number;
  /** Elements by type. */
  readonly types: Readonly<Record<string, number>>;
}

/** Everything that can be said from the file's contents alone. */
export interface ModelFacts {
  readonly graph: string;
  /** Inputs without those that are initializers. */
  readonly inputs: readonly ValueSpec[];
  readonly outputs: readonly ValueSpec[];
  readonly dynamic_axes: readonly DynamicAxis[];
  readonly ir_version: number;
  /** Version by domain; the default domain is `ai.onnx`. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly producer: { readonly name: string; readonly version: string };
  /** Nodes of all graphs and functions. */
  readonly nodes: number;
  /** Nodes by operator, most frequent first; outside the default domain the key is `domain::name`. */
  readonly operators: Readonly<Record<string, number>>;
  readonly custom_operators: readonly CustomOperator[];
  /** Null when the model has no EfficientNMS_TRT. */
  readonly nms_plugin: NmsPluginFacts | null;
  /** Standard operators that are newer than the imported opset, as `Name needs opset N`. */
  readonly too_new_operators: readonly string[];
  readonly weights: WeightFacts;
  readonly int64: Int64Facts;
  /** `metadata_props` as text. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Class names by index from the metadata `names` (Ultralytics), null when absent or unreadable. */
  readonly labels: readonly string[] | null;
  /** Metadata `stride`: the input's sides are multiples of it. */
  readonly stride: number | null;
  /** Metadata `imgsz` in pixels. */
  readonly image_size: { readonly height: number; readonly width: number } | null;
  /** Metadata `task`, for example `detect`. */
  readonly task: string | null;
  /** Metadata that is there but cannot be understood, in sentences. */
  readonly warnings: readonly string[];
}
