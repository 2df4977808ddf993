/** Nodes and declarations that the fp16 pass makes or changes. */
import type { NodeProto, TensorProto, ValueInfoProto } from "../../proto.ts";
import { intAttribute, tensorAttribute } from "../../graph/attributes.ts";
import { halfTensor } from "./fp16_constants.ts";
import { isFloat } from "./fp16_values.ts";
import { nodeOf } from "../../graph/graph_index.ts";

/** Where a Cast goes. */
export interface CastPlan {
  /** Of its output. */
  readonly name: string;
  /** The Cast of the given model that it is; null for a new one. */
  readonly old: NodeProto | null;
  readonly from: string;
  readonly type: number;
}

/** A Cast: the old one with another source or type, itself when nothing differs, or a new one. */
export function castNode({ name, old, from, type }: CastPlan): NodeProto {
  if (old === null) {
    const edges = { inputs: [from], outputs: [name], name: `${name}/node` };
    return nodeOf("Cast", edges, [intAttribute("to", type)]);
  }
  const attribute = old.attribute.map((one) =>
    one.name === "to" && Number(one.i) !== type ? { ...one, i: BigInt(type) } : one
  );
  return withParts(old, { input: [from], output: old.output, attribute });
}

/** The node with other edges and attributes; itself when they are the same. */
export function withParts(
  node: NodeProto,
  parts: Pick<NodeProto, "input" | "output" | "attribute">,
): NodeProto {
  const equal = <T>(a: readonly T[], b: readonly T[]) => a.length === b.length && a.every((one, at) => one === b[at]);
  const isSame = equal(node.input, parts.input) && equal(node.output, parts.output) &&
    equal(node.attribute, parts.attribute);
  return isSame ? node : { ...node, ...parts };
}

/** A Constant node that holds the same in f16. */
export function halfConstant(
  constant: NodeProto,
  tensor: TensorProto,
  { output, name }: { output: string; name: string | undefined },
): NodeProto {
  return {
    ...constant,
    output: [output],
    ...(name === undefined ? {} : { name }),
    attribute: [tensorAttribute("value", halfTensor(tensor, tensor.name))],
  };
}

/** A declaration with another float type; what is no float stays. */
export function withFloatType(declared: ValueInfoProto, type: number): ValueInfoProto {
  const tensor = declared.type?.tensor_type;
  if (tensor === undefined || tensor.elem_type === type || !isFloat(tensor.elem_type)) return declared;
  return { ...declared, type: { ...declared.type, tensor_type: { ...tensor, elem_type: type } } };
}
