/** Prometheus's text format, read back (prometheus.io/docs/instrumenting/exposition_formats). */

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface MetricsText {
  /** By the metric's name. */
  readonly types: ReadonlyMap<string, string>;
  readonly helps: ReadonlyMap<string, string>;
  readonly samples: readonly Sample[];
}

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)",?/y;

/** @throws {Error} for a line that is none */
export function metricsText(text: string): MetricsText {
  const types = new Map<string, string>();
  const helps = new Map<string, string>();
  const samples: Sample[] = [];
  for (const line of text.split("\n").filter((line) => line !== "")) {
    const [, comment, about, rest] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (comment !== undefined) (comment === "TYPE" ? types : helps).set(about!, rest!);
    else samples.push(sampleOf(line));
  }
  return { types, helps, samples };
}

function sampleOf(line: string): Sample {
  const [, name, inside = "", value] = SAMPLE.exec(line) ?? [];
  if (name === undefined) throw new Error(`No sample: ${line}`);
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < inside.length) {
    const found = LABEL.exec(inside);
    if (found === null) throw new Error(`No labels: ${line}`);
    labels[found[1]!] = found[2]!.replace(/\\(.)/g, (_, char) => char === "n" ? "\n" : char);
  }
  return { name, labels, value: value === "+Inf" ? Infinity : Number(value) };
}

/** The metric that a sample is of. */
export function familyOf(name: string, types: ReadonlyMap<string, string>): string {
  const base = name.replace(/_(bucket|sum|count)$/, "");
  return types.get(base) === "histogram" ? base : name;
}
