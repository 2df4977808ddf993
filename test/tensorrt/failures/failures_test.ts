import assert from "node:assert/strict";
import fc from "fast-check";
import { ERRORS } from "../../../src/errors.ts";
import { FAILURES } from "../../../src/tensorrt/failures/failure_table.ts";
import { explainFailure, LAST_ERRORS } from "../../../src/tensorrt/failures/failures.ts";
import type { LogLine } from "../../../src/tensorrt/failures/log_line.ts";

const time = "2026-11-22T18:09:24.631408Z";
const shim = (level: string, text: string): string[] =>
  `${time} ${level} rtx-1.7.1: ${text}`.split("\n").map((line, index) => index === 0 ? line : `\t${line}`);
const error = (text: string) => shim("ERROR", text);
const verbose = (text: string) => shim("VERBOSE", text);

/** A repetition without a limit in a pattern's source. */
const UNBOUNDED = /(?<!\\)[*+]|\{\d+,\}/;

Deno.test("failures: an unbounded repetition is told from a bounded one", () => {
  for (const source of ["a+", "\\S*", "(a|b)+?", "x{3,}"]) assert.match(source, UNBOUNDED);
  for (const source of ["a{1,9}", "\\+", "\\*x", "a?"]) assert.doesNotMatch(source, UNBOUNDED);
});

for (const row of FAILURES) {
  Deno.test(`failures: ${row.id} is ranked first for its own message`, () => {
    const level = row.rank === "note" ? "WARN" : "ERROR";
    const forms: readonly (readonly (LogLine | string)[])[] = [
      [row.sample],
      [{ severity: row.rank === "note" ? "warning" : "error", text: row.sample }],
      shim(level, row.sample),
      row.sample.split("\n").map((line, index) => index === 0 ? `[TRT] [${level[0]}] ${line}` : `\t${line}`),
    ];
    for (const lines of forms) {
      const explanation = explainFailure(lines);
      const first = row.rank === "note" ? explanation.notes[0] : explanation.hits[0];
      assert.equal(first?.id, row.id, JSON.stringify(lines));
      assert.equal(explanation.known, row.rank !== "note");
      assert.doesNotMatch(first.cause, /\{\d|unknown|undefined|null/);
      if (row.rank !== "note") assert.equal(explanation.code, row.code);
    }
  });

  Deno.test(`failures: ${row.id} is fit for a user and linear`, () => {
    assert.match(row.id, /^[a-z0-9-]+$/);
    assert.equal(row.code === null, row.rank === "note");
    if (row.code !== null) assert.ok(Object.hasOwn(ERRORS, row.code));
    for (const text of [row.cause, row.remedy]) {
      assert.match(text, /^[A-Z{]|^lib/);
      assert.doesNotMatch(text, /\.$|\n/);
    }
    assert.ok(row.source !== "" && row.versions !== "");
    assert.doesNotMatch(row.pattern.source, UNBOUNDED, "an unbounded repetition");
    assert.ok(!row.pattern.global && !row.pattern.sticky, "a pattern without state");
  });
}

Deno.test("failures: ids are unique", () => {
  assert.equal(new Set(FAILURES.map((row) => row.id)).size, FAILURES.length);
});

// Messages of a real service with TensorRT 8.6.1 on an RTX 5060, without severities.
const INCIDENT = [
  "[MemUsageChange] Init CUDA: CPU +29, GPU +0, now: CPU 231, GPU 239 (MiB)",
  "onnx2trt_utils.cpp:374: Your ONNX model has been generated with INT64 weights, while TensorRT does not natively support INT64. Attempting to cast down to INT32.",
  "onnx2trt_utils.cpp:400: One or more weights outside the range of INT32 was clamped",
  "No importer registered for op: EfficientNMS_TRT. Attempting to import as plugin.",
  "Searching for plugin: EfficientNMS_TRT, plugin_version: 1, plugin_namespace:",
  "Successfully created plugin: EfficientNMS_TRT",
  "BuilderFlag::kTF32 is set but hardware does not support TF32. Disabling TF32.",
  "2: [helpers.h::smVerHex2Dig::694] Error Code 2: Internal Error (Assertion major >= 0 && major < 10 failed. )",
].map((line) => `[SERVING][25-12-22 10:26:14][TRT] ${line}`);

Deno.test("failures: the incident's log is explained by the GPU, not by what came before or after", () => {
  for (const tail of [[], ["AttributeError: __enter__", "RuntimeError: Failed to build TensorRT engine: __enter__"]]) {
    const explanation = explainFailure([...INCIDENT, ...tail]);
    assert.equal(explanation.id, "gpu-newer-than-tensorrt");
    assert.equal(explanation.code, "GPU_UNSUPPORTED");
    assert.match(explanation.cause, /smVerHex2Dig/);
    assert.match(explanation.remedy, /TensorRT 10\.8 or later, built for CUDA 12\.8 or later/);
    assert.match(explanation.message!, /smVerHex2Dig::694/);
    assert.deepEqual(explanation.hits.map((hit) => hit.id), ["gpu-newer-than-tensorrt"]);
    assert.deepEqual(explanation.notes.map((note) => note.id), [
      "int64-weights",
      "int32-clamped",
      "operator-as-plugin",
      "tf32-off",
    ]);
    assert.doesNotMatch(JSON.stringify([explanation.cause, explanation.remedy, explanation.message]), /__enter__|null/);
  }
});

const DRIVERLESS = "[checkMacros.cpp::catchCudaError::250] Error Code 1: Cuda Runtime (In catchCudaError at " +
  "/_src/common/dispatch/checkMacros.cpp:250 (cudaError 35: CUDA driver version is insufficient for CUDA runtime version))";

Deno.test("failures: a parser error names its node, and what the builder says after it is no cause", () => {
  const explanation = explainFailure([
    ...error('ModelImporter.cpp:140: While parsing node number 1 [EfficientNMS_TRT -> "num"]:'),
    ...error("ModelImporter.cpp:142: --- Begin node ---\nNode name: /end/EfficientNMS_TRT"),
    ...error("ModelImporter.cpp:143: --- End node ---"),
    ...error(
      "ModelImporter.cpp:151: ERROR: onnxOpCheckers.cpp:998 In function checkFallbackPluginImporter:\n" +
        '[6] creator && "Plugin not found, are the plugin name, version, and namespace correct?"',
    ),
    ...Array.from({ length: 500 }, (_, index) => verbose(`Registered layer ${index}`)).flat(),
    ...error(
      "IBuilder::buildSerializedNetwork: Error Code 4: API Usage Error (Network must have at least one output. In validate at /_src/optimizer/api/network.cpp:3810)",
    ),
    ...error(DRIVERLESS),
  ]);
  assert.equal(explanation.id, "plugin-not-found");
  assert.equal(explanation.code, "PLUGIN_MISSING");
  assert.deepEqual(explanation.node, {
    index: 1,
    operator: "EfficientNMS_TRT",
    name: "/end/EfficientNMS_TRT",
    output: "num",
  });
  assert.match(explanation.cause, /at node 1 "\/end\/EfficientNMS_TRT" \(EfficientNMS_TRT\)$/);
  assert.deepEqual(explanation.hits.map((hit) => hit.id), [
    "plugin-not-found",
    "parser-stopped-at-node",
    "network-without-output",
  ]);
});

Deno.test("failures: what CUDA adds to every error without a driver is ignored, inside a message too", () => {
  const mixed =
    "ITensor::getDimensions: Error Code 4: API Usage Error (add_0: ElementWiseOperation SUM must have same input " +
    "types. But they are of types Float and Half. In validateTypes at /_src/optimizer/common/nodes/elementWiseNode.cpp:40)";
  const explanation = explainFailure([
    ...error(mixed),
    ...error(DRIVERLESS),
    ...error('ModelImporter.cpp:140: While parsing node number 0 [Add -> "y"]:'),
    ...error(
      `ModelImporter.cpp:151: ERROR: ModelImporter.cpp:489 In function parseNode:\n[6] Invalid Node - add_0\n${mixed}\n${DRIVERLESS}`,
    ),
    ...error(DRIVERLESS),
  ]);
  assert.equal(explanation.id, "types-differ");
  assert.match(explanation.cause, /mixes Float and Half.*at node 0 "y" \(Add\)/);
  assert.ok(explanation.hits.every((hit) => !hit.id.startsWith("cuda-")), JSON.stringify(explanation.hits));
  assert.ok(explanation.errors.every((line) => !line.includes("catchCudaError")));
  assert.deepEqual(explainFailure(error(DRIVERLESS)).id, "cuda-driver-insufficient");
});

Deno.test("failures: the last burst decides, unless it only tells of what follows", () => {
  const quiet = Array.from({ length: 100 }, () => verbose("Tactic 0x1 took 0.1 ms")).flat();
  const memory = error("1: [defaultAllocator.cpp::allocate::19] Error Code 1: Cuda Runtime (out of memory)");
  const kernel = error("Error Code 1: Cuda Runtime (no kernel image is available for execution on the device)");
  const symptom = error(
    "10: [optimizer.cpp::computeCosts::2033] Error Code 10: Internal Error (Could not find any implementation for node Conv_119 + Add_182.)",
  );
  assert.equal(explainFailure([...memory, ...quiet, ...kernel]).id, "no-kernel-image");
  assert.equal(explainFailure([...kernel, ...quiet, ...memory]).id, "gpu-memory");
  assert.equal(explainFailure([...memory, ...kernel]).id, "gpu-memory", "the first of one burst");
  const explanation = explainFailure([...memory, ...quiet, ...symptom]);
  assert.deepEqual(explanation.hits.map((hit) => hit.id), ["gpu-memory", "no-implementation"]);
  assert.equal(explainFailure(symptom).node?.name, "Conv_119 + Add_182");
});

Deno.test("failures: what is only said for information fails nothing, and verbose lines are not even remarked", () => {
  const info = explainFailure(shim("INFO", "Error Code 1: Cuda Runtime (an illegal memory access was encountered)"));
  assert.deepEqual([info.known, info.hits, info.errors], [false, [], []]);
  assert.deepEqual(explainFailure(shim("INFO", "Skipping tactic 3")).notes.map((note) => note.id), ["tactic-skipped"]);
  assert.deepEqual(explainFailure(verbose("Skipping tactic 3")).notes, []);
});

Deno.test("failures: a cause that was only a warning does not beat an error", () => {
  const warned = shim(
    "WARN",
    "Requested amount of GPU memory (3887181312 bytes) could not be allocated. There may not be enough free memory for allocation to succeed.",
  );
  const failed = error(
    "2: [helpers.h::smVerHex2Dig::694] Error Code 2: Internal Error (Assertion major >= 0 && major < 10 failed. )",
  );
  assert.equal(explainFailure([...warned, ...failed]).id, "gpu-newer-than-tensorrt");
  const alone = explainFailure(warned);
  assert.equal(alone.id, "gpu-memory-request");
  assert.match(alone.cause, /^3887181312 bytes/);
});

const FILLED: readonly (readonly [string, RegExp])[] = [
  ["expecting compute 8.9 got compute 7.5, please rebuild", /built for compute capability 7\.5, but this GPU has 8\.9/],
  ["expecting library version 10.4.0.26 got ..)", /built by another version, but this is TensorRT 10\.4\.0\.26/],
  [
    "expecting library version 8.6.1.6 got 8.6.0.12, please rebuild.",
    /built by TensorRT 8\.6\.0\.12, but this is TensorRT 8\.6\.1\.6/,
  ],
];
for (const [text, expected] of FILLED) {
  Deno.test(`failures: particulars of ${JSON.stringify(text)}`, () => {
    const prefix = text.includes("compute")
      ? "The engine plan file is generated on an incompatible device, "
      : "The engine plan file is not compatible with this version of TensorRT, ";
    assert.match(explainFailure([`6: ${prefix}${text}`]).cause, expected);
  });
}

Deno.test("failures: the first bytes of a file that is no engine are shown", () => {
  const refused = (tag: number) =>
    explainFailure([
      `Error Code 1: Serialization (Serialization assertion header.magicTag == kEXPECTED_MAGIC_TAG failed.Trying to load an engine created with incompatible serialization version (${tag} != 1953657974).`,
    ]);
  assert.match(refused(1819043176).cause, /begins with "hell"$/);
  assert.match(refused(152176648).cause, /begins with the bytes 08 08 12 09, as an ONNX model does$/);
  assert.equal(refused(1953657958).id, "engine-of-tensorrt");
  assert.equal(refused(614).id, "engine-with-json-before");
});

Deno.test("failures: an unknown failure shows the last distinct errors and how to report it", () => {
  const lines = Array.from({ length: 40 }, (_, index) => [...error(`Strange thing ${index >> 1}`), ...verbose("noise")])
    .flat();
  const explanation = explainFailure([...lines, ...error(DRIVERLESS)], { otherwise: "INFERENCE_FAILED" });
  assert.equal(explanation.known, false);
  assert.equal(explanation.code, "INFERENCE_FAILED");
  assert.equal(explanation.errors.length, LAST_ERRORS);
  assert.equal(explanation.errors.at(-1), "Strange thing 19");
  assert.match(explanation.remedy, /trtd doctor --bundle FILE/);
  const empty = explainFailure([]);
  assert.deepEqual([empty.known, empty.code, empty.errors, empty.message], [false, "BUILD_FAILED", [], null]);
});

const fragments = FAILURES.flatMap((row) => row.sample.split(/(?<=[ :.(])/));

Deno.test("failures: 10,000 lines of any text are explained without an exception and in bounded time", () => {
  const line = fc.oneof(
    fc.string({ unit: "binary", maxLength: 300 }),
    fc.string({ maxLength: 5000 }),
    fc.array(fc.constantFrom(...fragments), { maxLength: 40 }).map((parts) => parts.join("")),
    fc.tuple(fc.constantFrom(...fragments), fc.nat(2000)).map(([part, times]) => part.repeat(times).slice(0, 6000)),
    fc.constantFrom(...FAILURES).map((row) => `\t${row.sample}`),
  );
  const started = performance.now();
  let count = 0;
  fc.assert(
    fc.property(fc.array(line, { minLength: 50, maxLength: 50 }), (lines) => {
      count += lines.length;
      const explanation = explainFailure(lines);
      assert.ok(explanation.errors.length <= LAST_ERRORS);
      assert.equal(explanation.known, explanation.hits.length > 0);
    }),
    { numRuns: 200 },
  );
  assert.ok(count >= 10_000);
  assert.ok(performance.now() - started < 300_000, `${performance.now() - started} ms`);
});

Deno.test("failures: a flood of 100,000 lines is explained in bounded time", () => {
  const lines: string[] = [];
  for (let index = 0; index < 100_000; index++) {
    lines.push(
      ...shim(
        index % 10 === 0 ? "ERROR" : "VERBOSE",
        `Tactic ${index} of /model.${index % 97}/conv/Conv took ${index * 7} ms`,
      ),
    );
  }
  lines.splice(
    50_000,
    0,
    ...error(
      "2: [helpers.h::smVerHex2Dig::694] Error Code 2: Internal Error (Assertion major >= 0 && major < 10 failed. )",
    ),
  );
  const started = performance.now();
  assert.equal(explainFailure(lines).id, "gpu-newer-than-tensorrt");
  assert.ok(performance.now() - started < 60_000, `${performance.now() - started} ms`);
});

Deno.test("failures: lines made to backtrack take time in proportion to their length", () => {
  const duration = (length: number) => {
    const started = performance.now();
    for (const row of FAILURES) {
      const start = row.sample.slice(0, Math.ceil(row.sample.length * 0.8));
      explainFailure(Array.from({ length: 20 }, (_, index) => `[E] ${(start + index).repeat(40).slice(0, length)}`));
    }
    return performance.now() - started;
  };
  duration(500);
  let [short, long] = [0, Infinity];
  // The quickest of several, so that what else the machine does is left out.
  for (let attempt = 0; attempt < 5 && long >= 40 * short + 200; attempt++) {
    short = Math.max(short, duration(1000));
    long = Math.min(long, duration(4000));
  }
  assert.ok(long < 40 * short + 200, `${short} ms for 1,000 characters, ${long} ms for 4,000`);
});
