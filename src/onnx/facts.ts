/** Facts about a model, gathered from its messages alone. */
import { createHash } from "node:crypto";
import { ELEMENT_TYPES, elementCount, forEachInt64 } from "./element_types.ts";
import { domainOf, functionKey } from "./graph/nodes.ts";
import { metadataFacts, metadataRecord } from "./metadata.ts";
import type { CustomOperator, DynamicAxis, ModelFacts, ValueSpec } from "./model_facts.ts";
import { introducedIn } from "./operators.ts";
import { NMS_OPERATOR, splitRefusal } from "./passes/nms/nms_cut.ts";
import {
  ATTRIBUTE_TYPE,
  type AttributeProto,
  DATA_TYPE,
  type FunctionProto,
  type GraphProto,
  type NodeProto,
  type OperatorSetIdProto,
  type TensorProto,
  type TypeProto,
  type ValueInfoProto,
} from "./proto.ts";
import type { OnnxModel } from "./read.ts";
import { walk } from "./graph/walk.ts";

/** Size and digests of a file. */
export interface FileDigests {
  readonly bytes: number;
  /** Lower-case hexadecimal, as are all digests. */
  readonly sha256: string;
  readonly md5: string;
}

/** Digests of a file's bytes; 45 MB take about 0.1 s. */
export function fileDigests(bytes: Uint8Array): FileDigests {
  const digest = (algorithm: string) => createHash(algorithm).update(bytes).digest("hex");
  return { bytes: bytes.length, sha256: digest("sha256"), md5: digest("md5") };
}

/** Everything that the file says about the model. */
export function modelFacts(model: OnnxModel): ModelFacts {
  const { graph } = model;
  const initialized = new Set(graph.initializer.map(({ name }) => name));
  for (const { values } of graph.sparse_initializer) initialized.add(values?.name);
  const inputs = graph.input.filter(({ name }) => !initialized.has(name)).map(valueSpec);
  const outputs = graph.output.map(valueSpec);
  const metadata = metadataRecord(model.metadata_props);
  const opsets = opsetsOf(model.opset_import);
  const contents = new Contents(new Set(model.functions.map((one) => functionKey(one.domain, one.name, one.overload))));
  contents.addAll("GraphProto", graph, opsets);
  for (const one of model.functions) contents.addAll("FunctionProto", one, opsetsOf(one.opset_import));
  return {
    graph: graph.name ?? "",
    inputs,
    outputs,
    dynamic_axes: [...dynamicAxes("input", inputs), ...dynamicAxes("output", outputs)],
    ir_version: model.ir_version ?? 0,
    opsets,
    producer: { name: model.producer_name ?? "", version: model.producer_version ?? "" },
    ...contents.facts(),
    nms_plugin: contents.has(NMS_OPERATOR) ? nmsPluginFacts(model) : null,
    metadata,
    ...metadataFacts(metadata),
  };
}

function nmsPluginFacts(model: OnnxModel): ModelFacts["nms_plugin"] {
  const refusal = splitRefusal(model);
  return { separable: refusal === null, reason: refusal?.message ?? null };
}

type Opsets = Readonly<Record<string, number>>;

const opsetsOf = (imports: readonly OperatorSetIdProto[]): Opsets =>
  Object.fromEntries(imports.map(({ domain, version = 0 }) => [domainOf(domain), version]));

/** A declared value as the rest of trtd sees it. */
function valueSpec({ name = "", type }: ValueInfoProto): ValueSpec {
  const tensor = type?.tensor_type;
  return {
    name,
    type: tensor === undefined ? kindOf(type) : ELEMENT_TYPES[tensor.elem_type ?? 0]?.name ?? "unknown",
    dims: (tensor?.shape?.dim ?? []).map(({ dim_value: size, dim_param: name }) =>
      size !== undefined ? size : name !== undefined && name !== "" ? name : -1
    ),
    has_shape: tensor?.shape !== undefined,
  };
}

function kindOf(type: TypeProto | undefined): ValueSpec["type"] {
  if (type?.sequence_type !== undefined) return "sequence";
  if (type?.map_type !== undefined) return "map";
  if (type?.optional_type !== undefined) return "optional";
  if (type?.sparse_tensor_type !== undefined) return "sparse_tensor";
  return type?.opaque_type !== undefined ? "opaque" : "unknown";
}

function dynamicAxes(kind: DynamicAxis["kind"], specs: readonly ValueSpec[]): DynamicAxis[] {
  return specs.flatMap(({ name: tensor, dims }) =>
    dims.flatMap((dim, axis): DynamicAxis[] => {
      if (typeof dim === "string") return [{ tensor, kind, axis, name: dim }];
      return dim === -1 ? [{ tensor, kind, axis, name: null }] : [];
    })
  );
}

type ContentFacts = Pick<
  ModelFacts,
  "nodes" | "operators" | "custom_operators" | "too_new_operators" | "weights" | "int64"
>;

/** Sums over the nodes and initializers of all graphs and functions. */
class Contents {
  readonly #functions: ReadonlySet<string>;
  readonly #operators = new Map<string, number>();
  readonly #custom = new Map<string, CustomOperator>();
  readonly #tooNew = new Set<string>();
  readonly #types = new Map<string, number>();
  readonly #int64 = { tensors: 0, elements: 0, outside_int32: 0 };
  #nodes = 0;
  #tensors = 0;
  #elements = 0;
  #bytes = 0;

  /** @param functions keys of the model's own functions, which are no custom operators */
  constructor(functions: ReadonlySet<string>) {
    this.#functions = functions;
  }

  addAll(type: "GraphProto" | "FunctionProto", root: GraphProto | FunctionProto, opsets: Opsets): void {
    walk(type, root, (type, message, _path) => {
      if (type === "NodeProto") this.#addNode(message, opsets);
      else if (type === "GraphProto") message.initializer.forEach((tensor) => this.#addWeight(tensor));
    });
  }

  /** Whether a custom operator of this name is used, in whatever domain. */
  has(operator: string): boolean {
    return [...this.#custom.values()].some(({ name }) => name === operator);
  }

  facts(): ContentFacts {
    const operators = [...this.#operators].sort(([a, m], [b, n]) => n - m || compare(a, b));
    return {
      nodes: this.#nodes,
      operators: Object.fromEntries(operators),
      custom_operators: [...this.#custom.values()].sort((a, b) => b.count - a.count || compare(a.name, b.name)),
      too_new_operators: [...this.#tooNew].sort(compare),
      weights: {
        tensors: this.#tensors,
        elements: this.#elements,
        bytes: this.#bytes,
        types: Object.fromEntries(this.#types),
      },
      int64: { ...this.#int64 },
    };
  }

  #addNode(node: NodeProto, opsets: Opsets): void {
    const { domain = "", op_type: name = "", overload } = node;
    const isDefault = domainOf(domain) === "ai.onnx";
    const key = isDefault ? name : `${domain}::${name}`;
    this.#nodes++;
    this.#operators.set(key, (this.#operators.get(key) ?? 0) + 1);
    if (isDefault && name === "Constant") node.attribute.forEach((one) => this.#addConstant(one));
    if (this.#functions.has(functionKey(domain, name, overload))) return;
    const introduced = introducedIn(domain, name);
    if (introduced === null) {
      this.#custom.set(key, { domain, name, count: (this.#custom.get(key)?.count ?? 0) + 1 });
    } else if (introduced > (opsets[domainOf(domain)] ?? Infinity)) {
      this.#tooNew.add(`${name} needs opset ${introduced}`);
    }
  }

  #addWeight(tensor: TensorProto): void {
    const type = ELEMENT_TYPES[tensor.data_type ?? 0];
    if (type === undefined) return;
    const elements = elementCount(tensor.dims);
    this.#tensors++;
    this.#elements += elements;
    this.#bytes += Math.ceil(elements * type.bits / 8);
    this.#types.set(type.name, (this.#types.get(type.name) ?? 0) + elements);
    this.#addInt64(tensor);
  }

  #addConstant(attribute: AttributeProto): void {
    if (attribute.t !== undefined) {
      this.#addWeight(attribute.t);
      return;
    }
    const values = attribute.i !== undefined ? [attribute.i] : attribute.ints;
    const isList = attribute.type === ATTRIBUTE_TYPE.INTS || attribute.type === ATTRIBUTE_TYPE.INT;
    if (values.length === 0 && !isList) return;
    this.#int64.tensors++;
    this.#int64.elements += values.length;
    for (const value of values) if (BigInt.asIntN(32, value) !== value) this.#int64.outside_int32++;
  }

  #addInt64(tensor: TensorProto): void {
    if (tensor.data_type !== DATA_TYPE.INT64) return;
    this.#int64.tensors++;
    this.#int64.elements += elementCount(tensor.dims);
    forEachInt64(tensor, (low, high) => {
      if (high !== low >> 31) this.#int64.outside_int32++;
    });
  }
}

const compare = (a: string, b: string): number => a < b ? -1 : a > b ? 1 : 0;
