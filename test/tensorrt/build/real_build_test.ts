/** Real TensorRT-RTX from PyPI builds real plans on the CPU, for GPUs that are not here. */
import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { fileDigests, modelFacts } from "../../../src/onnx/facts.ts";
import { readModel } from "../../../src/onnx/read.ts";
import { writeModel } from "../../../src/onnx/write.ts";
import { buildEngine, type BuildResult } from "../../../src/tensorrt/build/build_engine.ts";
import { BuildFailure } from "../../../src/tensorrt/build/build_failure.ts";
import { computePrecision } from "../../../src/tensorrt/plan/model_precision.ts";
import { type BuildWishes, planBuild } from "../../../src/tensorrt/plan/plan.ts";
import { readPlanHeader } from "../../../src/tensorrt/engine_file/plan_header.ts";
import { versionText } from "../../../src/tensorrt/versions.ts";
import { shimAndFakes, skipReason } from "../../native/children.ts";
import { type RealLibrary, realLibrary } from "../../native/fetch_libraries.ts";
import { floatTensor, model, node, rawBytes, tensor, value } from "../../onnx/build_model.ts";
import { assertHead, filesUnder } from "./fake_build.ts";

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

async function build({ name, library, path, modelsDir, wishes }: RealBuild): Promise<BuildResult> {
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
  const request = { name: "real", model: { path, ...fileDigests(bytes) }, plan, machine, cudaRuntime: null, modelsDir };
  return await buildEngine({ ...request, shim: shimAndFakes().shim }, { timeLimitMs: 120_000 });
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
      const wishes = { batch: 1, targets: TARGETS };
      const { place, metadata, report } = await build({ name, library, path: DEFAULT_MODEL, modelsDir, wishes });
      const header = readPlanHeader(await Deno.readFile(place.engine));
      assert.equal(header.product, "tensorrt-rtx");
      assert.equal(versionText(header.version!), VERSIONS[name]);
      assert(header.planBytes > 5e6, `${header.planBytes} bytes`);
      assert.deepEqual(metadata.targets, [75, 80, 86, 89, 120]);
      assert.deepEqual(metadata.inputs.map((input) => input.name), ["images"]);
      assert.equal(report.library, VERSIONS[name]);
      const log = await Deno.readTextFile(place.log);
      assertHead(log);
      assert.match(log, / VERBOSE rtx-1\.[47]\.\d+: /);
      assert.deepEqual(filesUnder(join(modelsDir, "trt/real/f32/bs1")), [
        "real.build.log",
        "real.engine",
        "real.engine.json",
      ]);
    }),
);

/** Seeded numbers from -0.05 to 0.05. */
function weights(count: number, seed: number): Float32Array {
  const data = new Float32Array(count);
  let state = seed;
  for (let index = 0; index < count; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[index] = state / 2 ** 32 / 10 - 0.05;
  }
  return data;
}

/** Convolutions with as many weights as a YOLOv8s (11 million) over a picture of 640x1152. */
function largeDetector(): Uint8Array {
  const widths = [3, 32, 64, 128, 256, 512, 512, 512, 512];
  const layers = widths.slice(1).map((out, index) => ({ out, inward: widths[index]!, stride: index < 5 ? 2n : 1n }));
  return writeModel(model({
    node: layers.flatMap(({ stride }, index) => [
      node("Conv", { inputs: [index === 0 ? "images" : `r${index}`, `w${index}`], outputs: [`c${index}`] }, {
        attributes: { strides: [stride, stride], pads: [1n, 1n, 1n, 1n] },
      }),
      node("Relu", { inputs: [`c${index}`], outputs: [index === layers.length - 1 ? "output0" : `r${index + 1}`] }),
    ]),
    initializer: layers.map(({ out, inward }, index) =>
      floatTensor(`w${index}`, [out, inward, 3, 3], weights(out * inward * 9, index))
    ),
    input: [value("images", [1, 3, 640, 1152])],
    output: [value("output0", [1, 512, 20, 36])],
  }));
}

realTest("a model of the size of YOLOv8s at 640x1152 becomes a plan", (name, library) =>
  inFolder(async (modelsDir) => {
    const path = join(modelsDir, "large.onnx");
    await Deno.writeFile(path, largeDetector());
    const { metadata } = await build({ name, library, path, modelsDir, wishes: { targets: TARGETS } });
    assert(metadata.engine.bytes > 15e6, `${metadata.engine.bytes} bytes`);
    assert.equal(metadata.batch, 1);
  }));

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
    const { place, metadata } = await build({ name, library, path, modelsDir, wishes });
    assert.equal(metadata.precision, "fp16");
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
        build({ name, library, path, modelsDir, wishes: { targets: "86", force: true } }),
        (error) => {
          assert(error instanceof BuildFailure);
          assert.equal(error.end.kind, "refused");
          assert.match(error.message, /EfficientNMS_TRT/);
          assert.match(error.remedy, /[Ee]xport|plugin/);
          assert.doesNotMatch(error.message, /\bnull\b/);
          return true;
        },
      );
      assert.deepEqual(filesUnder(join(modelsDir, "trt")), ["real/f32/bs1/real.build.log"]);
    }),
);
