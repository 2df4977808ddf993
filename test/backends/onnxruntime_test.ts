import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { Tensor, TensorType } from "../../src/backends/backend.ts";
import { loadOnnxRuntime, usableCores } from "../../src/backends/onnxruntime.ts";
import { TrtdError } from "../../src/errors.ts";
import { writeModel } from "../../src/onnx/write.ts";
import { type DataTypeName, model, node, tinyYolo, value } from "../onnx/build_model.ts";

const ROWS = [{ box: [32, 24, 20, 10], scores: [0.1, 0.9] }] as const;
const yolo = (batch: number | null = null) => tinyYolo(ROWS, { labels: ["a", "b"], batch });

const picture = (batch: number): Tensor => ({
  type: "float32",
  dims: [batch, 3, 64, 64],
  data: new Float32Array(batch * 3 * 64 * 64).fill(0.5),
});

/** `y = -x` with `[n, 2]` elements. */
const negation = (type: DataTypeName) =>
  writeModel(model({
    node: [node("Neg", { inputs: ["x"], outputs: ["y"] })],
    input: [value("x", ["n", 2], type)],
    output: [value("y", ["n", 2], type)],
  }));

const refusal = (code: string, detail: RegExp) => (error: unknown) =>
  error instanceof TrtdError && error.code === code && detail.test(error.message) ||
  assert.fail(`expected ${code} ${detail}, got ${error}`);

Deno.test("onnxruntime: a loaded model says what it is", async () => {
  const backend = await loadOnnxRuntime(yolo(), { threads: 1 });
  assert.deepEqual(backend.info, {
    name: "onnxruntime",
    device: "cpu",
    precision: "f32",
    engine: null,
    degraded: null,
  });
  assert.deepEqual(backend.inputs, [{ name: "images", type: "float32", dims: ["batch", 3, 64, 64] }]);
  assert.deepEqual(backend.outputs, [{ name: "output0", type: "float32", dims: ["batch", 6, 84] }]);
  await backend.close();
});

Deno.test("onnxruntime: a batch of 1 and of 3 gives the rows of the model for each picture", async () => {
  const backend = await loadOnnxRuntime(yolo(), { threads: 2 });
  for (const batch of [1, 3]) {
    const { output0 } = await backend.run({ images: picture(batch) });
    assert.deepEqual([output0!.type, output0!.dims], ["float32", [batch, 6, 84]]);
    for (let at = 0; at < batch; at++) {
      const channels = Array.from({ length: 6 }, (_, channel) => output0!.data[(at * 6 + channel) * 84]);
      assert.deepEqual(channels, [32, 24, 20, 10, Math.fround(0.1), Math.fround(0.9)]);
    }
  }
  await backend.close();
});

Deno.test("onnxruntime: an answer stays what it was after the next run", async () => {
  const backend = await loadOnnxRuntime(negation("FLOAT"), { threads: 1 });
  const run = (a: number) => backend.run({ x: { type: "float32", dims: [1, 2], data: new Float32Array([a, 2]) } });
  const first = await run(1);
  await run(7);
  assert.deepEqual([...first.y!.data as Float32Array], [-1, -2]);
  await backend.close();
});

Deno.test("onnxruntime: every element type goes in and comes out unchanged in kind", async () => {
  const table: [DataTypeName, TensorType, Tensor["data"], Tensor["data"]][] = [
    ["FLOAT", "float32", new Float32Array([1, -2.5]), new Float32Array([-1, 2.5])],
    ["FLOAT16", "float16", new Uint16Array([0x3c00, 0xc100]), new Uint16Array([0xbc00, 0x4100])],
    ["INT32", "int32", new Int32Array([1, -2]), new Int32Array([-1, 2])],
    ["INT64", "int64", new BigInt64Array([1n, -(2n ** 40n)]), new BigInt64Array([-1n, 2n ** 40n])],
  ];
  for (const [dataType, type, given, expected] of table) {
    const backend = await loadOnnxRuntime(negation(dataType), { threads: 1 });
    assert.equal(backend.info.precision, type === "float16" ? "fp16" : "f32");
    await backend.warmUp([2, 2]);
    const { y } = await backend.run({ x: { type, dims: [1, 2], data: given } });
    assert.deepEqual(y, { type, dims: [1, 2], data: expected });
    await backend.close();
  }
});

Deno.test("onnxruntime: f16 data at an offset of its buffer is read from there", async () => {
  const backend = await loadOnnxRuntime(negation("FLOAT16"), { threads: 1 });
  const data = new Uint16Array([0, 0, 0x3c00, 0x4000]).subarray(2);
  const { y } = await backend.run({ x: { type: "float16", dims: [1, 2], data } });
  assert.deepEqual(y!.data, new Uint16Array([0xbc00, 0xc000]));
  await backend.close();
});

Deno.test("onnxruntime: a model is loaded from a path too", async () => {
  const path = await Deno.makeTempFile({ suffix: ".onnx" });
  try {
    await Deno.writeFile(path, yolo());
    const backend = await loadOnnxRuntime(path, { threads: 1 });
    await backend.warmUp([1, 3, 64, 64]);
    await backend.close();
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("onnxruntime: wrong inputs are refused before the runtime sees them", async () => {
  const backend = await loadOnnxRuntime(yolo(2), { threads: 1 });
  const images = picture(2);
  const table: [Record<string, Tensor>, RegExp][] = [
    [{}, /input "images" is missing/],
    [{ images, extra: images }, /no input "extra"; it has "images"/],
    [{ images: { ...images, type: "float16" } }, /must be float32, current type is float16/],
    [{ images: { ...images, dims: [1, 3, 64, 64] } }, /shape \[2, 3, 64, 64\], current shape is \[1, 3, 64, 64\]/],
    [{ images: { ...images, dims: [2, 3, 4096] } }, /current shape is \[2, 3, 4096\]/],
    [{ images: { ...images, data: new Float32Array(5) } }, /24576 elements of Float32Array, current data is 5/],
    [{ images: { ...images, data: new Int32Array(24576) } }, /current data is 24576 of Int32Array/],
  ];
  for (const [inputs, detail] of table) {
    await assert.rejects(backend.run(inputs), refusal("INFERENCE_FAILED", detail));
  }
  await backend.run({ images });
  await backend.close();
});

Deno.test("onnxruntime: an axis of zero, a fraction or a negative number is refused", async () => {
  const backend = await loadOnnxRuntime(negation("FLOAT"), { threads: 1 });
  for (const rows of [0, -1, 0.5, NaN]) {
    const x: Tensor = { type: "float32", dims: [rows, 2], data: new Float32Array(0) };
    await assert.rejects(backend.run({ x }), refusal("INFERENCE_FAILED", /shape \[n, 2\]/));
  }
  await backend.close();
});

Deno.test("onnxruntime: a failure inside the graph is INFERENCE_FAILED and the model stays usable", async () => {
  const bytes = writeModel(model({
    node: [node("Add", { inputs: ["a", "b"], outputs: ["y"] })],
    input: [value("a", ["n"]), value("b", ["m"])],
    output: [value("y", ["k"])],
  }));
  const backend = await loadOnnxRuntime(bytes, { threads: 1 });
  const vector = (length: number): Tensor => ({ type: "float32", dims: [length], data: new Float32Array(length) });
  await assert.rejects(backend.run({ a: vector(2), b: vector(3) }), refusal("INFERENCE_FAILED", /ONNX Runtime failed/));
  assert.equal((await backend.run({ a: vector(3), b: vector(3) })).y!.data.length, 3);
  await backend.close();
});

Deno.test("onnxruntime: closing waits for the run, twice is harmless, a run afterwards is an error", async () => {
  const backend = await loadOnnxRuntime(yolo(), { threads: 1 });
  const running = backend.run({ images: picture(1) });
  await backend.close();
  await running;
  await backend.close();
  await assert.rejects(backend.run({ images: picture(1) }), refusal("INFERENCE_FAILED", /closed/));
  await assert.rejects(backend.warmUp([1, 3, 64, 64]), refusal("INFERENCE_FAILED", /closed/));
});

Deno.test("onnxruntime: EfficientNMS_TRT is refused with the reason before the runtime sees the model", async () => {
  for (const domain of ["TRT", ""]) {
    const facts = { custom_operators: [{ domain, name: "EfficientNMS_TRT", count: 1 }] };
    await assert.rejects(
      loadOnnxRuntime(new Uint8Array([1, 2, 3]), { facts }),
      refusal("MODEL_NEEDS_PLUGIN", /"(TRT::)?EfficientNMS_TRT", which only TensorRT's plugin library has/),
    );
  }
});

Deno.test("onnxruntime: other plugin operators are refused by name, operators of Microsoft's set are not", async () => {
  const facts = (domain: string, name: string) => ({ custom_operators: [{ domain, name, count: 2 }] });
  for (const [domain, name] of [["", "BatchedNMSDynamic_TRT"], ["mmdeploy", "TRTBatchedNMS"]] as const) {
    await assert.rejects(
      loadOnnxRuntime(yolo(), { facts: facts(domain, name) }),
      refusal("MODEL_NEEDS_PLUGIN", new RegExp(`no operator "${domain ? domain + "::" : ""}${name}"`)),
    );
  }
  await (await loadOnnxRuntime(yolo(), { facts: facts("com.microsoft", "FusedConv") })).close();
});

Deno.test("onnxruntime: without facts an unknown operator is still MODEL_NEEDS_PLUGIN", async () => {
  const bytes = writeModel(model({
    node: [node("EfficientNMS_TRT", { inputs: ["x"], outputs: ["y"] }, { domain: "TRT" })],
    input: [value("x", ["n", 2])],
    output: [value("y", ["n", 2])],
  }, { domains: { TRT: 1 } }));
  await assert.rejects(loadOnnxRuntime(bytes), refusal("MODEL_NEEDS_PLUGIN", /TRT:EfficientNMS_TRT/));
});

Deno.test("onnxruntime: a model that it cannot load is MODEL_LOAD_FAILED with its message on one line", async () => {
  const unsorted = writeModel(model({
    node: [node("Neg", { inputs: ["nowhere"], outputs: ["y"] })],
    input: [value("x", ["n", 2])],
    output: [value("y", ["n", 2])],
  }));
  const bytesIn = writeModel(model({
    node: [node("Cast", { inputs: ["x"], outputs: ["y"] }, { attributes: { to: 1n } })],
    input: [value("x", ["n", 2], "UINT8")],
    output: [value("y", ["n", 2])],
  }));
  const table: [Uint8Array | string, RegExp][] = [
    [new Uint8Array(0), /refuses the model: \S/],
    [new Uint8Array(100).fill(255), /refuses the model: .*protobuf/],
    ["no/such/model.onnx", /doesn't exist/],
    [unsorted, /nowhere/],
    [bytesIn, /"x" is of type uint8, which no detection model has/],
  ];
  for (const [given, detail] of table) {
    await assert.rejects(loadOnnxRuntime(given), refusal("MODEL_LOAD_FAILED", detail));
  }
});

Deno.test("onnxruntime: an impossible number of threads is refused", async () => {
  for (const threads of [0, -1, 1.5, NaN, 1025]) {
    await assert.rejects(loadOnnxRuntime(yolo(), { threads }), refusal("CONFIG_INVALID", /"threads" must be/));
  }
  assert.ok(usableCores() >= 1);
});

Deno.test("onnxruntime: nothing is written to standard output or standard error, even by failures", async () => {
  const script = `
    import { loadOnnxRuntime } from ${
    JSON.stringify(new URL("../../src/backends/onnxruntime.ts", import.meta.url).href)
  };
    const model = await Deno.readFile(Deno.args[0]);
    await loadOnnxRuntime(new Uint8Array(100).fill(255)).catch(() => {});
    const backend = await loadOnnxRuntime(model);
    const vector = (length) => ({ type: "float32", dims: [length], data: new Float32Array(length) });
    await backend.run({ a: vector(2), b: vector(3) }).catch(() => {});
    await backend.close();
  `;
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeFile(
      `${folder}/add.onnx`,
      writeModel(model({
        node: [node("Add", { inputs: ["a", "b"], outputs: ["y"] })],
        input: [value("a", ["n"]), value("b", ["m"])],
        output: [value("y", ["k"])],
      })),
    );
    await Deno.writeTextFile(`${folder}/quiet.ts`, script);
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--quiet",
        "--no-check",
        "--config",
        fileURLToPath(new URL("../../deno.json", import.meta.url)),
        `${folder}/quiet.ts`,
        `${folder}/add.onnx`,
      ],
      env: { NO_COLOR: "1" },
    }).output();
    const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    assert.deepEqual([code, text], [0, ""]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
