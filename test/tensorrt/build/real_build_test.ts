/** Real TensorRT-RTX from PyPI builds real plans on the CPU, for GPUs that are not here. */
import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { fileDigests, modelFacts } from "../../../src/onnx/facts.ts";
import { readModel } from "../../../src/onnx/read.ts";
import { writeModel } from "../../../src/onnx/write.ts";
import { openEngineCache } from "../../../src/cache/store.ts";
import { BuildFailure } from "../../../src/tensorrt/build/build_failure.ts";
import { keyInputsOf } from "../../../src/tensorrt/build/engine_key.ts";
import { type ObtainedEngine, obtainEngine } from "../../../src/tensorrt/build/obtain_engine.ts";
import { computePrecision } from "../../../src/tensorrt/plan/model_precision.ts";
import { type BuildWishes, planBuild } from "../../../src/tensorrt/plan/plan.ts";
import { readPlanHeader } from "../../../src/tensorrt/engine_file/plan_header.ts";
import { versionText } from "../../../src/tensorrt/versions.ts";
import { shimAndFakes, skipReason } from "../../native/children.ts";
import { type RealLibrary, realLibrary } from "../../native/fetch_libraries.ts";
import { model, node, rawBytes, tensor, value } from "../../onnx/build_model.ts";
import { assertHead, filesUnder } from "./fake_build.ts";
import { incidentModel } from "./incident_model.ts";

const DEFAULT_MODEL = resolve(import.meta.dirname!, "../../../models/codes/codes.onnx");
const TARGETS = "75,80,86,89,120";

const VERSIONS = { "rtx-1.7.1": "1.7.1.116", "rtx-1.4.0": "1.4.0.76" } as const;
type Name = keyof typeof VERSIONS;

const libraries: Record<Name, RealLibrary | string> = {
  "rtx-1.7.1": skipReason ?? await realLibrary("rtx-1.7.1"),
  "rtx-1.4.0": skipReason ?? await realLibrary("rtx-1.4.0"),
};

/** Registers a test for each library that is here; of the others it says why not. */
function realTest(title: string, body: (name: Name, library: RealLibrary) => Promise<void>): void {
  for (const name of Object.keys(VERSIONS) as Name[]) {
    const library = libraries[name];
    if (typeof library !== "string") Deno.test(`${name}: ${title}`, () => body(name, library));
    else Deno.test({ name: `${name}: ${title} (skipped: ${library})`, ignore: true, fn: () => {} });
  }
}

interface RealBuild {
  readonly name: Name;
  readonly library: RealLibrary;
  readonly path: string;
  readonly modelsDir: string;
  readonly wishes: BuildWishes;
}

async function build({ name, library, path, modelsDir, wishes }: RealBuild): Promise<ObtainedEngine> {
  const bytes = await Deno.readFile(path);
  const read = readModel(bytes);
  const machine = {
    tensorrt: {
      product: "tensorrt-rtx",
      version: VERSIONS[name],
      kind: "full",
      core: library.core,
      parser: library.parser,
      plugins: null,
      cuda: "13",
    },
    gpu: null,
    gpuMissing: "This machine has none",
    platform: "linux-x86_64",
    driver: null,
    driverCuda: null,
    cudaDriver: null,
  } as const;
  const plan = planBuild({ facts: modelFacts(read), precision: computePrecision(read) }, machine, wishes);
  const digests = fileDigests(bytes);
  const key = { plan, machine, modelSha256: digests.sha256, parserSha256: "0".repeat(64), pluginsSha256: null };
  return await obtainEngine(openEngineCache({ modelsDir, userCacheDir: null }), {
    model: { name: "real", named: "file", path, ...digests },
    plan,
    keyInputs: keyInputsOf(key),
    machine,
    cudaRuntime: null,
    jetpack: null,
    gpuMemoryBytes: null,
    shim: shimAndFakes().shim,
  }, { timeLimitMs: 120_000 });
}

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "trtd-real-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

realTest(
  "the default model becomes a plan for five generations of GPUs",
  (name, library) =>
    inFolder(async (modelsDir) => {
      const wishes = { targets: TARGETS };
      const { place, facts } = await build({ name, library, path: DEFAULT_MODEL, modelsDir, wishes });
      const header = readPlanHeader(await Deno.readFile(place.engine));
      assert.equal(header.product, "tensorrt-rtx");
      assert.equal(versionText(header.version!), VERSIONS[name]);
      assert(header.planBytes > 5e6, `${header.planBytes} bytes`);
      assert.deepEqual(facts.targets, [75, 80, 86, 89, 120]);
      assert.deepEqual(facts.inputs.map((input) => input.name), ["images"]);
      assert.equal(facts.library, VERSIONS[name]);
      assert.equal(facts.loaded, null);
      const log = await Deno.readTextFile(place.log);
      assertHead(log);
      assert.match(log, / VERBOSE rtx-1\.[47]\.\d+: /);
      assert.deepEqual(filesUnder(join(modelsDir, "trt/real/f32/bs1")), [
        "real.build.log",
        "real.engine",
        "real.engine.json",
        "real.engine.lock",
      ]);
    }),
);

interface IncidentCase {
  readonly precision: "f32" | "fp16";
  readonly passes: readonly string[];
  /** Least and most size of the plan. */
  readonly bytes: readonly [number, number];
}

const INCIDENT: readonly IncidentCase[] = [
  { precision: "f32", passes: ["nms-split"], bytes: [40e6, 60e6] },
  { precision: "fp16", passes: ["fp16", "nms-split"], bytes: [20e6, 35e6] },
];

for (const { precision, passes, bytes: [least, most] } of INCIDENT) {
  realTest(
    `the incident's model becomes an ${precision} plan after the passes, and the second start finds it`,
    (name, library) =>
      inFolder(async (modelsDir) => {
        const path = join(modelsDir, "incident.onnx");
        const source = incidentModel();
        await Deno.writeFile(path, source);
        const wishes = { targets: TARGETS, precision };
        const first = await build({ name, library, path, modelsDir, wishes });
        assert.equal(first.cache, "built");
        assert.deepEqual(first.facts.passes.map(({ pass }) => pass), passes);
        assert(first.facts.passes.every(({ changed }) => changed));
        assert.equal(first.facts.outputs.length, 2);
        assert(first.engine.bytes > least && first.engine.bytes < most, `${first.engine.bytes} bytes`);
        assert.equal(first.place.engine, join(modelsDir, `trt/real/${precision}/bs1/real.engine`));
        const log = await Deno.readTextFile(first.place.log);
        assertHead(log);
        assert.match(log, /^# pass: nms-split@\d+: /m);
        const second = await build({ name, library, path, modelsDir, wishes });
        assert.equal(second.cache, "hit");
        assert.equal(second.engine.sha256, first.engine.sha256);
        assert(second.durationS < first.durationS / 2, `${first.durationS} s, then ${second.durationS} s`);
        assert.deepEqual(await Deno.readFile(path), source, "the given model is untouched");
        const beside = filesUnder(modelsDir).filter((file) => file.endsWith(".onnx"));
        assert.deepEqual(beside, precision === "f32" ? ["incident.onnx"] : ["incident.onnx", "incident.tofp16.onnx"]);
        if (precision === "f32") return;
        await Deno.remove(join(modelsDir, "trt"), { recursive: true });
        const third = await build({ name, library, path, modelsDir, wishes });
        assert.match(third.facts.remarks.join(), /incident\.tofp16\.onnx" is used again/);
        assert.equal(third.facts.rewritten?.sha256, first.facts.rewritten?.sha256);
      }),
  );
}

realTest("a model of fp16 becomes an fp16 plan", (name, library) =>
  inFolder(async (modelsDir) => {
    const half = new Uint16Array(8 * 3 * 9).fill(0x2c00);
    const bytes = writeModel(model({
      node: [node("Conv", { inputs: ["images", "w"], outputs: ["output0"] })],
      initializer: [tensor("w", "FLOAT16", [8, 3, 3, 3], rawBytes(half))],
      input: [value("images", ["batch", 3, 32, 32], "FLOAT16")],
      output: [value("output0", ["batch", 8, 30, 30], "FLOAT16")],
    }));
    const path = join(modelsDir, "half.onnx");
    await Deno.writeFile(path, bytes);
    const wishes = { targets: "86", min: "1x3x32x32", max: "4x3x32x32" };
    const { place, facts } = await build({ name, library, path, modelsDir, wishes });
    assert.equal(facts.precision, "fp16");
    assert.equal(place.engine, join(modelsDir, "trt/real/fp16/bs4/real.engine"));
  }));

realTest(
  "the node EfficientNMS_TRT is refused by its parser, with the reason and a way out",
  (name, library) =>
    inFolder(async (modelsDir) => {
      const path = join(modelsDir, "nms.onnx");
      const bytes = writeModel(model({
        node: [
          node("EfficientNMS_TRT", { inputs: ["boxes", "scores"], outputs: ["num"] }, {
            name: "nms",
            domain: "trt.plugins",
          }),
        ],
        input: [value("boxes", [1, 10, 4]), value("scores", [1, 10, 2])],
        output: [value("num", [1, 1], "INT32")],
      }, { domains: { "trt.plugins": 1 } }));
      await Deno.writeFile(path, bytes);
      await assert.rejects(
        build({ name, library, path, modelsDir, wishes: { targets: "86", force: true, nms: "plugin" } }),
        (error) => {
          assert(error instanceof BuildFailure);
          assert.equal(error.end.kind, "refused");
          assert.match(error.message, /EfficientNMS_TRT/);
          assert.match(error.remedy, /[Ee]xport|plugin/);
          assert.doesNotMatch(error.message, /\bnull\b/);
          return true;
        },
      );
      const left = filesUnder(join(modelsDir, "trt"));
      assert.deepEqual(left, ["real/f32/bs1/real.build.log", "real/f32/bs1/real.engine.lock", "real/model.json"]);
    }),
);
