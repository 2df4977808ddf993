import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { doubling, fakeModelText } from "../backends/tensorrt/doubling.ts";
import { loadSharp } from "../../src/native/sharp.ts";
import { seededPicture } from "../detect/seeded_picture.ts";
import { fakeSet, nativeTest } from "../native/children.ts";
import { fakeEnvironment } from "../native/fake_environment.ts";
import { tinyYolo } from "../onnx/build_model.ts";
import { cleanEnvironment } from "../clean_environment.ts";

const MAIN = join(import.meta.dirname!, "../../src/main.ts");

async function bench(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", "--no-check", MAIN, "bench", ...args],
    clearEnv: true,
    env: cleanEnvironment({ NO_COLOR: "1", ...env }),
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), said: decoder.decode(stderr) };
}

async function withModel(use: (model: string, folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "tiny.onnx");
    await Deno.writeFile(path, tinyYolo([{ box: [32, 32, 20, 20], scores: [0.9] }], { labels: ["one"] }));
    await use(path, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const QUICK = ["--backend", "onnxruntime", "--rounds", "3", "--window", "20", "--batches", "1,2", "--lanes", "1,2"];

Deno.test("bench: stages, ways, cells and a row of one model, as one JSON value", async () => {
  await withModel(async (model, folder) => {
    const table = join(folder, "rows.md");
    const { code, out, said } = await bench([...QUICK, "--model", model, "--json", "--report", table]);
    assert.equal(code, 0, said);
    const { run, subjects, rows } = JSON.parse(out);
    assert.deepEqual([run.rounds, run.window_ms, run.batches], [3, 20, [1, 2]]);
    const [cpu] = subjects;
    assert.equal(cpu.backend.name, "onnxruntime");
    assert.deepEqual(Object.keys(cpu.stages_ms), ["decode", "letterbox", "inference", "postprocess", "rest"]);
    assert.ok(cpu.bare_ms.p50 > 0 && cpu.bare_ms.p99 >= cpu.bare_ms.p50);
    assert.ok(cpu.jpeg_ms.p50 > cpu.pixels_ms.p50, `${cpu.jpeg_ms.p50} against ${cpu.pixels_ms.p50}`);
    assert.equal(cpu.limiter.latency.stage, "decode");
    assert.ok(cpu.throughput.length >= 2 && cpu.throughput.every(({ jpeg_per_s }: never) => jpeg_per_s !== null));
    assert.equal(rows.length, 1);
    await bench([...QUICK, "--model", model, "--json", "--report", table]);
    const lines = (await Deno.readTextFile(table)).trimEnd().split("\n");
    assert.equal(lines.length, 4);
    assert.equal(lines[2], rows[0]);
  });
});

const WRONG: readonly [readonly string[], RegExp][] = [
  [["--batches", "1,33"], /--batches takes integers from 1 to 32, current value is "33"/],
  [["--lanes", ""], /--lanes takes integers from 1 to 16/],
  [["--rounds", "2.5"], /--rounds takes integers from 3 to 100/],
  [["--json", "--report", "-"], /both want standard output/],
  [["--over-http", "--report", "x.md"], /does not go with --over-http/],
];

for (const [flags, message] of WRONG) {
  Deno.test(`bench: ${flags.join(" ")} is refused before anything is opened`, async () => {
    const { code, out, said } = await bench(flags);
    assert.deepEqual([code, out], [2, ""]);
    assert.match(said, message);
  });
}

Deno.test("bench: a program to compare with that is not there ends it with its name", async () => {
  await withModel(async (model) => {
    const { code, said } = await bench([...QUICK, "--model", model, "--against", "/nowhere/python x"]);
    assert.equal(code, 1);
    assert.match(said, /FILE_NOT_FOUND: .*nowhere.python/);
  });
});

/** `trtd bench` of a small model on the fake TensorRT-RTX and on ONNX Runtime. */
async function benchOnFakes(script: string, use: (gpu: Report, folder: string) => void) {
  const folder = await Deno.makeTempDir();
  try {
    const shape = { input: [3, 64, 96], output: [6, 126], batch: null } as const;
    const [model, photo] = [join(folder, "pets.onnx"), join(folder, "photo.jpg")];
    await Deno.writeFile(model, doubling(shape));
    await Deno.writeTextFile(join(folder, "fake.txt"), fakeModelText(shape));
    const raw = { width: 192, height: 128, channels: 3 } as const;
    const sharp = await loadSharp();
    await Deno.writeFile(photo, await sharp(seededPicture(2, 192, 128).data, { raw }).jpeg().toBuffer());
    const { core } = fakeSet("rtx-1.6");
    const env = { ...fakeEnvironment({ folder, set: "rtx-1.6", script }), INIT_CWD: folder };
    const quick = QUICK.filter((word) => word !== "--backend" && word !== "onnxruntime");
    const named = ["--model", model, "--image", photo, "--tensorrt", dirname(core), "--verify", "off"];
    const { code, out, said } = await bench([...quick, ...named, "--json"], env);
    assert.equal(code, 0, said);
    const { subjects: [gpu, cpu], rows } = JSON.parse(out);
    assert.deepEqual([gpu.backend.name, cpu.backend.name, rows.length], ["tensorrt", "onnxruntime", 2]);
    assert.equal(gpu.found, cpu.found);
    assert.ok(gpu.found > 0);
    use(gpu, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

// deno-lint-ignore no-explicit-any
type Report = any;

nativeTest(
  "bench: TensorRT and ONNX Runtime side by side, an engine for each batch, the bare engine as a graph",
  () =>
    benchOnFakes("", (gpu, folder) => {
      assert.equal(gpu.runtime, "TensorRT-RTX 1.6.1.7");
      assert.equal(gpu.platform.gpu, "NVIDIA Fake 4090");
      assert.match(gpu.bare_is, /as a CUDA graph/);
      assert.deepEqual(gpu.remarks, []);
      const stages = ["decode", "upload", "letterbox", "inference", "postprocess", "download", "rest"];
      assert.deepEqual(Object.keys(gpu.stages_ms), stages);
      for (const name of stages) assert.ok(gpu.stages_ms[name].p50 >= 0, name);
      assert.ok(gpu.bare_ms.p50 > 0 && gpu.inference_to_bare !== null);
      const cells = gpu.throughput.map(({ batch, lanes }: { batch: number; lanes: number }) => `${batch}x${lanes}`);
      assert.deepEqual(cells, ["1x1", "1x2", "2x1", "2x2"]);
      const engines = [...Deno.readDirSync(join(folder, "models/trt/pets/f32"))].map(({ name }) => name);
      assert.deepEqual(engines.sort(), ["bs1", "bs2"]);
    }),
);

nativeTest(
  "bench: a driver that takes no kernels is measured on the CPU's letterbox, without a bare run",
  () =>
    benchOnFakes("cuda-module=222", (gpu) => {
      assert.match(gpu.backend.degraded, /^Pictures are scaled and boxes are chosen on the CPU/);
      assert.match(gpu.remarks[0], /no bare run/);
      assert.deepEqual([gpu.bare_ms, gpu.inference_to_bare], [null, null]);
      assert.deepEqual(Object.keys(gpu.stages_ms), ["decode", "letterbox", "inference", "postprocess", "rest"]);
    }),
);

nativeTest(
  "bench: where graphs are refused the bare run is enqueued, and both are said",
  () =>
    benchOnFakes("cuda-capture=900", (gpu) => {
      assert.match(gpu.bare_is, /enqueued/);
      assert.ok(gpu.bare_ms.p50 > 0);
      assert.equal(gpu.remarks.length, 2);
    }),
);
