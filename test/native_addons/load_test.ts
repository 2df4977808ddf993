import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { loadOrt } from "../../src/native/onnxruntime.ts";
import { loadSharp } from "../../src/native/sharp.ts";

/** What a fresh process prints that runs `code`, in which `NATIVE/` stands for the folder `src/native/`. */
async function evaluate(code: string, env: Record<string, string> = {}): Promise<string> {
  const native = new URL("../../src/native/", import.meta.url).href;
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", code.replaceAll("NATIVE/", native)],
    cwd: fileURLToPath(new URL("../../", import.meta.url)),
    env,
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** Native libraries that a fresh process has mapped after it ran `code`. */
function mappedAfter(code: string): Promise<string> {
  return evaluate(`${code}; console.log(Deno.readTextFileSync("/proc/self/maps"));`);
}

Deno.test("native: importing the two loaders opens no library", async () => {
  const maps = await mappedAfter(`import "NATIVE/sharp.ts"; import "NATIVE/onnxruntime.ts";`);
  assert.doesNotMatch(maps, /libvips|libonnxruntime|\.node/);
});

Deno.test("native: each loader opens its own library", async () => {
  const sharp = await mappedAfter(`import { loadSharp } from "NATIVE/sharp.ts"; await loadSharp();`);
  assert.match(sharp, /libvips-cpp/);
  assert.doesNotMatch(sharp, /libonnxruntime/);
  const ort = await mappedAfter(`import { loadOrt } from "NATIVE/onnxruntime.ts"; await loadOrt();`);
  assert.match(ort, /libonnxruntime/);
  assert.doesNotMatch(ort, /libvips/);
});

Deno.test("native: sharp is loaded once and encodes", async () => {
  assert.equal(loadSharp(), loadSharp());
  const sharp = await loadSharp();
  const jpeg = await sharp({ create: { width: 4, height: 4, channels: 3, background: "red" } }).jpeg().toBuffer();
  assert.deepEqual([...jpeg.subarray(0, 3)], [0xff, 0xd8, 0xff]);
});

Deno.test("native: ONNX Runtime is loaded once and knows the CPU", async () => {
  assert.equal(loadOrt(), loadOrt());
  const ort = await loadOrt();
  assert.ok(ort.listSupportedBackends().some((backend) => backend.name === "cpu"));
  await assert.rejects(ort.InferenceSession.create(new Uint8Array([1, 2, 3])));
});

Deno.test("native: ONNX Runtime's telemetry is off: no device id, no cache of events", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "trtd-test-" });
  try {
    const program = `import { loadOrt } from "NATIVE/onnxruntime.ts";
      const ort = await loadOrt();
      await ort.InferenceSession.create(new Uint8Array([1, 2, 3])).catch(() => {});`;
    await evaluate(program, {
      DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`,
      HOME: folder,
      XDG_CACHE_HOME: folder,
      TMPDIR: folder,
      ORT_DISABLE_TELEMETRY: "0",
    });
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
