import assert from "node:assert/strict";
import fc from "fast-check";
import { inheritedFrom, mergeConfig, secretsIn, shownValue } from "../../src/config/config.ts";
import { layerLines } from "../../src/config/load.ts";
import {
  flagOf,
  groupOf,
  type Setting,
  SETTING_KEYS,
  type SettingKey,
  SETTINGS,
  variableOf,
} from "../../src/config/settings.ts";
import { layerValues, textOf } from "./arbitrary_settings.ts";

const RUNS = { numRuns: 100 };

/** An empty list cannot be written as a variable: empty ones count as unset. */
const writable = (values: Record<string, unknown>): [SettingKey, unknown][] =>
  (Object.entries(values) as [SettingKey, unknown][]).filter(([key, value]) => textOf(key, value) !== "");

const variablesOf = (values: Record<string, unknown>): Record<string, string> =>
  Object.fromEntries(writable(values).map(([key, value]) => [variableOf(key), textOf(key, value)]));

const flagsOf = (values: Record<string, unknown>): Record<string, string> =>
  Object.fromEntries(
    writable(values).filter(([key]) => (SETTINGS[key] as Setting).secret !== true)
      .map(([key, value]) => [key, textOf(key, value)]),
  );

const layers = fc.record({
  system: layerValues(),
  folder: layerValues(),
  upstream: layerValues(SETTING_KEYS.filter((key) => !key.startsWith("upstream"))),
  json: layerValues(),
  variables: layerValues(),
  flags: layerValues(),
});

Deno.test("config: of any layers each key has the strongest layer's value and tells that layer", () => {
  fc.assert(
    fc.property(layers, ({ system, folder, upstream, json, variables, flags }) => {
      const merged = mergeConfig({
        documents: [
          { origin: "/system", value: system },
          { origin: "/folder", value: folder },
          { origin: "https://up", value: upstream, upstream: true },
          { origin: "SERVING_ENVIRONMENT", value: json },
        ],
        environment: variablesOf(variables),
        flags: flagsOf(flags),
      });
      const given = new Set(Object.keys(flagsOf(flags)));
      const set = new Set(writable(variables).map(([key]) => key));
      for (const key of SETTING_KEYS) {
        const [origin, value] = given.has(key)
          ? [flagOf(key), flags[key]]
          : set.has(key)
          ? [variableOf(key), variables[key]]
          : key in json
          ? ["SERVING_ENVIRONMENT", json[key]]
          : key in upstream
          ? ["https://up", upstream[key]]
          : key in folder
          ? ["/folder", folder[key]]
          : key in system
          ? ["/system", system[key]]
          : ["default", SETTINGS[key].default];
        assert.deepEqual([merged.origins[key], merged.config[key]], [origin, value], key);
      }
    }),
    RUNS,
  );
});

Deno.test("config: groups, dots and plain keys say the same, in any order", () => {
  fc.assert(
    fc.property(layerValues(), fc.infiniteStream(fc.integer({ min: 0, max: 2 })), (values, choices) => {
      const written: Record<string, unknown> = {};
      for (const [key, value] of Object.entries(values).reverse()) {
        const place = groupOf(key as SettingKey);
        const how = choices.next().value;
        if (place === null || how === 0) written[key] = value;
        else if (how === 1) written[`${place.group}.${place.member}`] = value;
        else written[place.group] = { ...written[place.group] as object, [place.member]: value };
      }
      const merge = (value: unknown) =>
        mergeConfig({ documents: [{ origin: "f", value }], environment: {}, flags: {} }).config;
      assert.deepEqual(merge(written), merge(values));
    }),
    RUNS,
  );
});

Deno.test("config: a child that inherits has its parent's settings, and none of its secrets", () => {
  fc.assert(
    fc.property(layerValues(), (value) => {
      const parent = mergeConfig({ documents: [{ origin: "f", value }], environment: {}, flags: {} });
      const inherited = inheritedFrom(parent.config);
      const child = mergeConfig({
        documents: [{ origin: "p", value: JSON.parse(inherited) }],
        environment: {},
        flags: {},
      });
      assert.deepEqual(child.config, { ...parent.config, api_key: undefined, upstream_token: undefined });
    }),
    RUNS,
  );
});

Deno.test("config: no secret stands in what is shown", () => {
  fc.assert(
    fc.property(layerValues(), (value) => {
      const merged = mergeConfig({ documents: [{ origin: "f", value }], environment: {}, flags: {} });
      const shown = layerLines(merged).join("\n") +
        JSON.stringify(SETTING_KEYS.map((key) => shownValue(key, merged.config[key]))) + inheritedFrom(merged.config);
      for (const secret of merged.layers.flatMap(({ values }) => secretsIn(values))) {
        assert.ok(!shown.includes(secret), secret);
      }
    }),
    RUNS,
  );
});

Deno.test("config: an alias's key in clear is hidden and not inherited", () => {
  const minio = { endpoint: "https://m.example", bucket: "b", access_key: "AKIA12345", secret_key: "s3cr3ts3cr3t" };
  const merged = mergeConfig({
    documents: [{ origin: "f", value: { aliases: { minio } } }],
    environment: {},
    flags: {},
  });
  const [line] = layerLines(merged);
  for (const text of [line!, inheritedFrom(merged.config)]) {
    assert.match(text, /m\.example/);
    assert.doesNotMatch(text, /AKIA12345|s3cr3t/);
  }
  assert.equal(merged.config.aliases["minio"]?.secret_key, "s3cr3ts3cr3t");
});
