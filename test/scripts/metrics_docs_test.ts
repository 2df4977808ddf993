import assert from "node:assert/strict";
import { DOCUMENTS } from "../../scripts/write_metrics_docs.ts";

for (const { path, text } of DOCUMENTS) {
  Deno.test(`metrics: ${path.split("/").slice(-2).join("/")} is what the tables say`, async () => {
    assert.equal(await Deno.readTextFile(path), text(), "run deno run -A scripts/write_metrics_docs.ts");
  });
}
