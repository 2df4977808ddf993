/** Shapes of a model's outputs, as the table of heads writes them down, and how they are matched. */
import type { TensorType } from "../../backends/backend.ts";
import { anchorStrides } from "../../onnx/anchor_strides.ts";
import type { ModelFacts } from "../../onnx/model_facts.ts";

/** What the search reads. */
export type HeadFacts = Pick<
  ModelFacts,
  "inputs" | "outputs" | "metadata" | "operators" | "labels" | "image_size" | "task"
>;

/** An input or output as the model declares it. */
export type Spec = Pick<ModelFacts["inputs"][number], "name" | "type" | "dims">;

/** `N` batch, `K` any count, `A` anchors; `4+C`, `5+C` and `C` tell the number of classes, `1|C` does not. */
export type Dim = "N" | "K" | "A" | "C" | "4+C" | "5+C" | "1|C" | number;

export interface OutputPattern {
  readonly dims: readonly Dim[];
  /** Further shapes that hold the same. */
  readonly also?: readonly (readonly Dim[])[];
  readonly types: readonly TensorType[];
  /** What the output's name must match, where shapes are not enough. */
  readonly name?: RegExp;
}

/** What the matched shapes say; the table's rules read it. */
export interface Shape {
  readonly facts: HeadFacts;
  readonly labelCount: number | null;
  /** Size of axis `A` or `K`, null when dynamic. */
  readonly anchors: number | null;
  /** Number of classes that the shape tells; null when it does not. */
  readonly classes: number | null;
  /** Anchors a cell (1 or 3) when `anchors` is an anchor count of the input, else null. */
  readonly anchorsPerCell: 1 | 3 | null;
}

/** A size that the model fixes, null when the axis is dynamic. */
export const known = (dim: number | string | undefined): number | null =>
  typeof dim === "number" && dim > 0 ? dim : null;

interface Match {
  /** Output names in the order of the patterns. */
  readonly names: readonly string[];
  readonly shape: Shape;
}

/** What the outputs are matched against. */
export interface MatchContext {
  readonly facts: HeadFacts;
  readonly labelCount: number | null;
  /** Size of the model's input in pixels. */
  readonly height: number;
  readonly width: number;
}

/** The outputs of a model in the order of `patterns`, null when they do not fit. */
export function matchOutputs(patterns: readonly OutputPattern[], context: MatchContext): Match | null {
  const { facts, labelCount, height, width } = context;
  // YOLOv5 exports its three feature maps (rank 5) beside the output that matters.
  const outputs = facts.outputs.filter((spec) => spec.dims.length < 5);
  if (outputs.length !== patterns.length) return null;
  const names: string[] = [];
  let classes: number | null = null, anchors: number | null = null;
  for (const pattern of patterns) {
    const spec = outputs.find((spec) => !names.includes(spec.name) && fits(spec, pattern) !== null);
    if (spec === undefined) return null;
    names.push(spec.name);
    for (const [axis, dim] of fits(spec, pattern)!.entries()) {
      const size = known(spec.dims[axis]);
      if (dim === "A" || dim === "K") anchors ??= size;
      if (dim === "C" || dim === "4+C" || dim === "5+C") {
        if (size === null) continue;
        classes = size - (dim === "C" ? 0 : Number(dim[0]));
        if (classes < 1) return null;
      }
    }
  }
  const anchorsPerCell = anchorStrides(anchors, height, width)?.perCell ?? null;
  return { names, shape: { facts, labelCount, anchors, classes, anchorsPerCell } };
}

/** The shape among those of a pattern that an output has. */
function fits(spec: Spec, { dims, also = [], types, name }: OutputPattern): readonly Dim[] | null {
  if (!types.some((type) => type === spec.type) || (name !== undefined && !name.test(spec.name))) return null;
  // Exporters leave even fixed axes symbolic behind Gather and TopK; there the name is evidence enough.
  return [dims, ...also].find((one) =>
    one.length === spec.dims.length && one.every((dim, axis) => {
      const size = known(spec.dims[axis]);
      return typeof dim !== "number" || size === dim || (size === null && name !== undefined);
    })
  ) ?? null;
}
