import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { inspectCommand } from "../../src/cli/inspect/inspect.ts";
import { runCli } from "../../src/cli/run.ts";
import { tinyYolo } from "../onnx/build_model.ts";

interface Ran {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** Runs `trtd inspect` on one file; the folder `trt` has the named TensorRT libraries, empty files. */
async function inspect(name: string, bytes: Uint8Array, args: readonly string[] = []): Promise<Ran> {
  const cwd = await Deno.makeTempDir({ prefix: "trtd-inspect-" });
  const [out, err]: [string[], string[]] = [[], []];
  try {
    await Deno.writeFile(join(cwd, name), bytes);
    await Deno.mkdir(join(cwd, "trt"));
    const status = await runCli(["inspect", name, "--tensorrt", "trt", ...args], {
      inspect: () => Promise.resolve(inspectCommand),
    }, {
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

/** A plan of 64 bytes as TensorRT-RTX 1.7.1.116 begins it. */
function plan(bytes = 64): Uint8Array<ArrayBuffer> {
  const data = new Uint8Array(bytes);
  data.set(new TextEncoder().encode("vtrt"));
  new DataView(data.buffer).setBigUint64(16, 64n, true);
  data.set([1, 7, 1, 116], 24);
  return data;
}

Deno.test("inspect: an engine is told without TensorRT", async () => {
  const { status, out, err } = await inspect("pets.engine", plan());
  assert.equal(status, 0, err);
  const lines = out.split("\n");
  assert.equal(lines[0], "pets.engine");
  assert.match(out, /^ {2}size {9}64 B \(64 bytes\)$/m);
  assert.match(out, /^ {2}kind {9}engine of TensorRT-RTX 1\.7\.1\.116$/m);
  assert.match(out, /^ {2}remarks {6}Only the same version of TensorRT-RTX loads it$/m);
});

Deno.test("inspect --json: an engine is one object, known by its bytes whatever its name", async () => {
  const { status, out } = await inspect("pets.onnx", plan(), ["--json"]);
  assert.equal(status, 0);
  const { kind, file, product, version, bytes, sha256 } = JSON.parse(out);
  assert.deepEqual([kind, file, product, version, bytes], ["engine", "pets.onnx", "tensorrt-rtx", "1.7.1.116", 64]);
  assert.match(sha256, /^[0-9a-f]{64}$/);
});

const BAD: readonly (readonly [title: string, bytes: Uint8Array, code: string])[] = [
  ["one that is cut short", plan(40), "ENGINE_CORRUPT"],
  ["one with bytes after its end", plan(80), "ENGINE_CORRUPT"],
  ["an empty one", new Uint8Array(0), "ENGINE_CORRUPT"],
  ["an ONNX model by mistake", tinyYolo([], { labels: ["cat"] }), "ENGINE_NOT_A_PLAN"],
  ["something else", new TextEncoder().encode("no plan at all, only words"), "ENGINE_NOT_A_PLAN"],
];

for (const [title, bytes, code] of BAD) {
  Deno.test(`inspect: of engines, ${title} is ${code}`, async () => {
    const { status, err } = await inspect("pets.engine", bytes);
    assert.equal(status, 1);
    assert.match(err, new RegExp(`^trtd: ${code}: pets\\.engine: `, "m"));
  });
}
