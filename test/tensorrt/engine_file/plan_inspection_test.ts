import assert from "node:assert/strict";
import type { PlanHeader } from "../../../src/tensorrt/engine_file/plan_header.ts";
import {
  isEngineFile,
  planInspection,
  planInspectionLines,
  planVerdict,
} from "../../../src/tensorrt/engine_file/plan_inspection.ts";
import { type Product, versionFromText } from "../../../src/tensorrt/versions.ts";

function header(product: Product, version: string | null, more: Partial<PlanHeader> = {}): PlanHeader {
  return {
    product,
    version: version === null ? null : versionFromText(version)!,
    platformTag: 0,
    entries: 2,
    planOffset: 0,
    planBytes: 4096,
    ultralytics: null,
    ...more,
  };
}

const VERDICTS: readonly (readonly [Product, string | null, Product, string, boolean | null])[] = [
  ["tensorrt", "10.16.1.11", "tensorrt", "10.16.1.11", true],
  ["tensorrt", "10.16.1.11", "tensorrt", "10.16.1", true],
  ["tensorrt", "10.3.0.26", "tensorrt", "10.3.0.30", null],
  ["tensorrt", "10.3.0.30", "tensorrt", "10.16.1.11", null],
  ["tensorrt", "10.16.1.11", "tensorrt", "10.3.0.30", false],
  ["tensorrt", "8.6.1.6", "tensorrt", "10.3.0.30", null],
  ["tensorrt", "8.6.1.6", "tensorrt", "11.4.0.106", false],
  ["tensorrt", "10.16.1.11", "tensorrt", "11.4.0.106", null],
  ["tensorrt", null, "tensorrt", "8.5.3", null],
  ["tensorrt", "10.16.1.11", "tensorrt-rtx", "1.7.1.116", false],
  ["tensorrt-rtx", "1.7.1.116", "tensorrt-rtx", "1.7.1.116", true],
  ["tensorrt-rtx", "1.4.0.76", "tensorrt-rtx", "1.7.1.116", false],
  ["tensorrt-rtx", "1.7.1.88", "tensorrt-rtx", "1.7.1.344", true],
];

for (const [product, version, library, installed, loads] of VERDICTS) {
  Deno.test(`plan inspection: ${library} ${installed} and a plan of ${product} ${version}: ${loads}`, () => {
    const release = { product: library, version: versionFromText(installed)! };
    assert.equal(planVerdict(header(product, version), release).loads, loads);
  });
}

Deno.test("plan inspection: metadata, platform and an unknown version are remarked", () => {
  const plain = planInspection(header("tensorrt", "10.16.1.11"));
  assert.equal(plain.version, "10.16.1.11");
  assert.equal(plain.remarks.length, 1);
  const odd = planInspection(
    header("tensorrt", null, { platformTag: 3, planOffset: 44, ultralytics: { stride: 32 } }),
    [
      { product: "tensorrt", version: versionFromText("10.16.1")! },
    ],
  );
  assert.equal(odd.version, null);
  assert.equal(odd.remarks.length, 4);
  assert.deepEqual(odd.verdicts.map((verdict) => verdict.loads), [false]);
  const lines = planInspectionLines(odd);
  assert.deepEqual(lines.map(([title]) => title), ["kind", "plan", "metadata", "remarks", "", "", "", "here"]);
  assert.ok(lines.every(([, text]) => !/undefined|null/.test(text)));
  assert.match(planInspection(header("tensorrt-rtx", "1.2.0.1")).remarks.join(), /does not drive/);
});

Deno.test("plan inspection: a file is an engine by its name or its first bytes", () => {
  const bytes = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
  assert.ok(isEngineFile("yolo.engine", new Uint8Array(0)));
  assert.ok(isEngineFile("yolo.PLAN", bytes("anything")));
  assert.ok(isEngineFile("file", bytes("vtrt....")));
  assert.ok(isEngineFile("file", bytes('\x28\0\0\0{"a": 1}')));
  assert.ok(!isEngineFile("yolo.onnx", bytes("\x08\x08\x12\x09trtd-test")));
  assert.ok(!isEngineFile("list.json", bytes('{"a": 1}')));
});
