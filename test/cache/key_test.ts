import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type AnyKey,
  type CacheKey,
  canonicalJson,
  differenceText,
  type Json,
  keyDifferences,
  keyFrom,
  type KeyInputs,
  keyName,
  keyText,
} from "../../src/cache/key.ts";
import { INPUTS, KEY } from "./set_up.ts";

/** JSON values with texts that would be ambiguous without delimiters and types. */
const jsonValue = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<Json>(null, true, false, "", "1", '"', ",", "null", ":", "\n", "\\", "[1]", "é", "\ud800"),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number === 0 ? 0 : number),
    fc.string(),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.string(), tie("value"), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value;

const anyKey = fc.dictionary(fc.string(), jsonValue, { maxKeys: 5, noNullPrototype: true }) as fc.Arbitrary<AnyKey>;

Deno.test("cache key: two keys have equal texts when they are equal, and only then", () => {
  fc.assert(
    fc.property(anyKey, anyKey, (one, other) => {
      assert.equal(keyText(one) === keyText(other), equal(one, other));
    }),
    { numRuns: 500, seed: 5 },
  );
  fc.assert(
    fc.property(anyKey, jsonValue, fc.nat(), (key, value, at) => {
      const names = Object.keys(key);
      const changed = names.length === 0 ? { a: value } : { ...key, [names[at % names.length]!]: value };
      assert.equal(keyText(key) === keyText(changed), equal(key, changed));
    }),
    { numRuns: 500, seed: 6 },
  );
});

Deno.test("cache key: the text can be read back, so that no two keys share one", () => {
  fc.assert(
    fc.property(anyKey, (key) => {
      const [, ...lines] = keyText(key).trimEnd().split("\n");
      const read = lines.map((line) => Object.entries(JSON.parse(`{${line}}`) as AnyKey)[0]!);
      assert.deepEqual(Object.fromEntries(read), { ...key });
    }),
    { numRuns: 500, seed: 7 },
  );
});

Deno.test("cache key: the order of names does not matter, the order of lists does", () => {
  assert.equal(canonicalJson({ b: [1, 2], a: { d: 1, c: 2 } }), '{"a":{"c":2,"d":1},"b":[1,2]}');
  assert.notEqual(canonicalJson([1, 2]), canonicalJson([2, 1]));
  assert.equal(canonicalJson(-0), "0");
  for (const number of [NaN, Infinity, -Infinity]) assert.throws(() => canonicalJson(number), TypeError);
});

/** What can be changed in a request, each with the only field of the key that it moves. */
const CHANGES: readonly [keyof CacheKey, Partial<KeyInputs>][] = [
  ["model_sha256", { model: { ...INPUTS.model, sha256: "cd".repeat(32) } }],
  ["external_data_sha256", { model: { ...INPUTS.model, externalDataSha256: "cd".repeat(32) } }],
  ["passes", { passes: [{ name: "nms-split", version: 2, options: null }] }],
  ["precision", { precision: "f32" }],
  ["batch", { batch: 8 }],
  ["profile", { profile: [{ ...INPUTS.profile[0]!, opt: [4, 3, 64, 64] }] }],
  ["flags", { flags: ["FP16", "VERSION_COMPATIBLE"] }],
  ["workspace_bytes", { workspaceBytes: 1 }],
  ["optimization_level", { optimizationLevel: 0 }],
  ["tactic_sources", { tacticSources: 0 }],
  ["dla_core", { dlaCore: 0 }],
  ["targets", { targets: [90] }],
  ["tensorrt_product", { tensorrt: { ...INPUTS.tensorrt, product: "tensorrt-rtx" } }],
  ["tensorrt_family", { tensorrt: { ...INPUTS.tensorrt, family: "11" } }],
  ["tensorrt_version", { tensorrt: { ...INPUTS.tensorrt, version: "10.13.2.7" } }],
  ["cuda_major", { tensorrt: { ...INPUTS.tensorrt, cuda: "13.0" } }],
  ["parser", { parser: null }],
  ["plugins_sha256", { pluginsSha256: "ef".repeat(32) }],
  ["gpu_name", { gpu: { name: "NVIDIA L4", computeCapability: "8.9" } }],
  ["compute_capability", { gpu: { ...INPUTS.gpu!, computeCapability: "9.0" } }],
  ["driver_branch", { driver: "570.10" }],
  ["platform", { platform: "linux-aarch64" }],
  ["shim", { shim: "0.2.0" }],
];

Deno.test("cache key: each thing that decides whether an engine fits is a field, and its change is told with both values", () => {
  for (const [field, change] of CHANGES) {
    const key = keyFrom({ ...INPUTS, ...change });
    const fields = keyDifferences(KEY as unknown as AnyKey, key).map((one) => one.field);
    const implied = field === "tensorrt_product" ? ["gpu_name", "compute_capability", "driver_branch"] : [];
    assert.deepEqual(fields, [field, ...implied], field);
    assert.notEqual(keyName(key), keyName(KEY), field);
  }
  const tested = new Set<string>(["format", "hardware_compatibility", ...CHANGES.map(([field]) => field)]);
  assert.deepEqual(Object.keys(KEY).filter((field) => !tested.has(field)), [], "each field is tested");
});

Deno.test("cache key: order and repetition of flags, targets and inputs do not matter", () => {
  const [first, second] = [INPUTS.profile[0]!, { ...INPUTS.profile[0]!, name: "a" }];
  const one = keyFrom({ ...INPUTS, flags: ["A", "B"], targets: [75, 120], profile: [first, second] });
  const other = keyFrom({ ...INPUTS, flags: ["B", "A", "B"], targets: [120, 75], profile: [second, first] });
  assert.equal(keyText(one), keyText(other));
});

Deno.test("cache key: where an engine is not tied to the GPU, its name and the driver leave the key", () => {
  const elsewhere: Partial<KeyInputs> = { gpu: { name: "NVIDIA L4", computeCapability: "8.9" }, driver: "590.1" };
  const same = (inputs: KeyInputs, change: Partial<KeyInputs>) =>
    keyDifferences(keyFrom(inputs) as unknown as AnyKey, keyFrom({ ...inputs, ...change })).map(({ field }) => field);
  const rtx: KeyInputs = { ...INPUTS, tensorrt: { ...INPUTS.tensorrt, product: "tensorrt-rtx", family: "rtx-1.5" } };
  assert.deepEqual(same(rtx, elsewhere), []);
  assert.deepEqual(same(rtx, { targets: [120] }), ["targets"]);
  assert.deepEqual(same({ ...INPUTS, hardwareCompatibility: "same" }, elsewhere), ["driver_branch"]);
  const newer = { gpu: { name: "NVIDIA GeForce RTX 3080", computeCapability: "8.6" } };
  assert.deepEqual(same({ ...INPUTS, hardwareCompatibility: "same" }, newer), ["compute_capability"]);
  assert.deepEqual(same({ ...INPUTS, hardwareCompatibility: "ampere" }, newer), []);
});

Deno.test("cache key: a field that only the old or only the new key has is a difference", () => {
  const { shim: _, ...rest } = KEY as unknown as AnyKey;
  const old = { ...rest, tuning: null, format: 0 };
  assert.deepEqual(keyDifferences(old, KEY), [
    { field: "format", old: 0, new: 1 },
    { field: "shim", old: null, new: "0.1.0" },
    { field: "tuning", old: null, new: null },
  ]);
  assert.equal(differenceText({ field: "shim", old: null, new: "0.1.0" }), 'shim: null -> "0.1.0"');
});

function equal(one: unknown, other: unknown): boolean {
  try {
    assert.deepEqual(one, other);
    return true;
  } catch {
    return false;
  }
}
