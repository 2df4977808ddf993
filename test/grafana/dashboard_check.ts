/** Whether what a dashboard asks for is there. */
import { familyOf, type MetricsText, type Sample } from "./metrics_text.ts";
import { type Matcher, query, type Selector } from "./promql.ts";

/** Prometheus adds them to whatever it scrapes. */
const SCRAPED: readonly string[] = ["job", "instance"];

export interface Asked {
  readonly title: string;
  readonly expr: string;
  readonly legend: string;
}

interface Target {
  readonly expr: string;
  readonly legendFormat: string;
}

export interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly type: string; readonly targets?: readonly Target[] }[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly type: string; readonly query: { query: string } }[];
  };
}

/** Every query of the panels and of the choices at the top. */
export function askedBy({ panels, templating }: Dashboard): Asked[] {
  const ofPanels = panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr, legendFormat }) => ({ title, expr, legend: legendFormat }))
  );
  const ofChoices = templating.list.filter(({ type }) => type === "query").map(({ name, query: { query } }) => {
    const [, selector, label] = /^label_values\((.*), (\w+)\)$/s.exec(query) ?? [];
    if (selector === undefined) throw new Error(`No label_values(selector, label): ${query}`);
    return { title: `$${name}`, expr: `count by (${label}) (${selector})`, legend: `{{${label}}}` };
  });
  return [...ofPanels, ...ofChoices];
}

/** Metrics that a query asks for. */
export const metricsOf = ({ expr }: Asked): string[] => query(expr).selectors.map(({ metric }) => metric);

/** What is wrong with a query for that server; empty when it finds something. */
export function problemsOf({ title, expr, legend }: Asked, text: MetricsText): string[] {
  const { selectors, labels } = query(expr);
  const shown = [...legend.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label!);
  const problems = shown.filter((label) => !labels?.includes(label)).map((label) => `the result has no label ${label}`);
  problems.push(...selectors.flatMap((selector) => problemsOfSelector(selector, text)));
  const quantile = /^histogram_quantile\(/.test(expr);
  if (quantile && !labels?.includes("le")) problems.push("a quantile needs le");
  return problems.map((problem) => `${title}: ${problem}: ${expr}`);
}

function problemsOfSelector({ metric, matchers, ranged, wanted }: Selector, { types, samples }: MetricsText): string[] {
  const family = familyOf(metric, types);
  const type = types.get(family);
  if (type === undefined) return [`there is no metric ${metric}`];
  const grows = type === "counter" || type === "histogram";
  if (ranged && !grows) return [`${metric} is a ${type}, which has no rate`];
  const named = samples.filter(({ name }) => name === metric);
  if (named.length === 0) return [`${metric} has no samples`];
  const known = new Set([...SCRAPED, ...named.flatMap(({ labels }) => Object.keys(labels))]);
  const missing = [...wanted, ...matchers.map(({ label }) => label)].filter((label) => !known.has(label));
  if (missing.length > 0) return [`${metric} has no label ${missing.join(", ")}`];
  return named.some((sample) => matchers.every((matcher) => matches(sample, matcher)))
    ? []
    : [`no sample of ${metric} matches`];
}

function matches({ labels }: Sample, { label, operator, value }: Matcher): boolean {
  if (SCRAPED.includes(label)) return true;
  const actual = labels[label] ?? "";
  const equal = operator.endsWith("~") ? new RegExp(`^(?:${value})$`).test(actual) : actual === value;
  return operator.startsWith("!") ? !equal : equal;
}
