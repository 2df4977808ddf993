import assert from "node:assert/strict";
import { join } from "node:path";
import { ElementType, Family, LibraryKind } from "../../ffi/enums.ts";
import { fakeSet, nativeTest, scenario } from "./children.ts";
import type { Failing } from "./failure_scenarios.ts";
import { ABSENT, type Expected, FAMILIES } from "./family_cases.ts";
import type { Executed } from "./real_scenarios.ts";
import type { Failure } from "./scenario_steps.ts";
import type { Whole } from "./whole_scenario.ts";

const isFailure = (value: unknown): value is Failure =>
  typeof value === "object" && value !== null && "status" in value;

function checkFlags(expected: Expected, found: Whole): void {
  assert.deepEqual(Object.keys(found.flags).sort(), Object.keys(expected.flags).sort());
  const asked: string[] = [];
  for (const [name, outcome] of Object.entries(found.flags)) {
    const number = expected.flags[name];
    if (number === ABSENT) {
      assert.ok(isFailure(outcome) && outcome.status === "UNSUPPORTED", `${name}: ${JSON.stringify(outcome)}`);
      assert.match(outcome.message, new RegExp(`has no flag ${name}$`));
    } else {
      assert.equal(outcome, true, name);
      const pair = [`BuilderConfig.setFlag(${number})`, `BuilderConfig.clearFlag(${number})`];
      asked.push(...(name === "TF32" ? pair.reverse() : pair));
    }
  }
  assert.deepEqual(found.journal.filter((line) => /BuilderConfig\.(set|clear)Flag\(/.test(line)), asked);
}

function checkOptions(expected: Expected, found: Whole): void {
  const { optimizationLevel, hardwareCompatibility } = expected;
  const options: [key: string, method: string, value: number, there: boolean][] = [
    ["OPTIMIZATION_LEVEL", "setBuilderOptimizationLevel", 5, optimizationLevel],
    ["PROFILING_VERBOSITY", "setProfilingVerbosity", 2, true],
    ["HARDWARE_COMPATIBILITY", "setHardwareCompatibilityLevel", 1, hardwareCompatibility],
    ["TACTIC_SOURCES", "setTacticSources", 8, true],
    ["DLA_CORE", "setDLACore", 1, true],
    ["DEFAULT_DEVICE", "setDefaultDeviceType", 1, true],
    ["MAX_AUX_STREAMS", "setMaxAuxStreams", 2, optimizationLevel],
    ["AVERAGE_TIMING_ITERATIONS", "setAvgTimingIterations", 6, true],
  ];
  for (const [key, method, value, there] of options) {
    const outcome = found.options[key];
    if (there) assert.equal(outcome, value, key);
    else assert.ok(isFailure(outcome) && outcome.status === "UNSUPPORTED", `${key}: ${JSON.stringify(outcome)}`);
    assert.equal(found.journal.includes(`BuilderConfig.${method}(${value})`), there, method);
  }
  found.pools.forEach((outcome, pool) => {
    const bytes = 5_000_000_000 + pool;
    if (pool < expected.pools) assert.equal(outcome, bytes);
    else assert.ok(isFailure(outcome) && outcome.status === "UNSUPPORTED");
    const asked = found.journal.includes(`BuilderConfig.setMemoryPoolLimit(${pool}, ${bytes})`);
    assert.equal(asked, pool < expected.pools);
  });
}

/** Where each of the lines comes in the journal; all must be there, in this order. */
function checkOrder(journal: readonly string[], lines: readonly string[]): void {
  let at = -1;
  for (const line of lines) {
    const next = journal.indexOf(line, at + 1);
    assert.ok(next > at, `"${line}" is not in the journal after entry ${at}:\n${journal.join("\n")}`);
    at = next;
  }
}

for (const expected of FAMILIES) {
  nativeTest(`shim: every slot of the fake ${expected.name} is the one its header names`, async () => {
    const folder = await Deno.makeTempDir();
    try {
      const set = fakeSet(expected.name);
      const rtx = set.plugins === null;
      const found = await scenario<Whole>("whole", { set, file: join(folder, "plan") });
      const { journal, facts } = found;
      assert.deepEqual([...journal, ...found.selfCheckJournal].filter((line) => line.startsWith("WRONG SLOT")), []);

      assert.equal(facts.family, expected.family);
      assert.equal(facts.product, expected.product);
      assert.equal(facts.kind, LibraryKind.FULL);
      assert.deepEqual([facts.version, facts.raw_version], [expected.version, expected.raw]);
      assert.equal(facts.evidence, expected.evidence);
      assert.equal(facts.build, expected.family <= Family.V8_6 ? 0 : 7);
      assert.deepEqual([facts.has_parser, facts.has_plugins, facts.forced], [1, rtx ? 0 : 1, 0]);
      assert.deepEqual(found.paths, [set.core, set.parser, set.plugins]);
      assert.deepEqual(found.plugins, [!rtx, false]);
      assert.ok(found.checks >= 13, String(found.checks));

      const { platform } = expected;
      assert.deepEqual(found.builderFacts, {
        fast_fp16: platform,
        fast_int8: platform === 1 ? 0 : -1,
        tf32: platform,
        dla_cores: 2,
        max_threads: 1,
      });
      const { plain, strong } = expected.networkFlags;
      if (strong === ABSENT) assert.equal((found.stronglyTyped as Failure).status, "UNSUPPORTED");
      else assert.equal(found.stronglyTyped, true);
      assert.deepEqual(
        journal.filter((line) => line.startsWith("Builder.createNetworkV2")),
        [...(strong === ABSENT ? [] : [strong]), plain].map((flags) => `Builder.createNetworkV2(${flags})`),
      );
      assert.deepEqual(found.networkFacts, { layers: 7, inputs: 1, outputs: 1, errors: 0 });
      assert.deepEqual(
        found.tensors.map(({ name, mode, type, is_shape, dims }) => [name, mode, type, is_shape, dims]),
        [
          ["images", 1, ElementType.INT8, 1, [-1, 3, 2, 2]],
          ["output0", 2, ElementType.INT32, 0, [-1, 4]],
        ],
      );

      checkFlags(expected, found);
      checkOptions(expected, found);
      if (expected.targets) assert.equal(found.targets, true);
      else assert.equal((found.targets as Failure).status, "UNSUPPORTED");
      if (expected.progress) assert.equal(found.progress, true);
      else assert.equal((found.progress as Failure).status, "UNSUPPORTED");
      assert.deepEqual(
        found.phases.map((event) => event.kind),
        expected.progress
          ? [
            "phase-start",
            "phase-start",
            "phase-step",
            "phase-step",
            "phase-step",
            "phase-finish",
            "phase-step",
            "phase-finish",
          ]
          : [],
      );
      const [outer, inner] = found.phases;
      if (outer?.kind === "phase-start" && inner?.kind === "phase-start") {
        assert.deepEqual([outer.phase, outer.parent, outer.steps], ["Building Engine", null, 2]);
        assert.deepEqual([inner.phase, inner.parent, inner.steps], ["Timing Tactics", "Building Engine", 3]);
      }

      assert.equal(found.profileIndex, 0);
      assert.equal(String.fromCharCode(...found.plan.slice(0, 4)), expected.magic);
      assert.equal((await Deno.stat(join(folder, "plan"))).size, found.size);
      assert.equal(found.timingCache, "TIMING1");
      assert.deepEqual(found.threads, [1, 2]);
      if (expected.family === Family.V8_5) assert.equal((found.hostCode as Failure).status, "UNSUPPORTED");
      else assert.equal(found.hostCode, true);
      assert.deepEqual(found.engineFacts, {
        device_memory: expected.deviceMemory,
        tensors: 2,
        profiles: 1,
        layers: 7,
        hardware_compatibility: expected.hardwareCompatibility ? 1 : -1,
        name_length: 4,
        name: "fake",
      });
      const engineTensors = found.engineTensors.map(({ name, mode, type, format, location, is_shape, dims }) => {
        return [name, mode, type, format, location, is_shape, dims];
      });
      assert.deepEqual(engineTensors, [
        ["images", 1, ElementType.INT8, 5, 0, 1, [-1, 3, 2, 2]],
        ["output0", 2, ElementType.INT32, 5, 1, 0, [-1, 4]],
      ]);
      assert.deepEqual(found.profileShapes, [[1, 3, 2, 2], [2, 3, 2, 2], [4, 3, 2, 2]]);
      assert.equal(found.layers, 6020);
      assert.deepEqual([found.missingBefore, found.missingAfter], [["images"], []]);
      assert.deepEqual([found.outputShape, found.outputBytes], [[2, 4], 32]);
      assert.deepEqual(found.answer, [1, 3, 5, 7, 9, 11, 13, 15]);

      checkOrder(journal, [
        `createInferBuilder_INTERNAL(${expected.raw})`,
        "Builder.setMaxThreads(3)",
        `createNvOnnxParser_INTERNAL(${facts.parser_version})`,
        "Parser.parse(61, /models/m.onnx)",
        "Builder.createBuilderConfig()",
        "BuilderConfig.createTimingCache(0)",
        "BuilderConfig.setTimingCache(0)",
        "OptimizationProfile.setDimensions(images, 0, 1x3x2x2)",
        "OptimizationProfile.setDimensions(images, 1, 2x3x2x2)",
        "OptimizationProfile.setDimensions(images, 2, 4x3x2x2)",
        "OptimizationProfile.isValid()",
        "BuilderConfig.addOptimizationProfile()",
        "Builder.buildSerializedNetwork()",
        "TimingCache.serialize()",
        `createInferRuntime_INTERNAL(${expected.raw})`,
        "Runtime.setMaxThreads(2)",
        `Runtime.deserializeCudaEngine(${found.size})`,
        "EngineInspector.getEngineInformation(1)",
        ...expected.createContext,
        "ExecutionContext.setOptimizationProfileAsync(0, stream)",
        "ExecutionContext.setInputShape(images, 2x3x2x2)",
        "ExecutionContext.inferShapes(2)",
        "ExecutionContext.setTensorAddress(output0)",
        "ExecutionContext.enqueueV3(stream)",
      ]);
      // Children go before parents although the parents were closed first, and nothing is left.
      for (
        const pair of [
          ["Network", "Parser"],
          ["Network", "Builder"],
          ["BuilderConfig", "TimingCache"],
          ["BuilderConfig", "Builder"],
          ["ExecutionContext", "CudaEngine"],
          ["CudaEngine", "Runtime"],
          ...rtx ? [["ExecutionContext", "RuntimeConfig"], ["RuntimeConfig", "RuntimeCache"]] : [],
        ]
      ) {
        checkOrder(journal, pair.map((name) => `delete ${name}`));
      }
      assert.equal(found.kernels, rtx ? "KERNELS of before conv" : null);
      assert.equal(found.live, 0);
      assert.equal(found.lost, 0);
      const made = (name: string) => journal.filter((line) => line === `delete ${name}`).length;
      assert.deepEqual(
        ["Builder", "BuilderConfig", "OptimizationProfile", "Runtime", "CudaEngine", "ExecutionContext", "Parser"].map(
          made,
        ),
        [1, 1, 1, 1, 1, rtx ? 2 : 1, 1],
      );
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

for (const { name, version } of FAMILIES) {
  nativeTest(`shim: all complaints of the parser of the fake ${name} are read, field by field`, async () => {
    const argument = { set: fakeSet(name), step: "parse", fake: "parse=error" };
    const { failure, complaints } = await scenario<Failing>("failing", argument);
    assert.equal(failure?.status, "PARSE_FAILED");
    // 8.x does not tell which node it means by name.
    const named = version >= 90000 || version < 20000;
    const place = { line: 771, file: "ModelImporter.cpp", function: "importModel" };
    const node = (node_name: string, node_operator: string) =>
      named ? { node_name, node_operator } : { node_name: "", node_operator: "" };
    assert.deepEqual(complaints, [
      {
        ...place,
        ...node("/model.22/Slice", "Slice"),
        code: 8,
        node: 23,
        description: "Assertion failed: convertDtype(onnxType, &dtype)",
      },
      { ...place, ...node("/model.22/Concat", "Concat"), code: 2, node: 24, description: "A second complaint" },
    ]);
  });
}

for (const name of ["8.6", "10.16", "rtx-1.4"]) {
  nativeTest(`shim: the fake ${name} builds, loads and runs a model of two outputs from files`, async () => {
    const folder = await Deno.makeTempDir();
    try {
      const at = (file: string) => join(folder, file);
      await Deno.writeTextFile(at("model"), "model\ninput x 0 1x4\noutput y 0 1x2\noutput z 0 1x6\n");
      await Deno.writeFile(at("input"), new Uint8Array(Float32Array.of(3, 5, 7, 9).buffer));
      const argument = { ...fakeSet(name), model: at("model"), input: at("input"), output: at("out"), shape: [1, 4] };
      const found = await scenario<Executed>("execute", argument);
      const floats = async (file: string) => [...new Float32Array((await Deno.readFile(at(file))).buffer)];
      assert.deepEqual(await floats("out.y"), [7, 11]);
      assert.deepEqual(await floats("out.z"), [7, 11, 15, 19, 7, 11]);
      assert.deepEqual(found.outputs, [{ name: "y", shape: [1, 2] }, { name: "z", shape: [1, 6] }]);
      assert.deepEqual([found.missing, found.gpu.compute_major, found.gpu.compute_minor], [[], 8, 9]);
      assert.equal(found.cacheBytes, name.startsWith("rtx") ? "KERNELS conv".length : 0);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}
