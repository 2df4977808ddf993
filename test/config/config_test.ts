import assert from "node:assert/strict";
import { type Layers, mergeConfig } from "../../src/config/config.ts";
import { flagOf, type SettingKey, SETTINGS, variableOf } from "../../src/config/settings.ts";
import { TrtdError } from "../../src/errors.ts";

const layers = (some: Partial<Layers>): Layers => ({ environment: {}, flags: {}, ...some });

const inFile = (value: unknown, origin = "f.json"): Partial<Layers> => ({ documents: [{ origin, value }] });

function refusal(some: Partial<Layers>): TrtdError {
  try {
    mergeConfig(layers(some));
  } catch (error) {
    assert.ok(error instanceof TrtdError, String(error));
    return error;
  }
  throw new Error("nothing was refused");
}

Deno.test("config: without any layer each setting has its default and says so", () => {
  const { config, origins } = mergeConfig(layers({}));
  for (const key of Object.keys(SETTINGS) as SettingKey[]) {
    assert.deepEqual(config[key], SETTINGS[key].default);
    assert.equal(origins[key], "default");
  }
});

Deno.test("config: a flag wins over a variable, a variable over the file, the file over the default", () => {
  const documents = [{ origin: "/etc/trtd.config.json", value: { port: 1, host: "file", queue_limit: 7 } }];
  const environment = { TRTD_PORT: "2", TRTD_HOST: "variable" };
  const { config, origins } = mergeConfig({ documents, environment, flags: { port: "3" } });
  assert.deepEqual([config.port, config.host, config.queue_limit, config.max_connections], [3, "variable", 7, 1024]);
  assert.deepEqual(
    [origins.port, origins.host, origins.queue_limit, origins.max_connections],
    ["--port", "TRTD_HOST", "/etc/trtd.config.json", "default"],
  );
});

Deno.test("config: key, variable and flag are the same words", () => {
  for (const key of Object.keys(SETTINGS) as SettingKey[]) {
    assert.equal(variableOf(key), `TRTD_${key.toUpperCase()}`);
    assert.equal(flagOf(key), `--${key.replaceAll("_", "-")}`);
  }
});

Deno.test("config: lists come from repeated flags and from commas", () => {
  assert.deepEqual(mergeConfig(layers({ flags: { model: ["a", "b,c"] } })).config.model, ["a", "b", "c"]);
  assert.deepEqual(mergeConfig(layers({ environment: { TRTD_CLASSES: "x, y" } })).config.classes, ["x", "y"]);
});

Deno.test("config: an empty variable counts as unset", () => {
  assert.equal(mergeConfig(layers({ environment: { TRTD_PORT: "" } })).config.port, 8080);
});

Deno.test("config: variables of the repository's tools are no settings", () => {
  assert.equal(mergeConfig(layers({ environment: { TRTD_GPU_RTX: "1.4.0.76" } })).config.port, 8080);
});

Deno.test("config: the file may group keys, or join them with a dot", () => {
  const config = (value: unknown) => mergeConfig(layers(inFile(value))).config;
  const cache = { layout: "per-device", trusted_owners: [1000, "0"], size_limit_mb: 0 };
  const grouped = config({ cache, "port": 1 });
  assert.deepEqual(
    [grouped.cache_layout, grouped.cache_trusted_owners, grouped.cache_size_limit_mb, grouped.port],
    ["per-device", ["1000", "0"], 0, 1],
  );
  assert.equal(config({ "cache.layout": "per-device" }).cache_layout, "per-device");
  assert.equal(config({ cache_layout: "per-device" }).cache_layout, "per-device");
});

const BAD: readonly [name: string, some: Partial<Layers>, code: string, says: RegExp][] = [
  ["a flag that is no number", { flags: { port: "many" } }, "USAGE", /--port/],
  ["an empty number", { flags: { port: " " } }, "USAGE", /--port/],
  ["a score over 1", { flags: { score: "1.5" } }, "USAGE", /--score/],
  ["a score of NaN", { flags: { score: "NaN" } }, "USAGE", /--score/],
  ["a fraction for a count", { environment: { TRTD_MAX: "2.5" } }, "CONFIG_INVALID", /TRTD_MAX/],
  ["an unknown backend", { flags: { backend: "cuda" } }, "USAGE", /--backend/],
  ["an unknown variable", { environment: { TRTD_PROT: "1" } }, "CONFIG_INVALID", /TRTD_PROT/],
  ["an unknown key in the file", inFile({ prot: 1 }), "CONFIG_INVALID", /"prot"/],
  [
    "an unknown key in a group",
    inFile({ cache: { lay: 1 } }),
    "CONFIG_INVALID",
    /"cache\.lay"/,
  ],
  [
    "a key that is there twice",
    inFile({ cache: { wait_s: 1 }, cache_wait_s: 2 }),
    "CONFIG_INVALID",
    /"cache_wait_s" twice/,
  ],
  ["a user that is no number", { flags: { cache_trusted_owners: "root" } }, "USAGE", /--cache-trusted-owners/],
  ["a retry that nobody knows", { environment: { TRTD_RETRY: "luck" } }, "CONFIG_INVALID", /TRTD_RETRY/],
  ["text for a number in the file", inFile({ port: "80" }), "CONFIG_INVALID", /f\.json/],
  ["a file that is a list", inFile([]), "CONFIG_INVALID", /f\.json/],
  ["an empty name in a list", { flags: { model: ["a,,b"] } }, "USAGE", /--model/],
  ["a port out of range", { flags: { port: "65536" } }, "USAGE", /--port/],
];

for (const [name, some, code, says] of BAD) {
  Deno.test(`config: ${name} is refused with its origin`, () => {
    const error = refusal(some);
    assert.equal(error.code, code);
    assert.match(error.message, says);
  });
}
