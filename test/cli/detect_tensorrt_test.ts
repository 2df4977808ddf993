import assert from "node:assert/strict";
import { dirname, join, resolve } from "node:path";
import { doubling, type DoublingOptions, fakeModelText } from "../backends/tensorrt/doubling.ts";
import { png } from "../detect/png_writer.ts";
import { seededPicture } from "../detect/seeded_picture.ts";
import { fakeSet, nativeTest, shimAndFakes } from "../native/children.ts";
import { filesUnder } from "../tensorrt/build/fake_build.ts";
import { cleanEnvironment } from "../clean_environment.ts";

const MAIN = resolve(import.meta.dirname!, "../../src/main.ts");
const SHAPE: DoublingOptions = { input: [3, 64, 96], output: [6, 126] };
/** Longest life of one command. */
const LIFE_MS = 180_000;
const GPU = "NVIDIA Fake 4090:8.9:24564";

interface Options {
  readonly set?: string;
  /** Words of TRTD_FAKE. */
  readonly script?: string;
  readonly gpus?: string;
  /** Names no TensorRT. */
  readonly unnamed?: boolean;
}

interface Ran {
  readonly code: number;
  // deno-lint-ignore no-explicit-any
  readonly answer: any;
  readonly err: string;
}

class Folder implements AsyncDisposable {
  private constructor(readonly path: string) {}

  static async make(model: Partial<DoublingOptions> = {}): Promise<Folder> {
    const path = await Deno.makeTempDir({ prefix: "trtd-detect-" });
    const shape = { ...SHAPE, ...model };
    await Deno.writeFile(join(path, "pets.onnx"), doubling(shape));
    await Deno.writeTextFile(join(path, "fake.txt"), fakeModelText(shape));
    const rows = seededPicture(2, 192, 128).data;
    await Deno.writeFile(join(path, "photo.png"), png({ width: 192, height: 128, colorType: 2, depth: 8, rows }));
    return new Folder(path);
  }

  /** `trtd detect photo.png --model pets.onnx --json ...` */
  async detect(
    args: readonly string[],
    { set = "10.16", script = "", gpus = GPU, unnamed }: Options = {},
  ): Promise<Ran> {
    const { core, cuda } = fakeSet(set);
    const named = unnamed === true ? [] : ["--tensorrt", dirname(core)];
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", MAIN, "detect", "photo.png", "--model", "pets.onnx", "--json", ...named, ...args],
      cwd: this.path,
      clearEnv: true,
      env: cleanEnvironment({
        LD_LIBRARY_PATH: dirname(cuda),
        TRTD_SHIM: shimAndFakes().shim,
        TRTD_FAKE: script,
        TRTD_FAKE_GPUS: gpus,
        TRTD_FAKE_MODEL: join(this.path, "fake.txt"),
        TRTD_CACHE_DIR: join(this.path, "cache"),
        INIT_CWD: this.path,
        NO_COLOR: "1",
      }),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const timer = setTimeout(() => child.kill("SIGKILL"), LIFE_MS);
    const { code, stdout, stderr } = await child.output();
    clearTimeout(timer);
    const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)) as [string, string];
    return { code, answer: out === "" ? null : JSON.parse(out)[0], err };
  }

  engines(): string[] {
    return filesUnder(join(this.path, "models/trt")).filter((file) => file.endsWith(".engine"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

nativeTest("detect: an engine is built once, agrees with ONNX Runtime, and answers what that answers", async () => {
  await using folder = await Folder.make();
  const first = await folder.detect(["--backend", "tensorrt"]);
  assert.equal(first.code, 0, first.err);
  const { name, device, precision, engine, degraded } = first.answer.backend;
  assert.deepEqual([name, device, precision, degraded], ["tensorrt", "cuda:0 NVIDIA Fake 4090", "f32", null]);
  assert.equal(engine, join(folder.path, "models/trt/pets/f32/bs1/pets.engine"));
  assert.match(first.err, /^trtd: There is no engine of "pets" for this GPU yet; it is built once and then kept$/m);
  assert.match(first.err, /The f32 engine agrees with ONNX Runtime/);
  assert(first.answer.detections.length > 0);
  assert.deepEqual(Object.keys(first.answer.timings_ms), [
    "decode",
    "preprocess",
    "inference",
    "postprocess",
    "total",
  ]);

  const second = await folder.detect(["--backend", "auto"]);
  assert.equal(second.answer.backend.name, "tensorrt", second.err);
  assert.doesNotMatch(second.err, /Building|agrees/);
  const onCpu = await folder.detect(["--backend", "onnxruntime"]);
  assert.equal(onCpu.answer.backend.name, "onnxruntime");
  assert.deepEqual(second.answer.detections, onCpu.answer.detections);
  assert.deepEqual(first.answer.detections, onCpu.answer.detections);
});

nativeTest("detect: TensorRT-RTX keeps its compiled kernels beside the engines", async () => {
  await using folder = await Folder.make();
  const options = { set: "rtx-1.6", script: "compile=200" };
  const { answer, err } = await folder.detect(["--cuda-graph", "off"], options);
  assert.equal(answer.backend.name, "tensorrt", err);
  const kept = filesUnder(join(folder.path, "models/trt/.runtime"));
  assert.deepEqual(kept.map((file) => file.replace(/^.*\.cache/, ".cache")), [".cache", ".cache.sha256"]);
});

nativeTest("detect: an engine of another precision than asked for is built beside the first", async () => {
  await using folder = await Folder.make();
  await folder.detect([]);
  const { answer, err } = await folder.detect(["--precision", "fp16"]);
  assert.equal(answer.backend.precision, "fp16", err);
  assert.deepEqual(folder.engines(), ["pets/f32/bs1/pets.engine", "pets/fp16/bs1/pets.engine"]);
});

const ONLY_CPU: readonly (readonly [title: string, options: Options, args: string[], reason: RegExp | null])[] = [
  ["no GPU, but a TensorRT that was named", { gpus: "" }, [], /no CUDA-capable device/],
  ["a driver library, but neither GPU nor TensorRT", { gpus: "", unnamed: true }, [], null],
  ["a TensorRT that does not know the GPU", { set: "8.6", gpus: "NVIDIA Fake 5060:12.0:8192" }, [], /12\.0/],
  ["a build that fails", { script: "build=null" }, [], /pets/],
  ["an engine that the GPU refuses", { script: "load=gpu" }, [], /refuses the GPU/],
];

for (const [title, options, args, reason] of ONLY_CPU) {
  nativeTest(`detect: with ${title} the CPU answers${reason === null ? "" : " and says why"}`, async () => {
    await using folder = await Folder.make();
    const { code, answer, err } = await folder.detect(args, options);
    assert.equal(code, 0, err);
    assert.equal(answer.backend.name, "onnxruntime");
    if (reason === null) assert.equal(answer.backend.degraded, null);
    else assert.match(answer.backend.degraded, reason);
    assert(answer.detections.length > 0);
  });
}

const IMPOSSIBLE: readonly (readonly [title: string, options: Options, status: number, says: RegExp])[] = [
  ["no GPU", { gpus: "" }, 3, /GPU_UNAVAILABLE: .*no CUDA-capable device/],
  ["no TensorRT", { unnamed: true }, 3, /TENSORRT_NOT_FOUND/],
  ["too little memory for one context", { script: "cuda-oom-over=100000" }, 3, /OUT_OF_GPU_MEMORY: .*out of memory/],
  ["a GPU that faults", { script: "run=700" }, 3, /GPU_FAULT: .*CUDA_ERROR_ILLEGAL_ADDRESS/],
];

for (const [title, options, status, says] of IMPOSSIBLE) {
  nativeTest(`detect: with ${title}, --backend tensorrt is an error that names the cause`, async () => {
    await using folder = await Folder.make();
    const { code, err } = await folder.detect(["--backend", "tensorrt"], options);
    assert.match(err, says);
    assert.equal(code, status);
    assert.doesNotMatch(err, /\bnull\b|__enter__/);
  });
}

nativeTest("detect: an engine that does not agree with ONNX Runtime does not serve", async () => {
  await using folder = await Folder.make({ added: 3 });
  const auto = await folder.detect([]);
  assert.equal(auto.answer.backend.name, "onnxruntime", auto.err);
  assert.match(auto.answer.backend.degraded, /^The f32 engine does not agree with ONNX Runtime: /);
  const { code, err } = await folder.detect(["--backend", "tensorrt"]);
  assert.equal(code, 4, err);
  assert.match(err, /^trtd: PARITY_FAILED: The f32 engine was found on .* not to agree with ONNX Runtime/m);
  const off = await folder.detect(["--backend", "tensorrt", "--verify", "off"]);
  assert.equal(off.answer.backend.name, "tensorrt", off.err);
});

nativeTest("detect: an engine that TensorRT refuses is set aside, and another is built", async () => {
  await using folder = await Folder.make();
  await folder.detect([]);
  const { code, err } = await folder.detect(["--backend", "tensorrt"], { script: "load=capability" });
  assert.equal(code, 3);
  assert.match(err, /The engine is set aside, so that another can be built/);
  assert.match(err, /^trtd: Building the engine of "pets"/m);
  assert.match(err, /^trtd: ENGINE_INCOMPATIBLE: /m);
  assert.deepEqual(folder.engines().filter((file) => !file.includes(".quarantine")), []);
  const again = await folder.detect(["--backend", "tensorrt"]);
  assert.equal(again.answer.backend.name, "tensorrt", again.err);
});

nativeTest("detect: an engine without its GPU is told as that, also where engines ran before", async () => {
  await using folder = await Folder.make();
  await folder.detect([]);
  const gone = await folder.detect([], { gpus: "" });
  assert.equal(gone.answer.backend.name, "onnxruntime", gone.err);
  assert.match(gone.answer.backend.degraded, /no CUDA-capable device/);
  const other = await folder.detect([], { gpus: "NVIDIA Fake 3090:8.6:24564" });
  assert.equal(other.answer.backend.name, "tensorrt", other.err);
  assert.match(other.err, /The engine that is there differs in gpu_name|compute_capability/);
});
