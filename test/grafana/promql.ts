/** What a PromQL expression asks for, by the parser of Prometheus's own editor. */
import { parser } from "@prometheus-io/lezer-promql";

type Node = ReturnType<typeof parser.parse>["topNode"];

export interface Matcher {
  readonly label: string;
  readonly operator: string;
  readonly value: string;
}

export interface Selector {
  readonly metric: string;
  readonly matchers: readonly Matcher[];
  /** Whether a range is asked for, as rates need. */
  readonly ranged: boolean;
  /** Labels that expressions around it group by, or match on. */
  readonly wanted: readonly string[];
}

export interface Query {
  readonly selectors: readonly Selector[];
  /** Labels of the outermost aggregation, which the result has; null without one. */
  readonly labels: readonly string[] | null;
}

/** Grafana's variables, as something that can be parsed. */
const plain = (text: string): string => text.replaceAll("$__rate_interval", "1m").replace(/\$\w+/g, ".*");

/** @throws {Error} when it is no PromQL */
export function query(text: string): Query {
  const source = plain(text);
  const { topNode } = parser.parse(source);
  const selectors: Selector[] = [];
  let labels: readonly string[] | null = null;
  const textOf = (node: Node): string => source.slice(node.from, node.to);
  const namesIn = (node: Node | null): string[] => node === null ? [] : node.getChildren("LabelName").map(textOf);

  const visit = (node: Node, wanted: readonly string[], ranged: boolean) => {
    if (node.type.isError) throw new Error(`No PromQL at ${node.from}: ${source}`);
    if (node.name === "VectorSelector") selectors.push({ ...selectorOf(node), ranged, wanted });
    const inside = [...wanted];
    if (node.name === "AggregateExpr") {
      const modifier = node.getChild("AggregateModifier");
      const by = modifier?.getChild("By") ? namesIn(modifier.getChild("GroupingLabels")) : [];
      labels ??= by;
      inside.push(...by);
    } else if (node.name === "BinaryExpr") {
      const clause = node.getChild("MatchingModifierClause");
      if (clause?.getChild("On")) inside.push(...namesIn(clause.getChild("GroupingLabels")));
    }
    for (let child = node.firstChild; child !== null; child = child.nextSibling) {
      visit(child, inside, ranged || node.name === "MatrixSelector");
    }
  };

  const selectorOf = (node: Node) => ({
    metric: textOf(node.getChild("Identifier")!),
    matchers: (node.getChild("LabelMatchers")?.getChildren("UnquotedLabelMatcher") ?? []).map((matcher) => ({
      label: textOf(matcher.getChild("LabelName")!),
      operator: textOf(matcher.getChild("MatchOp")!),
      value: textOf(matcher.getChild("StringLiteral")!).slice(1, -1),
    })),
  });

  visit(topNode, [], false);
  if (selectors.length === 0) throw new Error(`It asks for nothing: ${text}`);
  return { selectors, labels };
}
