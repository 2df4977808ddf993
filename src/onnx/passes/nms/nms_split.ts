/** EfficientNMS_TRT is cut off a model, so that runtimes without TensorRT's plugins run the rest. */
import { domainOf } from "../../graph/nodes.ts";
import { base64FromBytes, type CutNms, NMS_PROPERTY } from "../../nms_property.ts";
import {
  DATA_TYPE,
  type Dimension,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from "../../proto.ts";
import { quoted } from "../../quoted.ts";
import { walk } from "../../graph/walk.ts";
import { withoutDead } from "../../graph/dead.ts";
import { GraphIndex, nodeOf } from "../../graph/graph_index.ts";
import { Names } from "../../graph/names.ts";
import { type Cut, findCut, NMS_OPERATOR } from "./nms_cut.ts";
import type { Pass, PassResult } from "../pass.ts";
import { withRenamedValues } from "../../graph/renamed_values.ts";
import { Knowledge, opsetOf } from "../../infer/shapes.ts";
import { sortedGraph } from "../../graph/sorted_graph.ts";
import { ValueTypes } from "../../graph/value_types.ts";

/**
 * Cut EfficientNMS_TRT off. The boxes and the scores that it read become outputs, and its attributes (the anchors, too,
 * when there are three inputs) the metadata property `trtd.efficient_nms`. Nodes that only led to it or from it go. All
 * other outputs stay.
 *
 * Counts: `nodes_cut` (0 or 1), `nodes_removed`, `constants_removed`.
 */
export const nmsSplitPass: Pass = {
  name: "nms-split",
  version: 1,
  summary: "cut EfficientNMS_TRT off: boxes and scores become outputs, trtd suppresses boxes itself",

  run(model: ModelProto): PassResult {
    const cut = findCut(model);
    if (cut === null) {
      const counts = { nodes_cut: 0, nodes_removed: 0, constants_removed: 0 };
      return {
        model,
        report: { pass: "nms-split", version: nmsSplitPass.version, changed: false, counts, remarks: [] },
      };
    }
    return split(model, cut);
  },
};

function split(model: ModelProto, cut: Cut): PassResult {
  const graph = sortedGraph(model.graph!);
  const node = graph.node.find(({ op_type: operator }) => operator === NMS_OPERATOR)!;
  const remarks: string[] = [];
  const specs = new Specs(graph, opsetOf(model), remarks);
  const wanted = [
    { value: node.input[0]!, as: "boxes", last: 4 },
    { value: node.input[1]!, as: "scores", last: null },
  ].map(({ value, as, last }) => ({ value, as, spec: specs.of(value, last) }));
  const kept = graph.output.filter(({ name = "" }) => !cut.outputs.has(name));
  const bare = withoutDead({
    ...graph,
    node: graph.node.filter((one) => one !== node),
    output: [...kept, ...wanted.map(({ value, spec }) => ({ ...spec, name: value }))],
  });
  const { renamed, names } = nameOutputs(model, bare.graph, wanted.map(({ value, as }) => ({ value, as })));
  const firstCut = graph.output.findIndex(({ name = "" }) => cut.outputs.has(name));
  const before = kept.filter((output) => graph.output.indexOf(output) < firstCut);
  const after = kept.filter((output) => graph.output.indexOf(output) > firstCut);
  const made = wanted.map(({ spec }, at) => ({ ...spec, name: names[at]! })).filter(({ name }) =>
    !kept.some((output) => output.name === name)
  );
  const { opset_import, domainVersion } = withoutDomain(model, renamed, node.domain);
  const property: CutNms = {
    boxes: names[0]!,
    scores: names[1]!,
    node: {
      name: node.name ?? "",
      domain: node.domain ?? null,
      domain_version: domainVersion,
      outputs: outputNames(node, cut.outputs),
      attributes: cut.attributes,
    },
    anchors: anchorsText(cut.anchors),
  };
  const metadata_props = [
    ...model.metadata_props.filter(({ key }) => key !== NMS_PROPERTY),
    { key: NMS_PROPERTY, value: JSON.stringify(property) },
  ];
  return {
    model: {
      ...model,
      graph: { ...renamed, output: [...before, ...made, ...after] },
      opset_import,
      metadata_props,
    },
    report: {
      pass: "nms-split",
      version: nmsSplitPass.version,
      changed: true,
      counts: {
        nodes_cut: 1,
        nodes_removed: bare.nodes,
        constants_removed: graph.initializer.length - bare.graph.initializer.length,
      },
      remarks: [
        `The outputs ${[...cut.outputs.keys()].map(quoted).join(", ")} are gone; ${quoted(names[0])} and ` +
        `${quoted(names[1])} take their place`,
        ...remarks,
      ],
    },
  };
}

/** For each output of the node the model's output that it became, or its own name where it became none. */
const outputNames = (node: NodeProto, outputs: ReadonlyMap<string, number>): string[] =>
  node.output.map((own, at) => outputs.has(own) ? own : [...outputs].find(([, origin]) => origin === at)?.[0] ?? own);

function anchorsText(tensor: TensorProto | null): CutNms["anchors"] {
  if (tensor === null) return null;
  const isHalf = tensor.data_type === DATA_TYPE.FLOAT16;
  return {
    type: isHalf ? "float16" : "float32",
    dims: tensor.dims,
    data: base64FromBytes(tensor.raw_data ?? tensor.float_data ?? new Uint8Array()),
  };
}

/** Declarations of inner values as outputs. */
class Specs {
  readonly #types: ValueTypes;
  readonly #known: Knowledge;
  readonly #batch: Dimension;
  readonly #names: ReadonlySet<string>;

  constructor(graph: GraphProto, opset: number, private readonly remarks: string[]) {
    this.#types = new ValueTypes(graph);
    this.#known = new Knowledge(graph, opset);
    const dims = [...graph.input, ...graph.output].map(({ type }) => type?.tensor_type?.shape?.dim ?? []);
    this.#batch = dims.find((one) => one.length === 4)?.[0] ?? {};
    this.#names = new Set(dims.flatMap((one) => one.flatMap(({ dim_param: name }) => name ?? [])));
  }

  /** @param last size of the last axis of a three-dimensional value, null when it is any */
  of(value: string, last: number | null): ValueInfoProto {
    const known = this.#known.dims(value);
    if (known === undefined) {
      this.remarks.push(`The shape of ${quoted(value)} is not known; three axes are declared`);
    }
    const dims = known ?? ["", "", last ?? ""];
    const dim = dims.map((size, axis): Dimension => {
      if (typeof size === "number") return { dim_value: size };
      if (this.#names.has(size)) return { dim_param: size };
      if (axis === 0) return this.#batch;
      return axis === dims.length - 1 && last !== null ? { dim_value: last } : {};
    });
    const elem_type = this.#types.get(value) ?? DATA_TYPE.FLOAT;
    return { name: value, type: { tensor_type: { elem_type, shape: { dim } } }, metadata_props: [] };
  }
}

interface Named {
  readonly renamed: GraphProto;
  readonly names: readonly string[];
}

/** Name the outputs after what they are, where that name is free. */
function nameOutputs(model: ModelProto, graph: GraphProto, wanted: readonly { value: string; as: string }[]): Named {
  const others = graph.output.slice(0, -wanted.length);
  const free = new Names({ ...model, graph: { ...graph, output: others } });
  const index = new GraphIndex(graph);
  const renames = new Map<string, string>();
  const copies: NodeProto[] = [];
  const names = wanted.map(({ value, as }) => {
    if (value === as || others.some(({ name }) => name === value)) return value;
    const name = free.take(as);
    if (index.maker(value) !== undefined && !renames.has(value)) renames.set(value, name);
    else copies.push(nodeOf("Identity", { inputs: [value], outputs: [name], name: `${name}/node` }));
    return name;
  });
  return { renamed: withRenamedValues({ ...graph, node: [...graph.node, ...copies] }, renames), names };
}

/** Drop the import of a domain that nothing uses any more. */
function withoutDomain(
  { opset_import, functions }: ModelProto,
  graph: GraphProto,
  domain: string | undefined,
): { opset_import: ModelProto["opset_import"]; domainVersion: number | null } {
  const name = domainOf(domain);
  const entry = opset_import.find((one) => domainOf(one.domain) === name);
  const isNeeded = name === "ai.onnx" || functions.length > 0 || opset_import.length === 1;
  if (entry === undefined || isNeeded) return { opset_import, domainVersion: null };
  let used = false;
  walk("GraphProto", graph, (...[type, message]) => {
    if (type === "NodeProto" && domainOf(message.domain) === name) used = true;
  });
  if (used) return { opset_import, domainVersion: null };
  return { opset_import: opset_import.filter((one) => one !== entry), domainVersion: entry.version ?? 1 };
}
