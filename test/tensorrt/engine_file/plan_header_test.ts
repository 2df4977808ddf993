import assert from "node:assert/strict";
import fc from "fast-check";
import { type ErrorCode, TrtdError } from "../../../src/errors.ts";
import { writeModel } from "../../../src/onnx/write.ts";
import { planProducer, readPlanHeader } from "../../../src/tensorrt/engine_file/plan_header.ts";
import { constantDetector } from "../../onnx/build_model.ts";

interface PlanOptions {
  readonly magic?: string;
  readonly version?: readonly number[];
  readonly size?: number;
  readonly declared?: number;
  readonly tag?: number;
}

function plan(options: PlanOptions = {}): Uint8Array {
  const { magic = "ftrt", version = [10, 16, 1, 11], size = 4096, declared = size, tag = 0 } = options;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(magic));
  view.setUint32(4, tag, true);
  view.setBigUint64(8, 2n, true);
  view.setBigUint64(16, BigInt(declared), true);
  bytes.set(version, 24);
  return bytes;
}

function withJson(json: string, rest: Uint8Array): Uint8Array {
  const text = new TextEncoder().encode(json);
  const bytes = new Uint8Array(4 + text.length + rest.length);
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, 4);
  bytes.set(rest, 4 + text.length);
  return bytes;
}

// The first 48 bytes of plans that TensorRT-RTX 1.4.0.76 and 1.7.1.116 built for a ReLU.
const MEASURED: readonly (readonly [string, number, string])[] = [
  [
    "76747274000000000200000000000000" + "0c030200000000000104004c76747274" + "3e000000000000000000000000000000",
    131_852,
    "TensorRT-RTX 1.4.0.76",
  ],
  [
    "76747274000000000200000000000000" + "2c0a0200000000000107017476747274" + "7e000000000000000000000000000000",
    133_676,
    "TensorRT-RTX 1.7.1.116",
  ],
];

for (const [hex, fileBytes, producer] of MEASURED) {
  Deno.test(`plan header: the head of a plan of ${producer}`, () => {
    const bytes = Uint8Array.from(hex.match(/../g)!, (byte) => parseInt(byte, 16));
    const header = readPlanHeader(bytes, { fileBytes });
    assert.equal(planProducer(header), producer);
    assert.deepEqual([header.planBytes, header.entries, header.platformTag, header.planOffset], [fileBytes, 2, 0, 0]);
  });
}

Deno.test("plan header: TensorRT's plan, its version and platform", () => {
  const header = readPlanHeader(plan());
  assert.equal(header.product, "tensorrt");
  assert.equal(planProducer(header), "TensorRT 10.16.1.11");
  assert.equal(readPlanHeader(plan({ tag: 7 })).platformTag, 7);
  const old = readPlanHeader(plan({ version: [0, 0, 0, 0] }));
  assert.equal(old.version, null);
  assert.equal(planProducer(old), "TensorRT");
});

Deno.test("plan header: Ultralytics' metadata before the plan is read and skipped", () => {
  const bytes = withJson('{"stride": 32, "names": {"0": "person"}}', plan({ version: [8, 6, 1, 6] }));
  const header = readPlanHeader(bytes);
  assert.deepEqual(header.ultralytics, { stride: 32, names: { 0: "person" } });
  assert.equal(header.planOffset, 44);
  assert.equal(header.planBytes, 4096);
  assert.equal(planProducer(header), "TensorRT 8.6.1.6");
  const head = bytes.subarray(0, 200);
  assert.equal(readPlanHeader(head, { fileBytes: bytes.length }).planBytes, 4096);
});

Deno.test("plan header: a view into a larger buffer is read at its place", () => {
  const bytes = plan();
  const larger = new Uint8Array(bytes.length + 7);
  larger.set(bytes, 7);
  assert.equal(planProducer(readPlanHeader(larger.subarray(7))), "TensorRT 10.16.1.11");
});

const text = (value: string) => new TextEncoder().encode(value);
const onnx = writeModel(constantDetector({ output: [0, 0], dims: [2, 1] }));

const BAD: readonly (readonly [string, Uint8Array, ErrorCode, RegExp])[] = [
  ["an empty file", new Uint8Array(0), "ENGINE_CORRUPT", /is empty/],
  ["a file cut within the header", plan().subarray(0, 27), "ENGINE_CORRUPT", /ends after 27 bytes, within its header/],
  ["the magic alone", text("ftrt"), "ENGINE_CORRUPT", /ends after 4 bytes/],
  [
    "a plan cut short",
    plan().subarray(0, 4000),
    "ENGINE_CORRUPT",
    /cut short: the plan has 4096 bytes, but 4000 are there/,
  ],
  [
    "a plan with bytes after it",
    plan({ declared: 4000 }),
    "ENGINE_CORRUPT",
    /96 bytes after the end of its plan of 4000 bytes/,
  ],
  ["an impossible size", plan({ declared: Number.MAX_SAFE_INTEGER }), "ENGINE_CORRUPT", /cut short/],
  ["a plan cut short after JSON", withJson("{}", plan().subarray(0, 4000)), "ENGINE_CORRUPT", /cut short/],
  [
    "a file cut within the JSON",
    withJson('{"stride": 32}', plan()).subarray(0, 12),
    "ENGINE_CORRUPT",
    /within the 14 bytes of JSON/,
  ],
  [
    "JSON without a plan",
    withJson("{}", text("hello, this is no plan at all")),
    "ENGINE_NOT_A_PLAN",
    /metadata, but no plan/,
  ],
  ["an ONNX model", onnx, "ENGINE_NOT_A_PLAN", /is an ONNX model/],
  ["a zip archive", text("PK\x03\x04 and so on"), "ENGINE_NOT_A_PLAN", /zip archive/],
  ["an HTML page", text("<!DOCTYPE html><html></html>"), "ENGINE_NOT_A_PLAN", /HTML page/],
  ["one byte", Uint8Array.of(8), "ENGINE_NOT_A_PLAN", /does not begin with "ftrt" or "vtrt"/],
  ["zeros", new Uint8Array(64), "ENGINE_NOT_A_PLAN", /does not begin with/],
];

for (const [what, bytes, code, message] of BAD) {
  Deno.test(`plan header: ${what} is ${code}`, () => {
    assert.throws(() => readPlanHeader(bytes), (thrown) => {
      assert.ok(thrown instanceof TrtdError);
      assert.equal(thrown.code, code);
      assert.match(thrown.message, message);
      return true;
    });
  });
}

Deno.test("plan header: an ONNX model is told what to do with it", () => {
  assert.throws(
    () => readPlanHeader(onnx),
    (thrown) => thrown instanceof TrtdError && /build-engine/.test(thrown.remedy),
  );
});

Deno.test("plan header: any bytes give facts or a coded error", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.tuple(fc.constantFrom("ftrt", "vtrt"), fc.uint8Array({ maxLength: 60 })).map(([magic, rest]) =>
      Uint8Array.from([...text(magic), ...rest])
    ),
    fc.tuple(fc.json(), fc.uint8Array({ maxLength: 60 })).map(([json, rest]) => withJson(`{"a":${json}}`, rest)),
    fc.tuple(fc.nat(4095), fc.nat(255)).map(([at, value]) => {
      const changed = plan();
      changed[at] = value;
      return changed;
    }),
  );
  fc.assert(
    fc.property(bytes, fc.option(fc.nat(5000), { nil: undefined }), (value, fileBytes) => {
      try {
        const header = readPlanHeader(value, fileBytes === undefined ? {} : { fileBytes });
        assert.ok(header.planBytes >= 0);
      } catch (thrown) {
        assert.ok(thrown instanceof TrtdError, String(thrown));
        assert.match(thrown.code, /^ENGINE_(CORRUPT|NOT_A_PLAN)$/);
      }
    }),
    { numRuns: 3000 },
  );
});
