import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { inspectCommand } from "../../src/cli/inspect/inspect.ts";
import { runCli } from "../../src/cli/run.ts";
import { writeModel } from "../../src/onnx/write.ts";
import { constantDetector, int64Tensor, node, tinyYolo } from "../onnx/build_model.ts";
import { nmsModel } from "../onnx/nms_models.ts";

interface Ran {
  status: number;
  out: string;
  err: string;
}

/** Run `trtd inspect` in a folder that holds the given files. */
async function inspect(files: Readonly<Record<string, Uint8Array | string>>, args: readonly string[]): Promise<Ran> {
  const cwd = await Deno.makeTempDir({ prefix: "trtd-inspect-" });
  const out: string[] = [];
  const err: string[] = [];
  try {
    for (const [name, content] of Object.entries(files)) {
      await Deno.writeFile(join(cwd, name), typeof content === "string" ? new TextEncoder().encode(content) : content);
    }
    const status = await runCli(["inspect", ...args], { inspect: () => Promise.resolve(inspectCommand) }, {
      cwd,
      interactive: false,
      resolve: (path) => resolve(cwd, path),
      print: (text) => out.push(text),
      note: (text) => err.push(text),
    });
    return { status, out: out.join("\n"), err: err.join("\n") };
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
}

const pets = tinyYolo([], { labels: ["cat", "dog"] });

Deno.test("inspect: a detector is told in aligned lines", async () => {
  const { status, out, err } = await inspect({ "pets.onnx": pets }, ["pets.onnx"]);
  assert.equal(status, 0);
  assert.equal(err, "");
  const lines = out.split("\n");
  assert.equal(lines[0], "pets.onnx");
  for (const line of lines.slice(1)) assert.match(line, /^ {2}\S.{12}\S|^ {15}(?: {2})?\S/);
  assert.match(out, /^ {2}size {9}2\.\d kB \(2,\d{3} bytes\)$/m);
  assert.match(out, /^ {2}sha256 {7}[0-9a-f]{64}$/m);
  assert.match(out, /^ {2}md5 {10}[0-9a-f]{32}$/m);
  assert.match(out, /^ {2}inputs {7}"images" {2}float32 \[batch, 3, 64, 64\]$/m);
  assert.match(out, /^ {2}dynamic axes "images" axis 0 \(batch\), "output0" axis 0 \(batch\)$/m);
  assert.match(out, /^ {2}metadata {5}task detect, stride 32, imgsz 64x64, 2 names\n {15}cat, dog$/m);
  assert.match(out, /^ {2}head {9}yolov8, 2 classes, pictures 64x64, batch dynamic$/m);
  assert.match(out, /^ {2}onnxruntime {2}runs it$/m);
  assert.match(out, /^ {2}tensorrt {5}runs it under conditions$/m);
});

Deno.test("inspect --json: one file is one object with everything", async () => {
  const { status, out } = await inspect({ "pets.onnx": pets }, ["--json", "pets.onnx"]);
  assert.equal(status, 0);
  const one = JSON.parse(out);
  assert.deepEqual(Object.keys(one), [
    "file",
    "bytes",
    "sha256",
    "md5",
    "graph",
    "inputs",
    "outputs",
    "dynamic_axes",
    "ir_version",
    "opsets",
    "producer",
    "nodes",
    "operators",
    "custom_operators",
    "too_new_operators",
    "weights",
    "int64",
    "nms_plugin",
    "metadata",
    "labels",
    "stride",
    "image_size",
    "task",
    "warnings",
    "head",
    "backends",
  ]);
  assert.equal(one.file, "pets.onnx");
  assert.equal(one.bytes, pets.length);
  assert.deepEqual(one.labels, ["cat", "dog"]);
  assert.equal(one.head.name, "yolov8");
  assert.deepEqual(one.backends.map(({ backend, runs }: Record<string, string>) => `${backend} ${runs}`), [
    "onnxruntime yes",
    "tensorrt conditional",
  ]);
});

Deno.test("inspect: a file that is refused has its code, remedy and exit status", async () => {
  const files = { "page.onnx": "<html><body>404</body></html>", "cut.onnx": pets.subarray(0, 900) };
  const page = await inspect(files, ["page.onnx"]);
  assert.equal(page.status, 1);
  assert.equal(page.out, "");
  assert.match(page.err, /^trtd: MODEL_NOT_PROTOBUF: page\.onnx: The file is an HTML page.*\n {2}remedy: \S/);
  const cut = await inspect(files, ["--json", "cut.onnx"]);
  assert.equal(cut.status, 1);
  assert.deepEqual(Object.keys(JSON.parse(cut.out).error), ["code", "detail", "remedy"]);
  assert.equal(JSON.parse(cut.out).error.code, "MODEL_TRUNCATED");
  const none = await inspect(files, ["none.onnx"]);
  assert.equal(none.status, 1);
  assert.match(none.err, /FILE_NOT_FOUND/);
});

Deno.test("inspect: one bad file of several does not stop the others", async () => {
  const files = { "a.onnx": pets, "b.onnx": "text that is no model", "c.onnx": pets };
  const json = await inspect(files, ["--json", "a.onnx", "b.onnx", "c.onnx"]);
  assert.equal(json.status, 1);
  assert.deepEqual(
    JSON.parse(json.out).map((one: { file: string; error?: { code: string } }) => [one.file, one.error?.code]),
    [["a.onnx", undefined], ["b.onnx", "MODEL_NOT_PROTOBUF"], ["c.onnx", undefined]],
  );
  const text = await inspect(files, ["a.onnx", "b.onnx", "c.onnx"]);
  assert.match(text.out, /^a\.onnx\n[\s\S]*\n\nc\.onnx\n/);
});

Deno.test("inspect: a model that no head fits is described all the same", async () => {
  const bytes = writeModel(constantDetector({ output: [0], dims: [1], outputName: "score" }));
  const { status, out } = await inspect({ "classifier.onnx": bytes }, ["classifier.onnx"]);
  assert.equal(status, 0);
  assert.match(out, /^ {2}head {9}MODEL_NOT_A_DETECTOR: \S/m);
  const json = await inspect({ "classifier.onnx": bytes }, ["--json", "classifier.onnx"]);
  assert.equal(JSON.parse(json.out).head.error.code, "MODEL_NOT_A_DETECTOR");
});

Deno.test("inspect: the manifest beside a model names its labels and head", async () => {
  const bytes = writeModel(constantDetector({ output: new Float32Array(6 * 84), dims: [6, 84] }));
  const files = {
    "pets.onnx": bytes,
    "manifest.json": JSON.stringify({ name: "pets", file: "pets.onnx", labels: ["cat", "dog"], head: "yolov8" }),
  };
  const { out } = await inspect(files, ["--json", "pets.onnx"]);
  const { head } = JSON.parse(out);
  assert.deepEqual([head.name, head.labels], ["yolov8", ["cat", "dog"]]);
});

Deno.test("inspect: a plugin operator and clamped constants are told", async () => {
  const one = constantDetector({ output: new Float32Array(60), dims: [6, 10] });
  one.opset_import.push({ domain: "TRT", version: 1 });
  one.graph!.node.push(node("EfficientNMS_TRT", { inputs: ["output0"], outputs: ["num_dets"] }, { domain: "TRT" }));
  one.graph!.initializer.push(int64Tensor("end", [1], [2n ** 63n - 1n]));
  const { status, out } = await inspect({ "nms.onnx": writeModel(one) }, ["nms.onnx"]);
  assert.equal(status, 0);
  assert.match(out, /^ {2}custom {7}1 EfficientNMS_TRT of "TRT"$/m);
  assert.match(out, /1 outside INT32$/m);
  assert.match(
    out,
    /^ {2}onnxruntime {2}does not run it as it is\n {15}- refuses: It does not have TRT::EfficientNMS_TRT\n {15}- EfficientNMS_TRT cannot be cut off: /m,
  );
});

Deno.test("inspect: a model whose EfficientNMS_TRT can be cut off runs under that condition", async () => {
  const bytes = writeModel(nmsModel({ boxes: [1, 2, 3, 4], scores: [0.5, 0.5], scoreDims: [1, 2] }));
  const { out } = await inspect({ "nms.onnx": bytes }, ["nms.onnx"]);
  assert.match(out, /^ {2}onnxruntime {2}runs it under conditions\n {15}- needs: trtd cuts EfficientNMS_TRT off/m);
  const one = JSON.parse((await inspect({ "nms.onnx": bytes }, ["--json", "nms.onnx"])).out);
  assert.deepEqual(one.nms_plugin, { separable: true, reason: null });
});

Deno.test("inspect: names out of the file do not reach the terminal as control characters", async () => {
  const one = constantDetector({
    output: new Float32Array(60),
    dims: [6, 10],
    inputName: "\x1b[2Jimages",
    metadata: { "\x1b]0;title\x07": "\u202eevil", names: "{0: '\x1b[31mred'}" },
  });
  const { out } = await inspect({ "evil.onnx": writeModel(one) }, ["evil.onnx"]);
  assert.doesNotMatch(out.replaceAll("\n", ""), /\p{C}/u);
  assert.match(out, /\\u\{1b\}\[2Jimages/);
});

Deno.test("inspect: without a file it is a mistake of usage", async () => {
  assert.equal((await inspect({}, [])).status, 2);
});
