import assert from "node:assert/strict";
import { configDocument, DOCUMENTS } from "../../scripts/write_config_docs.ts";
import { SETTING_KEYS } from "../../src/config/settings.ts";

for (const { path, text } of DOCUMENTS) {
  const name = path.split("/").at(-1);
  Deno.test(`config: docs/${name} is what scripts/write_config_docs.ts writes`, async () => {
    assert.equal(await Deno.readTextFile(path), text(), "run deno run -A scripts/write_config_docs.ts");
  });
}

Deno.test("config: the reference page has a row for every setting", () => {
  const page = configDocument();
  for (const key of SETTING_KEYS) assert.match(page, new RegExp(`^\\| \`${key}\``, "m"));
});
