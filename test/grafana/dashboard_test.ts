import assert from "node:assert/strict";
import { METRICS } from "../../src/http/metrics/metric_table.ts";
import { metricsOf, problemsOf } from "./dashboard_check.ts";
import { familyOf, metricsText } from "./metrics_text.ts";
import { ASKED, checkServed } from "./served_check.ts";

Deno.test("grafana: every metric of the table has a panel, and every panel's metrics are in the table", () => {
  const types = new Map(Object.entries(METRICS).map(([name, { type }]) => [name, type]));
  const asked = new Set(ASKED.flatMap(metricsOf).map((name) => familyOf(name, types)));
  assert.deepEqual([...asked].sort(), Object.keys(METRICS).sort());
});

Deno.test("grafana: a query for what is not there is found out", () => {
  const text = metricsText(
    '# TYPE a_total counter\na_total{code="X"} 1\n# TYPE b gauge\nb 2\n# TYPE c histogram\nc_bucket{le="+Inf"} 0\n',
  );
  const wrong = (expr: string, legend = "x") => problemsOf({ title: "T", expr, legend }, text).length;
  assert.equal(wrong("sum by (code) (rate(a_total[$__rate_interval]))", "{{code}}"), 0);
  assert.equal(wrong('histogram_quantile(0.9, sum by (le) (rate(c_bucket{job="$job"}[1m])))'), 0);
  for (
    const expr of [
      "sum(rate(a[1m]))",
      "sum by (model) (a_total)",
      'sum(a_total{model="x"})',
      'sum(a_total{code="Y"})',
      'sum(a_total{code!~"X|Y"})',
      "rate(b[1m])",
      "b * on (code) a_total",
      "histogram_quantile(0.9, sum(rate(c_bucket[1m])))",
      "c_sum",
    ]
  ) assert.equal(wrong(expr), 1, expr);
  assert.equal(wrong("sum(a_total)", "{{code}}"), 1);
  assert.throws(() => wrong("sum(rate(a_total[1m])"), /No PromQL/);
});

Deno.test("grafana: a server that answered good and bad requests has what every panel asks for", () => checkServed());
