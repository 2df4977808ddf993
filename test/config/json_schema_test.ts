import assert from "node:assert/strict";
import fc from "fast-check";
import { z } from "zod";
import { mergeConfig } from "../../src/config/config.ts";
import { configSchema } from "../../src/config/json_schema.ts";
import { groupOf, type SettingKey } from "../../src/config/settings.ts";
import { layerValues } from "./arbitrary_settings.ts";

const schema = z.fromJSONSchema(configSchema() as Parameters<typeof z.fromJSONSchema>[0]);

const isTaken = (value: unknown): boolean => {
  try {
    mergeConfig({ documents: [{ origin: "f", value }], environment: {}, flags: {} });
    return true;
  } catch {
    return false;
  }
};

Deno.test("config: the editors' schema takes what trtd takes, plain and in groups", () => {
  fc.assert(
    fc.property(layerValues(), fc.boolean(), (values, grouped) => {
      const file: Record<string, unknown> = { $schema: "./x.json" };
      for (const [key, value] of Object.entries(values)) {
        const place = grouped ? groupOf(key as SettingKey) : null;
        if (place === null) file[key] = value;
        else file[place.group] = { ...file[place.group] as object, [place.member]: value };
      }
      assert.equal(isTaken(file), true);
      const { success, error } = schema.safeParse(file);
      assert.equal(success, true, error?.message);
    }),
    { numRuns: 60 },
  );
});

const WRONG: readonly unknown[] = [
  [],
  "port",
  { prot: 1 },
  { port: "80" },
  { port: 1.5 },
  { port: 65_536 },
  { insecure: "true" },
  { backend: "cuda" },
  { cache: { layuot: "shared" } },
  { cache: { layout: "x" } },
  { "cache.layout": "x" },
  { model: [] },
  { model: "codes" },
  { retry: ["luck"] },
  { http: { trusted_networks: ["lan"] } },
  { aliases: { minio: { endpont: "https://x", bucket: "b" } } },
  { aliases: { minio: { endpoint: "https://x" } } },
  { api_key: "short" },
  { cache_trusted_owners: ["root"] },
];

Deno.test("config: the editors' schema refuses what trtd refuses", () => {
  for (const value of WRONG) {
    assert.equal(isTaken(value), false, JSON.stringify(value));
    assert.equal(schema.safeParse(value).success, false, JSON.stringify(value));
  }
});
