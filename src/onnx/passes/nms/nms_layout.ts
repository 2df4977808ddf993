/** Where boxes and scores are in a detector's raw outputs, and the nodes that take them apart. */
import { TrtdError } from "../../../errors.ts";
import { anchorStrides } from "../../anchor_strides.ts";
import { metadataFacts, metadataRecord } from "../../metadata.ts";
import { DATA_TYPE, type ModelProto, type NodeProto, type TensorProto, type ValueInfoProto } from "../../proto.ts";
import { quoted } from "../../quoted.ts";
import { intsAttribute } from "../../graph/attributes.ts";
import { nodeOf } from "../../graph/graph_index.ts";
import type { Names } from "../../graph/names.ts";
import { Knowledge, opsetOf } from "../../infer/shapes.ts";
import { sortedGraph } from "../../graph/sorted_graph.ts";

export const RAW_LAYOUTS = ["channels-first", "anchors-first", "objectness", "boxes-scores"] as const;

/**
 * - `channels-first`: `[N, 4 + C, A]`, YOLOv8 and its successors
 * - `anchors-first`: `[N, A, 4 + C]`, the same transposed
 * - `objectness`: `[N, A, 5 + C]`, YOLOv5, YOLOv7, decoded YOLOX
 * - `boxes-scores`: two outputs, `[N, A, 4]` and `[N, A, C]`
 */
export type RawLayout = typeof RAW_LAYOUTS[number];

export interface Layout {
  readonly layout: RawLayout;
  /** The raw output, or the boxes and the scores. */
  readonly outputs: readonly ValueInfoProto[];
}

const EXPLICIT = {
  remedy: "Name the layout with --layout, one of channels-first, anchors-first, objectness, boxes-scores",
};

const refuse = (detail: string, options = {}): never => {
  throw new TrtdError("PASS_REFUSED", detail, options);
};

/** Sizes of the axes, null for those that are not fixed. */
type Dims = readonly (number | null)[];

const dimsOf = ({ type }: ValueInfoProto): Dims =>
  (type?.tensor_type?.shape?.dim ?? []).map(({ dim_value: size = -1 }) => size > 0 ? size : null);

const isFloatOutput = ({ type }: ValueInfoProto): boolean =>
  type?.tensor_type?.elem_type === DATA_TYPE.FLOAT || type?.tensor_type?.elem_type === DATA_TYPE.FLOAT16;

/**
 * The layout of a model's outputs.
 * @param wanted layout that goes before what shapes and labels tell
 * @throws {TrtdError} `PASS_REFUSED` when there is none that fits, or more than one
 */
export function layoutOf(model: ModelProto, wanted: RawLayout | undefined): Layout {
  const outputs = (model.graph?.output ?? []).filter(isFloatOutput);
  const ranks = (output: ValueInfoProto, ...wanted: number[]) => wanted.includes(dimsOf(output).length);
  const boxes = outputs.find((output) => /box/i.test(output.name ?? "") && ranks(output, 3, 4));
  const scores = outputs.find((output) => /score|conf|class|cls/i.test(output.name ?? "") && ranks(output, 3));
  if (
    boxes !== undefined && scores !== undefined && boxes !== scores && (wanted ?? "boxes-scores") === "boxes-scores"
  ) {
    return { layout: "boxes-scores", outputs: [boxes, scores] };
  }
  // YOLOv5 exports its feature maps (rank 5) beside the output that matters.
  const raw = outputs.filter((output) => dimsOf(output).length === 3);
  const [only] = raw;
  if (wanted === "boxes-scores" || only === undefined || raw.length > 1) {
    const names = (model.graph?.output ?? []).map(({ name }) => quoted(name)).join(", ");
    return refuse(`The outputs ${names} are neither one raw output [N, ., .] nor boxes and scores`);
  }
  return { layout: wanted ?? layoutFromShape(model, only), outputs: [only] };
}

function layoutFromShape(model: ModelProto, output: ValueInfoProto): RawLayout {
  const labels = metadataFacts(metadataRecord(model.metadata_props)).labels?.length ?? null;
  const [, rows = null, columns = null] = innerDims(model, output);
  const shape = `The output ${quoted(output.name)} [N, ${rows ?? "?"}, ${columns ?? "?"}]`;
  const strides = (anchors: number | null) => stridesFor(model, anchors);
  const found: RawLayout[] = [];
  if (labels !== null) {
    if (rows === 4 + labels && strides(columns) !== null) found.push("channels-first");
    if (columns === 4 + labels && strides(rows) !== null) found.push("anchors-first");
    if (columns === 5 + labels && strides(rows) !== null) found.push("objectness");
  } else if (rows !== null && columns !== null && rows >= 5 && strides(columns) !== null) {
    found.push("channels-first");
  }
  const [layout] = found;
  if (layout === undefined || found.length > 1) {
    const seen = labels === null ? "a model without labels" : `${labels} labels`;
    return refuse(`${shape} of ${seen} is ${found.length > 1 ? found.join(" or ") : "no known layout"}`, EXPLICIT);
  }
  if (layout === "objectness" && !isDecoded(model, strides(rows)!.perCell)) {
    refuse(`${shape} looks like YOLOX's offsets in cells, which nothing decodes into boxes`, EXPLICIT);
  }
  return layout;
}

/** YOLOX decodes with Exp and has one anchor a cell; YOLOv5 and YOLOv7 have three and square. */
function isDecoded({ graph }: ModelProto, perCell: 1 | 3 | null): boolean {
  const has = (name: string) => graph!.node.some(({ op_type: operator }) => operator === name);
  return perCell === 3 || has("Exp") || (perCell === null && has("Pow"));
}

/** What the file declares, else what follows from the graph; exporters name even fixed axes. */
function innerDims(model: ModelProto, output: ValueInfoProto): Dims {
  const declared = dimsOf(output);
  if (declared.every((size) => size !== null)) return declared;
  const known = new Knowledge(sortedGraph(model.graph!), opsetOf(model)).dims(output.name);
  return declared.map((size, axis) => size ?? (typeof known?.[axis] === "number" ? known[axis] : null));
}

/** The strides that give so many anchors for the model's picture; those of any number where sizes are dynamic. */
function stridesFor(model: ModelProto, anchors: number | null): { perCell: 1 | 3 | null } | null {
  const picture = model.graph!.input.map(dimsOf).find((dims) => dims.length === 4);
  const [, , height = null, width = null] = picture ?? [];
  if (anchors === null || height === null || width === null) return { perCell: null };
  return anchorStrides(anchors, height, width);
}

export interface RawParts {
  readonly nodes: readonly NodeProto[];
  readonly constants: readonly TensorProto[];
  readonly boxes: string;
  readonly scores: string;
}

/** The nodes that make boxes `[N, A, 4]` and scores `[N, A, C]` of the raw outputs. */
export function rawParts({ layout, outputs }: Layout, model: ModelProto, names: Names): RawParts {
  const [first, second] = outputs.map(({ name = "" }) => name);
  if (layout === "boxes-scores") return { nodes: [], constants: [], boxes: first!, scores: second! };
  const slices = new Slices(opsetOf(model), names);
  let rows = first!;
  if (layout === "channels-first") {
    rows = names.take("nms/rows");
    slices.nodes.push(nodeOf("Transpose", { inputs: [first!], outputs: [rows], name: `${rows}/node` }, [
      intsAttribute("perm", [0, 2, 1]),
    ]));
  }
  const boxes = slices.take(rows, "nms/boxes", 0, 4);
  const { nodes, constants } = slices;
  if (layout !== "objectness") return { nodes, constants, boxes, scores: slices.take(rows, "nms/scores", 4, END) };
  const object = slices.take(rows, "nms/objectness", 4, 5);
  const classes = slices.take(rows, "nms/classes", 5, END);
  const scores = names.take("nms/scores");
  slices.nodes.push(nodeOf("Mul", { inputs: [classes, object], outputs: [scores], name: `${scores}/node` }));
  return { nodes, constants, boxes, scores };
}

/** To the end of an axis; INT32's largest, so that no TensorRT has to clamp it. */
const END = 2 ** 31 - 1;
/** From here on Slice takes its bounds as inputs. */
const SLICE_INPUTS_SINCE = 10;

class Slices {
  readonly nodes: NodeProto[] = [];
  readonly constants: TensorProto[] = [];
  readonly #opset: number;
  readonly #names: Names;

  constructor(opset: number, names: Names) {
    this.#opset = opset;
    this.#names = names;
  }

  /** Part of the last of three axes. @returns its name */
  take(from: string, as: string, start: number, end: number): string {
    const name = this.#names.take(as);
    const bounds = { starts: start, ends: end, axes: 2 };
    const inputs = [from];
    if (this.#opset >= SLICE_INPUTS_SINCE) {
      for (const [what, value] of Object.entries(bounds)) inputs.push(this.#constant(`${name}/${what}`, value));
    }
    const attributes = this.#opset >= SLICE_INPUTS_SINCE
      ? []
      : Object.entries(bounds).map(([what, value]) => intsAttribute(what, [value]));
    this.nodes.push(nodeOf("Slice", { inputs, outputs: [name], name: `${name}/node` }, attributes));
    return name;
  }

  #constant(as: string, value: number): string {
    const name = this.#names.take(as);
    this.constants.push({
      dims: [1],
      data_type: DATA_TYPE.INT64,
      string_data: [],
      name,
      raw_data: new Uint8Array(BigInt64Array.of(BigInt(value)).buffer),
      external_data: [],
      metadata_props: [],
    });
    return name;
  }
}
