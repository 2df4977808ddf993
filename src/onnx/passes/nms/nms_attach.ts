/** EfficientNMS_TRT is put behind a detector's raw outputs, for those who want TensorRT's plugin. */
import { TrtdError } from "../../../errors.ts";
import { domainOf } from "../../graph/nodes.ts";
import { metadataRecord } from "../../metadata.ts";
import { bytesFromBase64, type CutAttribute, type CutNms, cutNmsFrom, NMS_PROPERTY } from "../../nms_property.ts";
import {
  type AttributeProto,
  DATA_TYPE,
  type Dimension,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from "../../proto.ts";
import { quoted } from "../../quoted.ts";
import { floatAttribute, intAttribute, textAttribute } from "../../graph/attributes.ts";
import { Names } from "../../graph/names.ts";
import { NMS_OPERATOR } from "./nms_cut.ts";
import { layoutOf, type RawLayout, type RawParts, rawParts } from "./nms_layout.ts";
import type { Pass, PassResult } from "../pass.ts";
import { withRenamedValues } from "../../graph/renamed_values.ts";
import { sortedGraph } from "../../graph/sorted_graph.ts";
import { ValueTypes } from "../../graph/value_types.ts";

/** The node's attributes. A model that `nms-split` made keeps its own; given ones go before them. */
export interface NmsAttachOptions {
  /** Lowest score, 0..1. @default 0.25 */
  readonly scoreThreshold?: number;
  /** IoU from which the weaker of two boxes is dropped, above 0 and at most 1. @default 0.45 */
  readonly iouThreshold?: number;
  /** Most boxes of one picture, 1..5000. @default 100 */
  readonly maxOutputBoxes?: number;
  /** How the boxes are written. @default what the layout says; corners for boxes and scores apart */
  readonly boxCoding?: "corners" | "center_size";
  /** Whether a box drops boxes of other classes too. @default false */
  readonly classAgnostic?: boolean;
  /** How the raw output is laid out. @default found from shapes and labels */
  readonly layout?: RawLayout;
}

/** The node that is put in place, and what goes before it. */
interface Plan extends RawParts {
  /** Outputs that give way to the node's. */
  readonly replaced: readonly string[];
  readonly node: CutNms["node"];
  readonly anchors: CutNms["anchors"];
}

/** What TensorRT's pipelines call the outputs. */
const OUTPUT_NAMES = ["num_dets", "det_boxes", "det_scores", "det_classes"] as const;

/** Domain of the plugin in exporters' models, where ONNX's checker lets it pass. */
const DOMAIN = { name: "TRT", version: 1 };

/**
 * Put EfficientNMS_TRT behind the boxes and scores: a raw output is taken apart first. The outputs become those of the
 * node: count `[N, 1]` i32, boxes `[N, K, 4]`, scores `[N, K]`, classes `[N, K]` i32. What `nms-split` cut off comes back
 * with its attributes, names and anchors. A model that has the node already stays as it is.
 *
 * Counts: `nodes_added`, `constants_added`.
 */
export const nmsAttachPass: Pass<NmsAttachOptions> = {
  name: "nms-attach",
  version: 1,
  summary: "put EfficientNMS_TRT behind boxes and scores, for those who want TensorRT's plugin",

  run(model: ModelProto, options: NmsAttachOptions = {}): PassResult {
    checkOptions(options);
    const { graph } = model;
    if (graph === undefined) throw new TrtdError("PASS_REFUSED", "The model has no graph");
    const report = (changed: boolean, nodes: number, constants: number, remark: string) => ({
      pass: "nms-attach" as const,
      version: nmsAttachPass.version,
      changed,
      counts: { nodes_added: nodes, constants_added: constants },
      remarks: [remark],
    });
    if (graph.node.some(({ op_type: operator }) => operator === NMS_OPERATOR)) {
      return { model, report: report(false, 0, 0, `The model has ${NMS_OPERATOR} already`) };
    }
    const cut = cutNmsFrom(metadataRecord(model.metadata_props));
    const plan = cut === null ? freshPlan(model, options) : restoringPlan(model, cut, options);
    const { attached, constants } = attach(model, plan);
    const list = plan.node.attributes.map((one) => `${one.name} ${"f" in one ? one.f : "i" in one ? one.i : one.s}`);
    return {
      model: attached,
      report: report(true, plan.nodes.length + 1, constants, `${NMS_OPERATOR} has ${list.join(", ")}`),
    };
  },
};

function checkOptions(options: NmsAttachOptions): void {
  const { scoreThreshold: score = 0.25, iouThreshold: iou = 0.45, maxOutputBoxes: max = 100 } = options;
  const wrong = (detail: string): never => {
    throw new TrtdError("USAGE", detail);
  };
  if (!(score >= 0 && score <= 1)) wrong(`The score threshold must be from 0 to 1, current value is ${score}`);
  if (!(iou > 0 && iou <= 1)) wrong(`The IoU threshold must be above 0 and at most 1, current value is ${iou}`);
  if (!Number.isInteger(max) || max < 1 || max > 5000) {
    wrong(`The number of boxes must be an integer from 1 to 5000, current value is ${max}`);
  }
}

/** The given options as attributes. */
function givenAttributes(options: NmsAttachOptions): CutAttribute[] {
  const { scoreThreshold, iouThreshold, maxOutputBoxes, boxCoding, classAgnostic } = options;
  return [
    ...(scoreThreshold === undefined ? [] : [{ name: "score_threshold", f: Math.fround(scoreThreshold) }]),
    ...(iouThreshold === undefined ? [] : [{ name: "iou_threshold", f: Math.fround(iouThreshold) }]),
    ...(maxOutputBoxes === undefined ? [] : [{ name: "max_output_boxes", i: maxOutputBoxes }]),
    ...(boxCoding === undefined ? [] : [{ name: "box_coding", i: boxCoding === "center_size" ? 1 : 0 }]),
    ...(classAgnostic === undefined ? [] : [{ name: "class_agnostic", i: classAgnostic ? 1 : 0 }]),
  ];
}

const overridden = (own: readonly CutAttribute[], given: readonly CutAttribute[]): CutAttribute[] => [
  ...own.map((one) => given.find(({ name }) => name === one.name) ?? one),
  ...given.filter(({ name }) => !own.some((one) => one.name === name)),
];

function freshPlan(model: ModelProto, options: NmsAttachOptions): Plan {
  const layout = layoutOf(model, options.layout);
  const parts = rawParts(layout, model, new Names(model));
  const own: CutAttribute[] = [
    { name: "background_class", i: -1 },
    { name: "box_coding", i: layout.layout === "boxes-scores" ? 0 : 1 },
    { name: "class_agnostic", i: 0 },
    { name: "iou_threshold", f: Math.fround(0.45) },
    { name: "max_output_boxes", i: 100 },
    { name: "plugin_version", s: "1" },
    { name: "score_activation", i: 0 },
    { name: "score_threshold", f: Math.fround(0.25) },
  ];
  return {
    ...parts,
    replaced: layout.outputs.map(({ name = "" }) => name),
    node: {
      name: "nms",
      domain: DOMAIN.name,
      domain_version: DOMAIN.version,
      outputs: OUTPUT_NAMES,
      attributes: overridden(own, givenAttributes(options)),
    },
    anchors: null,
  };
}

function restoringPlan({ graph }: ModelProto, cut: CutNms, options: NmsAttachOptions): Plan {
  const { boxes, scores, node, anchors } = cut;
  for (const name of [boxes, scores]) {
    if (graph!.output.some((output) => output.name === name)) continue;
    throw new TrtdError("PASS_REFUSED", `The model has no output ${quoted(name)}, which its metadata names`);
  }
  const attributes = overridden(node.attributes, givenAttributes(options));
  return { nodes: [], constants: [], boxes, scores, replaced: [boxes, scores], node: { ...node, attributes }, anchors };
}

function attach(model: ModelProto, plan: Plan): { attached: ModelProto; constants: number } {
  const { node: wish } = plan;
  const old = sortedGraph(model.graph!);
  const batch = old.output.find(({ name }) => name === plan.replaced[0])?.type?.tensor_type?.shape?.dim[0] ?? {};
  const type = new ValueTypes(old).get(plan.replaced[0]) ?? DATA_TYPE.FLOAT;
  const names = new Names(model);
  // The node's outputs get their names; a value that has one of them, such as the raw boxes, gives way.
  const made = new Set(old.node.flatMap(({ output }) => output));
  const kept = new Set(old.output.map(({ name = "" }) => name).filter((name) => !plan.replaced.includes(name)));
  const renames = new Map<string, string>();
  const outputs = wish.outputs.map((name) => {
    if (made.has(name) && !kept.has(name)) renames.set(name, names.take(`${name}/raw`));
    else if (name !== "" && isTaken(model, name)) return names.take(name);
    return name;
  });
  const renamed = (name: string) => renames.get(name) ?? name;
  const graph = withRenamedValues(old, renames);
  const anchors = plan.anchors === null ? null : anchorsTensor(plan.anchors, names.take("anchors"));
  const node: NodeProto = {
    input: [renamed(plan.boxes), renamed(plan.scores), ...(anchors === null ? [] : [anchors.name!])],
    output: outputs,
    ...(wish.name === "" ? {} : { name: wish.name }),
    op_type: NMS_OPERATOR,
    attribute: wish.attributes.map(attributeFrom),
    ...(wish.domain === null ? {} : { domain: wish.domain }),
    metadata_props: [],
  };
  const max = wish.attributes.find(({ name }) => name === "max_output_boxes");
  const constants = [...plan.constants, ...(anchors === null ? [] : [anchors])];
  const declared = outputSpecs(outputs, { batch, max: max !== undefined && "i" in max ? max.i : 100, type });
  const at = graph.output.findIndex(({ name = "" }) => plan.replaced.includes(name));
  const isKept = ({ name = "" }: ValueInfoProto) => !plan.replaced.includes(name);
  const steps = plan.nodes.map((one) => ({ ...one, input: one.input.map(renamed) }));
  const attached: ModelProto = {
    ...model,
    graph: {
      ...graph,
      node: [...graph.node, ...steps, node],
      initializer: [...graph.initializer, ...constants],
      output: [...graph.output.slice(0, at).filter(isKept), ...declared, ...graph.output.slice(at).filter(isKept)],
    },
    opset_import: withDomain(model.opset_import, wish),
    metadata_props: model.metadata_props.filter(({ key }) => key !== NMS_PROPERTY),
  };
  return { attached, constants: constants.length };
}

function isTaken({ graph }: ModelProto, name: string): boolean {
  const { node, initializer, input } = graph!;
  return node.some(({ output }) => output.includes(name)) || initializer.some((one) => one.name === name) ||
    input.some((one) => one.name === name);
}

function withDomain(imports: ModelProto["opset_import"], { domain, domain_version: version }: CutNms["node"]) {
  const name = domainOf(domain ?? "");
  const isThere = imports.some((one) => domainOf(one.domain) === name);
  return isThere || name === "ai.onnx" ? imports : [...imports, { domain: name, version: version ?? 1 }];
}

function attributeFrom(one: CutAttribute): AttributeProto {
  if ("f" in one) return floatAttribute(one.name, one.f);
  return "i" in one ? intAttribute(one.name, one.i) : textAttribute(one.name, one.s);
}

const anchorsTensor = ({ type, dims, data }: NonNullable<CutNms["anchors"]>, name: string): TensorProto => ({
  dims: [...dims],
  data_type: type === "float16" ? DATA_TYPE.FLOAT16 : DATA_TYPE.FLOAT,
  string_data: [],
  name,
  raw_data: bytesFromBase64(data),
  external_data: [],
  metadata_props: [],
});

function outputSpecs(
  names: readonly string[],
  { batch, max, type }: { batch: Dimension; max: number; type: number },
): ValueInfoProto[] {
  const rows: [number[], number][] = [[[1], DATA_TYPE.INT32], [[max, 4], type], [[max], type], [
    [max],
    DATA_TYPE.INT32,
  ]];
  return names.flatMap((name, at): ValueInfoProto[] => {
    const [dims, elem_type] = rows[at]!;
    if (name === "") return [];
    const dim = [batch, ...dims.map((size): Dimension => ({ dim_value: size }))];
    return [{ name, type: { tensor_type: { elem_type, shape: { dim } } }, metadata_props: [] }];
  });
}
