/** Small questions about nodes. */
import type { GraphProto, NodeProto } from "../proto.ts";

/** Names of the default domain, which the file may leave out. */
const DEFAULT_DOMAINS: readonly string[] = ["", "ai.onnx"];

/** The domain by its one name; the default domain is `ai.onnx`. */
export const domainOf = (domain: string | undefined): string =>
  DEFAULT_DOMAINS.includes(domain ?? "") ? "ai.onnx" : domain!;

/** What identifies a function, and the node that calls it. */
export function functionKey(
  domain: string | undefined,
  name: string | undefined,
  overload: string | undefined,
): string {
  return `${domainOf(domain)}::${name ?? ""}${overload ? `:${overload}` : ""}`;
}

/** The graphs in a node's attributes, with the attribute's name. */
export function subgraphs(node: NodeProto): { attribute: string; graph: GraphProto }[] {
  return node.attribute.flatMap(({ name = "", g, graphs }) =>
    (g === undefined ? graphs : [g, ...graphs]).map((graph) => ({ attribute: name, graph }))
  );
}
