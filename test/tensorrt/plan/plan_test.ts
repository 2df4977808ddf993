import assert from "node:assert/strict";
import { TrtdError } from "../../../src/errors.ts";
import { modelFacts } from "../../../src/onnx/facts.ts";
import { readModel } from "../../../src/onnx/read.ts";
import { writeModel } from "../../../src/onnx/write.ts";
import { computePrecision } from "../../../src/tensorrt/plan/model_precision.ts";
import {
  type BuildPlan,
  type BuildWishes,
  planBuild,
  type PlanGpu,
  type PlanMachine,
  type PlanModel,
} from "../../../src/tensorrt/plan/plan.ts";
import { OPTION_ROWS, TACTIC_SOURCES } from "../../../src/tensorrt/plan/plan_options.ts";
import { floatTensor, model, node, rawBytes, tensor, value } from "../../onnx/build_model.ts";

type Dims = readonly (number | string)[];

/** A model of one convolution, whose weights have the given type; `op` is put behind it. */
function conv(
  dims: Dims,
  options: { weights?: "f32" | "fp16" | "fp16-stored"; op?: string; second?: Dims } = {},
): PlanModel {
  const { weights = "f32", op, second } = options;
  const half = tensor("w", "FLOAT16", [1, 3, 1, 1], rawBytes(new Uint16Array(3)));
  const type = weights === "fp16" ? "FLOAT16" : "FLOAT";
  const proto = model({
    node: [
      ...weights === "fp16-stored"
        ? [node("Cast", { inputs: ["w"], outputs: ["w32"] }, { attributes: { to: 1n } })]
        : [],
      node("Conv", { inputs: ["images", weights === "fp16-stored" ? "w32" : "w"], outputs: ["c"] }),
      node(op ?? "Relu", { inputs: ["c"], outputs: ["output0"] }, op === undefined ? {} : { domain: "trt.plugins" }),
    ],
    initializer: [weights === "f32" ? floatTensor("w", [1, 3, 1, 1], [1, 1, 1]) : half],
    input: [value("images", dims, type), ...second === undefined ? [] : [value("sizes", second, type)]],
    output: [value("output0", [dims[0]!, 1, dims[2]!, dims[3]!], type)],
  }, op === undefined ? {} : { domains: { "trt.plugins": 1 } });
  const read = readModel(writeModel(proto));
  return { facts: modelFacts(read), precision: computePrecision(read) };
}

const FIXED = [1, 3, 640, 640];
const BATCH = ["batch", 3, 640, 640];
const GPU: PlanGpu = { index: 0, name: "NVIDIA RTX 4090", uuid: "GPU-1", computeCapability: "8.9" };
const NEW_GPU: PlanGpu = { index: 1, name: "NVIDIA RTX 5060", uuid: "GPU-2", computeCapability: "12.0" };

function machine(version: string, changes: Partial<PlanMachine> & Partial<PlanMachine["tensorrt"]> = {}): PlanMachine {
  const rtx = version.startsWith("1.");
  const { kind = "full", parser = "/lib/parser.so", plugins = rtx ? null : "/lib/plugin.so", ...rest } = changes;
  return {
    tensorrt: {
      product: rtx ? "tensorrt-rtx" : "tensorrt",
      version,
      kind,
      core: "/lib/core.so",
      parser,
      plugins,
      cuda: null,
    },
    gpu: GPU,
    gpuMissing: null,
    platform: "linux-x86_64",
    driver: "580.65.06",
    driverCuda: "13.0",
    cudaDriver: null,
    ...rest,
  };
}

const passesOf = (plan: BuildPlan): string[] => plan.passes.map(({ pass }) => pass);

function refusal(code: string, subject: PlanModel, on: PlanMachine, wishes: BuildWishes = {}): TrtdError {
  try {
    planBuild(subject, on, wishes);
  } catch (thrown) {
    assert(thrown instanceof TrtdError, String(thrown));
    assert.equal(thrown.code, code, thrown.message);
    for (const text of [thrown.message, thrown.remedy]) assert.match(text, /^[A-Z"-][^\n]*[^.\s]$/, text);
    return thrown;
  }
  return assert.fail(`The build was planned, not refused with ${code}`);
}

Deno.test("plan: a fixed model on a known pair needs neither profile nor flag", () => {
  assert.deepEqual(planBuild(conv(FIXED), machine("10.16.1")), {
    format: 1,
    tensorrt: { product: "tensorrt", version: "10.16.1", family: "10" },
    libraries: { core: "/lib/core.so", parser: "/lib/parser.so", plugins: "/lib/plugin.so", cuda_driver: null },
    passes: [],
    plugin_operators: [],
    force: false,
    device: 0,
    precision: "f32",
    batch: 1,
    flags: [],
    set_targets: [],
    targets: [89],
    profile: [],
    workspace_bytes: null,
    optimization_level: null,
    hardware_compatibility: null,
    tactic_sources: null,
    dla_core: null,
    timing_cache: null,
    remarks: [],
  });
});

Deno.test("plan: the incident's pair is refused before the builder is touched, and tried with force", () => {
  const pair = machine("8.6.1", { gpu: NEW_GPU });
  const nms = conv(FIXED, { op: "EfficientNMS_TRT" });
  const { message, remedy } = refusal("GPU_UNSUPPORTED", nms, pair);
  assert.match(message, /TensorRT 8\.6\.1 .*"NVIDIA RTX 5060" \(compute capability 12\.0\)/);
  assert.match(remedy, /TensorRT 10\.8/);
  const plan = planBuild(nms, pair, { force: true });
  assert.equal(plan.force, true);
  assert.equal(plan.device, 1);
  assert.match(plan.remarks.join("\n"), /because of --force/);
});

Deno.test("plan: fp16 is a flag up to 10, and the pass fp16 from 11 and for RTX on", () => {
  for (const version of ["8.5.3", "8.6.1", "9.3.0", "10.16.1"]) {
    const plan = planBuild(conv(FIXED), machine(version), { precision: "fp16" });
    assert.deepEqual([plan.precision, plan.flags], ["fp16", ["FP16"]], version);
    assert.deepEqual(planBuild(conv(FIXED, { weights: "fp16" }), machine(version)).flags, ["FP16"], version);
  }
  for (const version of ["11.1.0", "1.4.0.76", "1.7.1.116"]) {
    const converted = planBuild(conv(FIXED), machine(version), { precision: "fp16" });
    assert.deepEqual([converted.precision, converted.flags, passesOf(converted)], ["fp16", [], ["fp16"]], version);
    assert.match(converted.passes[0]!.because, /takes the precision from the model/);
    const plan = planBuild(conv(FIXED, { weights: "fp16" }), machine(version));
    assert.deepEqual([plan.precision, plan.flags, plan.passes], ["fp16", [], []], version);
  }
});

Deno.test("plan: an f32 engine of an fp16 model is refused everywhere, forced or not", () => {
  for (const version of ["8.6.1", "10.16.1", "11.1.0", "1.7.1"]) {
    refusal("PRECISION_UNSUPPORTED", conv(FIXED, { weights: "fp16" }), machine(version), {
      precision: "f32",
      force: true,
    });
  }
});

Deno.test("plan: weights that are stored in fp16 and cast back compute in f32", () => {
  assert.equal(conv(FIXED, { weights: "fp16-stored" }).precision, "f32");
  assert.equal(conv(FIXED, { weights: "fp16" }).precision, "fp16");
  assert.equal(conv(FIXED).precision, "f32");
});

Deno.test("plan: a GPU without fp16 is refused for it", () => {
  const pascal = { ...GPU, computeCapability: "6.1" };
  refusal("PRECISION_UNSUPPORTED", conv(FIXED), machine("8.6.1", { gpu: pascal }), { precision: "fp16" });
});

Deno.test("plan: dynamic axes without a profile are named", () => {
  const all = refusal("PROFILE_MISSING", conv(["n", 3, "height", "width"]), machine("10.16.1"));
  assert.match(
    all.message,
    /is dynamic in axis 0 \("n"\), axis 2 \("height"\), axis 3 \("width"\), and no range is given/,
  );
  const sizes = refusal("PROFILE_MISSING", conv(["n", 3, "height", -1]), machine("10.16.1"), { batch: 2 });
  assert.match(sizes.message, /axis 2 \("height"\), axis 3, and no range/);
});

Deno.test("plan: where only the batch is dynamic and nobody said it, it is 1, and that is told", () => {
  const plan = planBuild(conv(BATCH, { second: ["batch", 2] }), machine("10.16.1"));
  assert.deepEqual(plan.profile.map(({ input, max }) => [input, max]), [["images", [1, 3, 640, 640]], ["sizes", [
    1,
    2,
  ]]]);
  assert.equal(plan.batch, 1);
  assert.match(plan.remarks.join("\n"), /batch is not fixed in the model and is taken as 1; --batch/);
  assert.deepEqual(planBuild(conv(BATCH), machine("10.16.1"), { batch: 1 }).remarks, []);
});

Deno.test("plan: a fixed batch is made dynamic only when another one is asked for", () => {
  const plan = (wishes: BuildWishes) => planBuild(conv([2, 3, 640, 640]), machine("10.16.1"), wishes);
  const changed = plan({ batch: 4 });
  assert.deepEqual([passesOf(changed), changed.batch, changed.profile[0]!.max], [["dynamic-batch"], 4, [
    4,
    3,
    640,
    640,
  ]]);
  const range = plan({ min: "1x3x640x640", max: "8x3x640x640" });
  assert.deepEqual([passesOf(range), range.batch, range.profile[0]!.min[0]], [["dynamic-batch"], 8, 1]);
  for (const wishes of [{}, { batch: 2 }, { opt: "2x3x640x640" }]) assert.deepEqual(plan(wishes).passes, []);
});

Deno.test("plan: TensorRT 8 gets no INT64, later releases keep it", () => {
  const { facts, precision } = conv(FIXED);
  const subject: PlanModel = { facts: { ...facts, int64: { tensors: 3, elements: 4, outside_int32: 1 } }, precision };
  for (
    const [version, passes] of [["8.5.3", ["int32"]], ["8.6.1", ["int32"]], ["9.0.0", []], ["10.16.1", []]] as const
  ) {
    assert.deepEqual(passesOf(planBuild(subject, machine(version))), passes, version);
  }
  assert.deepEqual(planBuild(subject, machine("1.7.1"), { targets: "86" }).passes, []);
  assert.deepEqual(planBuild(conv(FIXED), machine("8.6.1")).passes, []);
});

Deno.test("plan: --tofp16 converts also where the builder has a flag, and an fp16 model needs nothing", () => {
  const plan = planBuild(conv(FIXED), machine("10.16.1"), { tofp16: true });
  assert.deepEqual([passesOf(plan), plan.precision, plan.flags], [["fp16"], "fp16", ["FP16"]]);
  assert.deepEqual(planBuild(conv(FIXED, { weights: "fp16" }), machine("10.16.1"), { tofp16: true }).passes, []);
  refusal("USAGE", conv(FIXED), machine("10.16.1"), { tofp16: true, precision: "f32" });
});

Deno.test("plan: a batch fills the first dynamic axis, and names the engine", () => {
  const plan = planBuild(conv(BATCH, { second: ["batch", 2] }), machine("10.16.1"), { batch: 4 });
  assert.deepEqual(plan.profile.map(({ input, min, opt, max }) => [input, min, opt, max]), [
    ["images", [4, 3, 640, 640], [4, 3, 640, 640], [4, 3, 640, 640]],
    ["sizes", [4, 2], [4, 2], [4, 2]],
  ]);
  assert.equal(plan.batch, 4);
  assert.equal(planBuild(conv([2, 3, 640, 640]), machine("10.16.1"), { batch: 2 }).batch, 2);
});

Deno.test("plan: shapes make a range, and a missing corner is its neighbour", () => {
  const plan = (wishes: BuildWishes) => planBuild(conv(BATCH), machine("10.16.1"), wishes);
  const [min, opt, max] = ["images:1x3x640x640", "2x3x640x640", "images:8x3x640x640"];
  const whole = plan({ min: min!, opt: opt!, max: max! });
  assert.deepEqual(whole.profile[0], {
    input: "images",
    min: [1, 3, 640, 640],
    opt: [2, 3, 640, 640],
    max: [8, 3, 640, 640],
  });
  assert.equal(whole.batch, 8);
  assert.deepEqual(plan({ opt: opt! }).profile[0]!.min, [2, 3, 640, 640]);
  assert.deepEqual(plan({ min: min!, max: max! }).profile[0]!.opt, [8, 3, 640, 640]);
});

const BAD_SHAPES: readonly (readonly [title: string, code: string, dims: Dims, wishes: BuildWishes, says: RegExp])[] = [
  ["corners that do not ascend", "PROFILE_INVALID", BATCH, { min: "4x3x640x640", max: "2x3x640x640" }, /axis 0 is 4/],
  ["a wrong number of axes", "PROFILE_INVALID", BATCH, { opt: "1x3x640" }, /has 3 axes/],
  ["a fixed axis that is changed", "PROFILE_INVALID", BATCH, { opt: "1x3x320x640" }, /fixes at 640/],
  ["a size of zero", "PROFILE_INVALID", BATCH, { opt: "0x3x640x640" }, /the size 0/],
  ["a size over 32 bits", "PROFILE_INVALID", BATCH, { opt: "2147483648x3x640x640" }, /the size 2147483648/],
  ["an input that is not there", "USAGE", BATCH, { opt: "image:1x3x640x640" }, /inputs are "images"/],
  ["an input named twice", "USAGE", BATCH, { opt: "images:1x3x640x640,images:1x3x640x640" }, /twice/],
  ["words that are no shape", "USAGE", BATCH, { opt: "images:1;3" }, /not of the form/],
  ["no shape at all", "USAGE", BATCH, { opt: "," }, /has no shape/],
  ["a batch and shapes", "USAGE", BATCH, { batch: 1, opt: "1x3x640x640" }, /exclude each other/],
];

for (const [title, code, dims, wishes, says] of BAD_SHAPES) {
  Deno.test(`plan: refuses ${title}`, () => {
    const { message } = refusal(code, conv(dims), machine("10.16.1"), wishes);
    assert.match(message, says);
  });
}

Deno.test("plan: RTX builds for other GPUs on a machine without one", () => {
  const none = machine("1.7.1.116", { gpu: null, gpuMissing: "No CUDA driver is there" });
  const plan = planBuild(conv(FIXED), none, { targets: "75,80,86,89,120" });
  assert.deepEqual([plan.device, plan.set_targets, plan.targets], [null, [75, 80, 86, 89, 120], [75, 80, 86, 89, 120]]);
  const { message, remedy } = refusal("GPU_UNAVAILABLE", conv(FIXED), none);
  assert.match(message, /No CUDA driver is there/);
  assert.match(remedy, /--targets 75,80,86,89,120,121/);
  assert.deepEqual(planBuild(conv(FIXED), machine("1.7.1.116"), { targets: "current" }).set_targets, [1]);
});

Deno.test("plan: targets that TensorRT does not have are refused with those that it has", () => {
  const targets = (version: string, list: string, code: string) =>
    refusal(code, conv(FIXED), machine(version), { targets: list });
  assert.match(targets("1.7.1.116", "90", "GPU_UNSUPPORTED").remedy, /75, 80, 86, 89, 120, 121/);
  assert.match(targets("1.4.0.76", "121", "GPU_UNSUPPORTED").remedy, /75, 80, 86, 89, 120$/);
  assert.match(targets("10.16.1", "89", "OPTION_UNSUPPORTED").message, /for the GPU that it runs on only/);
  targets("1.7.1.116", "8.6", "USAGE");
  targets("1.7.1.116", "current,86", "USAGE");
  targets("1.7.1.116", ",", "USAGE");
});

Deno.test("plan: EfficientNMS_TRT is cut off, unless the plugin is asked for and there", () => {
  const nms = conv(FIXED, { op: "EfficientNMS_TRT" });
  for (const on of [machine("10.16.1"), machine("10.16.1", { plugins: null }), machine("1.7.1.116")]) {
    const plan = planBuild(nms, on);
    assert.deepEqual([passesOf(plan), plan.plugin_operators], [["nms-split"], []]);
    assert.match(plan.remarks.join("\n"), /--nms plugin leaves it in/);
  }
  const kept = planBuild(nms, machine("10.16.1"), { nms: "plugin" });
  assert.deepEqual([kept.passes, kept.plugin_operators, kept.remarks], [[], ["EfficientNMS_TRT"], []]);
  for (const on of [machine("10.16.1", { plugins: null }), machine("1.7.1.116")]) {
    const plan = planBuild(nms, on, { nms: "plugin" });
    assert.deepEqual(passesOf(plan), ["nms-split"]);
    assert.match(plan.remarks.join("\n"), /no plugin library of TensorRT.* in spite of --nms plugin/);
    const forced = planBuild(nms, on, { nms: "plugin", force: true });
    assert.deepEqual(forced.passes, []);
    assert.match(forced.remarks.join("\n"), /because of --force/);
  }
});

Deno.test("plan: another plugin needs the plugin library, which RTX does not have", () => {
  const other = conv(FIXED, { op: "BatchedNMS_TRT" });
  assert.deepEqual(planBuild(other, machine("10.16.1")).plugin_operators, ["BatchedNMS_TRT"]);
  const missing = refusal("PLUGIN_MISSING", other, machine("10.16.1", { plugins: null }));
  assert.match(missing.remedy, /libnvinfer_plugin.*without the operator/);
  const rtx = refusal("MODEL_NEEDS_PLUGIN", other, machine("1.7.1.116"), { targets: "86" });
  assert.match(rtx.message, /"BatchedNMS_TRT"; TensorRT-RTX 1\.7\.1\.116 has no plugin library/);
});

Deno.test("plan: an operator that no TensorRT has is refused", () => {
  refusal("MODEL_NEEDS_PLUGIN", conv(FIXED, { op: "Nonsense" }), machine("10.16.1"));
});

Deno.test("plan: a library that cannot build, or lacks its parser, is told", () => {
  const lean = refusal("TENSORRT_NOT_FOUND", conv(FIXED), machine("10.16.1", { kind: "lean" }));
  assert.match(lean.message, /lean runtime of TensorRT 10\.16\.1, which cannot build/);
  refusal("TENSORRT_NOT_FOUND", conv(FIXED), machine("10.16.1", { parser: null }));
});

Deno.test("plan: a version that nobody knows is refused, and opened with force", () => {
  refusal("TENSORRT_UNSUPPORTED", conv(FIXED), machine("12.0.0"));
  assert.equal(planBuild(conv(FIXED), machine("12.0.0"), { force: true }).tensorrt.family, "11");
  refusal("TENSORRT_UNSUPPORTED", conv(FIXED), machine("nonsense"), { force: true });
});

const OPTION_WISHES: Readonly<Record<string, BuildWishes>> = {
  optimizationLevel: { optimizationLevel: 2 },
  hardwareCompatibility: { hardwareCompatibility: "ampere" },
  versionCompatible: { versionCompatible: true },
  timingCache: { timingCache: "/tmp/timings" },
  dlaCore: { dlaCore: 0 },
  tacticSources: { tacticSources: "cudnn" },
};
const VERSION_OF = {
  "8.5": "8.5.3",
  "8.6": "8.6.1",
  "10": "10.16.1",
  "11": "11.1.0",
  "rtx-1.3": "1.4.0",
  "rtx-1.5": "1.7.1",
};

for (const row of OPTION_ROWS) {
  Deno.test(`plan: ${row.flag} is refused by the families that lack it, forced or not`, () => {
    for (const [family, version] of Object.entries(VERSION_OF)) {
      if ((row.families as string[]).includes(family)) continue;
      const wishes = { ...OPTION_WISHES[row.wish]!, force: true };
      const subject = conv(FIXED, { weights: row.wish === "dlaCore" ? "fp16" : "f32" });
      const { message } = refusal("OPTION_UNSUPPORTED", subject, machine(version), wishes);
      assert(message.includes(row.flag), message);
    }
  });
}

Deno.test("plan: options reach the plan in the shim's numbers", () => {
  const plan = planBuild(conv(FIXED), machine("10.16.1"), {
    workspaceMb: 512,
    optimizationLevel: 5,
    hardwareCompatibility: "same",
    versionCompatible: true,
    timingCache: "/tmp/timings",
    tacticSources: "cublas,jit_convolutions",
  });
  assert.equal(plan.workspace_bytes, 512 * 1024 * 1024);
  assert.equal(plan.optimization_level, 5);
  assert.equal(plan.hardware_compatibility, 2);
  assert.equal(plan.tactic_sources, TACTIC_SOURCES["cublas"]! | TACTIC_SOURCES["jit_convolutions"]!);
  assert.deepEqual(plan.flags, ["VERSION_COMPATIBLE"]);
  assert.equal(plan.timing_cache, "/tmp/timings");
  assert.equal(planBuild(conv(FIXED), machine("10.16.1"), { tacticSources: "none" }).tactic_sources, 0);
});

const BAD_OPTIONS: readonly (readonly [title: string, code: string, version: string, wishes: BuildWishes])[] = [
  ["an optimization level of 6", "USAGE", "10.16.1", { optimizationLevel: 6 }],
  ["a workspace of nothing", "USAGE", "10.16.1", { workspaceMb: 0 }],
  ["a tactic source that is not known", "USAGE", "10.16.1", { tacticSources: "cutlass" }],
  ["same compute capability before 10.9", "OPTION_UNSUPPORTED", "10.8.0", { hardwareCompatibility: "same" }],
  ["same compute capability on 8.6", "OPTION_UNSUPPORTED", "8.6.1", { hardwareCompatibility: "same" }],
  ["a DLA on a PC", "PRECISION_UNSUPPORTED", "10.3.0", { dlaCore: 0, precision: "fp16" }],
];

for (const [title, code, version, wishes] of BAD_OPTIONS) {
  Deno.test(`plan: refuses ${title}`, () => {
    refusal(code, conv(FIXED), machine(version), wishes);
  });
}

Deno.test("plan: a DLA of an Orin computes in fp16 with the GPU behind it, never in f32", () => {
  const orin = { index: 0, name: "Orin", uuid: "GPU-3", computeCapability: "8.7" };
  const jetson = machine("10.3.0", { gpu: orin, platform: "jetpack", driver: null, driverCuda: null });
  const plan = planBuild(conv(FIXED), jetson, { dlaCore: 1, precision: "fp16" });
  assert.deepEqual([plan.dla_core, plan.flags], [1, ["FP16", "GPU_FALLBACK"]]);
  refusal("PRECISION_UNSUPPORTED", conv(FIXED), jetson, { dlaCore: 1 });
  refusal("OPTION_UNSUPPORTED", conv(FIXED), jetson, { hardwareCompatibility: "ampere" });
});

Deno.test("plan: without a GPU, TensorRT says why it cannot build", () => {
  const none = machine("10.16.1", { gpu: null, gpuMissing: "No CUDA driver is there" });
  assert.match(refusal("GPU_UNAVAILABLE", conv(FIXED), none, { force: true }).message, /No CUDA driver is there/);
});
