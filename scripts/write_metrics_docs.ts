/**
 * Write docs/metrics.md from the table of metrics, and grafana/trtd.json from the table of panels.
 *
 *     deno run -A scripts/write_metrics_docs.ts          write them
 *     deno run -A scripts/write_metrics_docs.ts --check  fail when they are out of date
 */
import { resolve } from "node:path";
import { METRIC_TOPICS, type MetricRow } from "../src/http/metrics/metric_table.ts";
import { BATCH_BOUNDS, DURATION_BOUNDS } from "../src/serving/telemetry/serving_counts.ts";
import { dashboard } from "./metrics/dashboard.ts";

const ROOT = resolve(import.meta.dirname!, "..");

const code = (text: string): string => `\`${text}\``;

function topic(title: string, rows: Readonly<Record<string, MetricRow>>): string {
  const lines = Object.entries(rows).map(([name, { type, help, labels }]) =>
    `| ${code(name)} | ${type} | ${labels.map(code).join(", ")} | ${help.replaceAll("|", "\\|")} |`
  );
  return `### ${title}\n\n| Metric | Type | Labels | |\n| --- | --- | --- | --- |\n${lines.join("\n")}\n`;
}

/** The reference page. */
export function metricsDocument(): string {
  return `# Metrics, timings and logs

<!-- Written by scripts/write_metrics_docs.ts from src/http/metrics/metric_table.ts; change the table, not this file. -->

## /metrics

\`GET /metrics\` answers in Prometheus's text format. The route is guarded like any other: where trtd asks for API keys,
Prometheus sends one.

\`\`\`yaml
scrape_configs:
  - job_name: trtd
    authorization: { credentials_file: /etc/prometheus/trtd.key }
    static_configs: [{ targets: ["127.0.0.1:8000"] }]
\`\`\`

Labels have few values: routes of the table, codes, served models, causes, GPUs. Nothing that a client sends (paths, names
of models that are not served, request ids) becomes a label, and no label holds a secret. Counters begin at 0 when the
server starts; workers that are started again take nothing away from them.

${Object.entries(METRIC_TOPICS).map(([title, rows]) => topic(title, rows)).join("\n")}
Buckets of durations, in seconds: ${DURATION_BOUNDS.join(", ")}. Buckets of batches: ${BATCH_BOUNDS.join(", ")}.

Workers tell about GPUs with their heartbeats, because the server itself loads no native code: through NVML, which comes
with NVIDIA's driver, and on a Jetson through the files of its kernel (\`/sys/class/devfreq\`, \`thermal\`, \`hwmon\`). Numbers
are at most a few seconds old. What cannot be read is not shown.

## Grafana

[grafana/trtd.json](../grafana/trtd.json) is a dashboard for Grafana 10 and later: import it and choose the Prometheus that
asks trtd. A test parses each of its queries and looks up every metric and label in what a real server shows.

## Server-Timing

Every answer has the header \`Server-Timing\` in milliseconds. For a picture: \`queue\`, \`decode\`, \`preprocess\`, \`inference\`,
\`postprocess\` and \`total\`, as \`timings_ms\` in the answer has them (\`total\` is everything but the queue); for every request
\`request\`, from its head to its answer. Browsers show it beside the request.

## Logs

Log lines go to standard error, as text or, with \`log_format\` \`json\`, as one JSON object a line (\`@timestamp\`, \`level\`,
\`message\`, \`logger\`, \`properties\`). \`log_level\` is the least severity. Secrets are hidden in whatever is logged.

Every request has an id: the client's \`X-Request-Id\` (1 to 64 letters, digits, dots, dashes, underscores) or a new one. It is
in the answer's headers, in every error's document, and as \`request_id\` in the lines about it, whichever process writes them:

| Line | Level |
| --- | --- |
| One for each request: method, path, status, code of the error, milliseconds | info; debug for \`/health\` and \`/metrics\` |
| The manager gives it to a worker, after so many milliseconds | debug |
| Its worker ended and it is tried again | info |
| Workers died of it | error |
| The worker answered: stages, backend, batch | debug |
| The worker could not answer | debug for a bad picture, warning for a failed inference, error with a stack for what trtd did not foresee |
`;
}

/** The files and what they must hold. */
export const DOCUMENTS: readonly { readonly path: string; readonly text: () => string }[] = [
  { path: resolve(ROOT, "docs", "metrics.md"), text: metricsDocument },
  { path: resolve(ROOT, "grafana", "trtd.json"), text: () => `${JSON.stringify(dashboard(), null, 2)}\n` },
];

if (import.meta.main) {
  for (const { path, text } of DOCUMENTS) {
    if (!Deno.args.includes("--check")) await Deno.writeTextFile(path, text());
    else if (await Deno.readTextFile(path).catch(() => null) !== text()) {
      console.error(`${path} is out of date; run deno run -A scripts/write_metrics_docs.ts`);
      Deno.exitCode = 1;
    }
  }
}
