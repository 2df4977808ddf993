import assert from "node:assert/strict";
import { DOCUMENT, outOfDate, supportDocument } from "../../../scripts/write_support_docs.ts";

Deno.test("support docs: docs/tensorrt-gpu-support.md is what the table says", async () => {
  assert.equal(outOfDate(await Deno.readTextFile(DOCUMENT).catch(() => null)), null);
});

Deno.test("support docs: a changed or missing document is noticed", () => {
  assert.match(outOfDate(`${supportDocument()} `)!, /is out of date; run deno run/);
  assert.match(outOfDate(null)!, /is missing/);
});

Deno.test("support docs: every table is whole", () => {
  const tables = supportDocument().split("\n\n").map((part) => part.trim()).filter((part) => part.startsWith("|"));
  assert.ok(tables.length >= 10);
  for (const table of tables) {
    const columns = table.split("\n").map((line) => line.replaceAll("\\|", "").split("|").length);
    assert.equal(new Set(columns).size, 1, table.slice(0, 200));
    assert.doesNotMatch(table, /undefined|\[object|null/);
  }
});
