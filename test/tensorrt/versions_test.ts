import assert from "node:assert/strict";
import fc from "fast-check";
import {
  compareVersions,
  FAMILIES,
  familyOf,
  type Product,
  releaseFromLibraryNumber,
  releaseText,
  versionFromText,
  versionInRange,
  versionText,
} from "../../src/tensorrt/versions.ts";

const NUMBERS: readonly (readonly [number, string | null, string | null])[] = [
  [8601, "TensorRT 8.6.1", "8.6"],
  [8503, "TensorRT 8.5.3", "8.5"],
  [8401, "TensorRT 8.4.1", null],
  [7103, "TensorRT 7.1.3", null],
  [9300, "TensorRT 9.3.0", "8.6"],
  [100_001, "TensorRT 10.0.1", "10"],
  [101_303, "TensorRT 10.13.3", "10"],
  [101_601, "TensorRT 10.16.1", "10"],
  [110_400, "TensorRT 11.4.0", "11"],
  [120_000, "TensorRT 12.0.0", null],
  [10_200, "TensorRT-RTX 1.2.0", null],
  [10_300, "TensorRT-RTX 1.3.0", "rtx-1.3"],
  [10_400, "TensorRT-RTX 1.4.0", "rtx-1.3"],
  [10_500, "TensorRT-RTX 1.5.0", "rtx-1.5"],
  [10_701, "TensorRT-RTX 1.7.1", "rtx-1.5"],
  [20_000, "TensorRT-RTX 2.0.0", null],
  [0, null, null],
  [-8601, null, null],
  [999, null, null],
  [1_000_000, null, null],
  [8601.5, null, null],
  [NaN, null, null],
];

for (const [number, text, family] of NUMBERS) {
  Deno.test(`versions: getInferLibVersion() ${number} is ${text ?? "no release"}`, () => {
    const release = releaseFromLibraryNumber(number);
    assert.equal(release === null ? null : releaseText(release), text);
    if (release !== null) assert.equal(familyOf(release).family, family);
  });
}

const TEXTS: readonly (readonly [string, string | null])[] = [
  ["8.6.1.6", "8.6.1.6"],
  ["10.13", "10.13.0"],
  ["11", "11.0.0"],
  ["v10.16", "10.16.0"],
  ["570.124.06", "570.124.6"],
  ["36.4.3-20250107174145", "36.4.3"],
  [" 1.7.1.116\n", "1.7.1.116"],
  ["", null],
  ["ten", null],
  ["10.x", null],
  ["1.2.3.4.5", null],
  ["9999999.0", null],
];

for (const [text, version] of TEXTS) {
  Deno.test(`versions: ${JSON.stringify(text)} reads as ${version}`, () => {
    const read = versionFromText(text);
    assert.equal(read === null ? null : versionText(read), version);
  });
}

Deno.test("versions: a range includes every patch of its last release and nothing after", () => {
  const inRange = (text: string, from: string, to: string) => versionInRange(versionFromText(text)!, from, to);
  assert.ok(inRange("10.7.9", "10.5", "10.7"));
  assert.ok(!inRange("10.8.0", "10.5", "10.7"));
  assert.ok(!inRange("10.4.9", "10.5", "10.7"));
  assert.ok(inRange("10.13.0", "10.10", "10.13.0"));
  assert.ok(!inRange("10.13.1", "10.10", "10.13.0"));
  assert.ok(inRange("39.9", "39.2.2", "39"));
  assert.ok(inRange("10.16.2.10", "10.16.2", "10.16"));
});

Deno.test("versions: a newer minor of a known major gets the nearest family and says so", () => {
  const family = (product: Product, text: string) => familyOf({ product, version: versionFromText(text)! });
  assert.deepEqual(family("tensorrt", "11.9"), { family: "11", known: false });
  assert.deepEqual(family("tensorrt", "10.17"), { family: "10", known: false });
  assert.deepEqual(family("tensorrt-rtx", "1.8"), { family: "rtx-1.5", known: false });
  assert.deepEqual(family("tensorrt", "12.0"), { family: null, known: false, why: "newer" });
  assert.deepEqual(family("tensorrt", "8.4.3"), { family: null, known: false, why: "older" });
  for (const row of FAMILIES) {
    assert.deepEqual(family(row.product, row.from), { family: row.family, known: true });
    assert.deepEqual(family(row.product, row.to), { family: row.family, known: true });
  }
});

Deno.test("versions: comparing orders versions and a text survives the way there and back", () => {
  const part = fc.integer({ min: 0, max: 999 });
  const version = fc.record({ major: part, minor: part, patch: part, build: fc.option(part, { nil: null }) });
  fc.assert(fc.property(version, version, (a, b) => {
    assert.deepEqual(versionFromText(versionText(a)), { ...a });
    assert.equal(Math.sign(compareVersions(a, b)), -Math.sign(compareVersions(b, a)) + 0);
  }));
});

Deno.test("versions: no text and no number makes the readers throw", () => {
  fc.assert(fc.property(fc.string(), fc.double(), (text, number) => {
    versionFromText(text);
    releaseFromLibraryNumber(number);
  }));
});
