import assert from "node:assert/strict";
import { dirname, join, resolve } from "node:path";
import type { StepReport, VerifyReport } from "../../scripts/verify_gpu/report.ts";
import { anchorDifference } from "../../scripts/verify_gpu/anchors.ts";
import { tensorFrom } from "../../scripts/verify_gpu/compare.ts";
import type { Tensor } from "../../src/backends/backend.ts";
import { detectHead } from "../../src/detect/heads/heads.ts";
import { modelFacts } from "../../src/onnx/facts.ts";
import { readModel } from "../../src/onnx/read.ts";
import { writeModel } from "../../src/onnx/write.ts";
import { numbersOf } from "../../src/verify/outputs.ts";
import { png } from "../detect/png_writer.ts";
import { fakeSet, nativeTest, shimAndFakes } from "../native/children.ts";
import { fakePlan, STATIC } from "../tensorrt/load/fake_load.ts";
import { floatTensor, graph, int64Tensor, model, node, value } from "../onnx/build_model.ts";

const ROOT = resolve(import.meta.dirname!, "../..");

/** What the fake parser takes every file for. */
const INPUT = [1, 3, 640, 1152];
const OUTPUT = [1, 84, 15120];

/** A model of output i = 2 * input i + `added`: with 1, what the fake runtimes compute. */
function doubling(added: number): Uint8Array<ArrayBuffer> {
  const count = OUTPUT.reduce((product, size) => product * size, 1);
  return writeModel(model(graph({
    node: [
      node("Reshape", { inputs: ["images", "flat"], outputs: ["all"] }),
      node("Slice", { inputs: ["all", "zero", "count"], outputs: ["some"] }),
      node("Mul", { inputs: ["some", "two"], outputs: ["doubled"] }),
      node("Add", { inputs: ["doubled", "added"], outputs: ["sum"] }),
      node("Reshape", { inputs: ["sum", "shape"], outputs: ["output0"] }),
    ],
    initializer: [
      int64Tensor("flat", [1], [-1]),
      int64Tensor("zero", [1], [0]),
      int64Tensor("count", [1], [count]),
      floatTensor("two", [], [2]),
      floatTensor("added", [], [added]),
      int64Tensor("shape", [3], OUTPUT),
    ],
    input: [value("images", INPUT, "FLOAT")],
    output: [value("output0", OUTPUT, "FLOAT")],
  })));
}

/** A picture of the input's size and all kinds of values, so that the doubled values are boxes in it. */
function photo(): Uint8Array<ArrayBuffer> {
  const [, , height = 0, width = 0] = INPUT;
  const rows = new Uint8Array(3 * width * height);
  for (let i = 0, seed = 1; i < rows.length; i++) {
    seed = Math.imul(seed, 1664525) + 1013904223 >>> 0;
    rows[i] = seed >>> 24;
  }
  return png({ width, height, colorType: 2, depth: 8, rows });
}

interface Verified {
  readonly code: number;
  readonly said: string;
  readonly report: VerifyReport | null;
  readonly sections: string;
}

async function verify(
  sets: readonly string[],
  options: { added?: number; gpus?: string; script?: string } = {},
): Promise<Verified> {
  const folder = await Deno.makeTempDir({ prefix: "trtd-verify-" });
  try {
    const [path, out] = [join(folder, "doubling.onnx"), join(folder, "out")];
    await Deno.writeFile(path, doubling(options.added ?? 1));
    const picture = join(folder, "photo.png");
    await Deno.writeFile(picture, photo());
    const foreign = join(folder, "foreign.engine");
    await Deno.writeFile(foreign, fakePlan(STATIC, { rtx: true, version: [1, 3, 0] }));
    const named = sets.flatMap((set) => ["--tensorrt", dirname(fakeSet(set).core)]);
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--no-check", "-A", join(ROOT, "scripts/verify_gpu.ts"), ...named],
        ...["--model", path, "--out", out, "--foreign", foreign, "--precision", "f32", "--runs", "5"],
        ...["--photo", picture, "--photo", picture],
      ],
      cwd: ROOT,
      env: {
        TRTD_SHIM: shimAndFakes().shim,
        LD_LIBRARY_PATH: dirname(fakeSet("8.6").cuda),
        TRTD_FAKE: options.script ?? "compile=300",
        TRTD_FAKE_GPUS: options.gpus ?? "NVIDIA Fake H100:9.0:81920",
        TRTD_CACHE_DIR: join(folder, "cache"),
      },
    }).output();
    const text = (name: string) => Deno.readTextFile(join(out, name)).catch(() => "");
    const json = await text("report.json");
    const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    return { code, said, report: json === "" ? null : JSON.parse(json), sections: await text("sections.md") };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const names = (steps: readonly StepReport[]) => steps.map(({ name }) => name);

nativeTest("verify:gpu: what works is shown to work, with numbers, cache and refusals", async () => {
  const { code, said, report, sections } = await verify(["rtx-1.6", "11.1"]);
  assert.ok(report !== null, said);
  assert.equal(code, 0, said);
  assert.equal(report.ok, true);
  const [rtx, full] = report.libraries;
  assert.deepEqual([rtx?.version, full?.version], ["1.6.1.7", "11.1.0.7"]);
  const both = (precision: string) => [
    `build ${precision}`,
    `second start, ${precision}`,
    `run ${precision} against ONNX Runtime`,
  ];
  const cache = (precision: string) => [`runtime cache, ${precision}`, `run ${precision} with kept kernels`];
  const refusals = ["engine of TensorRT-RTX 1.3.0.0 refused", "half an engine refused"];
  const basics = ["probe and self-check", "doctor"];
  assert.deepEqual(names(rtx!.steps), [...basics, ...both("f32"), ...cache("f32"), ...refusals]);
  assert.deepEqual(names(full!.steps), [...basics, ...both("f32"), ...refusals]);
  const numbers = rtx!.steps.find(({ name }) => name === "run f32 against ONNX Runtime")!.detail;
  assert.match(
    numbers,
    /^with TF32, TensorRT's default: ([1-9]\d*) detections in 2 photos, ONNX Runtime \1: 100 % matched \(limit 99\.5 %\), scores within 0 \(limit 0\.01\), IoU at least 1 /,
  );
  const kernels = rtx!.steps.find(({ name }) => name === "runtime cache, f32")!.detail;
  assert.match(
    kernels,
    /^context in [3-9]\d\d, [3-9]\d\d ms without, \d{1,3}, \d{1,3} ms with 12 bytes of kernels/,
  );
  assert.match(sections, /^### TensorRT-RTX 1\.6\.1\.7, NVIDIA Fake H100$/m);
  assert.match(sections, /^\| build f32 \| yes \| /m);
  assert.doesNotMatch(sections, /\/tmp\//);
});

nativeTest("verify:gpu: numbers that differ from ONNX Runtime's are a failure", async () => {
  const { code, report, said } = await verify(["11.1"], { added: 1.5 });
  assert.equal(code, 1, said);
  const step = report?.libraries[0]?.steps.find(({ name }) => name === "run f32 against ONNX Runtime");
  assert.equal(step?.ok, false);
  assert.match(step?.detail ?? "", /largest raw difference 0\.5; /);
});

nativeTest("verify:gpu: a GPU that the table refuses is refused first, and forced with an explanation", async () => {
  const { report, said } = await verify(["8.6"], { gpus: "NVIDIA Fake 5090:12.0:32768" });
  const steps = report?.libraries[0]?.steps ?? [];
  const refused = steps.find(({ name }) => name === "build refused before the builder is touched");
  assert.equal(refused?.ok, true, said);
  assert.match(refused?.detail ?? "", /^GPU_UNSUPPORTED: /);
  const forced = steps.find(({ name }) => name === "build with --force fails and is explained");
  assert.equal(forced?.ok, true, said);
  assert.match(forced?.detail ?? "", /smVerHex2Dig|compute capabilit/);
  assert.equal(steps.find(({ name }) => name === "engine of TensorRT-RTX 1.3.0.0 refused")?.ok, true, said);
});

nativeTest("verify:gpu: a refusal of the GPU is right where the table says so, and nowhere else", async () => {
  const foreign = "engine of TensorRT-RTX 1.3.0.0 refused";
  for (const [gpu, ok] of [["NVIDIA Fake B200:10.0:81920", true], ["NVIDIA Fake H100:9.0:81920", false]] as const) {
    const { report, said } = await verify(["rtx-1.6"], { gpus: gpu, script: "load=gpu" });
    const step = report?.libraries[0]?.steps.find(({ name }) => name === foreign);
    assert.match(step?.detail ?? said, /^GPU_UNSUPPORTED: /);
    assert.equal(step?.ok, ok, said);
  }
});

nativeTest("verify:gpu: without a GPU nothing is verified, and the reason is said", async () => {
  const { code, said, report } = await verify(["11.1"], { gpus: "" });
  assert.equal(code, 3, said);
  assert.equal(report, null);
  assert.match(said, /^Nothing was verified: /m);
});

Deno.test("verify:gpu: raw values become tensors of the type that TensorRT names", () => {
  const bytes = new Uint8Array(Uint16Array.of(0x3c00, 0xc000).buffer);
  assert.deepEqual(Array.from(numbersOf(tensorFrom(bytes, "FLOAT16", [2]))), [1, -2]);
  assert.throws(() => tensorFrom(bytes, "INT4", [4]), TypeError);
});

Deno.test("verify:gpu: anchors that nobody scores do not count, and the worst of all is told with its score", () => {
  const head = detectHead(modelFacts(readModel(doubling(1))), { name: "doubling", file: "doubling.onnx" });
  const [, , anchors = 0] = OUTPUT;
  const output = (change: (data: Float32Array) => void): Record<string, Tensor> => {
    const data = new Float32Array(OUTPUT.reduce((product, size) => product * size, 1));
    data.fill(10, 0, 4 * anchors);
    data[4 * anchors] = 0.5;
    data[5 * anchors + 1] = 0.01;
    change(data);
    return { output0: { type: "float32", dims: OUTPUT, data } };
  };
  const reference = output(() => {});
  const compared = (change: (data: Float32Array) => void) => {
    const difference = anchorDifference(head, { found: output(change), reference, score: 0.05 });
    return JSON.parse(JSON.stringify(difference, (_, value) => typeof value === "number" ? Math.fround(value) : value));
  };
  const nothing = { px: 0, score: 0 };
  assert.deepEqual(compared(() => {}), { scored: 1, max_score: 0, max_box: 0, worst_box: nothing, missing: 0 });
  const unseen = compared((data) => {
    data[1] = 18;
    data[anchors] = 12;
    data[4 * anchors] = 0.75;
  });
  assert.deepEqual(unseen, {
    scored: 1,
    max_score: 0.25,
    max_box: 2,
    worst_box: { px: 8, score: Math.fround(0.01) },
    missing: 0,
  });
  assert.equal(compared((data) => data[4 * anchors + 7] = NaN).missing, 1);
});
